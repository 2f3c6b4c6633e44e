//! `Interval`: an endless stream of ticks.

use std::{
    pin::Pin,
    task::{self, Poll},
    time::{Duration, Instant},
};

use async_trait_core::{Items, items};
use futures_core::Stream;

use super::sleep::{Sleep, sleep, sleep_until};
use crate::{Runtime as _, current};

/// Ticks every `period`, for the first time one period from now, by the clock of the runtime of the task. See
/// [`sleep`](crate::sleep()) for when "now" is.
///
/// An item is the time at which its tick was due. Ticks that nobody waited for are left out, so that a slow consumer is not
/// followed by a burst: the ticks stay multiples of the period from the first.
///
/// ```
/// use std::time::Duration;
/// let mut ticks = runtime_glue::interval(Duration::from_millis(1));
/// let (first, second) = runtime_glue::block_on(async { (ticks.next().await.unwrap(), ticks.next().await.unwrap()) });
/// assert!(second - first >= Duration::from_millis(1));
/// ```
///
/// # Panics
/// If the period is zero.
///
/// # Cancellation
/// A plain stream: it does not notice a request; merge it with something that does. It may be dropped at any time.
#[track_caller]
pub fn interval(period: Duration) -> Items<Interval> {
    assert!(!period.is_zero(), "an interval needs a period that is not zero");
    items(Interval { period, sleep: sleep(period) })
}

/// The stream of [`interval`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Interval {
    period: Duration,
    sleep: Sleep,
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Instant>> {
        let this = &mut *self;
        let Poll::Ready(due) = this.sleep.poll_end(cx.waker()) else { return Poll::Pending };
        let now = current::with(|runtime| runtime.now());
        this.sleep = match next_tick(due, now, this.period) {
            Some(next) => sleep_until(next),
            None => sleep(Duration::MAX),
        };
        Poll::Ready(Some(due))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

/// The first multiple of `period` from `due` that is after `now`.
fn next_tick(due: Instant, now: Instant, period: Duration) -> Option<Instant> {
    let next = due.checked_add(period)?;
    let late = now.saturating_duration_since(next);
    if late.is_zero() && next > now {
        return Some(next);
    }
    let ahead = period.as_nanos() - late.as_nanos() % period.as_nanos();
    now.checked_add(Duration::new(
        u64::try_from(ahead / 1_000_000_000).ok()?,
        u32::try_from(ahead % 1_000_000_000).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_ticks_are_left_out_and_the_phase_is_kept() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let next = |now| next_tick(at(10), at(now), Duration::from_millis(10)).unwrap();
        assert_eq!(next(10), at(20));
        assert_eq!(next(19), at(20));
        assert_eq!(next(20), at(30));
        assert_eq!(next(57), at(60));
        assert_eq!(next_tick(start, start, Duration::MAX), None);
    }
}
