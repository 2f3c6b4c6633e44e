//! `Sleep`: a future that is ready at a certain time.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{self, Poll, Waker},
    time::{Duration, Instant},
};

use crate::{Runtime as _, RuntimeHandle, TimerKey, current};

/// Waits for `duration`, by the clock of the runtime of the task.
///
/// It counts from this call if that is made in a task or in `block_on`, so that the runtime's clock is known; else from the first
/// poll. It is late by at most a 64th of the time waited for and never by more than about a millisecond, besides what the
/// system adds; and never early.
///
/// ```
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// runtime_glue::block_on(runtime_glue::sleep(Duration::from_millis(1)));
/// assert!(start.elapsed() >= Duration::from_millis(1));
/// ```
///
/// # Cancellation
/// A plain future: it does not notice a request (see `async_cancel::or_cancelled`), and may be dropped at any time, which
/// removes the timer at once.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        end: current::get_with(|runtime| End::after(runtime, duration)).unwrap_or(End::After(duration)),
        timer: None,
    }
}

/// Waits until `when`, by the clock of the runtime of the task. See [`sleep`].
///
/// # Cancellation
/// As for [`sleep`].
pub const fn sleep_until(when: Instant) -> Sleep {
    Sleep { end: End::At(when), timer: None }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    end: End,
    timer: Option<Timer>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// So long after the first poll.
    After(Duration),
    At(Instant),
    /// Later than time can be told.
    Never,
}

impl End {
    fn after(runtime: &RuntimeHandle, duration: Duration) -> Self {
        runtime.now().checked_add(duration).map_or(Self::Never, Self::At)
    }
}

/// A timer that is set.
struct Timer {
    runtime: RuntimeHandle,
    key: TimerKey,
    /// What the timer will wake.
    waker: Waker,
}

impl Timer {
    /// Whether it is set on this runtime, as far as can be told.
    fn is_on(&self, runtime: &RuntimeHandle) -> bool {
        std::ptr::addr_eq(self.runtime.as_dyn(), runtime.as_dyn())
    }
}

impl Sleep {
    /// When it ends; `None` if never, or if it has not begun to count.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.end {
            End::At(when) => Some(when),
            End::After(_) | End::Never => None,
        }
    }

    /// Ready with the end, which stays.
    pub(super) fn poll_end(&mut self, waker: &Waker) -> Poll<Instant> {
        current::with(|runtime| self.poll_on(runtime, waker))
    }

    fn poll_on(&mut self, runtime: &RuntimeHandle, waker: &Waker) -> Poll<Instant> {
        if let End::After(duration) = self.end {
            self.end = End::after(runtime, duration);
        }
        let End::At(when) = self.end else { return Poll::Pending };
        if runtime.now() >= when {
            // The timer has fired, or is about to, since it is due: it need not be cleared.
            self.timer = None;
            return Poll::Ready(when);
        }
        if !self.timer.as_ref().is_some_and(|timer| timer.is_on(runtime) && timer.waker.will_wake(waker)) {
            self.clear();
            let (runtime, waker) = (runtime.clone(), waker.clone());
            let key = runtime.sleep_until(when, &waker);
            self.timer = Some(Timer { runtime, key, waker });
        }
        Poll::Pending
    }

    /// Takes the timer back, if one is set.
    fn clear(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.runtime.cancel_sleep(timer.key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.poll_end(cx.waker()).map(drop)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("end", &self.end).finish_non_exhaustive()
    }
}
