//! Asynchronous iteration: `AsyncIterator`, its marker `CancelSafeIterator`, and [`Items`] with the adaptors.
//!
//! `Async` speaks of one value; an iterator yields many, so here the contract is stated per *item*: between two items an
//! iterator is like a fresh `Async`, and may be dropped, forgotten or moved (if `Unpin`). That is what makes
//! `items.next().await` in a loop sound with `break` and `?` in its body: whenever the loop's body runs, nothing started
//! is left in the iterator. The price is that a non-cancel-safe iterator cannot work ahead; who needs that runs it in a
//! task of a scope.
//!
//! Read next: `items.rs` (what users call), then `adaptors.rs`, `then.rs` and `consume.rs`.

use core::{
    pin::Pin,
    task::{self, Poll},
};

use futures_core::Stream;

use crate::Context;

mod adaptors;
mod as_stream;
#[cfg(feature = "alloc")]
mod chunks;
mod consume;
mod items;
mod then;

pub use adaptors::{Chain, Enumerate, Filter, FilterMap, Map, Take, TakeWhile};
pub use as_stream::AsStream;
#[cfg(feature = "alloc")]
pub use chunks::Chunks;
pub use consume::{Collect, Fold, ForEach, TryForEach};
pub use items::{Items, Next, items};
pub use then::Then;

/// A sequence of values that arrive over time, each of which must be polled to completion once its poll has started.
///
/// To [`futures_core::Stream`] it is what [`Async`](crate::Async) is to `Future`, and every stream is one (the blanket
/// impl). Use it through [`items()`], which has the methods.
///
/// # The contract, per item
///
/// Clauses by name are those of [`Async`](crate::Async#the-contract). An item is *started* when a poll has returned
/// `Pending` and none ended it since; it is *complete* when `Ready` was returned, with a value or with `None`, or when
/// the poll unwound.
///
/// ## Who polls promises
/// - *completed*: while an item is started, the iterator is not dropped, not forgotten, not moved, its memory is not
///   reused and no lifetime in its type ends; unless [`is_cancel_safe()`](AsyncIterator::is_cancel_safe) is true at
///   that moment.
///
/// ## Who implements promises
/// - *inert* and *quiet*: a fresh iterator, and one whose item is complete, holds nothing started. It may be dropped or
///   forgotten then, and nothing that it started can touch what is borrowed through it.
/// - *honest*, as for `Async`.
/// - There is no *retired*: polled again after `None` or after unwinding an iterator may panic, stay pending or yield
///   anything, but it stays sound.
///
/// # Safety
/// The implementation keeps the promises above.
#[must_use = "iterators do nothing unless polled"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `AsyncIterator`",
    label = "this yields no items over time",
    note = "every `futures_core::Stream` is an `AsyncIterator`; of a plain iterator make one with `futures::stream::iter`"
)]
pub unsafe trait AsyncIterator {
    /// What the iterator yields.
    type Item;

    /// Polls for the next item; `None` ends the sequence.
    ///
    /// # Safety
    /// The caller keeps *completed* as stated in [the contract per item](AsyncIterator#the-contract-per-item).
    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>>;

    /// Bounds on the number of items that are still to come, as for [`Iterator::size_hint`].
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None)
    }

    /// Whether the iterator may be dropped or forgotten now, and until it is next polled, although an item may be started
    /// (clause *honest*).
    fn is_cancel_safe(&self) -> bool {
        false
    }
}

/// An [`AsyncIterator`] that may soundly be dropped, forgotten or (if `Unpin`) moved at any time, also while an item is
/// started.
///
/// Every [`Stream`] is one; the adaptors are if all of their parts are. `merge`, `zip` and `into_stream` ask for it.
///
/// # Safety
/// [`AsyncIterator::is_cancel_safe`] is true at every moment, and what it says holds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not be dropped while an item is under way",
    label = "an item that was started must be polled to completion",
    note = "only streams and adaptors of streams are `CancelSafeIterator`; run others in a scope with `spawn_in`"
)]
pub unsafe trait CancelSafeIterator: AsyncIterator {}

// SAFETY: a stream is bound by the rules of `Future` only: it may be dropped or forgotten at any time and polled at any time, so
// *completed* is never relied on and *honest* is true. *inert* and *quiet* follow from that too.
#[diagnostic::do_not_recommend]
unsafe impl<S: Stream + ?Sized> AsyncIterator for S {
    type Item = S::Item;

    #[inline]
    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next(&mut task::Context::from_waker(cx.waker()))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        Stream::size_hint(self)
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        true
    }
}

// SAFETY: `is_cancel_safe` above is always true, and a stream may be dropped at any time.
#[diagnostic::do_not_recommend]
unsafe impl<S: Stream + ?Sized> CancelSafeIterator for S {}

#[cfg(all(test, feature = "std"))]
mod tests;
