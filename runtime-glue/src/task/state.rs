//! The state word of a task: every transition that its header can make, as a method.
//!
//! ```text
//!             spawn
//!               |
//!               v            suspend (not NOTIFIED)
//!   +---> [ SCHED ] -----------------------------------> [ idle ]
//!   |        |   ^  wake: sets NOTIFIED                     |
//!   |        |   +------------------------------------------+  wake: sets SCHED, makes a Work
//!   |        |
//!   |        | suspend (NOTIFIED): keeps SCHED, makes a Work
//!   +--------+
//!            |
//!            | finish
//!            v
//!        [ DONE ]   --- references fall to 0 --->  slot is free
//! ```
//!
//! - `SCHED`: exactly one owner of the payload exists: a `Work`, or a thread inside `run`.
//! - `NOTIFIED`: woken since the owner last looked. Set only while `SCHED` is.
//! - `DONE`: the future is destroyed. The output cell is filled, and belongs to who clears `HANDLE`.
//! - `HANDLE`: a handle may take the output. Before `DONE` only the handle clears it (when dropped), after `DONE` whoever
//!   clears it owns the output.
//! - `JWAKER`: the join waker is set. Before `DONE` the handle may take it back by clearing the bit; after `DONE` it belongs to
//!   the completer.
//! - `STARTED`: the future was polled at least once.
//! - `RESCUED`: every further schedule goes to the rescue.
//! - `BLOCKED`: the owner is a blocking job inside `BlockingCx::block_on`; a wake is passed on to its thread.
//! - `BACKGROUND`: a background task of its scope. Never changes.
//! - `LOCAL`: the payload is not `Send`; it must never reach the rescue. Never changes.
//! - above them the count of references: one for the task until `DONE`, one for the handle, one for each escaped waker.
//!
//! A slot is free exactly when the count is 0.

use std::process;

use crate::sync::{AtomicUsize, Ordering};

const SCHED: usize = 1 << 0;
const NOTIFIED: usize = 1 << 1;
const DONE: usize = 1 << 2;
const HANDLE: usize = 1 << 3;
const JWAKER: usize = 1 << 4;
const STARTED: usize = 1 << 5;
const RESCUED: usize = 1 << 6;
const BLOCKED: usize = 1 << 7;
const BACKGROUND: usize = 1 << 8;
const LOCAL: usize = 1 << 9;
const REFERENCE: usize = 1 << 10;

/// The state word. Its methods are the transitions; what each entitles to stands on it.
pub(crate) struct State {
    word: AtomicUsize,
}

/// What a wake must do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// Nothing: it is complete, or its owner will look again.
    Nothing,
    /// As `Nothing`, but the owner is a thread that is blocked and has to be told.
    Blocked,
    /// The caller owns the payload now and must schedule it.
    Schedule,
}

/// What became of a task that was polled and is pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Suspend {
    /// Nobody owns it; the caller must not touch it any more.
    Idle,
    /// It was woken meanwhile: the caller still owns it and must schedule it.
    Again,
}

/// What the completer has to do after `finish`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Finish {
    /// Nobody wants the output any more; the state is unchanged and the output still the completer's: drop it and call again.
    Unwanted,
    /// Published; the join waker belongs to the caller, who also still holds the task's reference.
    WakeJoiner,
    /// Published, and the task's reference is released; true if it was the last.
    Released(bool),
}

/// What a handle finds when it asks for the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Join {
    /// The task is not complete.
    Pending,
    /// The output is the caller's.
    Mine,
    /// The task is complete and somebody else has taken the output.
    Taken,
}

/// What a handle that is dropped has to clean up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Detached {
    /// The output is the caller's to drop. Its reference to the task is not released yet.
    pub(crate) output: bool,
    /// The join waker is the caller's to drop. Its reference to the task is not released yet.
    pub(crate) waker: bool,
}

/// What kind of task a state is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Kind {
    /// It does not keep its scope from ending, and is asked to stop when the ordinary tasks are done.
    pub(crate) background: bool,
    /// Its payload is not `Send`.
    pub(crate) local: bool,
}

impl State {
    /// A spawned task: owned by its first `Work`, with a reference each for the task and its handle.
    pub(crate) fn spawned(kind: Kind) -> Self {
        let kind = if kind.background { BACKGROUND } else { 0 } | if kind.local { LOCAL } else { 0 };
        Self { word: AtomicUsize::new(SCHED | HANDLE | kind | (2 * REFERENCE)) }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.word.load(Ordering::Acquire) & DONE != 0
    }

    pub(crate) fn is_background(&self) -> bool {
        self.word.load(Ordering::Relaxed) & BACKGROUND != 0
    }

    pub(crate) fn is_local(&self) -> bool {
        self.word.load(Ordering::Relaxed) & LOCAL != 0
    }

    pub(crate) fn is_rescued(&self) -> bool {
        self.word.load(Ordering::Relaxed) & RESCUED != 0
    }

    /// Whether the task is queued or running, for reports.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.word.load(Ordering::Relaxed) & SCHED != 0
    }

    /// Whether the task was ever polled, for its owner and for reports.
    pub(crate) fn is_started(&self) -> bool {
        self.word.load(Ordering::Relaxed) & STARTED != 0
    }

    /// Whether a handle still wants the output. For the completer; `finish` has the last word.
    pub(crate) fn is_wanted(&self) -> bool {
        self.word.load(Ordering::Relaxed) & HANDLE != 0
    }

    /// Notes that the task is to run.
    pub(crate) fn wake(&self) -> Wake {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            if old & DONE != 0 {
                return Wake::Nothing;
            }
            let (new, result) = if old & SCHED == 0 {
                (old | SCHED, Wake::Schedule)
            } else if old & BLOCKED != 0 {
                (old | NOTIFIED, Wake::Blocked)
            } else {
                (old | NOTIFIED, Wake::Nothing)
            };
            // Also where nothing changes: the Release publishes what happened before the wake to the owner's next look
            // (`begin`, or the failing exchange of `suspend`), the Acquire takes over the payload from `suspend`.
            match self.word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return result,
                Err(now) => old = now,
            }
        }
    }

    /// The owner is about to poll: later wakes count again.
    pub(crate) fn begin(&self) {
        // What is missed by this look is seen by `suspend`.
        if self.word.load(Ordering::Relaxed) & NOTIFIED != 0 {
            // Acquire pairs with the Release of `wake`.
            self.word.fetch_and(!NOTIFIED, Ordering::Acquire);
        }
    }

    /// The owner has polled and the task is pending.
    pub(crate) fn suspend(&self) -> Suspend {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            if old & NOTIFIED != 0 {
                if old & STARTED == 0 {
                    self.word.fetch_or(STARTED, Ordering::Relaxed);
                }
                return Suspend::Again;
            }
            // Release hands the payload to whoever sets `SCHED` next.
            let new = (old & !SCHED) | STARTED;
            match self.word.compare_exchange_weak(old, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Suspend::Idle,
                Err(now) => old = now,
            }
        }
    }

    /// The owner has destroyed the future. `has_output`: it has filled the output cell.
    pub(crate) fn finish(&self, has_output: bool) -> Finish {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            if has_output && old & HANDLE == 0 {
                // Pairs with `detach`: `HANDLE` cannot come back, so the cell is the completer's.
                return Finish::Unwanted;
            }
            let done = (old & !(SCHED | NOTIFIED)) | DONE;
            let (new, result) = if old & JWAKER != 0 {
                (done, Finish::WakeJoiner)
            } else {
                (done - REFERENCE, Finish::Released(done / REFERENCE == 1))
            };
            // Release publishes the output to the handle; Acquire takes over the join waker from `set_join_waker`, and, if the
            // reference was the last, orders what other holders did before the slot's reuse.
            match self.word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return result,
                Err(now) => old = now,
            }
        }
    }

    /// Claims the output for the caller, if the task is complete.
    pub(crate) fn claim_output(&self) -> Join {
        let mut old = self.word.load(Ordering::Acquire);
        loop {
            if old & DONE == 0 {
                return Join::Pending;
            }
            if old & HANDLE == 0 {
                return Join::Taken;
            }
            // Acquire pairs with the Release of `finish`: the output is visible.
            match self.word.compare_exchange_weak(old, old & !HANDLE, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Join::Mine,
                Err(now) => old = now,
            }
        }
    }

    /// Takes the join waker back to change it. True: it was set and is the caller's. False: there is none, or it has gone to
    /// the completer.
    pub(crate) fn take_join_waker(&self) -> bool {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            if old & JWAKER == 0 || old & DONE != 0 {
                return false;
            }
            match self.word.compare_exchange_weak(old, old & !JWAKER, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// Hands the join waker, which the caller has filled, to the completer. False: the task is complete, and the waker is
    /// still the caller's.
    pub(crate) fn set_join_waker(&self) -> bool {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            if old & DONE != 0 {
                return false;
            }
            // Release publishes the waker to the completer.
            match self.word.compare_exchange_weak(old, old | JWAKER, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// The handle goes. Its reference is released with `release` after it has cleaned up what this returns.
    pub(crate) fn detach(&self) -> Detached {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            let done = old & DONE != 0;
            let result = Detached { output: done && old & HANDLE != 0, waker: !done && old & JWAKER != 0 };
            // After `DONE` a set `JWAKER` is the completer's business.
            let new = if done { old & !HANDLE } else { old & !(HANDLE | JWAKER) };
            // Acquire pairs with the Release of `finish`: the output is visible.
            match self.word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return result,
                Err(now) => old = now,
            }
        }
    }

    /// One more reference, by a holder of one.
    pub(crate) fn retain(&self) {
        if self.word.fetch_add(REFERENCE, Ordering::Relaxed) > isize::MAX as usize {
            // A count that overflowed would free the slot under its holders.
            process::abort();
        }
    }

    /// One more reference, by the scope under its lock, unless the task is complete.
    pub(crate) fn retain_unfinished(&self) -> bool {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            if old & DONE != 0 {
                return false;
            }
            match self.word.compare_exchange_weak(old, old + REFERENCE, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// One reference less. True: it was the last, and the slot is the caller's to free.
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        // Release orders this holder's accesses before the reuse of the slot; Acquire, for the last one, the others'.
        self.word.fetch_sub(REFERENCE, Ordering::AcqRel) / REFERENCE == 1
    }

    /// Every further schedule goes to the rescue. By the owner.
    pub(crate) fn set_rescued(&self) {
        self.word.fetch_or(RESCUED, Ordering::Relaxed);
    }

    /// The owner, a blocking job, is about to block until it is woken. False: it was woken already.
    pub(crate) fn begin_blocking(&self) -> bool {
        // Acquire pairs with the Release of `wake`.
        self.word.fetch_or(BLOCKED, Ordering::AcqRel) & NOTIFIED == 0
    }

    /// The owner, a blocking job, blocks no more.
    pub(crate) fn end_blocking(&self) {
        self.word.fetch_and(!(BLOCKED | NOTIFIED), Ordering::AcqRel);
    }
}
