//! `BlockingCx`: what a blocking job is told, and how one that is inside `block_on` hears of a request.

use std::{
    collections::HashMap,
    marker::PhantomData,
    pin::Pin,
    ptr::NonNull,
    sync::{LazyLock, Mutex, PoisonError},
    task::{Poll, Waker},
};

use async_trait_core::{Async, Cancelled, Context, Reason};
use pin_project_lite::pin_project;

use super::header::{Header, with_context};
use crate::RuntimeHandle;

/// What a blocking job is told: whether it is asked to finish.
///
/// A blocking job is asked, never interrupted: look between pieces of work.
#[derive(Debug)]
pub struct BlockingCx<'a> {
    /// # Invariants
    /// The job's slot; the job is running, on this thread.
    header: NonNull<Header>,
    marker: PhantomData<&'a ()>,
}

impl BlockingCx<'_> {
    /// # Safety
    /// The caller is the owner of this unfinished task, and stays so while the value lives.
    pub(crate) unsafe fn new(header: NonNull<Header>) -> Self {
        // INVARIANT: promised by the caller.
        Self { header, marker: PhantomData }
    }

    /// Runs the job with its runtime as the thread's current one.
    ///
    /// # Safety
    /// As for `new`.
    pub(crate) unsafe fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: by the invariant.
        let ambient = unsafe { Header::ambient(self.header) };
        crate::current::enter(&ambient, f)
    }

    /// Whether the job is asked to finish.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.with(|cx| cx.is_cancelled())
    }

    /// Whether the job is asked to start nothing new.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.with(|cx| cx.is_stopping())
    }

    /// Why the job is asked to finish.
    #[must_use]
    pub fn cancel_reason(&self) -> Option<Reason> {
        self.with(|cx| cx.cancel_reason())
    }

    /// An error to return with `?` if the job is asked to finish.
    ///
    /// # Errors
    /// [`Cancelled`] if it is.
    pub fn checkpoint(&self) -> Result<(), Cancelled> {
        match self.cancel_reason() {
            Some(reason) => Err(Cancelled::from_reason(reason)),
            None => Ok(()),
        }
    }

    /// Runs `a` to its end on this thread, under the job's own cancellation.
    ///
    /// # Panics
    /// With the panic of `a`.
    pub fn block_on<A: Async>(&self, a: A) -> A::Output {
        // SAFETY: by the invariant.
        let runtime: RuntimeHandle = unsafe { Header::ambient(self.header) };
        let outer = blocked().get(&self.header.addr().get()).cloned();
        let _leave = Leave { job: self.header, outer };
        runtime.block_on(UnderJob { job: self.header, a })
    }

    fn with<R>(&self, f: impl FnOnce(&Context<'_>) -> R) -> R {
        // SAFETY: by the invariant.
        unsafe { with_context(self.header, |cx| f(cx)) }
    }
}

/// The wakers of blocking jobs that are inside `block_on`, by the address of their slot. Jobs that block are few.
static BLOCKED: LazyLock<Mutex<HashMap<usize, Waker>>> = LazyLock::new(Mutex::default);

fn blocked() -> std::sync::MutexGuard<'static, HashMap<usize, Waker>> {
    BLOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the thread of a job that is inside `block_on`.
pub(crate) fn wake(header: NonNull<Header>) {
    let waker = blocked().get(&header.addr().get()).cloned();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Leaves `block_on`, also by unwinding.
struct Leave {
    job: NonNull<Header>,
    /// The waker of another `block_on` of the same job, that this one stands in.
    outer: Option<Waker>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let key = self.job.addr().get();
        let old = match self.outer.take() {
            Some(outer) => {
                let old = blocked().insert(key, outer.clone());
                // A request that came meanwhile woke the inner one.
                outer.wake();
                old
            }
            None => {
                // SAFETY: the job is running: its slot is valid.
                unsafe { self.job.as_ref() }.state.end_blocking();
                blocked().remove(&key)
            }
        };
        drop(old);
    }
}

pin_project! {
    /// `a` under the flags of a blocking job.
    struct UnderJob<A> {
        job: NonNull<Header>,
        #[pin]
        a: A,
    }
}

// SAFETY: every clause is passed on to `a`, which is pinned inside and polled exactly when this is.
unsafe impl<A: Async> Async for UnderJob<A> {
    type Output = A::Output;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let this = self.project();
        // SAFETY: the job runs while its `block_on` does, and its scope is alive.
        let head = unsafe { this.job.as_ref() };
        // The waker first, then the bit, then (by polling) the flags: a request is either seen by this poll or finds both.
        let waker = cx.waker().clone();
        let old = blocked().insert(this.job.addr().get(), waker);
        drop(old);
        head.state.begin_blocking();
        // SAFETY: as above.
        let set = unsafe { Header::set(*this.job) };
        let mut own = cx.with_cancel(&head.flag);
        let poll = |cx: &mut Context<'_>| {
            // SAFETY: promised by the caller of this method for the whole, hence for `a`.
            unsafe { this.a.poll_async(cx) }
        };
        match set {
            Some(set) => poll(&mut own.with_cancel(set.flag())),
            None => poll(&mut own),
        }
    }

    fn is_cancel_safe(&self) -> bool {
        self.a.is_cancel_safe()
    }
}
