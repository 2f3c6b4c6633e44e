//! `AsFuture`: a cancel-safe `Async` as a plain `Future`.

use core::{
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use pin_project_lite::pin_project;

use crate::{CancelSafe, Context};

pin_project! {
    /// A cancel-safe [`Async`] as a plain [`Future`], for generic code; concrete types implement `IntoFuture`.
    ///
    /// # Cancellation
    /// A future has no [`Context`]: what runs inside is never asked to finish, only dropped.
    #[derive(Clone, Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct AsFuture<A> {
        #[pin]
        inner: A,
    }
}

impl<A: CancelSafe> AsFuture<A> {
    /// Wraps `a`.
    pub fn new(a: A) -> Self {
        Self { inner: a }
    }

    /// The value inside.
    pub fn into_inner(self) -> A {
        self.inner
    }
}

impl<A: CancelSafe> Future for AsFuture<A> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<A::Output> {
        // SAFETY: *completed* does not bind for a `CancelSafe` value: whoever drops or forgets this future may. *retired*: who
        // polls a future after `Ready` breaks the rules of `Future`, for which `CancelSafe` code answers with a panic at most.
        unsafe { self.project().inner.poll_async(&mut Context::from_waker(cx.waker())) }
    }
}
