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
/// Makes an `async fn` return an [`Async`]: a computation that finishes once started, in which `.await` takes any `Async`.
///
/// It goes on free functions, methods and trait methods with or without a body. In traits, begin with `#[async_fn(send)]`:
/// without it a generic caller cannot spawn the method, because nothing says that what it returns is `Send`.
///
/// An ordinary `async fn` stays what it is, a [`Future`]: that is how one marks an async function as
/// cancel-safe. It may implement an `#[async_fn]` trait method (rustc's lint `refining_impl_trait` then asks whether callers
/// should know).
///
/// # Examples
/// ```
/// use async_trait_core::{async_fn, block_on_with, yield_now};
///
/// trait Source {
///     #[async_fn(send)]
///     async fn get(&self, key: &str) -> Option<u32>;
/// }
///
/// struct Length;
///
/// impl Source for Length {
///     #[async_fn(send)]
///     async fn get(&self, key: &str) -> Option<u32> {
///         yield_now().await;
///         key.len().try_into().ok()
///     }
/// }
///
/// #[async_fn]
/// async fn sum(source: &impl Source, keys: &[&str]) -> u32 {
///     let mut sum = 0;
///     for key in keys {
///         sum += source.get(key).await.unwrap_or(0);
///     }
///     sum
/// }
///
/// assert_eq!(block_on_with(sum(&Length, &["a", "bc"]), || {}), 3);
/// ```
///
/// # Options
/// They combine: `#[async_fn(boxed, cancellable)]`.
/// - `send`: returns `impl Async<Output = T> + Send`.
/// - `boxed`: returns [`BoxAsync`], which is `Send` and can be named: for recursion, and for traits used through `dyn`. Write it
///   on both sides of a trait. Every lifetime of the signature outlives that of the box, so hidden ones have to be
///   written: `Holder<'_>`, not `Holder`.
/// - `boxed(local)` or `boxed, local`: returns [`LocalBoxAsync`], which need not be `Send`.
/// - `cancellable`: for functions that return a `Result<_, E>` with `E: From<Cancelled>`; see below.
/// - `crate = path`: where this crate is, if it is not `::async_trait_core`.
///
/// # What happens to the body
/// - `e.await` awaits any `Async`. A value that is only `IntoFuture` is awaited as `e.into_future().await`.
/// - `async { .. }` is an async block here, also in closures; [`plain!`] keeps one a `Future`, and there `.await` takes futures
///   only. Items, `const` blocks and `async ||` closures are left as they are.
/// - In the macros of std (`println!`, `format!`, `write!`, `panic!`, `assert!`, `vec!`, `matches!`, `dbg!` and their like) what is
///   awaited is computed first, in order. Every other macro, and `format_args!`, is left as written: futures can be awaited in
///   one, of an `Async` rustc says that it "is not a future". Bind it first: `let value = x.await;`.
/// - Arguments, locals and temporaries are dropped exactly when those of an `async fn` are.
/// - Other attribute macros on the function run before, and see it as it was written. In the body they may stand on items only.
///
/// `unsafe`, `const` and `extern` functions are refused.
///
/// # Cancellation
/// The function is asked, never dropped: it goes on until it ends in its own way. While it awaits a plain future it notices a
/// request only where that future is done. With `cancellable` it does notice: an await that is pending under a request drops
/// what it awaits, if that may be dropped at that moment, and the function returns `Err(Cancelled)` through `From`. A value
/// that is ready beats the request, and what must be completed is completed first.
///
/// ```
/// use async_trait_core::{Async, CancelFlag, Cancelled, Context, Reason, async_fn, pending};
/// use core::{pin::pin, task::{Poll, Waker}};
///
/// #[async_fn(cancellable)]
/// async fn waits() -> Result<(), Cancelled> {
///     pending().await
/// }
///
/// let flag = CancelFlag::new();
/// flag.request(Reason::Deadline);
/// let mut cx = Context::from_waker(Waker::noop());
/// // SAFETY: this poll completes it.
/// let polled = unsafe { pin!(waits()).poll_async(&mut cx.with_cancel(&flag)) };
/// assert_eq!(polled, Poll::Ready(Err(Cancelled::from_reason(Reason::Deadline))));
/// ```
#[cfg(feature = "macros")]
pub use async_trait_macros::async_fn;
#[cfg(feature = "macros")]
pub use async_trait_macros::plain;
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

/// The README's example is a test.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../README.md")]
struct Readme;
