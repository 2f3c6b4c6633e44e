//! `Asked`: a task's computation that ends with a value also where a plain future is dropped because it was asked to finish.
//! The kinds of scope whose tasks report somewhere (`try_scope!`, `policy_scope!`) run their tasks in it.

use std::{pin::Pin, task::Poll};

use async_trait_core::{Async, Cancelled, Context};
use pin_project_lite::pin_project;

pin_project! {
    /// Yields the output of `a`, or `Err(Cancelled)` where `a` is dropped.
    pub(crate) struct Asked<A> {
        #[pin]
        a: Option<A>,
        started: bool,
    }
}

impl<A> Asked<A> {
    pub(crate) fn new(a: A) -> Self {
        Self { a: Some(a), started: false }
    }
}

// SAFETY: *inert* and *quiet* are those of `a`, which is pinned inside and dropped early only if it is cancel-safe at that moment,
// or fresh. `is_cancel_safe` stays false: whoever runs this wants to be told.
unsafe impl<A: Async> Async for Asked<A> {
    type Output = Result<A::Output, Cancelled>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(mut a) = this.a.as_mut().as_pin_mut() else { panic!("polled after completion") };
        let fresh = !std::mem::replace(this.started, true);
        let dropped = match cx.cancel_reason() {
            Some(reason) if fresh && a.is_cancel_safe() => reason,
            _ => {
                // SAFETY: promised by the caller for the whole, hence for `a`; where this returns `Ready` without `a` being
                // complete, `a` is cancel-safe and dropped before.
                if let Poll::Ready(output) = unsafe { a.as_mut().poll_async(cx) } {
                    return Poll::Ready(Ok(output));
                }
                match cx.cancel_reason() {
                    // *honest*: asked now, at the moment of the drop.
                    Some(reason) if a.is_cancel_safe() => reason,
                    _ => return Poll::Pending,
                }
            }
        };
        this.a.set(None);
        Poll::Ready(Err(Cancelled::from_reason(dropped)))
    }
}
