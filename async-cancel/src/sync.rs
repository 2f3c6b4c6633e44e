//! Locks and counters that are loom's under `--cfg loom`, so that the protocols of `token/` are checked as they are written.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, Ordering, fence},
};
// A waker is made of std's.
#[cfg(loom)]
pub(crate) use std::sync::Arc;

/// Locks, whatever happened to an earlier holder: nothing foreign runs under the locks of this crate, so none is left half-way
/// through a change.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
