//! Facts about cancellation, one test each. One program, so that it is linked once.
#![cfg(all(feature = "std", feature = "macros", not(loom)))]

mod ambient;
mod bracket;
mod common;
mod finally;
mod on_cancel;
mod or_cancelled;
mod timeout;
