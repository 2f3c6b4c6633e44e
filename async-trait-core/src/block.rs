//! Async blocks: how `#[async_fn]` and `async_block!` make an `Async` out of a plain `async` block.
//!
//! The compiler knows how to turn `async { .. }` into a state machine, but that machine is polled with a
//! [`core::task::Context`], which can carry neither cancellation nor values, and its `.await` takes futures only. So:
//!
//! ```text
//! AsyncBlock<F>::poll_async(cx)         puts a Bridge { waker, cx, .. } on the poll stack, and polls F with a std context
//!   F::poll(std_cx)                     whose waker is the bridge (data: its address, vtable: BRIDGE, one named static)
//!     Await<A>::poll(std_cx)            each `.await` of the body calls A::__poll_in_block(std_cx), which for
//!       an AsyncBlock<G>                is G::poll(std_cx): it shares the bridge, and costs what a plain await costs
//!       a plain future                  polls it with the real waker
//!       any other Async                 finds the bridge by the address of BRIDGE, and calls poll_async(bridge.cx)
//! ```
//!
//! `Await` is a `Future` that holds an `Async`, so a user who got hold of one could poll it half-way and forget it: the one
//! thing that must not happen. Three locks keep it in the body of its block:
//! - It is made by [`awaited`](private::awaited), which wants a [`Token`](private::Token), and making a token is `unsafe`. The
//!   macros write that `unsafe`, around the token alone, never around an expression of the user's.
//! - Beside the token stands `if false { break 'label loop {} }`, where `'label` names the block's own body with the macro's
//!   hygiene. Labels do not reach into closures, items and other async blocks, so rustc rejects an await that was moved there.
//! - No other macro ever sees a rewritten await: what the macros of std are to print is computed before (`macros/`), attribute
//!   macros have all run before, and every other macro is left as written.
//!
//! An await that is left as written still works for plain futures: what they see is the bridge as a waker, and cloning that
//! clones the real one.
//!
//! The bridge is recognised by the address of a static and not by comparing function pointers, which may be merged or
//! duplicated by the compiler: a comparison that silently fails in release builds would silently ignore cancellation.
//!
//! Read next: `block/bridge.rs`, `block/awaited.rs`, then `macros/src/lib.rs`.

mod awaited;
pub(crate) mod bridge;
#[cfg(feature = "macros")]
mod macros;
mod site;

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use crate::{Async, Context};

/// What `async_block!` and the body of an `#[async_fn]` are: an [`Async`] made of a plain `async` block.
///
/// It is made by the macros only. It is never cancel-safe: asked to finish, it is polled on and ends in its own way.
///
/// # Cancellation
/// It notices a request where an operation it awaits does. See `#[async_fn(cancellable)]` for blocks that await plain futures.
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
pub struct AsyncBlock<F> {
    future: F,
}

impl<F> AsyncBlock<F> {
    #[inline]
    fn future(self: Pin<&mut Self>) -> Pin<&mut F> {
        // SAFETY: the field is pinned with its struct: nothing moves out of it, the struct has no destructor of its own and is
        // `Unpin` only if the field is.
        unsafe { self.map_unchecked_mut(|this| &mut this.future) }
    }
}

#[cfg(feature = "alloc")]
impl<F: Future> AsyncBlock<F> {
    /// Moves the block to the heap, behind a type that can be named.
    pub fn boxed<'a>(self) -> crate::BoxAsync<'a, F::Output>
    where
        F: Send + 'a,
    {
        crate::BoxAsync::new(self)
    }

    /// Moves the block to the heap, behind a type that can be named and stays on its thread.
    pub fn boxed_local<'a>(self) -> crate::LocalBoxAsync<'a, F::Output>
    where
        F: 'a,
    {
        crate::LocalBoxAsync::new(self)
    }
}

// SAFETY: *inert*: a fresh async block has run nothing. *quiet*: the body is safe code, or unsafe code of a user who answers for
// it; it starts others only by awaiting them one after the other, and it goes on only when what it awaits is complete, by `Ready`
// or by unwinding, so when it ends nothing that it started is live. *honest*: `is_cancel_safe` is false.
// *last touch*: it reports to nobody but its poller.
unsafe impl<F: Future> Async for AsyncBlock<F> {
    type Output = F::Output;

    #[inline]
    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        bridge::poll(self.future(), cx)
    }

    // The bridge of the block around this one leads to the same context: no other is needed, and an await costs what it costs
    // in a plain `async fn`.
    #[inline]
    unsafe fn __poll_in_block(self: Pin<&mut Self>, cx: &mut StdContext<'_>) -> Poll<F::Output> {
        self.future().poll(cx)
    }
}

impl<F> fmt::Debug for AsyncBlock<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncBlock").finish_non_exhaustive()
    }
}

/// What the macros' expansion names. Not for people: no promise is made about any of it from one version to the next.
#[doc(hidden)]
pub mod private {
    pub use core::{
        marker::Send,
        result::Result::{Err, Ok},
    };

    pub use core::cfg;

    #[cfg(feature = "macros")]
    pub use async_trait_macros::{expand_block, expand_fn};

    pub use super::{
        awaited::{Await, AwaitCancellable, Token, awaited, awaited_cancellable},
        site::AwaitSite,
    };

    /// Wraps the `async` block of a body.
    #[inline]
    pub fn block<F: Future>(future: F) -> super::AsyncBlock<F> {
        super::AsyncBlock { future }
    }

    use super::Future;

    /// Tells inference the type of a body, in a `return` that is never reached.
    #[cold]
    pub fn never<T>() -> T {
        unreachable!("the macros call this under `if false` only")
    }

    /// As [`never`], for the body of a `cancellable` block.
    #[cold]
    pub fn never_cancellable<T: Cancellable>() -> T {
        never()
    }

    /// What a `cancellable` block may yield.
    #[diagnostic::on_unimplemented(
        message = "a `cancellable` async block yields a `Result<_, E>` with `E: From<Cancelled>`, not `{Self}`",
        label = "an await that is cut short returns `Err(Cancelled)` through `From`",
        note = "implement `From<async_trait_core::Cancelled>` for the error type, or leave `cancellable` out and use `.or_cancelled().await?` where the block should notice"
    )]
    pub trait Cancellable {}

    impl<T, E: From<crate::Cancelled>> Cancellable for Result<T, E> {}

    /// Gives a name to `!` where the language has none: `<fn() -> ! as Returns>::Output`.
    pub trait Returns {
        type Output;
    }

    impl<T> Returns for fn() -> T {
        type Output = T;
    }
}

/// Hands `task::Context` to the submodules under the name they use in their docs.
type StdContext<'a> = task::Context<'a>;
