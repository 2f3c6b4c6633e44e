//! `CurrentThread`: a runtime without threads of its own.

use std::{fmt, sync::Arc};

use async_trait_core::Async;

use crate::{
    JoinHandle, Runtime, RuntimeHandle, Waiting, Work,
    lane::{Lane, Pushed},
};

/// A runtime whose tasks run on the thread that is in its [`block_on`](CurrentThread::block_on), and only then.
///
/// If several threads are, one of them runs the tasks. What is scheduled while none is waits for the next. Clones are handles:
/// when the value that [`new`](CurrentThread::new) returned is dropped the runtime is closed, and what is not complete is asked to
/// finish and run on by the rescue executor of the process.
///
/// ```
/// use runtime_glue::CurrentThread;
/// use std::thread;
///
/// let runtime = CurrentThread::new();
/// let task = runtime.spawn(async { thread::current().id() });
/// assert_eq!(runtime.block_on(task).unwrap(), thread::current().id());
/// ```
pub struct CurrentThread {
    lane: Arc<Lane>,
    is_owner: bool,
}

impl CurrentThread {
    /// A new runtime.
    #[must_use]
    pub fn new() -> Self {
        Self { lane: Arc::new(Lane::new()), is_owner: true }
    }

    /// Runs `a` to its end on the calling thread, and meanwhile the tasks. See [`block_on`](crate::block_on()).
    ///
    /// # Panics
    /// With the panic of `a`.
    pub fn block_on<A: Async>(&self, a: A) -> A::Output {
        RuntimeHandle::new(self.clone()).block_on(a)
    }

    /// Starts `a`, which is polled in the next [`block_on`](CurrentThread::block_on). See [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<A>(&self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 'static,
        A::Output: Send + 'static,
    {
        RuntimeHandle::new(self.clone()).spawn(a)
    }
}

impl Default for CurrentThread {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for CurrentThread {
    fn clone(&self) -> Self {
        Self { lane: Arc::clone(&self.lane), is_owner: false }
    }
}

impl Drop for CurrentThread {
    fn drop(&mut self) {
        if self.is_owner {
            self.lane.close();
        }
    }
}

impl Runtime for CurrentThread {
    fn schedule(&self, work: Work) {
        if let Pushed::Refused(work) = self.lane.push(work) {
            drop(work);
        }
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        self.lane.drive(waiting);
    }

    fn name(&self) -> &str {
        "current thread"
    }
}

impl fmt::Debug for CurrentThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentThread").field("is_owner", &self.is_owner).finish_non_exhaustive()
    }
}
