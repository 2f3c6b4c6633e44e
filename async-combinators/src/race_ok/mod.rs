//! `race_ok`: the first success, or all errors.

mod array;
mod tuple;
#[cfg(feature = "alloc")]
mod vec;

use crate::utils::{
    operation::operation,
    policy::FirstSuccess,
    set::{Combined, Outcome},
};

/// Runs all children at once and returns the first success, or all errors if there is none.
///
/// Takes a tuple of 2 to 12, an array or (feature `alloc`) a `Vec` of children that return one `Result` type. Children are
/// polled in the order written. When one succeeds the others are ended as in [`race`](crate::race()), and what they return,
/// and earlier errors, are dropped in order of position when all are complete.
///
/// # Examples
/// ```
/// use async_combinators::race_ok;
/// use async_trait_core::{block_on_with, ready};
///
/// let replicas = race_ok([ready(Err("down")), ready(Ok(7)), ready(Ok(8))]);
/// assert_eq!(block_on_with(replicas, || {}), Ok(7));
/// let replicas = race_ok((ready(Err::<u32, _>("down")), ready(Err("late"))));
/// assert_eq!(block_on_with(replicas, || {}), Err(["down", "late"]));
/// ```
///
/// # Panics
/// With the first panic of a child, also of a loser, once the others are complete.
///
/// # Errors
/// The error of every child in order of position, as an array or a `Vec`, if none succeeds. Of no children: no error.
///
/// # Cancellation
/// A request reaches every child. Those that answer with their `Cancelled` as an error are errors like others.
pub fn race_ok<T: Outcome<FirstSuccess>>(children: T) -> RaceOk<T> {
    RaceOk { inner: Combined::new(children) }
}

operation! {
    /// The `Async` of [`race_ok()`].
    pub struct RaceOk: FirstSuccess
}

/// The success that decided.
fn success<T, E>(output: Result<T, E>) -> T {
    match output {
        Ok(value) => value,
        Err(_) => unreachable!("only a success decides in `race_ok`"),
    }
}

/// The error of a child when no success decided.
fn failure<T, E>(output: Result<T, E>) -> E {
    match output {
        Err(error) => error,
        Ok(_) => unreachable!("a success decides in `race_ok`"),
    }
}
