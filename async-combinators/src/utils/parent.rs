//! `ParentWaker`: the waker of the task that polls a set, replaced by that task, taken by whichever thread wakes it.
//!
//! Two bits say who may touch the cell:
//!
//! ```text
//!   IDLE ── register ──▶ REGISTERING ── release ──▶ IDLE
//!   IDLE ── take ──────▶ TAKING ─────── take ─────▶ IDLE
//!   REGISTERING ── take ──▶ REGISTERING | TAKING ── release: takes the waker and wakes it ──▶ IDLE
//!   TAKING ── register: wakes its own waker, which makes the task poll, and thereby register, again
//! ```
//!
//! The thread that sets the only bit owns the cell until it clears it. Nobody ever waits: a `take` that meets another
//! `take` leaves the wake to it, one that meets a `register` leaves it to that. There is one registrar at a time, since
//! it holds the set exclusively.
//!
//! Why no wake is lost: the registrar registers first and looks at the bits of the set after that; a waker sets its bit
//! first and takes after that. So either the registrar finds the bit, or the `take` comes after the registration began and
//! meets one of the four edges above, each of which wakes the registered waker or makes its task poll once more.
//!
//! No foreign code (the clone, wake or drop of a waker) runs between the two ends of a `take`. The clone in `register`
//! does, on the registrar's own side; if it unwinds the cell is released as it was.

use core::task::Waker;

use super::sync::{AtomicUsize, Ordering, UnsafeCell};

const IDLE: usize = 0;
const REGISTERING: usize = 1;
const TAKING: usize = 2;

/// See the top of the file.
pub(crate) struct ParentWaker {
    state: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the cell is touched only by the thread that owns it by the protocol above, one at a time, each handing it on with
// Release and taking it over with Acquire; a `Waker` is `Send`.
unsafe impl Sync for ParentWaker {}

// SAFETY: as above.
unsafe impl Send for ParentWaker {}

impl ParentWaker {
    pub(crate) fn new(waker: Option<Waker>) -> Self {
        Self { state: AtomicUsize::new(IDLE), waker: UnsafeCell::new(waker) }
    }

    /// From now on [`wake`](Self::wake) wakes this waker. One thread at a time.
    ///
    /// # Panics
    /// With a panic of the waker's clone or of the old waker's drop; the state stays sound.
    pub(crate) fn register(&self, waker: &Waker) {
        // Acquire takes the cell over from the last owner's Release.
        if self.state.compare_exchange(IDLE, REGISTERING, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // Another thread is taking the waker that was here before.
            waker.wake_by_ref();
            return;
        }
        let release = Release(self);
        // SAFETY: this thread set the only bit, so it owns the cell until `release` clears it.
        let known = self.waker.with_mut(|cell| unsafe { &*cell }.as_ref().is_some_and(|old| old.will_wake(waker)));
        let old = if known {
            None
        } else {
            let new = waker.clone();
            // SAFETY: as above; a `take` that came meanwhile did not touch the cell.
            self.waker.with_mut(|cell| unsafe { &mut *cell }.replace(new))
        };
        drop(release);
        drop(old);
    }

    /// Wakes the registered waker, once; the task registers again when it polls.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Takes the registered waker out, or leaves that to the thread that owns the cell.
    pub(crate) fn take(&self) -> Option<Waker> {
        // Acquire takes the cell over; Release is for the other owner, who may do the waking in this one's place.
        if self.state.fetch_or(TAKING, Ordering::AcqRel) != IDLE {
            return None;
        }
        // SAFETY: this thread set the only bit, so it owns the cell until it clears it.
        let waker = self.waker.with_mut(|cell| unsafe { &mut *cell }.take());
        // Release hands the cell on.
        self.state.fetch_and(!TAKING, Ordering::Release);
        waker
    }
}

/// Ends a registration, also by unwinding.
struct Release<'a>(&'a ParentWaker);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        let parent = self.0;
        // Release hands the cell on. Acquire: see below, the wake is done for the one who asked.
        if parent.state.compare_exchange(REGISTERING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return;
        }
        // SAFETY: REGISTERING was set by this thread and is still set, so it owns the cell.
        let waker = parent.waker.with_mut(|cell| unsafe { &mut *cell }.take());
        parent.state.swap(IDLE, Ordering::AcqRel);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
