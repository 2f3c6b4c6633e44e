//! What an async block may ask about itself: is it asked to stop, or to finish, and why.
//!
//! These read the [`Context`] that they are polled with, so they take no token and work at any depth of calls. They
//! register nothing: whoever sets a flag wakes the task that polls under it (clause *wake* of
//! [the contract](async_trait_core::Async#the-contract)). Read next: `or_cancelled.rs`.

use core::{pin::Pin, task::Poll};

use async_trait_core::{Async, Cancelled, Context, Reason};

/// Whether the current computation is asked to finish.
///
/// It costs a load for each flag in force and never waits, so a long computation may ask often. To let others run as
/// well, use [`checkpoint`].
///
/// # Examples
/// ```
/// use async_cancel::is_cancelled;
/// use async_trait_core::{async_block, block_on_with};
///
/// let sum = block_on_with(
///     async_block! {
///         let mut sum = 0;
///         for n in 0..1000 {
///             if is_cancelled().await {
///                 break;
///             }
///             sum += n;
///         }
///         sum
///     },
///     || {},
/// );
/// assert_eq!(sum, 499_500);
/// ```
///
/// # Cancellation
/// It reports the request; it is never pending.
pub fn is_cancelled() -> impl Async<Output = bool> {
    Look(|cx: &Context<'_>| Poll::Ready(cx.is_cancelled()))
}

/// Whether the current computation is asked to start nothing new: the first stage of a two-stage request, or more.
///
/// # Examples
/// ```
/// use async_cancel::is_stopping;
/// use async_trait_core::{async_block, block_on_with};
///
/// assert!(!block_on_with(is_stopping(), || {}));
/// ```
///
/// # Cancellation
/// It reports the request; it is never pending.
pub fn is_stopping() -> impl Async<Output = bool> {
    Look(|cx: &Context<'_>| Poll::Ready(cx.is_stopping()))
}

/// Waits until the current computation is asked to finish; yields why.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use async_cancel::{CancellationToken, Reason, cancelled, with_token};
/// use async_trait_core::block_on_with;
///
/// let token = CancellationToken::new();
/// token.cancel();
/// assert_eq!(block_on_with(with_token(&token, cancelled()), || {}), Reason::Requested);
/// # }
/// ```
///
/// # Cancellation
/// A request completes it. Where nothing can ask, it waits for ever.
pub fn cancelled() -> impl Async<Output = Reason> {
    Look(|cx: &Context<'_>| cx.cancel_reason().map_or(Poll::Pending, Poll::Ready))
}

/// Waits until the current computation is asked to start nothing new; yields why.
///
/// # Examples
/// ```
/// # #[cfg(feature = "std")] {
/// use async_cancel::{CancellationToken, Reason, stopping, with_token};
/// use async_trait_core::block_on_with;
///
/// let token = CancellationToken::new();
/// token.cancel_with(Reason::Shutdown);
/// assert_eq!(block_on_with(with_token(&token, stopping()), || {}), Reason::Shutdown);
/// # }
/// ```
///
/// # Cancellation
/// A request of either stage completes it. Where nothing can ask, it waits for ever.
pub fn stopping() -> impl Async<Output = Reason> {
    Look(|cx: &Context<'_>| cx.stop_reason().map_or(Poll::Pending, Poll::Ready))
}

/// Lets others run, and fails if the current computation is asked to finish.
///
/// For work that awaits nothing else: each call gives the executor one chance to run other tasks, among them the one that
/// wants to cancel this. Where even that is too much, ask [`is_cancelled`], which never waits.
///
/// # Examples
/// ```
/// use async_cancel::{Cancelled, checkpoint};
/// use async_trait_core::{async_fn, block_on_with};
///
/// #[async_fn]
/// async fn checksum(blocks: &[[u8; 4]]) -> Result<u32, Cancelled> {
///     let mut sum = 0;
///     for block in blocks {
///         checkpoint().await?;
///         sum += u32::from_le_bytes(*block);
///     }
///     Ok(sum)
/// }
///
/// assert_eq!(block_on_with(checksum(&[[1, 0, 0, 0], [2, 0, 0, 0]]), || {}), Ok(3));
/// ```
///
/// # Errors
/// [`Cancelled`] with the reason of the request.
///
/// # Cancellation
/// A request before it or during it makes it fail.
pub fn checkpoint() -> impl Async<Output = Result<(), Cancelled>> {
    Checkpoint { reason: |cx: &Context<'_>| cx.cancel_reason(), yielded: false }
}

/// Lets others run, and fails if the current computation is asked to start nothing new.
///
/// # Examples
/// ```
/// use async_cancel::checkpoint_stopping;
/// use async_trait_core::block_on_with;
///
/// assert_eq!(block_on_with(checkpoint_stopping(), || {}), Ok(()));
/// ```
///
/// # Errors
/// [`Cancelled`] with the reason of the request, of either stage.
///
/// # Cancellation
/// A request of either stage, before it or during it, makes it fail.
pub fn checkpoint_stopping() -> impl Async<Output = Result<(), Cancelled>> {
    Checkpoint { reason: |cx: &Context<'_>| cx.stop_reason(), yielded: false }
}

/// A look at the context.
struct Look<F>(F);

// The function is called by reference, never pinned.
impl<F> Unpin for Look<F> {}

// SAFETY: it starts nothing and lends nothing (*inert*, *quiet*, *last touch*), so it may be dropped at any time (*honest*).
unsafe impl<T, F: Fn(&Context<'_>) -> Poll<T>> Async for Look<F> {
    type Output = T;

    #[inline]
    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        (self.0)(cx)
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        true
    }
}

/// Pending once, unless asked.
struct Checkpoint<F> {
    reason: F,
    yielded: bool,
}

impl<F> Unpin for Checkpoint<F> {}

// SAFETY: as for `Look`; the waker is called before it returns and not kept.
unsafe impl<F: Fn(&Context<'_>) -> Option<Reason>> Async for Checkpoint<F> {
    type Output = Result<(), Cancelled>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(reason) = (self.reason)(cx) {
            return Poll::Ready(Err(Cancelled::from_reason(reason)));
        }
        if self.yielded {
            return Poll::Ready(Ok(()));
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_cancel_safe(&self) -> bool {
        true
    }
}
