//! What the tests of this folder share.

use async_trait_core::{Async, block_on_with};

/// Runs what wakes itself.
pub fn run<A: Async>(a: A) -> A::Output {
    block_on_with(a, || unreachable!("everything here wakes itself"))
}
