//! Several sources of items as one: `merge`, `zip`, `until_end`, and `Group`.
//!
//! They take cancel-safe iterators, which every `Stream` is, since they keep several sources started between two items:
//! an iterator may be dropped, forgotten or moved there (see the contract per item on
//! [`AsyncIterator`](async_trait_core::AsyncIterator)), so nothing that must be completed may be started in it. Sources that
//! are not cancel-safe run in a task of a scope: `spawn_in` and `produce` of `async-scope` make cancel-safe ones of them.
//!
//! Read next: `merge.rs`, then `../utils/turns.rs`.

#[cfg(feature = "alloc")]
mod group;
mod lanes;
mod merge;
mod until_end;
mod zip;

#[cfg(feature = "alloc")]
pub use group::{Group, Key, NextDone};
pub use merge::{Merge, merge};
pub use until_end::{UntilEnd, until_end};
pub use zip::{Zip, zip};
