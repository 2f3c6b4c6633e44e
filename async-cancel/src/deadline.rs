//! Deadlines and timeouts by the clock of the ambient runtime, and how code below reads the one in force.
//!
//! A deadline travels as an ambient value beside the flags: each one that is set shortens the one outside, never lengthens it,
//! and a shield hides it. Times are those of the runtime ([`runtime_glue::now`]), so they can be virtual.

use core::{pin::Pin, task::Poll};
use std::time::{Duration, Instant};

use async_trait_core::{Async, Context, Reason};
pub use runtime_glue::AmbientDeadline;
use runtime_glue::{Runtime as _, RuntimeHandle, Sleep};

use crate::{Timeout, Under, limit::Limit, timeout::First};

/// Runs `a` for at most `duration`: then it is asked to finish.
///
/// # Examples
/// ```
/// use async_cancel::{Reason, cancelled, timeout};
/// use async_trait_core::{async_block, pending};
/// use std::time::Duration;
///
/// let short = Duration::from_millis(1);
/// runtime_glue::block_on(async_block! {
///     // A plain future is dropped,
///     let elapsed = timeout(short, pending::<u32>()).await.unwrap_err();
///     assert_eq!((elapsed.reason(), elapsed.into_output()), (Reason::Deadline, None));
///     // an async block is asked, waited for, and what it returns is not lost.
///     let elapsed = timeout(short, async { cancelled().await; 3 }).await.unwrap_err();
///     assert_eq!(elapsed.into_output(), Some(3));
/// });
/// ```
///
/// # Panics
/// With the panic of `a`.
///
/// # Errors
/// [`Elapsed`](crate::Elapsed) with [`Reason::Deadline`], or with the reason from outside, and with the output of `a` if it was asked
/// and waited for.
///
/// # Cancellation
/// Asked from outside it does what it does at its deadline. `a` always gets a first poll, unless it was asked from outside
/// before that: then `a` is dropped without being started. An async block that awaits a plain future notices when that is
/// done, or at once with [`or_cancelled`](crate::or_cancelled()).
pub fn timeout<A: Async>(duration: Duration, a: A) -> Timeout<Sleep, A> {
    let sleep = runtime_glue::sleep(duration);
    let limit = after(&sleep, duration);
    Timeout::new(sleep, |()| Reason::Deadline, First::Child, a).with_limit(limit)
}

/// Runs `a` until `when` at most: then it is asked to finish. See [`timeout`].
///
/// # Examples
/// ```
/// use async_cancel::timeout_at;
/// use async_trait_core::{async_block, pending};
///
/// runtime_glue::block_on(async_block! {
///     let now = runtime_glue::now().await;
///     assert!(timeout_at(now, pending::<()>()).await.is_err());
///     assert!(timeout_at(now, async_trait_core::ready(())).await.is_ok(), "it always gets a first poll");
/// });
/// ```
///
/// # Errors
/// As [`timeout`].
///
/// # Cancellation
/// As [`timeout`].
pub fn timeout_at<A: Async>(when: Instant, a: A) -> Timeout<Sleep, A> {
    Timeout::new(runtime_glue::sleep_until(when), |()| Reason::Deadline, First::Child, a).with_limit(Limit::At(when))
}

/// Runs `a`, which is asked to finish after `duration`, and yields what it yields.
///
/// For code whose operations fail with `Cancelled` by themselves: the error comes out through `?`, and there is nothing to
/// unwrap. Where the answer must not wait for `a`, use [`timeout`].
///
/// # Examples
/// ```
/// use async_cancel::{Cancelled, OrCancelled as _, Reason, with_timeout};
/// use async_trait_core::{async_fn, pending};
/// use std::time::Duration;
///
/// #[async_fn]
/// async fn query() -> Result<u32, Cancelled> {
///     pending().or_cancelled().await?;
///     Ok(1)
/// }
/// let result = runtime_glue::block_on(with_timeout(Duration::from_millis(1), query()));
/// assert_eq!(result.unwrap_err().reason(), Reason::Deadline);
/// ```
///
/// # Cancellation
/// It passes requests on to `a` and waits for it; `a` is never dropped, not even a plain future.
pub fn with_timeout<A: Async>(duration: Duration, a: A) -> Under<A> {
    let sleep = runtime_glue::sleep(duration);
    let limit = after(&sleep, duration);
    Under::timer(sleep, limit, a)
}

/// Runs `a`, which is asked to finish at `when`, and yields what it yields. See [`with_timeout`].
///
/// # Examples
/// ```
/// use async_cancel::{Cancelled, checkpoint, with_deadline};
/// use async_trait_core::{async_block, async_fn};
///
/// #[async_fn]
/// async fn compute() -> Result<(), Cancelled> {
///     loop {
///         checkpoint().await?;
///     }
/// }
/// runtime_glue::block_on(async_block! {
///     let now = runtime_glue::now().await;
///     assert!(with_deadline(now, compute()).await.is_err());
/// });
/// ```
///
/// # Cancellation
/// As [`with_timeout`].
pub fn with_deadline<A: Async>(when: Instant, a: A) -> Under<A> {
    Under::timer(runtime_glue::sleep_until(when), Limit::At(when), a)
}

/// A sleep knows its end, or that there is none, if the clock is known where it is made.
fn after(sleep: &Sleep, duration: Duration) -> Limit {
    sleep.deadline().map_or(Limit::After(duration), Limit::At)
}

/// When the current computation will be asked to finish at the latest; `None` if there is no deadline.
///
/// # Examples
/// ```
/// use async_cancel::{effective_deadline, shield, timeout};
/// use async_trait_core::async_block;
/// use std::time::Duration;
///
/// runtime_glue::block_on(async_block! {
///     assert_eq!(effective_deadline().await, None);
///     timeout(Duration::from_secs(60), async {
///         let outer = effective_deadline().await;
///         assert!(outer.is_some());
///         // A longer one inside changes nothing, and a shield hides it.
///         assert_eq!(timeout(Duration::from_secs(600), effective_deadline()).await.unwrap(), outer);
///         assert_eq!(shield(effective_deadline()).await, None);
///     })
///     .await
///     .unwrap();
/// });
/// ```
///
/// # Cancellation
/// It is never pending.
pub fn effective_deadline() -> impl Async<Output = Option<Instant>> {
    Read(|cx: &Context<'_>| AmbientDeadline::of(cx))
}

/// How long it is until the deadline in force, by the clock of the runtime; `None` if there is no deadline.
///
/// To be handed to what keeps time by itself: a database's statement timeout, a protocol's header.
///
/// # Examples
/// ```
/// use async_cancel::{time_left, with_timeout};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// assert!(runtime_glue::block_on(with_timeout(minute, time_left())).unwrap() <= minute);
/// ```
///
/// # Cancellation
/// It is never pending. Past the deadline it is zero.
pub fn time_left() -> impl Async<Output = Option<Duration>> {
    Read(|cx: &Context<'_>| AmbientDeadline::of(cx).map(|at| at.saturating_duration_since(now(cx))))
}

/// The time of the ambient runtime.
pub(crate) fn now(cx: &Context<'_>) -> Instant {
    cx.get::<RuntimeHandle>().map_or_else(|| RuntimeHandle::current().now(), RuntimeHandle::now)
}

/// A look at the context.
struct Read<F>(F);

impl<F> Unpin for Read<F> {}

// SAFETY: it starts nothing and lends nothing (*inert*, *quiet*, *last touch*), so it may be dropped at any time (*honest*).
unsafe impl<T, F: Fn(&Context<'_>) -> T> Async for Read<F> {
    type Output = T;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Poll::Ready((self.0)(cx))
    }

    fn is_cancel_safe(&self) -> bool {
        true
    }
}
