//! `Chunks`: several items at a time. It holds what it has gathered between two items, and nothing started of its own.

use alloc::vec::Vec;
use core::{
    pin::Pin,
    task::{Poll, ready},
};

use pin_project_lite::pin_project;

use super::{AsyncIterator, CancelSafeIterator};
use crate::Context;

pin_project! {
    /// The iterator of [`Items::chunks`](super::Items::chunks).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct Chunks<I: AsyncIterator> {
        #[pin]
        iter: I,
        n: usize,
        gathered: Vec<I::Item>,
        done: bool,
    }
}

impl<I: AsyncIterator> Chunks<I> {
    #[track_caller]
    pub(super) fn new(iter: I, n: usize) -> Self {
        assert!(n > 0, "`chunks(0)`: a chunk has at least one item");
        Self { iter, n, gathered: Vec::new(), done: false }
    }
}

// SAFETY: it polls the inner iterator, which it pins, and is pending only if that is; so *completed* is passed on by the caller,
// and *inert* and *quiet* by that iterator. Gathered items are plain values, complete before the next is started.
unsafe impl<I: AsyncIterator> AsyncIterator for Chunks<I> {
    type Item = Vec<I::Item>;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        while !*this.done {
            // SAFETY: *completed* is promised by the caller for this value, which owns and pins the inner one.
            match ready!(unsafe { this.iter.as_mut().poll_next_async(cx) }) {
                Some(item) => {
                    if this.gathered.is_empty() {
                        // No more than what the iterator promises: a huge `n` must not reserve memory for nothing.
                        this.gathered.reserve(this.iter.size_hint().0.saturating_add(1).min(*this.n));
                    }
                    this.gathered.push(item);
                    if this.gathered.len() == *this.n {
                        return Poll::Ready(Some(core::mem::take(this.gathered)));
                    }
                }
                None => *this.done = true,
            }
        }
        let rest = core::mem::take(this.gathered);
        Poll::Ready((!rest.is_empty()).then_some(rest))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = if self.done { (0, Some(0)) } else { self.iter.size_hint() };
        let chunks = |items: usize| items.saturating_add(self.gathered.len()).div_ceil(self.n);
        (chunks(low), high.map(chunks))
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the inner iterator's `is_cancel_safe` is always true, so this one's is.
unsafe impl<I: CancelSafeIterator> CancelSafeIterator for Chunks<I> {}
