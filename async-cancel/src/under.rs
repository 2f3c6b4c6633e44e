//! `Under`: an operation with other requests in force than its surroundings, asked at most and never dropped.
//!
//! A shield hides what comes from outside. `Under` yields what the operation yields, so it has no value for "not done":
//! unlike a `Timeout` it never drops the child, not even a plain future.

use core::{fmt, pin::Pin, task::Poll};

use async_trait_core::{Async, Context};
use pin_project_lite::pin_project;

/// Runs `a` without telling it of requests and deadlines from outside.
///
/// For the part of an operation that must not be cut short: a commit, the last message of a protocol. Keep it short, or give
/// it a timeout of its own *inside* the shield. Shields may be nested; a token or timeout inside a shield works as usual.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use async_cancel::{CancellationToken, is_cancelled, shield, with_token};
/// use async_trait_core::{async_block, block_on_with};
///
/// let token = CancellationToken::new();
/// token.cancel();
/// let work = async_block! { (is_cancelled().await, shield(is_cancelled()).await, is_cancelled().await) };
/// assert_eq!(block_on_with(with_token(&token, work), || {}), (true, false, true));
/// # }
/// ```
///
/// # Cancellation
/// It does not notice a request. It is never dropped half-way by a combinator, not even around a plain future.
pub fn shield<A: Async>(a: A) -> Under<A> {
    Under { child: a, source: Source::shield() }
}

pin_project! {
    /// The `Async` of [`shield`], `with_token`, `with_timeout` and `with_deadline`: never cancel-safe.
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct Under<A> {
        #[pin]
        child: A,
        #[pin]
        source: Source,
    }
}

impl<A: Async> Under<A> {
    #[cfg(feature = "std")]
    pub(crate) fn token(token: crate::CancellationToken, a: A) -> Self {
        Self { child: a, source: Source::token(token) }
    }

    #[cfg(feature = "time")]
    pub(crate) fn timer(sleep: runtime_glue::Sleep, limit: crate::limit::Limit, a: A) -> Self {
        Self { child: a, source: Source::timer(sleep, limit) }
    }
}

#[cfg(feature = "std")]
use crate::source::Source;

/// Without `std` a shield is all there is.
#[cfg(not(feature = "std"))]
struct Source;

#[cfg(not(feature = "std"))]
impl Source {
    const fn shield() -> Self {
        Self
    }

    /// # Safety
    /// As for [`Async::poll_async`] of `child`.
    #[inline]
    unsafe fn poll<A: Async>(self: Pin<&mut Self>, child: Pin<&mut A>, cx: &mut Context<'_>) -> Poll<A::Output> {
        // SAFETY: passed on to the caller.
        crate::limit::hidden(cx, |cx| unsafe { child.poll_async(cx) })
    }
}

// SAFETY: *inert*: constructing only stores. *quiet*: the child is the only thing that is started, and this returns `Ready` or unwinds
// only when it does, or when it is cancel-safe (`Source::poll`). *honest*: never cancel-safe. *last touch*: nothing here reports to another thread.
unsafe impl<A: Async> Async for Under<A> {
    type Output = A::Output;

    #[inline]
    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let this = self.project();
        // SAFETY: *completed* and *retired* are promised by the caller for this value, hence for the one that it owns.
        unsafe { this.source.poll(this.child, cx) }
    }
}

impl<A> fmt::Debug for Under<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Under").finish_non_exhaustive()
    }
}
