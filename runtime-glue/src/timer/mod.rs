//! Timers: `Sleep`, `Interval`, `now`, and the timer behind the default of [`Runtime::sleep_until`].
//!
//! - `sleep.rs`, `interval.rs`, `clock.rs`: what users await. They go through the runtime of their task, so that a runtime with
//!   virtual time can lie to them.
//! - `wheel.rs`: many deadlines, and which is next; a data structure without threads or time.
//! - `driver.rs`: wheels behind locks, and the one thread that turns them.
//!
//! [`Runtime::sleep_until`]: crate::Runtime::sleep_until

mod clock;
mod driver;
mod interval;
mod sleep;
mod wheel;

pub use self::{
    clock::{Now, now},
    interval::{Interval, interval},
    sleep::{Sleep, sleep, sleep_until},
};
pub(crate) use driver::{cancel, help, register, unattended};

/// A timer that a runtime has set: what [`Runtime::sleep_until`](crate::Runtime::sleep_until) returns and
/// [`Runtime::cancel_sleep`](crate::Runtime::cancel_sleep) takes. What the number means is the runtime's business.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerKey(u64);

impl TimerKey {
    /// A key with a number of the runtime's own.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}
