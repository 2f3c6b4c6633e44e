//! `AmbientDeadline`: when the current computation will be asked to finish, as a value in its context. It lives here, and not with
//! the timeouts of async-cancel that set it, since scopes hand it on to the tasks that they spawn.

use std::time::Instant;

use async_trait_core::Context;

/// The deadline in force, as it travels in a [`Context`]. For those who poll; code that runs under it reads it with
/// `async_cancel::effective_deadline` and `time_left`.
///
/// It announces a deadline and does not enforce it: whoever sets it also asks at that time. What spawns tasks of its own copies
/// the deadline to them, since ambient values end with the poll.
///
/// # Examples
/// ```
/// use runtime_glue::AmbientDeadline;
/// use async_trait_core::Context;
/// use std::{task::Waker, time::{Duration, Instant}};
///
/// let now = Instant::now();
/// let mut outside = Context::from_waker(Waker::noop());
/// let deadline = AmbientDeadline::within(now + Duration::from_secs(1), &outside);
/// let mut cx = outside.with_value(&deadline);
/// // A later one inside is cut short.
/// let deadline = AmbientDeadline::within(now + Duration::from_secs(2), &cx);
/// let cx = cx.with_value(&deadline);
/// assert_eq!(AmbientDeadline::of(&cx), Some(now + Duration::from_secs(1)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmbientDeadline {
    at: Option<Instant>,
}

impl AmbientDeadline {
    /// No deadline: what a shield puts over the one outside.
    #[must_use]
    pub const fn none() -> Self {
        Self { at: None }
    }

    /// This deadline, whatever is outside. For a context that is not nested in the one where the deadline comes from.
    #[must_use]
    pub const fn at(when: Instant) -> Self {
        Self { at: Some(when) }
    }

    /// This deadline or the one in force in `cx`, whichever is earlier.
    #[must_use]
    pub fn within(when: Instant, cx: &Context<'_>) -> Self {
        Self { at: Some(Self::of(cx).map_or(when, |outer| outer.min(when))) }
    }

    /// The deadline in force in `cx`.
    #[must_use]
    pub fn of(cx: &Context<'_>) -> Option<Instant> {
        cx.get::<Self>().and_then(|deadline| deadline.at)
    }
}
