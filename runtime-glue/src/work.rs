//! `Work` and `BlockingJob`: what a runtime is handed. Opaque, one word, and impossible to misuse from safe code.
//!
//! A scoped task's memory is borrowed, so an executor must not be able to destroy it half-way: dropping a `Work` hands the
//! task to the rescue executor, dropping a `BlockingJob` completes its task as cancelled, on the spot.

use std::{fmt, mem, ptr::NonNull};

use crate::task::{Header, header};

/// A task that is ready to be polled once. An executor takes it in [`Runtime::schedule`](crate::Runtime::schedule) and calls
/// [`run`](Work::run) soon, on any thread.
///
/// Dropping it does not drop the task: the task is asked to finish and run on by the rescue executor of the process.
/// Forgetting it hangs the scope that the task belongs to.
#[must_use = "dropping a `Work` hands its task to the rescue executor; call `run`"]
#[repr(transparent)]
pub struct Work {
    /// # Invariants
    /// The task's `SCHED` bit is set and this is the one owner that it stands for, so the task cannot complete elsewhere and
    /// its header is valid.
    header: NonNull<Header>,
}

// SAFETY: a `Work` is made only of tasks whose future and output are `Send` (or whose queue never leaves its thread: see
// `TaskSet::spawn`), and the header's shared fields are atomics.
unsafe impl Send for Work {}
// SAFETY: `&Work` gives access to nothing.
unsafe impl Sync for Work {}

impl Work {
    /// Takes over the ownership that the `SCHED` bit stands for.
    ///
    /// # Safety
    /// The caller has just set `SCHED` on the state of this valid, unfinished task, or owns it otherwise.
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Self {
        // INVARIANT: promised by the caller.
        Self { header }
    }

    pub(crate) const fn header(&self) -> NonNull<Header> {
        self.header
    }

    pub(crate) const fn into_header(self) -> NonNull<Header> {
        let header = self.header;
        mem::forget(self);
        header
    }

    /// Polls the task once. Never unwinds with the task's own panic, which goes to its handle or its scope.
    pub fn run(self) {
        let header = self.into_header();
        // SAFETY: by the invariant of `Work` this is the one owner of the task, which is valid and unfinished.
        unsafe { Header::run(header) };
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: by the invariant of `Work`, whose ownership moves to the new value; `self.header` is not used again.
        header::dropped(unsafe { Self::from_header(self.header) });
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

/// A blocking closure that is ready to run on a thread that may block.
///
/// Dropping it drops the closure unrun and completes its handle with `JoinError::Cancelled`.
#[must_use = "dropping a `BlockingJob` cancels it; call `run`"]
#[repr(transparent)]
pub struct BlockingJob {
    /// # Invariants
    /// As that of `Work`; the task's payload is a closure.
    header: NonNull<Header>,
}

// SAFETY: a `BlockingJob` is made only of closures and outputs that are `Send`, and the header's shared fields are atomics.
unsafe impl Send for BlockingJob {}
// SAFETY: `&BlockingJob` gives access to nothing.
unsafe impl Sync for BlockingJob {}

impl BlockingJob {
    /// Takes over the ownership that the `SCHED` bit stands for.
    ///
    /// # Safety
    /// As for `Work::from_header`; the task is a blocking one.
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Self {
        // INVARIANT: promised by the caller.
        Self { header }
    }

    /// Runs the closure to its end. Never unwinds with its panic, which goes to its handle or its scope.
    pub fn run(self) {
        let header = self.header;
        mem::forget(self);
        // SAFETY: by the invariant this is the one owner of the task, which is valid and unfinished.
        unsafe { Header::run(header) };
    }
}

impl Drop for BlockingJob {
    fn drop(&mut self) {
        // SAFETY: by the invariant this is the one owner of the task, which is valid and unfinished; it is not used again.
        unsafe { Header::abandon(self.header) };
    }
}

impl fmt::Debug for BlockingJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingJob").finish_non_exhaustive()
    }
}
