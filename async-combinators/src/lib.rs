//! Several computations at once, as functions over [`Async`] values: none is left behind unfinished, no value is lost.
//!
//! ```
//! use async_combinators::{OneOf2, Selected, join, select};
//! use async_trait_core::{async_block, async_fn, block_on_with, yield_now};
//!
//! /// Must be completed once started, so it may borrow the buffer for another thread or the kernel: it is no `Future`.
//! #[async_fn]
//! async fn read(buffer: &mut [u8]) -> usize {
//!     yield_now().await;
//!     buffer.fill(7);
//!     buffer.len()
//! }
//!
//! block_on_with(async_block! {
//!     let (mut a, mut b) = ([0; 4], [0; 8]);
//!     assert_eq!(join((read(&mut a), read(&mut b))).await, (4, 8));
//!
//!     // The plain future is first. The read is asked, finishes in its own way, and what it read is handed back.
//!     let Selected { first, late: (bytes, _) } = select((read(&mut a), async { "timer" })).await;
//!     assert_eq!((first, bytes), (OneOf2::B("timer"), Some(4)));
//! }, || {});
//! ```
//!
//! # What happens to whom
//!
//! A child is *fresh* before its first poll and *started* after it (see [the contract](Async#the-contract)). *Ended* means,
//! in this order: a fresh child is dropped without being started; one that is cancel-safe at that moment, as every plain
//! future is, is dropped; every other is asked (its [`Context`](async_trait_core::Context) says so, with the reason below)
//! and polled on until it is complete. It happens before the operation returns, whatever the outcome.
//!
//! | | waited for | ended, and why | comes back | is dropped |
//! |---|---|---|---|---|
//! | [`join()`] | all | none | all outputs | nothing |
//! | [`try_join()`] | all, until the first `Err` | then the others: [`SiblingFailed`] | all successes, or the first error | earlier successes, late outputs |
//! | [`race()`] | the first output | then the others: [`LostRace`] | the first output | late outputs |
//! | [`race_ok()`] | the first `Ok`, or all | after an `Ok` the others: [`LostRace`] | the first success, or all errors | earlier errors, late outputs |
//! | [`select()`] | the first output | then the others: [`LostRace`] | who was first, and **every** output | nothing but ended children |
//! | any of them, when a child panics | | the others: [`SiblingFailed`] | the first panic goes on | all outputs; further panics are reported on standard error |
//! | any of them, when asked from outside | as above: every child sees the request | none | what the children make of it | nothing more |
//! | [`wait_until()`] | the signal, then the other | none | the other's output | nothing |
//! | [`merge()`], [`zip()`], [`Group`] | the next item | none: sources and members stay as they are | the item | the rest of a `zip` whose first source has ended |
//!
//! [`SiblingFailed`]: async_trait_core::Reason::SiblingFailed
//! [`LostRace`]: async_trait_core::Reason::LostRace
#![cfg_attr(not(feature = "alloc"), doc = "[`Group`]: crate#features")]
//!
//! Drop order: a child is dropped as soon as it is complete, before the next is polled; ended children in order of position;
//! outputs that do not come back in order of position, when all children are complete.
//!
//! # Shapes
//! `join`, `try_join`, `race`, `race_ok`, `select`, `merge` and `zip` take tuples of 2 to 12, arrays and, with feature
//! `alloc`, `Vec`s. Tuples and arrays of up to 4 poll every unfinished child each time, with the task's own waker, and
//! allocate nothing. With `alloc`, longer arrays and `Vec`s poll only the children that were woken: N children that are each
//! woken once cost 2N polls, and one allocation, made when a child first keeps its waker.
//!
//! # Plain futures and plain code
//! Every operation is [`CancelSafe`](async_trait_core::CancelSafe) and `IntoFuture` if all its children are cancel-safe, so
//! `join((a, b)).await` works in plain async code, and an operation of plain futures may be dropped, nested and spawned
//! like a future. If a child is not, the whole must be completed, and only async blocks can await it:
//!
//! ```compile_fail,E0277
//! use async_combinators::join;
//! use async_trait_core::BoxAsync;
//! async { join((BoxAsync::new(async {}), async {})).await };
//! ```
//!
//! # Features
//! - `alloc`: `Vec`s, `Group`, and polling only the woken.
//! - `std` (implies `alloc`): a panic is held back until the other children are complete. Without it nothing can catch a
//!   panic: it goes out at once if every started sibling is cancel-safe, and aborts the process otherwise.
//!
//! The crate does not know that tasks or runtimes exist.
//!
//! Read next: `utils/engine.rs`, which runs all the operations, then `join/mod.rs` as an example of one.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod join;
mod race;
mod race_ok;
mod select;
mod stream;
mod try_join;
mod utils;
mod wait_until;

#[cfg(doc)]
use async_trait_core::Async;
pub use join::{Join, join};
pub use race::{Race, race};
pub use race_ok::{RaceOk, race_ok};
pub use select::{
    OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8, OneOf9, OneOf10, OneOf11, OneOf12, Select, Selected, select,
};
#[cfg(feature = "alloc")]
pub use stream::{Group, Key, NextDone};
pub use stream::{Merge, UntilEnd, Zip, merge, until_end, zip};
pub use try_join::{TryJoin, try_join};
pub use wait_until::{WaitUntil, wait_until};
