//! The adapter for tokio: scoped tasks run on the host's threads with its context entered, so that its net, time and fs work in
//! them; blocking jobs on its blocking pool; timers on its timers. What a host that shuts down drops is rescued.
//!
//! In the context of a tokio runtime it is found by itself: [`spawn`](crate::spawn()), [`run`](crate::run()) and scopes use it.

use std::{fmt, sync::Arc, task::Waker, time::Instant};

use ::tokio::{runtime::Handle, task::AbortHandle};
use async_trait_core::Async;

use super::timers::{Alarm, Timers};
use crate::{BlockingJob, Runtime, RuntimeHandle, TimerKey, Work};

/// The tokio runtime in whose context this is called.
///
/// # Panics
/// Outside of one.
#[must_use]
pub fn current() -> RuntimeHandle {
    from_handle(Handle::current())
}

/// A tokio runtime by its handle.
#[must_use]
pub fn from_handle(handle: Handle) -> RuntimeHandle {
    RuntimeHandle::new(Tokio { handle, timers: Arc::new(Timers::new()) })
}

/// The tokio runtime in whose context this is called, if there is one.
pub(crate) fn try_current() -> Option<RuntimeHandle> {
    Handle::try_current().ok().map(from_handle)
}

/// Runs `a` to its end on a new multi-thread tokio runtime: what `#[runtime_glue::main(tokio)]` does.
///
/// # Panics
/// With the panic of `a`; or if the runtime cannot be built.
pub fn block_on<A: Async>(a: A) -> A::Output {
    let runtime =
        ::tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio's runtime can be built");
    let _context = runtime.enter();
    from_handle(runtime.handle().clone()).block_on(a)
}

/// A tokio runtime as a [`Runtime`].
struct Tokio {
    handle: Handle,
    timers: Arc<Timers<AbortHandle>>,
}

impl Runtime for Tokio {
    fn schedule(&self, work: Work) {
        // Dropped by a runtime that shuts down, the future drops the work, which is rescued.
        self.handle.spawn(async move { work.run() });
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.handle.spawn_blocking(move || job.run());
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        let (waker, timers) = (waker.clone(), Arc::clone(&self.timers));
        self.timers.set(|key| {
            let alarm = Alarm::new(timers, key, when, waker);
            let timer = async move {
                ::tokio::time::sleep_until(when.into()).await;
                alarm.fire();
            };
            self.handle.spawn(timer).abort_handle()
        })
    }

    fn cancel_sleep(&self, key: TimerKey) {
        if let Some(timer) = self.timers.take(key.get()) {
            timer.abort();
        }
    }

    fn name(&self) -> &str {
        "tokio"
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokio").finish_non_exhaustive()
    }
}
