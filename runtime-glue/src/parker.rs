//! `Parker`: puts its thread to sleep, and wakes it from any other. One per thread, shared by everything on it that sleeps.
//!
//! ```text
//!            park                     unpark
//! EMPTY ------------> PARKED --------------------> NOTIFIED
//!   |                                                 ^ |
//!   +-------------------- unpark ---------------------+ | park: goes on at once
//!   ^---------------------------------------------------+
//! ```
//!
//! The state is this crate's own, so that a stray `std::thread::unpark` only costs another look, and so that a wake of a
//! thread that is not asleep costs no system call.

use std::{
    cell::Cell,
    ptr,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

use crate::sync::{AtomicU32, Ordering, thread};

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;

/// Puts the thread that made it to sleep.
pub(crate) struct Parker {
    state: AtomicU32,
    thread: thread::Thread,
}

thread_local! {
    /// The address of this thread's parker while `OWN` holds it, to compare with.
    static ADDRESS: Cell<*const Parker> = const { Cell::new(ptr::null()) };
    static OWN: Own = {
        let own = Own(Parker::new());
        ADDRESS.set(Arc::as_ptr(&own.0));
        own
    };
}

struct Own(Arc<Parker>);

impl Drop for Own {
    fn drop(&mut self) {
        // The address may be used again, by the parker of another thread.
        ADDRESS.set(ptr::null());
    }
}

impl Parker {
    /// A parker of the calling thread.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: AtomicU32::new(EMPTY), thread: thread::current() })
    }

    /// The parker that everything on this thread shares; while the thread's locals are being destroyed, a new one.
    pub(crate) fn current() -> Arc<Self> {
        OWN.try_with(|own| Arc::clone(&own.0)).unwrap_or_else(|_| Self::new())
    }

    /// Whether the calling thread is the one that it puts to sleep. May be false although it is, never the reverse.
    pub(crate) fn is_own(&self) -> bool {
        ptr::eq(ADDRESS.get(), self)
    }

    /// Sleeps until `unpark`, or returns at once if that was called since the last time. On the own thread.
    pub(crate) fn park(&self) {
        if self.prepare() {
            loop {
                thread::park();
                if self.take_notice() {
                    return;
                }
            }
        }
    }

    /// As `park`, but for no longer than `timeout`. False if that has passed.
    #[cfg(not(loom))]
    pub(crate) fn park_timeout(&self, timeout: Duration) -> bool {
        let end = std::time::Instant::now().checked_add(timeout);
        if self.prepare() {
            let mut left = timeout;
            loop {
                thread::park_timeout(left);
                if self.take_notice() {
                    return true;
                }
                left = end.map_or(timeout, |end| end.saturating_duration_since(std::time::Instant::now()));
                if left.is_zero() {
                    // Acquire as in `take_notice`: the notice may have come just now.
                    return self.state.swap(EMPTY, Ordering::Acquire) == NOTIFIED;
                }
            }
        }
        true
    }

    /// In a model time does not pass: the time-out is always there at once.
    #[cfg(loom)]
    pub(crate) fn park_timeout(&self, _: Duration) -> bool {
        thread::yield_now();
        self.take_notice()
    }

    /// True if the thread is to sleep; false if there was a notice, which is taken.
    fn prepare(&self) -> bool {
        !self.take_notice()
            && match self.state.compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => true,
                // The only other change of `EMPTY` is a notice.
                Err(_) => !self.take_notice(),
            }
    }

    fn take_notice(&self) -> bool {
        // Acquire pairs with the Release of `unpark`: what happened before it is seen.
        self.state.compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Wakes the thread, or lets its next `park` return at once.
    pub(crate) fn unpark(&self) {
        if self.state.swap(NOTIFIED, Ordering::Release) == PARKED {
            self.thread.unpark();
        }
    }

    /// A waker that only ends a `park`.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_never_lost_and_carries_what_came_before() {
        loom::model(|| {
            let parker = Parker::new();
            let value = Arc::new(AtomicU32::new(0));
            let other = {
                let (parker, value) = (Arc::clone(&parker), Arc::clone(&value));
                loom::thread::spawn(move || {
                    value.store(1, Ordering::Relaxed);
                    parker.unpark();
                })
            };
            while value.load(Ordering::Relaxed) == 0 {
                parker.park();
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn a_notice_of_two_is_enough() {
        loom::model(|| {
            let parker = Parker::new();
            let count = Arc::new(AtomicU32::new(0));
            let others = [(); 2].map(|()| {
                let (parker, count) = (Arc::clone(&parker), Arc::clone(&count));
                loom::thread::spawn(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    parker.unpark();
                })
            });
            while count.load(Ordering::Relaxed) != 2 {
                parker.park();
            }
            for other in others {
                other.join().unwrap();
            }
        });
    }
}
