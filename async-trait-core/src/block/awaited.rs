//! What a rewritten `.await` is: a future that lives in the body of an `AsyncBlock` and polls what is awaited.

use core::{future::Future, panic::Location, pin::Pin, task::Poll};

use super::{StdContext, bridge, site::Site};
use crate::{Async, Cancelled};

/// The promise that an await stays where the macros put it.
#[derive(Debug)]
pub struct Token {
    _private: (),
}

impl Token {
    /// Makes the promise.
    ///
    /// # Safety
    /// The token is given to [`awaited`] or [`awaited_cancellable`], and what that returns is awaited at once, directly in the
    /// `async` block that is the argument of [`block`](super::private::block): not in a block nested in it, and moved
    /// nowhere else. So it is polled by that `AsyncBlock` alone and dropped when it is complete, or with the `AsyncBlock`.
    #[inline]
    #[must_use]
    pub const unsafe fn new() -> Self {
        Self { _private: () }
    }
}

/// Awaits `child` in the body of an async block.
#[inline]
pub fn awaited<A: Async>(child: A, _: Token) -> Await<A> {
    Await { child }
}

/// Awaits `child` in the body of a `cancellable` async block.
#[inline]
pub fn awaited_cancellable<A: Async>(child: A, _: Token) -> AwaitCancellable<A> {
    AwaitCancellable { child }
}

/// A rewritten `.await`.
///
/// # Invariants
/// Made with a [`Token`], so it lives and is polled in the body of an `AsyncBlock`.
#[derive(Debug)]
#[must_use = "made by the macros, which await it at once"]
pub struct Await<A> {
    child: A,
}

impl<A: Async> Future for Await<A> {
    type Output = A::Output;

    // The caller is the await in the user's body, so its file and line are known at no cost.
    #[track_caller]
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut StdContext<'_>) -> Poll<A::Output> {
        // SAFETY: `child` is pinned with its struct, which has no destructor and is `Unpin` only if the field is.
        let mut child = unsafe { self.map_unchecked_mut(|this| &mut this.child) };
        // SAFETY: by the invariant.
        let polled = unsafe { poll_child(child.as_mut(), cx) };
        if polled.is_pending() && child.is_cancel_safe() {
            // SAFETY: by the invariant this is an await in the body of the block that is being polled.
            unsafe { bridge::ends_at(cx, Site::of::<A>(Location::caller())) };
        }
        polled
    }
}

/// A rewritten `.await` in a `cancellable` block: it ends with `Err` when it is asked to finish while what it awaits is pending
/// and cancel-safe.
///
/// # Invariants
/// As of [`Await`].
#[derive(Debug)]
#[must_use = "made by the macros, which await it at once"]
pub struct AwaitCancellable<A> {
    child: A,
}

impl<A: Async> Future for AwaitCancellable<A> {
    type Output = Result<A::Output, Cancelled>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut StdContext<'_>) -> Poll<Self::Output> {
        // SAFETY: `child` is pinned with its struct, which has no destructor and is `Unpin` only if the field is.
        let mut child = unsafe { self.map_unchecked_mut(|this| &mut this.child) };
        // SAFETY: by the invariant.
        if let Poll::Ready(output) = unsafe { poll_child(child.as_mut(), cx) } {
            return Poll::Ready(Ok(output));
        }
        // SAFETY: by the invariant this is an await in the body of the block that is being polled; it only looks at the context.
        let cx = unsafe { bridge::cross(cx) };
        // With `Ready` the await is over and the body drops this, and with it the child, before it does anything else: *completed*
        // allows that since the child is cancel-safe now.
        match cx.cancel_reason() {
            Some(reason) if child.is_cancel_safe() => Poll::Ready(Err(Cancelled::from_reason(reason))),
            _ => Poll::Pending,
        }
    }
}

/// Polls what is awaited.
///
/// # Safety
/// `child` is the field of an `Await` or `AwaitCancellable` that keeps its invariant.
#[inline]
unsafe fn poll_child<A: Async>(child: Pin<&mut A>, cx: &mut StdContext<'_>) -> Poll<A::Output> {
    // SAFETY: *completed*: the await is dropped when it is complete, or with the block's future, which only the `AsyncBlock`
    // drops; who polls that promised *completed* for it, and it is never cancel-safe while it is pending. The one other case is a
    // child that is cancel-safe then (`AwaitCancellable`). *retired*: a compiler-made body does not poll an await again that was
    // `Ready` or unwound. And by the invariant this is an await in the body of the block that is being polled.
    unsafe { child.__poll_in_block(cx) }
}
