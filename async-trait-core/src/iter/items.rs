//! `Items`: the methods of asynchronous iteration, as inherent methods, so that they clash with no other crate's traits.

use core::{future::IntoFuture, pin::Pin, task::Poll};

use pin_project_lite::pin_project;

#[cfg(feature = "alloc")]
use super::Chunks;
use super::{
    AsStream, AsyncIterator, CancelSafeIterator, Chain, Collect, Enumerate, Filter, FilterMap, Fold, ForEach, Map,
    Take, TakeWhile, Then, TryForEach,
};
use crate::{AsFuture, Async, CancelSafe, Context};

/// Wraps an [`AsyncIterator`], which every `Stream` is, so that it has the methods of [`Items`].
///
/// # Examples
/// ```
/// use async_trait_core::{block_on_with, items};
/// use futures::stream;
///
/// let mut evens = items(stream::iter(1..=6)).filter(|n| n % 2 == 0).map(|n| n * 10);
/// assert_eq!(block_on_with(evens.next(), || {}), Some(20));
/// assert_eq!(block_on_with(evens.collect::<Vec<_>>(), || {}), [40, 60]);
/// ```
pub fn items<I: AsyncIterator>(iter: I) -> Items<I> {
    Items { iter }
}

pin_project! {
    /// An [`AsyncIterator`] with the usual methods, made by [`items()`].
    ///
    /// The methods are inherent, so they are not ambiguous beside `futures::StreamExt` and its like, and win over them.
    /// `Items` is cancel-safe if what it wraps is, and never a `Stream`; see [`into_stream`](Items::into_stream).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct Items<I> {
        #[pin]
        iter: I,
    }
}

impl<I: AsyncIterator> Items<I> {
    /// The next item, or `None` at the end.
    ///
    /// Asks for `Unpin`; pin others first: `items(pin!(stream))` or `items(Box::pin(stream))`.
    ///
    /// # Cancellation
    /// The request is passed on to the iterator. If that is a [`CancelSafeIterator`], so is the returned value: dropping
    /// it loses no item, since an item under way stays in the iterator.
    ///
    /// If it is not, the returned value borrows the iterator and, once polled, must be completed like every [`Async`].
    /// Nothing is lost or broken by holding the iterator itself by reference: only code that polls can start an item, it
    /// has promised *completed*, and until then the borrow keeps the iterator where it is. In safe code a `Next` that was
    /// started and then forgotten does not exist.
    #[expect(
        clippy::should_implement_trait,
        reason = "the name that every async iteration uses; it returns no `Option`"
    )]
    pub fn next(&mut self) -> Next<'_, I>
    where
        I: Unpin,
    {
        Next { iter: &mut self.iter }
    }

    /// Each item turned into another value.
    pub fn map<U, F: FnMut(I::Item) -> U>(self, f: F) -> Items<Map<I, F>> {
        items(Map::new(self.iter, f))
    }

    /// Each item turned into an [`Async`], run to its end before the next item is asked for.
    ///
    /// # Cancellation
    /// Cancel-safe only if the iterator and the values of `f` are: while one of them runs, an item is under way.
    pub fn then<A: Async, F: FnMut(I::Item) -> A>(self, f: F) -> Items<Then<I, F, A>> {
        items(Then::new(self.iter, f))
    }

    /// The items for which `f` is true.
    pub fn filter<F: FnMut(&I::Item) -> bool>(self, f: F) -> Items<Filter<I, F>> {
        items(Filter::new(self.iter, f))
    }

    /// The values for which `f` returns `Some`.
    pub fn filter_map<U, F: FnMut(I::Item) -> Option<U>>(self, f: F) -> Items<FilterMap<I, F>> {
        items(FilterMap::new(self.iter, f))
    }

    /// At most the first `n` items. The iterator is not polled after that.
    pub fn take(self, n: usize) -> Items<Take<I>> {
        items(Take::new(self.iter, n))
    }

    /// The items up to the first for which `f` is false; that one is dropped, and the iterator not polled after it.
    pub fn take_while<F: FnMut(&I::Item) -> bool>(self, f: F) -> Items<TakeWhile<I, F>> {
        items(TakeWhile::new(self.iter, f))
    }

    /// Each item with its number, from 0.
    ///
    /// # Panics
    /// After `usize::MAX` items, where overflow checks are on.
    pub fn enumerate(self) -> Items<Enumerate<I>> {
        items(Enumerate::new(self.iter))
    }

    /// `n` items at a time, the last time what is left over.
    ///
    /// # Panics
    /// If `n` is 0.
    ///
    /// # Cancellation
    /// Items that were gathered stay in the iterator when a [`next`](Items::next) is dropped.
    #[cfg(feature = "alloc")]
    #[track_caller]
    pub fn chunks(self, n: usize) -> Items<Chunks<I>> {
        items(Chunks::new(self.iter, n))
    }

    /// The items of this iterator, then those of `other`. This one is dropped at its end.
    pub fn chain<J: AsyncIterator<Item = I::Item>>(self, other: J) -> Items<Chain<I, J>> {
        items(Chain::new(self.iter, other))
    }

    /// Runs `f` on each item, one after the other.
    ///
    /// # Cancellation
    /// The iterator and the values of `f` see the request and answer in their own way; this goes on to the end.
    pub fn for_each<A: Async<Output = ()>, F: FnMut(I::Item) -> A>(self, f: F) -> ForEach<I, F, A> {
        ForEach::new(self.iter, f)
    }

    /// Runs `f` on each item, one after the other, until one fails.
    ///
    /// # Errors
    /// The first error of `f`; the iterator is not polled after it.
    ///
    /// # Cancellation
    /// The iterator and the values of `f` see the request; an `f` that returns its `Cancelled` as an error ends the loop.
    pub fn try_for_each<E, A: Async<Output = Result<(), E>>, F: FnMut(I::Item) -> A>(
        self,
        f: F,
    ) -> TryForEach<I, F, A> {
        TryForEach::new(self.iter, f)
    }

    /// Folds the items into one value, one after the other.
    ///
    /// # Cancellation
    /// As [`for_each`](Items::for_each).
    pub fn fold<T, A: Async<Output = T>, F: FnMut(T, I::Item) -> A>(self, init: T, f: F) -> Fold<I, T, F, A> {
        Fold::new(self.iter, init, f)
    }

    /// Gathers all items into a collection.
    ///
    /// # Cancellation
    /// The iterator sees the request. What was gathered is lost if the returned value is dropped, which only a cancel-safe
    /// one can be; to keep it, push in a loop over [`next`](Items::next).
    pub fn collect<C: Default + Extend<I::Item>>(self) -> Collect<I, C> {
        Collect::new(self.iter)
    }

    /// The iterator as a `Stream`, for code that takes one.
    pub fn into_stream(self) -> AsStream<I>
    where
        I: CancelSafeIterator,
    {
        AsStream::new(self.iter)
    }

    /// The iterator inside.
    pub fn into_inner(self) -> I {
        self.iter
    }
}

// SAFETY: every clause is passed on to the iterator inside, which this value owns, pins and drops exactly when it is itself
// pinned and dropped, and which it asks for `is_cancel_safe` at the same moment.
unsafe impl<I: AsyncIterator> AsyncIterator for Items<I> {
    type Item = I::Item;

    #[inline]
    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        // SAFETY: the caller promises *completed* for this value, hence for the one inside.
        unsafe { self.project().iter.poll_next_async(cx) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: `is_cancel_safe` is that of the iterator inside, which is always true, and dropping this drops only that.
unsafe impl<I: CancelSafeIterator> CancelSafeIterator for Items<I> {}

/// The `Async` of [`Items::next`].
///
/// # Invariants
/// The iterator has a started item only while this value is started, or if the iterator was cancel-safe when the last
/// `Next` was given up: the borrow is exclusive, and *completed* binds whoever polls this.
#[derive(Debug)]
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
pub struct Next<'a, I: ?Sized> {
    iter: &'a mut I,
}

// SAFETY: *inert*: made of a reference, nothing is polled. *quiet*: on `Ready` or unwinding the item is complete, so the iterator
// holds nothing started and may be used, moved and dropped by its owner again. *honest*: this value may be dropped when the
// iterator may be left with a started item, which is what the iterator's answer says.
unsafe impl<I: AsyncIterator + Unpin + ?Sized> Async for Next<'_, I> {
    type Output = Option<I::Item>;

    #[inline]
    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        // SAFETY: *completed* for the item: the caller does not drop or forget this value, nor let its lifetime end, before the item is
        // complete; until then the exclusive borrow keeps everybody else from moving or dropping the iterator.
        unsafe { Pin::new(&mut *self.iter).poll_next_async(cx) }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: `is_cancel_safe` is always true for a `CancelSafeIterator`, which may be left with a started item.
unsafe impl<I: CancelSafeIterator + Unpin + ?Sized> CancelSafe for Next<'_, I> {}

impl<I: CancelSafeIterator + Unpin + ?Sized> IntoFuture for Next<'_, I> {
    type Output = Option<I::Item>;
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}
