//! Cancellation that is asked for, heard promptly, and never loses anything.
//!
//! One rule to remember: **a plain future is dropped, an async block is asked.** Whoever cancels sets a flag and wakes the
//! task; the task sees it through its [`Context`](async_trait_core::Context), finishes in its own way and returns a value.
//!
//! | you want to | write |
//! |---|---|
//! | notice a request while you wait for a plain future | `rx.recv().or_cancelled().await?` ([`OrCancelled`]) |
//! | notice it in a long computation | [`checkpoint`]`().await?`, [`is_cancelled`]`().await` |
//! | protect a commit | [`shield`]`(commit)` |
//! | release something whatever happens | [`bracket!`], [`finally`] |
//! | give up after a signal | [`cancel_when`]`(signal, a)` |
//! | give up after a time | `timeout(duration, a)`; `with_timeout(duration, a)` only asks |
//! | ask from elsewhere | `CancellationToken`, `with_token(&token, a)` |
//!
//! # Features
//! - `macros` (default): [`bracket!`].
//! - `std` (default): tokens; panics are held back until what is started is complete.
//! - `time` (default): timeouts and deadlines on the ambient runtime.
//!
//! Without features the crate needs neither `std` nor an allocator: what needs neither a clock nor a token works there.
//!
//! Read next: `ambient.rs`, then `timeout.rs`, then `token/mod.rs`.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "std")]
extern crate std;

mod ambient;
#[cfg(feature = "macros")]
mod bracket;
mod contain;
#[cfg(feature = "time")]
mod deadline;
mod error;
mod finally;
mod limit;
mod on_cancel;
mod or_cancelled;
#[cfg(feature = "std")]
mod source;
#[cfg(feature = "std")]
mod sync;
mod timeout;
#[cfg(feature = "std")]
mod token;
mod under;

pub use ambient::{cancelled, checkpoint, checkpoint_stopping, is_cancelled, is_stopping, stopping};
pub use async_trait_core::{CancelFlag, Cancelled, Cause, Reason};
#[cfg(feature = "time")]
pub use deadline::{AmbientDeadline, effective_deadline, time_left, timeout, timeout_at, with_deadline, with_timeout};
pub use error::Elapsed;
pub use finally::finally;
pub use on_cancel::on_cancel;
pub use or_cancelled::{OrCancelled, OrElse, or_cancelled};
#[cfg(feature = "time")]
pub use runtime_glue::{Interval, Sleep, interval, sleep, sleep_until};
pub use timeout::{Timeout, cancel_when};
#[cfg(feature = "std")]
pub use token::{
    CancellationToken, DropGuard, Registration, TokenCancelled, TokenCancelledOwned, TokenStopping, TokenStoppingOwned,
    with_token,
};
pub use under::{Under, shield};

#[cfg(feature = "macros")]
#[doc(hidden)]
pub use bracket::private as __private;

/// What to glob-import: traits without a name of their own, so that nothing is shadowed.
pub mod prelude {
    pub use crate::OrCancelled as _;
}

/// The listings of the crate's pages, compiled and run.
#[cfg(all(doctest, feature = "macros", feature = "time"))]
mod pages {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../RFC.md")]
    mod rfc {}
}
