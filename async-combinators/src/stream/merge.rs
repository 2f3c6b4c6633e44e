//! `merge`: the items of several sources as they come.

use core::{convert::Infallible, pin::Pin, task::Poll};

use async_trait_core::{AsyncIterator, CancelSafeIterator, Context, Items, items};
use pin_project_lite::pin_project;

use super::lanes::*;
use crate::utils::{
    pinned::{PinArray, PinSlice, pin_at},
    tuple::for_each_arity,
    turns::{Rotate, Turns},
};

/// The items of all sources, each as it comes; ends when all have ended.
///
/// Takes a tuple of 2 to 12, an array or (feature `alloc`) a `Vec` of cancel-safe iterators (every `Stream` is one) with one
/// item type: map each to a variant of an event enum of your own. Sources take turns, so none starves the others. Between
/// two items every source stays as it is: nothing is dropped or lost by what the loop's body does, also `break` and `?`.
///
/// # Examples
/// ```
/// use async_combinators::{merge, until_end};
/// use async_trait_core::{block_on_with, items};
/// use futures::stream;
///
/// #[derive(Debug, PartialEq)]
/// enum Event {
///     Line(&'static str),
///     Hangup,
///     Tick(u32),
/// }
///
/// let lines = items(stream::iter(["a", "b"])).map(Event::Line);
/// let ticks = items(stream::iter(1..=2)).map(Event::Tick);
/// let events = merge((until_end(lines, Event::Hangup), ticks));
/// let all = block_on_with(events.collect::<Vec<_>>(), || {});
/// assert_eq!(all, [Event::Line("a"), Event::Tick(1), Event::Line("b"), Event::Tick(2), Event::Hangup]);
/// ```
///
/// # Panics
/// With a panic of a source, which counts as ended then; the others can go on.
///
/// # Cancellation
/// The request is passed on to the sources. A `next` that is dropped loses nothing.
pub fn merge<T: Sources>(sources: T) -> Items<Merge<T>> {
    let lanes = sources.into_lanes();
    items(Merge { live: lanes.len(), lanes, turns: T::Turns::default() })
}

pin_project! {
    /// The iterator of [`merge()`].
    #[must_use = "iterators do nothing unless polled"]
    pub struct Merge<T: Sources> {
        #[pin]
        lanes: T::Lanes,
        turns: T::Turns,
        live: usize,
    }
}

// SAFETY: *inert*: nothing is polled on construction. *quiet* and *honest*: all sources are cancel-safe, so none ever lends anything
// that could be touched after a drop, whatever unwinds.
unsafe impl<T: Sources> AsyncIterator for Merge<T> {
    type Item = T::Item;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        let mut this = self.project();
        let len = this.lanes.len();
        if *this.live == 0 {
            return Poll::Ready(None);
        }
        this.turns.begin(len, cx);
        while let Some(index) = this.turns.next(len) {
            // Until it is known that it did not end, also by unwinding.
            *this.live -= 1;
            match this.turns.lend(index, len, cx, |cx| this.lanes.as_mut().poll_at(index, cx)) {
                Poll::Pending => *this.live += 1,
                Poll::Ready(Some(item)) => {
                    *this.live += 1;
                    this.turns.again(index);
                    return Poll::Ready(Some(item));
                }
                Poll::Ready(None) => {}
            }
        }
        if *this.live == 0 { Poll::Ready(None) } else { Poll::Pending }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let mut sum = (0_usize, Some(0_usize));
        self.lanes.size_hints(|(low, high)| {
            sum.0 = sum.0.saturating_add(low);
            sum.1 = sum.1.zip(high).and_then(|(sum, high)| sum.checked_add(high));
        });
        sum
    }

    fn is_cancel_safe(&self) -> bool {
        true
    }
}

// SAFETY: `is_cancel_safe` is always true, and so is what it says: every source is cancel-safe.
unsafe impl<T: Sources> CancelSafeIterator for Merge<T> {}

/// A tuple, array or vector of sources with one item type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be merged",
    label = "not a set of cancel-safe iterators with one item type",
    note = "a set is a tuple of 2 to 12, an array or (feature `alloc`) a `Vec`; every `Stream` is a cancel-safe iterator",
    note = "map each source to one event type; run sources that are not cancel-safe in a scope with `spawn_in`"
)]
pub trait Sources {
    /// What the sources yield.
    type Item;
    /// Where they live once they are pinned.
    type Lanes: MergeLanes<Self::Item>;
    /// How turns are given.
    type Turns: Turns;

    /// Takes the sources in; nothing is polled.
    fn into_lanes(self) -> Self::Lanes;
}

/// The lanes of sources with one item type.
pub trait MergeLanes<T> {
    /// How many.
    fn len(&self) -> usize;

    /// The next item of a source, or `None` once when it ends.
    fn poll_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Option<T>>;

    /// Bounds on the items still to come, lane by lane.
    fn size_hints(&self, each: impl FnMut((usize, Option<usize>)));
}

macro_rules! merge_tuple {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        impl<Item, $($A: CancelSafeIterator<Item = Item>),+> Sources for ($($A,)+) {
            type Item = Item;
            type Lanes = $Slots<$(Lane<$A, Infallible>),+>;
            type Turns = Rotate;

            fn into_lanes(self) -> Self::Lanes {
                let ($($a,)+) = self;
                $Slots { $($a: Lane::new($a)),+ }
            }
        }

        impl<Item, $($A: CancelSafeIterator<Item = Item>),+> MergeLanes<Item> for $Slots<$(Lane<$A, Infallible>),+> {
            fn len(&self) -> usize {
                [$($index),+].len()
            }

            fn poll_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Option<Item>> {
                let this = self.project();
                match index {
                    $($index => this.$a.poll_next(cx),)+
                    _ => Poll::Pending,
                }
            }

            fn size_hints(&self, mut each: impl FnMut((usize, Option<usize>))) {
                $(each(self.$a.size_hint());)+
            }
        }
    };
}

for_each_arity!(merge_tuple);

impl<I: CancelSafeIterator, S: PinSlice<Element = Lane<I, Infallible>>> MergeLanes<I::Item> for S {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn poll_at(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let lanes = self.as_pin_slice();
        if index < lanes.len() { pin_at(lanes, index).poll_next(cx) } else { Poll::Pending }
    }

    fn size_hints(&self, each: impl FnMut((usize, Option<usize>))) {
        self.as_slice().iter().map(Lane::size_hint).for_each(each);
    }
}

impl<I: CancelSafeIterator, const N: usize> Sources for [I; N] {
    type Item = I::Item;
    type Lanes = PinArray<Lane<I, Infallible>, N>;
    #[cfg(feature = "alloc")]
    type Turns = crate::utils::turns::RotateWoken;
    #[cfg(not(feature = "alloc"))]
    type Turns = Rotate;

    fn into_lanes(self) -> Self::Lanes {
        PinArray::new(self.map(Lane::new))
    }
}

#[cfg(feature = "alloc")]
impl<I: CancelSafeIterator> Sources for alloc::vec::Vec<I> {
    type Item = I::Item;
    type Lanes = crate::utils::pinned::PinVec<Lane<I, Infallible>>;
    type Turns = crate::utils::turns::RotateWoken;

    fn into_lanes(self) -> Self::Lanes {
        self.into_iter().map(Lane::new).collect()
    }
}
