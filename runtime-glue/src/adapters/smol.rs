//! The adapter for smol's global executor: scoped tasks run on its threads, blocking jobs on its blocking pool, timers on its
//! reactor.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    task::Waker,
    time::Instant,
};

use super::timers::{Alarm, Timers};
use crate::{BlockingJob, Runtime, RuntimeHandle, TimerKey, Work};

/// smol's global executor.
#[must_use]
pub fn global() -> RuntimeHandle {
    static SMOL: OnceLock<Smol> = OnceLock::new();
    RuntimeHandle::from_static(SMOL.get_or_init(|| Smol { timers: Arc::new(Timers::new()) }))
}

/// smol's global executor as a [`Runtime`].
struct Smol {
    timers: Arc<Timers<::smol::Task<()>>>,
}

impl Runtime for Smol {
    fn schedule(&self, work: Work) {
        ::smol::spawn(async move { work.run() }).detach();
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        ::smol::unblock(move || job.run()).detach();
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        let (waker, timers) = (waker.clone(), Arc::clone(&self.timers));
        self.timers.set(|key| {
            let alarm = Alarm::new(timers, key, when, waker);
            ::smol::spawn(async move {
                ::smol::Timer::at(when).await;
                // Its own handle: dropping it would cancel what runs here.
                if let Some(task) = alarm.fire() {
                    task.detach();
                }
            })
        })
    }

    fn cancel_sleep(&self, key: TimerKey) {
        // Dropping the task cancels it.
        drop(self.timers.take(key.get()));
    }

    fn name(&self) -> &str {
        "smol"
    }
}

impl fmt::Debug for Smol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smol").finish_non_exhaustive()
    }
}
