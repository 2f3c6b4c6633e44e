//! `on_cancel`: a handler that runs in the task that is asked, before what it guards is polled again.

use core::{fmt, pin::Pin, task::Poll};

use async_trait_core::{Async, Context, Reason};
use pin_project_lite::pin_project;

use crate::contain::Held;

/// Runs `a`, and calls `handler` once if the current computation is asked to finish before `a` is done.
///
/// The handler runs in the next poll of the task that is asked, before `a` is polled, on the thread that polls: it may use
/// what the task uses, without locks. To run something at once on the thread that asks, use
/// `CancellationToken::on_cancel`.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use async_cancel::{CancellationToken, Reason, cancelled, on_cancel, with_token};
/// use async_trait_core::{async_block, block_on_with};
///
/// let token = CancellationToken::new();
/// let mut seen = None;
/// let work = on_cancel(
///     async_block! {
///         token.cancel();
///         cancelled().await;
///         async_trait_core::yield_now().await;
///         "done"
///     },
///     |reason| seen = Some(reason),
/// );
/// assert_eq!(block_on_with(with_token(&token, work), || {}), "done");
/// assert_eq!(seen, Some(Reason::Requested));
/// # }
/// ```
///
/// # Panics
/// With the panic of `a`. A panic of the handler asks `a` to finish, waits for it, and then goes on.
///
/// # Cancellation
/// It passes the request on to `a` and waits for it. A plain future is waited for too, not dropped: the handler is the way to
/// end it.
pub fn on_cancel<A: Async, F: FnOnce(Reason)>(a: A, handler: F) -> impl Async<Output = A::Output> {
    OnCancel { a, handler: Some(handler), started: false, held: Held::none() }
}

pin_project! {
    struct OnCancel<A, F> {
        #[pin]
        a: A,
        handler: Option<F>,
        started: bool,
        held: Held,
    }
}

// SAFETY: *inert*: constructing only stores. *quiet*: `a` is the only thing that is started, and a panic of the handler is held until
// `a` is complete, or lets go of it at once only if it is fresh or cancel-safe. *honest*: never cancel-safe. *last touch*: nothing
// here reports to another thread.
unsafe impl<A: Async, F: FnOnce(Reason)> Async for OnCancel<A, F> {
    type Output = A::Output;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let this = self.project();
        if this.handler.is_some()
            && let Some(reason) = cx.cancel_reason()
        {
            let live = *this.started && !this.a.is_cancel_safe();
            let handler = this.handler.take();
            // `None` says that it panicked; `held.poll` below sees to it.
            let _ = this.held.run(live, || handler.map(|handler| handler(reason)));
        }
        *this.started = true;
        // SAFETY: *completed* and *retired* are promised by the caller for this value, hence for the one that it owns.
        unsafe { this.held.poll(this.a, cx) }
    }
}

impl<A, F> fmt::Debug for OnCancel<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCancel").field("is_called", &self.handler.is_none()).finish_non_exhaustive()
    }
}
