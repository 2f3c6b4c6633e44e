//! `Timeout`: an operation that is asked to finish when a signal comes, and hands back whatever it had.
//!
//! `cancel_when` is its form for any signal; `timeout`, `timeout_at` and `CancellationToken::run_until_cancelled` are the
//! same with a timer and with a token.
//!
//! ```text
//! fresh ── asked from outside, or the signal first ──────────────► the child is dropped, Elapsed without an output
//!   │
//!   └─ polled ── Ready ──────────────────────────────────────────► Ok
//!        │
//!        └─ the signal came, or asked from outside
//!             ├─ the child is cancel-safe: one last look ── Ready ► Ok
//!             │                                └── Pending ──────► dropped, Elapsed without an output
//!             └─ else it is told, and polled until it is Ready ──► Elapsed with its output
//! ```
//!
//! The last look at a cancel-safe child hides the request from it, for such a child is not asked, it is dropped: what it
//! yields then is a value that it had, and that value beats the request. A child that is no longer cancel-safe after the
//! look is told in the same poll.

use core::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task,
    task::Poll,
};

use async_trait_core::{AsFuture, Async, CancelFlag, CancelSafe, Context, Reason};
use pin_project_lite::pin_project;

use crate::{Elapsed, contain::Held, limit::Limit};

/// Runs `a`, and asks it to finish when `signal` is done or the surroundings are asked to finish.
///
/// Needs no clock, no allocator and no `std`: the signal may be a button, a channel, a timer of your own.
///
/// # Examples
/// ```
/// use async_cancel::cancel_when;
/// use async_trait_core::{block_on_with, pending, ready, yield_now};
///
/// assert_eq!(block_on_with(cancel_when(pending::<()>(), ready(5)), || {}).unwrap(), 5);
///
/// let elapsed = block_on_with(cancel_when(yield_now(), pending::<u32>()), || {}).unwrap_err();
/// assert_eq!(elapsed.into_output(), None); // a plain future was dropped
/// ```
///
/// # Panics
/// With the panic of `a`, or of the signal once `a` is complete.
///
/// # Errors
/// [`Elapsed`] with the reason ([`Reason::Requested`] for the signal, else the one from outside), and with the output of
/// `a` if it was asked and waited for.
///
/// # Cancellation
/// Asked from outside it does what it does for its signal. If either came before the first poll, `a` is dropped without
/// being started. A plain future is dropped when asked, an async block is told and waited for.
pub fn cancel_when<S: Future, A: Async>(signal: S, a: A) -> Timeout<S, A> {
    Timeout::new(signal, |_| Reason::Requested, First::Signal, a)
}

pin_project! {
    /// The `Async` of [`cancel_when`], `timeout`, `timeout_at` and `CancellationToken::run_until_cancelled`.
    ///
    /// If `A` is [`CancelSafe`], so is this, and it can be awaited in plain async code.
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct Timeout<S, A>
    where
        S: Future,
    {
        #[pin]
        signal: S,
        // `None` when it was dropped because it was asked.
        #[pin]
        child: Option<A>,
        map: fn(S::Output) -> Reason,
        flag: CancelFlag,
        state: State,
        // Of the first request that was acted upon.
        reason: Option<Reason>,
        held: Held,
        limit: Limit,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh(First),
    Running,
    /// The child was polled under a request.
    Told,
}

/// What is polled first in the first poll.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// A signal that has come already keeps the child from being started.
    Signal,
    /// The child always gets a first chance, and a timer is only made for one that does not finish at once.
    #[cfg_attr(not(feature = "time"), expect(dead_code, reason = "only a timer is so dear"))]
    Child,
}

impl<S: Future, A: Async> Timeout<S, A> {
    pub(crate) fn new(signal: S, map: fn(S::Output) -> Reason, first: First, a: A) -> Self {
        Self {
            signal,
            child: Some(a),
            map,
            flag: CancelFlag::new(),
            state: State::Fresh(first),
            reason: None,
            held: Held::none(),
            limit: Limit::None,
        }
    }

    #[cfg(feature = "time")]
    pub(crate) fn with_limit(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }
}

// SAFETY: *inert*: constructing only stores. *quiet*: the child is started only by `poll_async`, and this returns `Ready` or unwinds
// only if the child is complete, or cancel-safe, or fresh: foreign code beside a child that is none of these runs under
// `Held::run`. *honest*: see `is_cancel_safe`. *last touch*: nothing here reports to another thread.
unsafe impl<S: Future, A: Async> Async for Timeout<S, A> {
    type Output = Result<A::Output, Elapsed<A::Output>>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut child = this.child;
        // What this poll has found pending need not be polled again: it holds the waker.
        let (mut seen_pending, mut is_signal_pending) = (false, false);
        if let State::Fresh(first) = *this.state {
            let asked = cx.cancel_reason().or_else(|| {
                let polled = (first == First::Signal)
                    .then(|| this.signal.as_mut().poll(&mut task::Context::from_waker(cx.waker())));
                is_signal_pending = matches!(polled, Some(Poll::Pending));
                match polled {
                    Some(Poll::Ready(output)) => Some((this.map)(output)),
                    _ => None,
                }
            });
            if let Some(reason) = asked {
                child.set(None);
                return Poll::Ready(Err(Elapsed::new(reason, None)));
            }
            *this.state = State::Running;
        }
        loop {
            let mut a = child.as_mut().as_pin_mut().expect("`Timeout` was polled after it was complete");
            let Some(asked) = this.flag.reason().or_else(|| cx.cancel_reason()) else {
                // SAFETY: *completed*, *retired*: promised by the caller for this value, hence for its child, which is dropped
                // only below, and only when it is cancel-safe; after `Ready` this returns.
                if let Poll::Ready(output) = unsafe { limited(a.as_mut(), this.limit, this.held, this.flag, cx) } {
                    return Poll::Ready(Ok(output));
                }
                if is_signal_pending {
                    return Poll::Pending;
                }
                let live = !a.is_cancel_safe();
                let signal = this.signal.as_mut();
                let map = *this.map;
                let ring = || signal.poll(&mut task::Context::from_waker(cx.waker())).map(map);
                match this.held.run(live, ring) {
                    Some(Poll::Pending) => return Poll::Pending,
                    Some(Poll::Ready(reason)) => this.flag.request(reason),
                    None => this.flag.request(Reason::SiblingFailed),
                };
                seen_pending = true;
                continue;
            };
            let reason = *this.reason.get_or_insert(asked);
            // Whoever may be dropped is, after a look that shows that it has no value yet. While a panic is held the child
            // is never dropped here: `held` lets the panic out instead.
            let mut looked = seen_pending;
            if !looked && *this.state != State::Told && a.is_cancel_safe() {
                // SAFETY: as above.
                if let Poll::Ready(output) = unsafe { a.as_mut().poll_async(&mut cx.shielded()) } {
                    return Poll::Ready(Ok(output));
                }
                looked = true;
            }
            if !(looked && a.is_cancel_safe()) || this.held.is_some() {
                *this.state = State::Told;
                // SAFETY: as above.
                if let Poll::Ready(output) = unsafe { limited(a.as_mut(), this.limit, this.held, this.flag, cx) } {
                    return Poll::Ready(Err(Elapsed::new(reason, Some(output))));
                }
                if !a.is_cancel_safe() || this.held.is_some() {
                    return Poll::Pending;
                }
            }
            child.set(None);
            return Poll::Ready(Err(Elapsed::new(reason, None)));
        }
    }

    fn is_cancel_safe(&self) -> bool {
        // The signal is a plain future and the rest is not shared with anybody, so it is up to the child.
        self.child.as_ref().is_none_or(A::is_cancel_safe)
    }
}

/// Polls the child with the flag, and the deadline, of its timeout.
///
/// # Safety
/// As for [`Async::poll_async`].
unsafe fn limited<A: Async>(
    child: Pin<&mut A>,
    limit: &mut Limit,
    held: &mut Held,
    flag: &CancelFlag,
    cx: &mut Context<'_>,
) -> Poll<A::Output> {
    limit.under(cx, |cx| {
        // SAFETY: passed on to the caller.
        unsafe { held.poll(child, &mut cx.with_cancel(flag)) }
    })
}

// SAFETY: `is_cancel_safe` is that of the child, which is always true; what else is inside is a plain future.
unsafe impl<S: Future, A: CancelSafe> CancelSafe for Timeout<S, A> {}

/// In plain async code nothing asks from outside: only the signal counts.
impl<S: Future, A: CancelSafe> IntoFuture for Timeout<S, A> {
    type Output = Result<A::Output, Elapsed<A::Output>>;
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}

impl<S: Future, A> fmt::Debug for Timeout<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("asked", &self.reason).finish_non_exhaustive()
    }
}
