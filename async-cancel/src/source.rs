//! Where the requests of an `Under` come from: nowhere (a shield), from a token, or from a timer.

use core::{future::Future, pin::Pin, task, task::Poll};

use async_trait_core::{Async, CancelFlag, Context, Reason};
use pin_project_lite::pin_project;

use crate::{
    CancellationToken,
    contain::Held,
    limit::{Limit, hidden},
    token::Waiting,
};

pin_project! {
    #[project = SourceProj]
    pub(crate) enum Source {
        Shield,
        Token {
            #[pin]
            waiting: Waiting<CancellationToken>,
            limit: Limit,
            held: Held,
        },
        Timer {
            #[pin]
            sleep: Sleep,
            flag: CancelFlag,
            limit: Limit,
            held: Held,
        },
    }
}

/// What a deadline waits for.
#[cfg(feature = "time")]
pub(crate) type Sleep = runtime_glue::Sleep;
/// Without a clock there are no deadlines.
#[cfg(not(feature = "time"))]
pub(crate) type Sleep = core::future::Pending<()>;

impl Source {
    pub(crate) const fn shield() -> Self {
        Self::Shield
    }

    pub(crate) fn token(token: CancellationToken) -> Self {
        #[cfg(feature = "time")]
        let limit = token.deadline().map_or(Limit::None, Limit::At);
        #[cfg(not(feature = "time"))]
        let limit = Limit::None;
        Self::Token { waiting: Waiting::new(token), limit, held: Held::none() }
    }

    #[cfg(feature = "time")]
    pub(crate) fn timer(sleep: Sleep, limit: Limit) -> Self {
        Self::Timer { sleep, flag: CancelFlag::new(), limit, held: Held::none() }
    }

    /// Polls `child` with the requests of this source in force.
    ///
    /// The child goes first, so that one that is done at once costs no registration; a request that comes between its poll and
    /// the registration makes for another poll.
    ///
    /// # Safety
    /// As for [`Async::poll_async`] of `child`. If this unwinds, the child is complete or cancel-safe.
    #[inline]
    pub(crate) unsafe fn poll<A: Async>(
        self: Pin<&mut Self>,
        mut child: Pin<&mut A>,
        cx: &mut Context<'_>,
    ) -> Poll<A::Output> {
        match self.project() {
            // SAFETY: passed on to the caller; if the child unwinds, it is complete.
            SourceProj::Shield => hidden(cx, |cx| unsafe { child.poll_async(cx) }),
            SourceProj::Token { mut waiting, limit, held } => loop {
                let seen = waiting.stage();
                let polled = limit.under(cx, |cx| {
                    // SAFETY: passed on to the caller; see `Held::poll` for what unwinds.
                    unsafe { held.poll(child.as_mut(), &mut cx.with_cancel(waiting.flag())) }
                });
                if polled.is_ready() {
                    return polled;
                }
                // The waker's clone, and the drop of an older one, are foreign code beside a started child.
                let live = !child.is_cancel_safe();
                let is_new = held.run(live, || waiting.as_mut().wait_beyond(seen, cx.waker()));
                if is_new == Some(false) {
                    return Poll::Pending;
                }
            },
            SourceProj::Timer { mut sleep, flag, limit, held } => loop {
                let polled = limit.under(cx, |cx| {
                    // SAFETY: as above.
                    unsafe { held.poll(child.as_mut(), &mut cx.with_cancel(flag)) }
                });
                if polled.is_ready() || flag.is_cancelled() {
                    return polled;
                }
                // A timer's hooks are foreign code.
                let live = !child.is_cancel_safe();
                let sleep = sleep.as_mut();
                match held.run(live, || sleep.poll(&mut task::Context::from_waker(cx.waker()))) {
                    Some(Poll::Pending) => return Poll::Pending,
                    Some(Poll::Ready(())) | None => flag.request(Reason::Deadline),
                };
            },
        }
    }
}
