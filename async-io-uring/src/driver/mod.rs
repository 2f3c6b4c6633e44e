//! Drivers: who submits operations and completes them.

mod fallback;
#[cfg(test)]
mod faulty;
mod local;
mod mailbox;
mod shared;

pub(crate) use local::{LocalDriver, TAG_MULTI, Wait};
pub(crate) use mailbox::Mailbox;
pub(crate) use shared::shared_mailbox;

use std::{
    cell::Cell,
    env, fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::OnceLock,
    task::Waker,
};

use crate::{
    ring::{Ring, Sqe},
    sys::emulate,
};

/// What serves operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverKind {
    /// The io_uring of the thread that polls.
    Ring,
    /// The io_uring of the process, for threads without one of their own.
    SharedRing,
    /// System calls on a pool of threads, where io_uring is not allowed.
    BlockingPool,
}

/// What serves the operations that are first polled at some place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Driver {
    kind: DriverKind,
}

impl Driver {
    /// What would serve an operation that is first polled here, on this thread.
    #[must_use]
    pub fn current() -> Self {
        let kind = match (ring_allowed(), with_current(|current| current.is_some())) {
            (false, _) => DriverKind::BlockingPool,
            (true, true) => DriverKind::Ring,
            (true, false) => DriverKind::SharedRing,
        };
        Self { kind }
    }

    /// What serves operations on the threads of a `UringRuntime`.
    pub(crate) fn of_ring_threads() -> Self {
        Self { kind: if ring_allowed() { DriverKind::Ring } else { DriverKind::BlockingPool } }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> DriverKind {
        self.kind
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Driver").field(&self.kind).finish()
    }
}

/// Wakes; a panic must not unwind through a driver that has operations in flight (*quiet*). The panic hook has reported it.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake()))
        && let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        // A payload whose destructor panics with a payload: enough.
        mem::forget(worse);
    }
}

/// Whether io_uring is there, and allowed: by the kernel, and by `ASYNC_IO_URING`, which turns it off if it is `off`. Found
/// out once.
pub(crate) fn ring_allowed() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| env::var_os("ASYNC_IO_URING").is_none_or(|value| value != "off") && Ring::new(2, 2).is_ok())
}

/// A driver for this thread, or `None` where there can be none: then its operations go to the shared driver.
pub(crate) fn new_local(mailbox: Option<&'static Mailbox>, entries: u32) -> Option<LocalDriver> {
    if !ring_allowed() {
        return None;
    }
    let ring = Ring::new(entries, entries * 4).ok()?;
    Some(LocalDriver::with_mailbox(ring, mailbox.map_or_else(Mailbox::lease, Ok).ok()?))
}

thread_local! {
    /// The driver that this thread owns and runs right now.
    static CURRENT: Cell<*const LocalDriver> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with the driver that this thread owns and runs, if it does.
#[inline]
pub(crate) fn with_current<T>(f: impl FnOnce(Option<&LocalDriver>) -> T) -> T {
    let driver = CURRENT.get();
    // SAFETY: null, or set by `Entered`, which borrows the driver and resets the pointer before that borrow ends.
    f(unsafe { driver.as_ref() })
}

/// How many transfers in a row a thread may carry out without its executor, before one goes through the driver, so that others
/// get their turn.
const BUDGET: u32 = 64;

/// Carries out a transfer at once, by a system call that does not wait, if this thread has no ring. That costs less than the
/// way to the shared driver and back. `None` if it is to be submitted.
///
/// # Safety
/// As for `emulate::direct`.
#[inline]
pub(crate) unsafe fn at_once(sqe: &Sqe) -> Option<i32> {
    thread_local! {
        static SPENT: Cell<u32> = const { Cell::new(0) };
    }
    if !CURRENT.get().is_null() {
        return None;
    }
    let spent = SPENT.get();
    SPENT.set(if spent < BUDGET { spent + 1 } else { 0 });
    if spent == BUDGET {
        return None;
    }
    // SAFETY: promised by the caller.
    unsafe { emulate::direct(sqe) }
}

/// While it lives, operations that are first polled on this thread go to the driver that it was made from.
pub(crate) struct Entered<'a> {
    before: *const LocalDriver,
    _driver: &'a LocalDriver,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(driver: &'a LocalDriver) -> Self {
        Self { before: CURRENT.replace(driver), _driver: driver }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}
