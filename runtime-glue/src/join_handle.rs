//! `JoinHandle`: a task's output, to be awaited; and the two futures made of it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    ptr::NonNull,
    task::{self, Poll},
};

use async_trait_core::{Async, Context, Reason};

use crate::{
    JoinError,
    task::{Header, JoinSide},
};

/// The output of a spawned task.
///
/// `Async` and `IntoFuture`, but no `Future`: a timeout or race would drop a future and lose the result. Dropping the handle
/// detaches the result, not the task; a finished result that nobody can take is dropped at once.
///
/// # Cancellation
/// Awaited in an async block that is asked to finish, it asks its task and waits on for what comes. In plain async code
/// nothing is asked; dropping the future detaches.
pub struct JoinHandle<T> {
    side: JoinSide<T>,
}

impl<T> JoinHandle<T> {
    /// # Safety
    /// As for `JoinSide::new`.
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Self {
        // SAFETY: promised by the caller.
        Self { side: unsafe { JoinSide::new(header) } }
    }

    /// Asks the task to finish, and wakes it. A plain future is dropped, an async block is asked.
    pub fn cancel(&self) {
        self.cancel_with(Reason::Requested);
    }

    /// Asks the task to finish, with a reason. Of several requests the first counts.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.side.cancel(reason.into());
    }

    /// Whether the task is complete, so that awaiting the handle does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.side.is_finished()
    }

    /// A future that asks the task to finish when it is dropped, instead of detaching it.
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop { handle: self, armed: true }
    }
}

// SAFETY: *inert*: constructing starts nothing (the task exists without it). *quiet*: the task's borrows are its scope's
// business; what is touched here is the slot, kept by a reference. `is_cancel_safe` stays false: dropping would be sound, but
// would lose the result.
unsafe impl<T> Async for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(reason) = cx.cancel_reason() {
            self.side.cancel(reason);
        }
        self.side.poll(cx.waker())
    }
}

// The output is never pinned.
impl<T> Unpin for JoinHandle<T> {}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T, JoinError>;
    type IntoFuture = JoinFuture<T>;

    fn into_future(self) -> JoinFuture<T> {
        JoinFuture { handle: self }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}

/// A [`JoinHandle`] in plain async code. Dropping it detaches the result, not the task.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct JoinFuture<T> {
    handle: JoinHandle<T>,
}

impl<T> Future for JoinFuture<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.handle.side.poll(cx.waker())
    }
}

/// A [`JoinHandle`] that asks its task to finish when it is dropped. See [`JoinHandle::cancel_on_drop`].
#[derive(Debug)]
#[must_use = "dropping it asks the task to finish"]
pub struct CancelOnDrop<T> {
    handle: JoinHandle<T>,
    armed: bool,
}

impl<T> CancelOnDrop<T> {
    /// Asks the task to finish, with a reason. Of several requests the first counts.
    pub fn ask(&self, reason: impl Into<Reason>) {
        self.handle.cancel_with(reason);
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let poll = self.handle.side.poll(cx.waker());
        self.armed = poll.is_pending();
        poll
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if self.armed {
            self.handle.cancel();
        }
    }
}
