//! Locks and counters that are loom's under `--cfg loom`, so that the protocols of `token/` are checked as they are written.

use async_trait_core::CancelFlag;

#[cfg(not(loom))]
use core::cell::UnsafeCell;
#[cfg(loom)]
use loom::cell::UnsafeCell;
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use std::thread::{self, ThreadId};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, Ordering, fence},
};
#[cfg(loom)]
pub(crate) use loom::thread::{self, ThreadId};
// A waker is made of std's.
#[cfg(loom)]
pub(crate) use std::sync::Arc;

/// What a lock beside it protects. Under loom each look is checked to be ordered with all others.
pub(crate) struct LockedCell<T>(UnsafeCell<T>);

impl<T> LockedCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The inside, for who holds the lock.
    #[inline]
    pub(crate) fn get(&self) -> *mut T {
        #[cfg(not(loom))]
        return self.0.get();
        #[cfg(loom)]
        return self.0.with_mut(|inside| inside);
    }
}

/// A flag of the core crate, whose atomic loom does not know: under loom every access is told to it as one to an atomic of its
/// own, so that it tries them in every order.
pub(crate) struct Flag {
    flag: CancelFlag,
    #[cfg(loom)]
    turns: loom::sync::atomic::AtomicUsize,
}

impl Flag {
    pub(crate) fn new() -> Self {
        Self {
            flag: CancelFlag::new(),
            #[cfg(loom)]
            turns: loom::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// To look at it.
    #[inline]
    pub(crate) fn look(&self) -> &CancelFlag {
        #[cfg(loom)]
        self.turns.load(Ordering::SeqCst);
        &self.flag
    }

    /// To raise it.
    #[inline]
    pub(crate) fn raise(&self) -> &CancelFlag {
        #[cfg(loom)]
        self.turns.fetch_add(1, Ordering::SeqCst);
        &self.flag
    }
}

/// Locks, whatever happened to an earlier holder: nothing foreign runs under the locks of this crate, so none is left half-way
/// through a change.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
