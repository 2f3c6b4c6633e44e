//! The clock of a work: for what happens on one thread that thread's CPU time, which does not run while others have the core; for
//! the rest the time on the wall.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

static ONE_THREAD: AtomicBool = AtomicBool::new(false);

/// A time taken.
pub(crate) struct Clock {
    id: libc::clockid_t,
    start: Duration,
}

impl Clock {
    /// What the works from now on are measured with.
    pub(crate) fn set_one_thread(one_thread: bool) {
        ONE_THREAD.store(one_thread, Relaxed);
    }

    pub(crate) fn start() -> Self {
        Self::of(if ONE_THREAD.load(Relaxed) { libc::CLOCK_THREAD_CPUTIME_ID } else { libc::CLOCK_MONOTONIC })
    }

    /// The CPU time of all threads of the process.
    pub(crate) fn start_cpu() -> Self {
        Self::of(libc::CLOCK_PROCESS_CPUTIME_ID)
    }

    fn of(id: libc::clockid_t) -> Self {
        Self { id, start: now(id) }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        now(self.id) - self.start
    }
}

fn now(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes a `timespec` to where the pointer shows, which is one.
    let result = unsafe { libc::clock_gettime(id, &raw mut time) };
    assert_eq!(result, 0, "the kernel has this clock");
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
