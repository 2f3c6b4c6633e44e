//! Facts about cancellation, one test each. One program, so that it is linked once.
#![cfg(all(feature = "std", feature = "macros", not(loom)))]

mod ambient;
mod auto_traits;
mod bracket;
#[cfg(feature = "time")]
mod clock;
mod common;
mod finally;
mod handlers;
mod on_cancel;
mod or_cancelled;
#[cfg(feature = "time")]
mod time;
mod timeout;
mod token;
mod token_tree;
