//! A runtime whose clock is turned by hand.

use std::{
    sync::{Arc, Mutex},
    task::Waker,
    time::{Duration, Instant},
};

use runtime_glue::{Runtime, RuntimeHandle, TimerKey, Work};

#[derive(Clone)]
pub struct Clock(Arc<Mutex<State>>);

struct State {
    now: Instant,
    keys: u64,
    timers: Vec<(Instant, u64, Waker)>,
}

impl Clock {
    /// Runs `f` with a clock of its own as the current runtime.
    pub fn run<R>(f: impl FnOnce(&Self) -> R) -> R {
        let clock = Self(Arc::new(Mutex::new(State { now: Instant::now(), keys: 0, timers: Vec::new() })));
        let mut f = Some(f);
        RuntimeHandle::new(clock.clone()).block_on(async { f.take().map(|f| f(&clock)) }).unwrap()
    }

    /// Turns the clock on; wakes who is due, in order.
    pub fn turn(&self, by: Duration) {
        let mut due = {
            let mut state = self.0.lock().unwrap();
            state.now += by;
            let now = state.now;
            let (due, later) = state.timers.drain(..).partition::<Vec<_>, _>(|timer| timer.0 <= now);
            state.timers = later;
            due
        };
        due.sort_by_key(|timer| (timer.0, timer.1));
        for (_, _, waker) in due {
            waker.wake();
        }
    }

    pub fn now(&self) -> Instant {
        self.0.lock().unwrap().now
    }

    /// How many timers are set.
    pub fn timers(&self) -> usize {
        self.0.lock().unwrap().timers.len()
    }
}

impl Runtime for Clock {
    fn schedule(&self, work: Work) {
        work.run();
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        let mut state = self.0.lock().unwrap();
        state.keys += 1;
        let key = state.keys;
        state.timers.push((when, key, waker.clone()));
        TimerKey::new(key)
    }

    fn cancel_sleep(&self, key: TimerKey) {
        let mut state = self.0.lock().unwrap();
        let taken = state.timers.iter().position(|timer| timer.1 == key.get()).map(|at| state.timers.remove(at));
        drop(state);
        drop(taken);
    }

    fn now(&self) -> Instant {
        Self::now(self)
    }
}
