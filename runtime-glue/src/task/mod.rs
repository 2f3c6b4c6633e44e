//! Tasks: what a scope's or a runtime's spawned computation is made of.
//!
//! For those who build scopes on top of this crate; users want `async_scope` or [`spawn`](crate::spawn()).
//!
//! # How a task lives
//!
//! A task is a slot: a [`Header`], then the future, then, in the same place, the output. Slots lie in blocks of an arena that a
//! scope owns (`arena.rs`), or one alone for a task without a scope. A [`Work`](crate::Work) is the address of a header and
//! stands for the right to poll. Who may touch what is decided by one state word (`state.rs`), drawn there.
//!
//! # The dangers, and what meets them
//!
//! - *The future is polled by two threads.* `SCHED` has one owner; `Work` is not `Clone`, and `run` takes it.
//! - *The future is dropped half-way.* Nobody can: a dropped `Work` is rescued (`rescue.rs`), a handle that is dropped only lets
//!   go of the output, and the scope waits for its count (`count.rs`).
//! - *The scope's frame goes while a task still looks at it.* The count falls last, by *last touch*. What outlives the frame
//!   (wakers, handles) only touches the slot, and the block stays until the last of them is gone.
//! - *A slot is reused under a stale waker.* A slot is free only at reference count 0; each waker counts.
//! - *The runtime is dropped while it schedules.* A counted handle is cloned before `schedule`.
//! - *Foreign code panics on the way.* `typed.rs` contains it and tells the scope.
//! - *The scope is cancelled while a task is being spawned.* Slots are claimed and initialised under the scope's lock, and
//!   cancelling sets the flag before it walks the slots under the same lock: the task is woken, or sees the flag.
//!
//! Read next: `state.rs`, `count.rs`, `typed.rs`.

mod arena;
mod blocked;
mod count;
pub(crate) mod header;
#[cfg(all(test, loom))]
mod model;
mod panics;
mod report;
mod set;
mod state;
mod typed;

use std::{panic::Location, ptr::NonNull, task::Poll};

use async_trait_core::{Async, Reason};

pub use self::{
    blocked::BlockingCx,
    header::Header,
    panics::{JoinError, Panic},
    report::StuckTask,
    set::{Alive, Inherited, ParentScope, TaskOptions, TaskSet},
};
use self::{
    header::Reference,
    state::{Join, Kind},
    typed::Outcome,
};
use crate::{JoinHandle, RuntimeHandle};

/// Starts a task without a scope on `runtime`.
#[track_caller]
pub(crate) fn spawn_static<A>(runtime: RuntimeHandle, a: A) -> JoinHandle<A::Output>
where
    A: Async + Send + 'static,
    A::Output: Send + 'static,
{
    let header = typed::new_async(a, Kind::default(), Location::caller(), |layout, initialise| {
        let (header, place) = arena::alone(layout, runtime);
        initialise(header, place);
        header
    });
    // SAFETY: the task's output type, and the handle's reference is passed on.
    let handle = unsafe { JoinHandle::from_header(header) };
    // SAFETY: a new task is owned by its spawner; the handle holds a reference.
    unsafe { header::schedule(header) };
    handle
}

/// Starts a blocking job without a scope on `runtime`.
#[track_caller]
pub(crate) fn spawn_blocking_static<F, T>(runtime: RuntimeHandle, f: F) -> JoinHandle<T>
where
    F: FnOnce(&BlockingCx<'_>) -> T + Send + 'static,
    T: Send + 'static,
{
    let header = typed::new_blocking(f, Kind::default(), Location::caller(), |layout, initialise| {
        let (header, place) = arena::alone(layout, runtime);
        initialise(header, place);
        header
    });
    // SAFETY: the task's output type, and the handle's reference is passed on.
    let handle = unsafe { JoinHandle::from_header(header) };
    // SAFETY: a new task is owned by its spawner; the handle holds a reference; the payload is a closure.
    unsafe { header::schedule_blocking(header) };
    handle
}

/// A handle's side of a task with output `T`.
///
/// # Invariants
/// A reference of the task's state is held, and it is the handle's: `HANDLE` was set for it.
pub(crate) struct JoinSide<T> {
    header: NonNull<Header>,
    output: std::marker::PhantomData<T>,
}

impl<T> JoinSide<T> {
    /// # Safety
    /// The task's output type is `T`; the reference of its handle passes to this value.
    pub(crate) unsafe fn new(header: NonNull<Header>) -> Self {
        // INVARIANT: promised by the caller.
        Self { header, output: std::marker::PhantomData }
    }

    fn head(&self) -> &Header {
        // SAFETY: the reference keeps the slot valid.
        unsafe { self.header.as_ref() }
    }

    pub(crate) fn cancel(&self, reason: Reason) {
        // SAFETY: the reference is held.
        unsafe { header::cancel(self.header, reason) };
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.head().state.is_done()
    }

    /// The output, if the task is complete; else `waker` will be woken when it is.
    pub(crate) fn poll(&mut self, waker: &std::task::Waker) -> Poll<Result<T, JoinError>> {
        let head = self.head();
        match head.state.claim_output() {
            Join::Mine => return Poll::Ready(self.read_output()),
            Join::Taken => panic!("a `JoinHandle` was polled after it had completed"),
            Join::Pending => {}
        }
        let place = &head.join_waker;
        if head.state.take_join_waker() {
            // SAFETY: `JWAKER` was set, and this handle has taken the place back.
            if !unsafe { place.will_wake(waker) } {
                // SAFETY: as above. It is filled again below, before `JWAKER` is set.
                let old = unsafe { place.take() };
                // Foreign code, which may panic: the place is empty then, and `JWAKER` not set.
                drop(old);
                let new = waker.clone();
                // SAFETY: `JWAKER` is not set, so the place is the handle's.
                unsafe { place.write(new) };
            }
        } else if head.state.is_done() {
            return self.poll(waker);
        } else {
            let new = waker.clone();
            // SAFETY: `JWAKER` is not set, and only the handle sets it, so the place is the handle's.
            unsafe { place.write(new) };
        }
        if head.state.set_join_waker() {
            return Poll::Pending;
        }
        // SAFETY: the task completed while `JWAKER` was not set, so the filled place is still the handle's.
        drop(unsafe { place.take() });
        self.poll(waker)
    }

    fn read_output(&self) -> Result<T, JoinError> {
        // SAFETY: a valid slot with this output type.
        let cell = unsafe { typed::output_cell::<T>(self.header) };
        // SAFETY: claiming gave the filled cell to the caller, who reads it once.
        match unsafe { cell.read() } {
            Outcome::Value(value) => Ok(value),
            Outcome::Cancelled(cancelled) => Err(JoinError::Cancelled(cancelled)),
            Outcome::Panicked(cell) => Err(JoinError::Panicked(Panic::new(cell.take()))),
        }
    }
}

impl<T> Drop for JoinSide<T> {
    fn drop(&mut self) {
        // INVARIANT: the handle's reference, released also when the output's destructor panics; the side is not used again.
        let _reference = Reference(self.header);
        let detached = self.head().state.detach();
        if detached.waker {
            // SAFETY: `JWAKER` was set, the task is not complete, and the bit is cleared: the waker is the handle's.
            drop(unsafe { self.head().join_waker.take() });
        }
        if detached.output {
            // SAFETY: a valid slot with this output type.
            let cell = unsafe { typed::output_cell::<T>(self.header) };
            // SAFETY: `detach` gave the filled cell to this handle.
            match unsafe { cell.read() } {
                Outcome::Panicked(cell) => cell.unobserved(),
                other => drop(other),
            }
        }
    }
}

// SAFETY: the state is atomic; the output and the wakers move between threads, and `T` may.
unsafe impl<T: Send> Send for JoinSide<T> {}
// SAFETY: `&JoinSide` only cancels and asks whether it is finished: atomics.
unsafe impl<T: Send> Sync for JoinSide<T> {}
