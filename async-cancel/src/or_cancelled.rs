//! `or_cancelled`: a plain future that is dropped when its surroundings are asked to finish.
//!
//! An async block that awaits a plain future does not notice a request before that future is done, since a future cannot
//! see the [`Context`]. This adaptor looks for it.

use core::{fmt, future::Future, pin::Pin, task, task::Poll};

use async_trait_core::{Async, CancelSafe, Cancelled, Context, Reason};
use pin_project_lite::pin_project;

/// Awaits a plain future, or fails when the current computation is asked to finish; the future is dropped then.
///
/// The same as [`OrCancelled::or_cancelled`].
///
/// # Examples
/// ```
/// use async_cancel::or_cancelled;
/// use async_trait_core::block_on_with;
///
/// assert_eq!(block_on_with(or_cancelled(async { 7 }), || {}), Ok(7));
/// ```
///
/// # Errors
/// [`Cancelled`] with the reason of the request.
///
/// # Cancellation
/// If it was asked before the first poll, the future is dropped without being polled. Later a value that the future has
/// beats a pending request; otherwise the future is dropped at once.
pub fn or_cancelled<F: Future>(future: F) -> OrElse<F> {
    OrElse { future: Some(future), stage: Stage::Cancelled, started: false }
}

/// Lets any plain future notice a request to stop or to finish.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use async_cancel::{CancellationToken, OrCancelled as _, Reason, with_token};
/// use async_trait_core::{async_block, block_on_with, pending};
///
/// let token = CancellationToken::new();
/// token.cancel();
/// let error = block_on_with(with_token(&token, pending::<()>().or_cancelled()), || {}).unwrap_err();
/// assert_eq!(error.reason(), Reason::Requested);
/// # }
/// ```
pub trait OrCancelled: Future + Sized {
    /// Awaits the future, or fails when the current computation is asked to finish; the future is dropped then.
    ///
    /// # Errors
    /// [`Cancelled`] with the reason of the request.
    ///
    /// # Cancellation
    /// As for [`or_cancelled`](or_cancelled()).
    fn or_cancelled(self) -> OrElse<Self> {
        or_cancelled(self)
    }

    /// Awaits the future, or fails when the current computation is asked to start nothing new; the future is dropped then.
    ///
    /// For the loop of a server: `listener.accept().or_stopping()` ends at the first stage of a two-stage request, while
    /// the connections that are open go on.
    ///
    /// # Errors
    /// [`Cancelled`] with the reason of the request, of either stage.
    ///
    /// # Cancellation
    /// As for [`or_cancelled`](or_cancelled()), at either stage.
    fn or_stopping(self) -> OrElse<Self> {
        OrElse { future: Some(self), stage: Stage::Stopping, started: false }
    }
}

impl<F: Future> OrCancelled for F {}

#[derive(Clone, Copy)]
enum Stage {
    Stopping,
    Cancelled,
}

impl Stage {
    #[inline]
    fn reason(self, cx: &Context<'_>) -> Option<Reason> {
        match self {
            Self::Stopping => cx.stop_reason(),
            Self::Cancelled => cx.cancel_reason(),
        }
    }
}

pin_project! {
    /// The `Async` of [`or_cancelled`](or_cancelled()) and [`OrCancelled`].
    ///
    /// It is [`CancelSafe`], but not `IntoFuture`: in plain async code nothing could ask it.
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct OrElse<F> {
        // `None` when it is complete: the future goes when the error comes, not with the statement that awaited it.
        #[pin]
        future: Option<F>,
        stage: Stage,
        started: bool,
    }
}

// SAFETY: *inert*, *quiet*, *last touch*: it starts nothing but a plain future, which may be dropped at any time, and so may
// this (*honest*).
unsafe impl<F: Future> Async for OrElse<F> {
    type Output = Result<F::Output, Cancelled>;

    #[inline]
    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let stage = *this.stage;
        if *this.started || stage.reason(cx).is_none() {
            *this.started = true;
            let future = this.future.as_mut().as_pin_mut().expect("`or_cancelled` was polled after it was complete");
            if let Poll::Ready(value) = future.poll(&mut task::Context::from_waker(cx.waker())) {
                this.future.set(None);
                return Poll::Ready(Ok(value));
            }
        }
        match stage.reason(cx) {
            Some(reason) => {
                this.future.set(None);
                Poll::Ready(Err(Cancelled::from_reason(reason)))
            }
            None => Poll::Pending,
        }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        true
    }
}

// SAFETY: `is_cancel_safe` is always true, and what is inside is a plain future.
unsafe impl<F: Future> CancelSafe for OrElse<F> {}

impl<F> fmt::Debug for OrElse<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrElse").field("is_done", &self.future.is_none()).finish_non_exhaustive()
    }
}
