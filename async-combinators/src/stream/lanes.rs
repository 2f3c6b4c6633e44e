//! `Lane`: one source of `merge` or `zip`, and the lanes of tuples.
//!
//! All sources are cancel-safe, so *completed* never binds here, and a panic may pass through at any time. What it must not
//! leave behind is a source that is polled after it panicked: one that unwinds has ended.

use core::{pin::Pin, task::Poll};

use async_trait_core::{AsyncIterator, CancelSafeIterator, Context};
use pin_project_lite::pin_project;

use crate::utils::tuple::for_each_arity;

pin_project! {
    /// A source, until it ends, and an item of it that waits for those of the others (`Infallible` where none does).
    pub struct Lane<I, T> {
        #[pin]
        iter: Option<I>,
        item: Option<T>,
    }
}

impl<I: CancelSafeIterator, T> Lane<I, T> {
    pub(crate) fn new(iter: I) -> Self {
        Self { iter: Some(iter), item: None }
    }

    /// The next item, or `None` once, when the source ends; it is dropped then. Pending ever after.
    pub(crate) fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let mut end = End { iter: self.project().iter, armed: true };
        let Some(iter) = end.iter.as_mut().as_pin_mut() else { return Poll::Pending };
        // SAFETY: *completed* does not bind for a `CancelSafeIterator`.
        let polled = unsafe { iter.poll_next_async(cx) };
        end.armed = matches!(polled, Poll::Ready(None));
        polled
    }

    /// Bounds on the items still to come.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = self.iter.as_ref().map_or((0, Some(0)), AsyncIterator::size_hint);
        let item = usize::from(self.item.is_some());
        (low.saturating_add(item), high.and_then(|high| high.checked_add(item)))
    }
}

impl<I: CancelSafeIterator> Lane<I, I::Item> {
    /// Asks for an item unless one waits. Ready when one has come, with `None` when the source has ended instead.
    pub(crate) fn poll_fill(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if self.item.is_some() {
            return Poll::Pending;
        }
        self.as_mut().poll_next(cx).map(|item| {
            let item = self.project().item.insert(item?);
            let _: &mut I::Item = item;
            Some(())
        })
    }

    /// The item that waits.
    pub(crate) fn take(self: Pin<&mut Self>) -> Option<I::Item> {
        self.project().item.take()
    }
}

/// Drops the source when it goes out of scope, also by unwinding, unless it was disarmed.
struct End<'a, I> {
    iter: Pin<&'a mut Option<I>>,
    armed: bool,
}

impl<I> Drop for End<'_, I> {
    fn drop(&mut self) {
        if self.armed {
            self.iter.set(None);
        }
    }
}

macro_rules! tuple_lanes {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        pin_project! {
            #[doc = concat!("The lanes of a tuple, as many as ", stringify!($OneOf), " has variants.")]
            pub struct $Slots<$($A),+> {
                $(#[pin] pub(crate) $a: $A,)+
            }
        }
    };
}

for_each_arity!(tuple_lanes);
