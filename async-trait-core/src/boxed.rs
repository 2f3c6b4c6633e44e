//! `BoxAsync` and `LocalBoxAsync`: an `Async` on the heap behind one type, for recursion and for traits used through `dyn`.

use alloc::boxed::Box;
use core::{
    fmt,
    pin::Pin,
    task::{self, Poll},
};

use crate::{Async, Context};

/// A `Send` [`Async`] on the heap.
///
/// A type of its own rather than an alias of `Pin<Box<dyn Async>>`, since pointers are deliberately not `Async`: a
/// started value must not be left behind through a reference.
///
/// # Cancellation
/// As the value inside: it is dropped early only if that is cancel-safe at that moment.
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
pub struct BoxAsync<'a, T> {
    inner: Pin<Box<dyn Async<Output = T> + Send + 'a>>,
}

impl<'a, T> BoxAsync<'a, T> {
    /// Moves `a` to the heap.
    pub fn new(a: impl Async<Output = T> + Send + 'a) -> Self {
        Self { inner: Box::pin(a) }
    }
}

// SAFETY: every clause is passed on to the value inside, which the box owns: it is dropped, forgotten and polled exactly when
// this value is, and asked for `is_cancel_safe` at the same moment.
unsafe impl<T> Async for BoxAsync<'_, T> {
    type Output = T;

    #[inline]
    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: *completed* and *retired* are promised by the caller for this value, hence for the one that it owns.
        unsafe { self.inner.as_mut().poll_async(cx) }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.inner.is_cancel_safe()
    }

    #[inline]
    unsafe fn __poll_in_block(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T> {
        // SAFETY: the caller's promises for this value hold for the one that it owns.
        unsafe { self.inner.as_mut().__poll_in_block(cx) }
    }
}

impl<T> fmt::Debug for BoxAsync<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxAsync").finish_non_exhaustive()
    }
}

/// An [`Async`] on the heap that stays on its thread.
///
/// # Cancellation
/// As the value inside: it is dropped early only if that is cancel-safe at that moment.
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
pub struct LocalBoxAsync<'a, T> {
    inner: Pin<Box<dyn Async<Output = T> + 'a>>,
}

impl<'a, T> LocalBoxAsync<'a, T> {
    /// Moves `a` to the heap.
    pub fn new(a: impl Async<Output = T> + 'a) -> Self {
        Self { inner: Box::pin(a) }
    }
}

// SAFETY: as for `BoxAsync`.
unsafe impl<T> Async for LocalBoxAsync<'_, T> {
    type Output = T;

    #[inline]
    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: *completed* and *retired* are promised by the caller for this value, hence for the one that it owns.
        unsafe { self.inner.as_mut().poll_async(cx) }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.inner.is_cancel_safe()
    }

    #[inline]
    unsafe fn __poll_in_block(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T> {
        // SAFETY: the caller's promises for this value hold for the one that it owns.
        unsafe { self.inner.as_mut().__poll_in_block(cx) }
    }
}

impl<T> fmt::Debug for LocalBoxAsync<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBoxAsync").finish_non_exhaustive()
    }
}
