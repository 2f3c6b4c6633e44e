//! `zip`: one item of each source at a time.

use core::{pin::Pin, task::Poll};

use async_trait_core::{AsyncIterator, CancelSafeIterator, Context, Items, items};
use pin_project_lite::pin_project;

use super::lanes::*;
use crate::utils::{
    pinned::{PinArray, PinSlice, pin_at},
    tuple::for_each_arity,
    turns::{Rotate, Turns},
};

/// One item of each source at a time, waited for all at once; ends when the first source ends.
///
/// Takes a tuple of 2 to 12, an array or (feature `alloc`) a `Vec` of cancel-safe iterators, and yields tuples, arrays or
/// `Vec`s. When a source ends, items of the others that were waiting for one of it are dropped.
///
/// # Examples
/// ```
/// use async_combinators::zip;
/// use async_trait_core::block_on_with;
/// use futures::stream;
///
/// let pairs = zip((stream::iter(1..), stream::iter(["a", "b"])));
/// assert_eq!(block_on_with(pairs.collect::<Vec<_>>(), || {}), [(1, "a"), (2, "b")]);
/// ```
///
/// # Panics
/// With a panic of a source; it has ended then.
///
/// # Cancellation
/// The request is passed on to the sources. A `next` that is dropped loses nothing: items that wait stay in the iterator.
pub fn zip<T: ZipSources>(sources: T) -> Items<Zip<T>> {
    let lanes = sources.into_lanes();
    let missing = lanes.len();
    items(Zip { missing, ended: missing == 0, lanes, turns: T::Turns::default() })
}

pin_project! {
    /// The iterator of [`zip()`].
    #[must_use = "iterators do nothing unless polled"]
    pub struct Zip<T: ZipSources> {
        #[pin]
        lanes: T::Lanes,
        turns: T::Turns,
        missing: usize,
        ended: bool,
    }
}

// SAFETY: as for `Merge`: all sources are cancel-safe.
unsafe impl<T: ZipSources> AsyncIterator for Zip<T> {
    type Item = T::Item;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        let mut this = self.project();
        let len = this.lanes.len();
        if *this.ended {
            return Poll::Ready(None);
        }
        this.turns.begin(len, cx);
        while let Some(index) = this.turns.next(len) {
            // Until it is known that the source did not end, also by unwinding.
            *this.ended = true;
            match this.turns.lend(index, len, cx, |cx| this.lanes.as_mut().poll_fill_at(index, cx)) {
                Poll::Pending => {}
                Poll::Ready(Some(())) => *this.missing -= 1,
                Poll::Ready(None) => {
                    drop(this.lanes.take());
                    return Poll::Ready(None);
                }
            }
            *this.ended = false;
        }
        if *this.missing > 0 {
            return Poll::Pending;
        }
        *this.missing = len;
        this.turns.all_again(len);
        Poll::Ready(this.lanes.take())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.ended {
            return (0, Some(0));
        }
        let mut least = (usize::MAX, None);
        self.lanes.size_hints(|(low, high)| {
            least.0 = least.0.min(low);
            least.1 = [least.1, high].into_iter().flatten().min();
        });
        least
    }

    fn is_cancel_safe(&self) -> bool {
        true
    }
}

// SAFETY: `is_cancel_safe` is always true, and so is what it says: every source is cancel-safe.
unsafe impl<T: ZipSources> CancelSafeIterator for Zip<T> {}

/// A tuple, array or vector of sources.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be zipped",
    label = "not a set of cancel-safe iterators",
    note = "a set is a tuple of 2 to 12, an array or (feature `alloc`) a `Vec`; every `Stream` is a cancel-safe iterator",
    note = "run sources that are not cancel-safe in a scope with `spawn_in`"
)]
pub trait ZipSources {
    /// One item of each.
    type Item;
    /// Where they live once they are pinned.
    type Lanes: ZipLanes<Item = Self::Item>;
    /// How turns are given.
    type Turns: Turns;

    /// Takes the sources in; nothing is polled.
    fn into_lanes(self) -> Self::Lanes;
}

/// The lanes of sources that yield together.
pub trait ZipLanes {
    /// One item of each.
    type Item;

    /// How many.
    fn len(&self) -> usize;

    /// Asks a source for its item, unless that is here. Ready when it has come, with `None` when the source has ended.
    fn poll_fill_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Option<()>>;

    /// Takes all items; `None` if one is missing, and then the others are dropped.
    fn take(self: Pin<&mut Self>) -> Option<Self::Item>;

    /// Bounds on the items still to come, lane by lane.
    fn size_hints(&self, each: impl FnMut((usize, Option<usize>)));
}

macro_rules! zip_tuple {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        impl<$($A: CancelSafeIterator),+> ZipSources for ($($A,)+) {
            type Item = ($($A::Item,)+);
            type Lanes = $Slots<$(Lane<$A, $A::Item>),+>;
            type Turns = Rotate;

            fn into_lanes(self) -> Self::Lanes {
                let ($($a,)+) = self;
                $Slots { $($a: Lane::new($a)),+ }
            }
        }

        impl<$($A: CancelSafeIterator),+> ZipLanes for $Slots<$(Lane<$A, $A::Item>),+> {
            type Item = ($($A::Item,)+);

            fn len(&self) -> usize {
                [$($index),+].len()
            }

            fn poll_fill_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Option<()>> {
                let this = self.project();
                match index {
                    $($index => this.$a.poll_fill(cx),)+
                    _ => Poll::Pending,
                }
            }

            fn take(self: Pin<&mut Self>) -> Option<Self::Item> {
                let this = self.project();
                $(let $a = this.$a.take();)+
                Some(($($a?,)+))
            }

            fn size_hints(&self, mut each: impl FnMut((usize, Option<usize>))) {
                $(each(self.$a.size_hint());)+
            }
        }
    };
}

for_each_arity!(zip_tuple);

impl<I: CancelSafeIterator, const N: usize> ZipSources for [I; N] {
    type Item = [I::Item; N];
    type Lanes = PinArray<Lane<I, I::Item>, N>;
    #[cfg(feature = "alloc")]
    type Turns = crate::utils::turns::RotateWoken;
    #[cfg(not(feature = "alloc"))]
    type Turns = Rotate;

    fn into_lanes(self) -> Self::Lanes {
        PinArray::new(self.map(Lane::new))
    }
}

impl<I: CancelSafeIterator, const N: usize> ZipLanes for PinArray<Lane<I, I::Item>, N> {
    type Item = [I::Item; N];

    fn len(&self) -> usize {
        N
    }

    fn poll_fill_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Option<()>> {
        poll_fill_at(self.as_pin_slice(), index, cx)
    }

    fn take(self: Pin<&mut Self>) -> Option<[I::Item; N]> {
        let items = self.map(Lane::take);
        if items.iter().any(Option::is_none) {
            return None;
        }
        Some(items.map(|item| item.expect("checked above")))
    }

    fn size_hints(&self, each: impl FnMut((usize, Option<usize>))) {
        self.as_slice().iter().map(Lane::size_hint).for_each(each);
    }
}

fn poll_fill_at<I: CancelSafeIterator>(
    lanes: Pin<&mut [Lane<I, I::Item>]>,
    index: usize,
    cx: &mut Context<'_>,
) -> Poll<Option<()>> {
    if index < lanes.len() { pin_at(lanes, index).poll_fill(cx) } else { Poll::Pending }
}

#[cfg(feature = "alloc")]
mod with_alloc {
    use alloc::vec::Vec;

    use super::*;
    use crate::utils::{pinned::PinVec, turns::RotateWoken};

    impl<I: CancelSafeIterator> ZipSources for Vec<I> {
        type Item = Vec<I::Item>;
        type Lanes = PinVec<Lane<I, I::Item>>;
        type Turns = RotateWoken;

        fn into_lanes(self) -> Self::Lanes {
            self.into_iter().map(Lane::new).collect()
        }
    }

    impl<I: CancelSafeIterator> ZipLanes for PinVec<Lane<I, I::Item>> {
        type Item = Vec<I::Item>;

        fn len(&self) -> usize {
            self.as_slice().len()
        }

        fn poll_fill_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Option<()>> {
            poll_fill_at(self.as_pin_slice(), index, cx)
        }

        fn take(self: Pin<&mut Self>) -> Option<Vec<I::Item>> {
            // All are taken, also behind a missing one.
            self.map(Lane::take).into_iter().collect()
        }

        fn size_hints(&self, each: impl FnMut((usize, Option<usize>))) {
            self.as_slice().iter().map(Lane::size_hint).for_each(each);
        }
    }
}
