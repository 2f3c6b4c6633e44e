//! `try_join`: all children's successes, or the first error.

mod array;
mod tuple;
#[cfg(feature = "alloc")]
mod vec;

use crate::utils::{
    operation::operation,
    policy::FirstError,
    set::{Combined, Outcome},
};

/// Runs all children at once until one fails; returns all successes or the first error.
///
/// Takes a tuple of 2 to 12, an array or (feature `alloc`) a `Vec` of children that return a `Result` with one error type.
///
/// # Examples
/// ```
/// use async_combinators::try_join;
/// use async_trait_core::{block_on_with, pending, ready};
///
/// let both = try_join((ready(Ok::<_, &str>(1)), ready(Ok("two"))));
/// assert_eq!(block_on_with(both, || {}), Ok((1, "two")));
///
/// let failed = try_join((pending::<Result<(), _>>(), ready(Err::<(), _>("down"))));
/// assert_eq!(block_on_with(failed, || {}), Err("down"));
/// ```
///
/// # Panics
/// With the first panic of a child, once the others are complete.
///
/// # Errors
/// The first error. Children that are not complete then are ended first: a fresh or cancel-safe one is dropped, every other
/// is asked with [`Reason::SiblingFailed`](async_trait_core::Reason::SiblingFailed) and waited for. What these return, and
/// earlier successes, are dropped, in order of position; take [`select`](crate::select()) or a scope if it matters.
///
/// # Cancellation
/// A request reaches every child. A child that returns its `Cancelled` as an error ends the others like any error.
pub fn try_join<T: Outcome<FirstError>>(children: T) -> TryJoin<T> {
    TryJoin { inner: Combined::new(children) }
}

operation! {
    /// The `Async` of [`try_join()`].
    pub struct TryJoin: FirstError
}

/// The error that decided.
fn failure<T, E>(output: Result<T, E>) -> E {
    match output {
        Err(error) => error,
        Ok(_) => unreachable!("only an error decides in `try_join`"),
    }
}

/// The success of a child when no error decided.
fn success<T, E>(output: Result<T, E>) -> T {
    match output {
        Ok(value) => value,
        Err(_) => unreachable!("an error decides in `try_join`"),
    }
}
