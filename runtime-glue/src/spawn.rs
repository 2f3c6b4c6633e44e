//! The ways into async code that must finish, from plain async code: `spawn` and `run`.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use async_trait_core::Async;

use crate::{CancelOnDrop, JoinError, JoinHandle, RuntimeHandle};

/// Starts `a` on the current runtime: that of the task that this thread polls, else the default pool.
///
/// # Cancellation
/// Dropping the handle detaches the result; the task goes on. [`JoinHandle::cancel`] asks it to finish.
#[track_caller]
pub fn spawn<A>(a: A) -> JoinHandle<A::Output>
where
    A: Async + Send + 'static,
    A::Output: Send + 'static,
{
    RuntimeHandle::current().spawn(a)
}

/// Runs `a` on the current runtime, for plain async code: the door from a web server's handler.
///
/// ```
/// async fn handler() -> u32 {
///     runtime_glue::run(async { 41 + 1 }).await
/// }
/// assert_eq!(runtime_glue::block_on(handler()), 42);
/// ```
///
/// # Panics
/// The panic of `a` goes on in the awaiting task.
///
/// # Cancellation
/// Dropping the future asks `a` to finish and detaches it; it runs on in the background to its end.
#[track_caller]
pub fn run<A>(a: A) -> Running<A::Output>
where
    A: Async + Send + 'static,
    A::Output: Send + 'static,
{
    Running { task: spawn(a).cancel_on_drop() }
}

/// The future of [`run`].
#[must_use = "dropping it asks the task to finish"]
pub struct Running<T> {
    task: CancelOnDrop<T>,
}

impl<T> Future for Running<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.task).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(value)) => Poll::Ready(value),
            Poll::Ready(Err(JoinError::Panicked(panic))) => panic.resume(),
            // A plain future that was dropped because its runtime shut down, while this future is still polled.
            Poll::Ready(Err(JoinError::Cancelled(cancelled))) => {
                panic!("`runtime_glue::run`: the task was {cancelled}")
            }
        }
    }
}

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}
