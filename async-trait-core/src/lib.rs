//! Computations that must be polled to completion once started.
//!
//! A [`Future`] may be polled half-way and then forgotten, so no safe API can lend `&'a` data to a task that runs in
//! parallel, or `&'a mut [u8]` to the kernel, through one. [`Async`] is the trait for values where that is not allowed:
//! its one method is `unsafe` to call, and the caller's promise is to go on until the value is complete. On it rest
//! scopes whose tasks borrow (`async-scope`), cancellation that is asked for and never forced (`async-cancel`),
//! combinators that lose no value (`async-combinators`) and io_uring into borrowed buffers (`async-io-uring`).
//!
//! Nobody needs the unsafe method to *use* it: [`async_fn`] and [`async_block!`] write async code in which `.await`
//! takes any `Async`, and the executors and combinators of the sibling crates poll.
//!
//! ```
//! use async_trait_core::{Async, async_fn, block_on_with};
//!
//! #[async_fn]
//! async fn double(x: &u32) -> u32 {
//!     async_trait_core::yield_now().await;
//!     x * 2
//! }
//!
//! let n = 21;
//! assert_eq!(block_on_with(double(&n), || {}), 42);
//! ```
//!
//! The contract stands in one place, on [`Async`]; everything in the workspace cites its clauses by name.
//!
//! # Features
//! - `macros` (default): `#[async_fn]`, `async_block!`, `plain!`.
//! - `alloc`: [`BoxAsync`], [`LocalBoxAsync`], [`Cause::leaked`].
//! - `std`: `From<Cancelled> for std::io::Error`, [`Cancelled::from_io`].
//!
//! Without features the crate needs neither `std` nor an allocator.
//!
//! Read next: `context.rs`, then `block.rs`.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod as_future;
mod block;
#[cfg(feature = "alloc")]
mod boxed;
mod cancel;
mod context;
mod contract;
pub mod iter;
mod small;

pub use as_future::AsFuture;
#[cfg(feature = "macros")]
pub use async_trait_macros::{async_fn, plain};
pub use block::AsyncBlock;
#[doc(hidden)]
pub use block::private as __private;
#[cfg(feature = "alloc")]
pub use boxed::{BoxAsync, LocalBoxAsync};
pub use cancel::{CancelFlag, Cancelled, Cause, Reason};
pub use context::Context;
pub use contract::{Async, CancelSafe};
pub use iter::{AsStream, AsyncIterator, CancelSafeIterator, Items, Next, items};
pub use small::{PollFn, YieldNow, block_on_with, pending, poll_fn, ready, yield_now};
