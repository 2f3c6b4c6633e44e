//! `race`: the first output.

mod array;
mod tuple;
#[cfg(feature = "alloc")]
mod vec;

use crate::utils::{
    operation::operation,
    policy::First,
    set::{Combined, Outcome},
};

/// Runs all children at once and returns the output of the first that finishes.
///
/// Takes a tuple of 2 to 12, an array or (feature `alloc`) a `Vec` of children with one output type; for different types
/// take [`select`](crate::select()). Children are polled in the order written, so of several that could finish in one round
/// the first wins, and those after it are not started.
///
/// The losers are ended before `race` returns: a fresh or cancel-safe one (every plain future) is dropped, every other is
/// asked with [`Reason::LostRace`](async_trait_core::Reason::LostRace) and waited for. Its output is dropped, in order of
/// position, when all are complete. To keep it take `select`.
///
/// # Examples
/// ```
/// use async_combinators::race;
/// use async_trait_core::{block_on_with, yield_now};
///
/// let slow = async { yield_now().await; "slow" };
/// let fast = async { "fast" };
/// assert_eq!(block_on_with(race((slow, fast)), || {}), "fast");
/// ```
///
/// # Panics
/// If there are no children, for then there is no first. With the first panic of a child, also of a loser, once the others
/// are complete.
///
/// # Cancellation
/// A request reaches every child. Plain futures are waited for, since `race` has no value for "not done"; race against
/// [`cancelled()`](https://docs.rs/async-cancel) to have one.
#[track_caller]
pub fn race<T: Outcome<First>>(children: T) -> Race<T> {
    let inner = Combined::new(children);
    assert!(inner.len() > 0, "`race` of no children: there is no first to finish");
    Race { inner }
}

operation! {
    /// The `Async` of [`race()`].
    pub struct Race: First
}
