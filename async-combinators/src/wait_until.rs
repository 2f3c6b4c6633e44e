//! `wait_until`: one after the other.

use core::{
    future::IntoFuture,
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::{AsFuture, Async, CancelSafe, Context};
use pin_project_lite::pin_project;

/// Starts `a` when `signal` is complete, and not before; returns the output of `a`.
///
/// # Examples
/// ```
/// use async_combinators::{race, wait_until};
/// use async_trait_core::{block_on_with, ready, yield_now};
///
/// // a hedged request: the second replica is asked only if the first is slow
/// let hedged = race((ready("first"), wait_until(yield_now(), ready("second"))));
/// assert_eq!(block_on_with(hedged, || {}), "first");
/// ```
///
/// # Panics
/// With a panic of either; if `signal` panics, `a` is not started.
///
/// # Cancellation
/// The one that runs sees the request. A plain future as `signal` is waited for, and `a` starts after it even then; give
/// `async_cancel::or_cancelled(signal)` to start `a` (which sees the request) at once.
pub fn wait_until<S: Async, A: Async>(signal: S, a: A) -> WaitUntil<S, A> {
    WaitUntil { signal: Some(signal), a }
}

pin_project! {
    /// The `Async` of [`wait_until()`].
    ///
    /// # Invariants
    /// `a` is fresh while `signal` is there.
    #[derive(Clone, Debug)]
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct WaitUntil<S, A> {
        #[pin]
        signal: Option<S>,
        #[pin]
        a: A,
    }
}

// SAFETY: *inert*: nothing is polled on construction. *quiet*: `Ready` comes from `a`, after `signal` is complete and dropped; when
// one of the two unwinds it is complete, and the other is fresh or gone. *honest*: only the one that is asked can be started.
unsafe impl<S: Async, A: Async> Async for WaitUntil<S, A> {
    type Output = A::Output;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let mut this = self.project();
        if let Some(signal) = this.signal.as_mut().as_pin_mut() {
            // SAFETY: *completed* is promised by the caller for this value, which owns and pins it. *retired*: it is removed below, and
            // after unwinding the caller does not poll again.
            ready!(unsafe { signal.poll_async(cx) });
            this.signal.set(None);
        }
        // SAFETY: *completed* and *retired* are promised by the caller for this value, which owns and pins `a`.
        unsafe { this.a.poll_async(cx) }
    }

    fn is_cancel_safe(&self) -> bool {
        match &self.signal {
            Some(signal) => signal.is_cancel_safe(),
            None => self.a.is_cancel_safe(),
        }
    }
}

// SAFETY: both are always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<S: CancelSafe, A: CancelSafe> CancelSafe for WaitUntil<S, A> {}

impl<S: CancelSafe, A: CancelSafe> IntoFuture for WaitUntil<S, A> {
    type Output = A::Output;
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}
