//! The adaptors that hold nothing started of their own: what they are built on is polled, items pass through a closure.
//!
//! All follow one argument, written out once here and cited below as *passes on*: a poll of the adaptor polls the inner
//! iterator, pinned inside it, and returns `Pending` only if that did. So an item of the adaptor is started only while an
//! item of the inner iterator is, *completed* is passed on by the caller, and *inert* and *quiet* by the inner iterator;
//! closures and destructors of items run only between items, so when one of them unwinds nothing is started.
//! `is_cancel_safe` asks the inner iterator at the same moment.

use core::{
    pin::Pin,
    task::{Poll, ready},
};

use pin_project_lite::pin_project;

use super::{AsyncIterator, CancelSafeIterator};
use crate::Context;

pin_project! {
    /// The iterator of [`Items::map`](super::Items::map).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct Map<I, F> {
        #[pin]
        iter: I,
        f: F,
    }
}

impl<I, F> Map<I, F> {
    pub(super) fn new(iter: I, f: F) -> Self {
        Self { iter, f }
    }
}

// SAFETY: *passes on*, see the top of the file.
unsafe impl<I: AsyncIterator, U, F: FnMut(I::Item) -> U> AsyncIterator for Map<I, F> {
    type Item = U;

    #[inline]
    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        let this = self.project();
        // SAFETY: *completed* is promised by the caller for this value, which owns and pins the inner one.
        let item = ready!(unsafe { this.iter.poll_next_async(cx) });
        Poll::Ready(item.map(this.f))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the inner iterator's `is_cancel_safe` is always true, so this one's is.
unsafe impl<I: CancelSafeIterator, U, F: FnMut(I::Item) -> U> CancelSafeIterator for Map<I, F> {}

pin_project! {
    /// The iterator of [`Items::filter`](super::Items::filter).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct Filter<I, F> {
        #[pin]
        iter: I,
        f: F,
    }
}

impl<I, F> Filter<I, F> {
    pub(super) fn new(iter: I, f: F) -> Self {
        Self { iter, f }
    }
}

// SAFETY: *passes on*, see the top of the file; an item that is left out is complete before the next is started.
unsafe impl<I: AsyncIterator, F: FnMut(&I::Item) -> bool> AsyncIterator for Filter<I, F> {
    type Item = I::Item;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let mut this = self.project();
        loop {
            // SAFETY: *completed* is promised by the caller for this value, which owns and pins the inner one.
            match ready!(unsafe { this.iter.as_mut().poll_next_async(cx) }) {
                Some(item) if !(this.f)(&item) => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.iter.size_hint().1)
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the inner iterator's `is_cancel_safe` is always true, so this one's is.
unsafe impl<I: CancelSafeIterator, F: FnMut(&I::Item) -> bool> CancelSafeIterator for Filter<I, F> {}

pin_project! {
    /// The iterator of [`Items::filter_map`](super::Items::filter_map).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct FilterMap<I, F> {
        #[pin]
        iter: I,
        f: F,
    }
}

impl<I, F> FilterMap<I, F> {
    pub(super) fn new(iter: I, f: F) -> Self {
        Self { iter, f }
    }
}

// SAFETY: *passes on*, see the top of the file; an item that is left out is complete before the next is started.
unsafe impl<I: AsyncIterator, U, F: FnMut(I::Item) -> Option<U>> AsyncIterator for FilterMap<I, F> {
    type Item = U;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        let mut this = self.project();
        loop {
            // SAFETY: *completed* is promised by the caller for this value, which owns and pins the inner one.
            let Some(item) = ready!(unsafe { this.iter.as_mut().poll_next_async(cx) }) else {
                return Poll::Ready(None);
            };
            if let Some(value) = (this.f)(item) {
                return Poll::Ready(Some(value));
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.iter.size_hint().1)
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the inner iterator's `is_cancel_safe` is always true, so this one's is.
unsafe impl<I: CancelSafeIterator, U, F: FnMut(I::Item) -> Option<U>> CancelSafeIterator for FilterMap<I, F> {}

pin_project! {
    /// The iterator of [`Items::take`](super::Items::take).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct Take<I> {
        #[pin]
        iter: I,
        left: usize,
    }
}

impl<I> Take<I> {
    pub(super) fn new(iter: I, left: usize) -> Self {
        Self { iter, left }
    }
}

// SAFETY: *passes on*, see the top of the file; without an inner poll it returns `Ready`, between items.
unsafe impl<I: AsyncIterator> AsyncIterator for Take<I> {
    type Item = I::Item;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let this = self.project();
        if *this.left == 0 {
            return Poll::Ready(None);
        }
        // SAFETY: *completed* is promised by the caller for this value, which owns and pins the inner one.
        let item = ready!(unsafe { this.iter.poll_next_async(cx) });
        *this.left = if item.is_some() { *this.left - 1 } else { 0 };
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.left == 0 {
            return (0, Some(0));
        }
        let (low, high) = self.iter.size_hint();
        (low.min(self.left), Some(high.map_or(self.left, |high| high.min(self.left))))
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the inner iterator's `is_cancel_safe` is always true, so this one's is.
unsafe impl<I: CancelSafeIterator> CancelSafeIterator for Take<I> {}

pin_project! {
    /// The iterator of [`Items::take_while`](super::Items::take_while).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct TakeWhile<I, F> {
        #[pin]
        iter: I,
        f: F,
        done: bool,
    }
}

impl<I, F> TakeWhile<I, F> {
    pub(super) fn new(iter: I, f: F) -> Self {
        Self { iter, f, done: false }
    }
}

// SAFETY: *passes on*, see the top of the file; without an inner poll it returns `Ready`, between items.
unsafe impl<I: AsyncIterator, F: FnMut(&I::Item) -> bool> AsyncIterator for TakeWhile<I, F> {
    type Item = I::Item;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let this = self.project();
        if *this.done {
            return Poll::Ready(None);
        }
        // SAFETY: *completed* is promised by the caller for this value, which owns and pins the inner one.
        let item = ready!(unsafe { this.iter.poll_next_async(cx) }).filter(|item| (this.f)(item));
        *this.done = item.is_none();
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.done { (0, Some(0)) } else { (0, self.iter.size_hint().1) }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the inner iterator's `is_cancel_safe` is always true, so this one's is.
unsafe impl<I: CancelSafeIterator, F: FnMut(&I::Item) -> bool> CancelSafeIterator for TakeWhile<I, F> {}

pin_project! {
    /// The iterator of [`Items::enumerate`](super::Items::enumerate).
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct Enumerate<I> {
        #[pin]
        iter: I,
        next: usize,
    }
}

impl<I> Enumerate<I> {
    pub(super) fn new(iter: I) -> Self {
        Self { iter, next: 0 }
    }
}

// SAFETY: *passes on*, see the top of the file.
unsafe impl<I: AsyncIterator> AsyncIterator for Enumerate<I> {
    type Item = (usize, I::Item);

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<(usize, I::Item)>> {
        let this = self.project();
        // SAFETY: *completed* is promised by the caller for this value, which owns and pins the inner one.
        let item = ready!(unsafe { this.iter.poll_next_async(cx) });
        Poll::Ready(item.map(|item| {
            let number = *this.next;
            *this.next += 1;
            (number, item)
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the inner iterator's `is_cancel_safe` is always true, so this one's is.
unsafe impl<I: CancelSafeIterator> CancelSafeIterator for Enumerate<I> {}

pin_project! {
    /// The iterator of [`Items::chain`](super::Items::chain).
    ///
    /// # Invariants
    /// `second` is not polled while `first` is there, so at most one of them has a started item.
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct Chain<I, J> {
        #[pin]
        first: Option<I>,
        #[pin]
        second: J,
    }
}

impl<I, J> Chain<I, J> {
    pub(super) fn new(first: I, second: J) -> Self {
        Self { first: Some(first), second }
    }
}

// SAFETY: *passes on* for the one of the two that is polled, see the top of the file; the other is fresh, or gone: the first is
// dropped between items.
unsafe impl<I: AsyncIterator, J: AsyncIterator<Item = I::Item>> AsyncIterator for Chain<I, J> {
    type Item = I::Item;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut() {
            // SAFETY: *completed* is promised by the caller for this value, which owns and pins both.
            if let Some(item) = ready!(unsafe { first.poll_next_async(cx) }) {
                return Poll::Ready(Some(item));
            }
            this.first.set(None);
        }
        // SAFETY: as above.
        unsafe { this.second.poll_next_async(cx) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = self.first.as_ref().map_or((0, Some(0)), AsyncIterator::size_hint);
        let (low2, high2) = self.second.size_hint();
        (low.saturating_add(low2), high.zip(high2).and_then(|(high, high2)| high.checked_add(high2)))
    }

    fn is_cancel_safe(&self) -> bool {
        match &self.first {
            Some(first) => first.is_cancel_safe(),
            None => self.second.is_cancel_safe(),
        }
    }
}

// SAFETY: both are always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<I: CancelSafeIterator, J: CancelSafeIterator<Item = I::Item>> CancelSafeIterator for Chain<I, J> {}
