//! `join`: all children, all outputs.

mod array;
mod tuple;
#[cfg(feature = "alloc")]
mod vec;

use crate::utils::{
    operation::operation,
    policy::Everything,
    set::{Combined, Outcome},
};

/// Runs all children at once and returns all outputs, in the order of the children.
///
/// Takes a tuple of 2 to 12, an array or (feature `alloc`) a `Vec`, and returns a tuple, an array or a `Vec` of the outputs.
/// "At once" means interleaved in one task; to use more threads, spawn into a scope.
///
/// # Examples
/// ```
/// use async_combinators::join;
/// use async_trait_core::{block_on_with, ready};
///
/// let both = join((ready(1), async { "two" }));
/// assert_eq!(block_on_with(both, || {}), (1, "two"));
/// assert_eq!(block_on_with(join([ready(1), ready(2)]), || {}), [1, 2]);
/// ```
///
/// # Panics
/// With the first panic of a child. The others are brought to completion first, asked with
/// [`Reason::SiblingFailed`](async_trait_core::Reason::SiblingFailed) or dropped as in [`try_join`](crate::try_join()).
///
/// # Cancellation
/// A request reaches every child. Those that are asked answer in their own way; plain futures are waited for, since `join`
/// has no value for "not done". Nothing is dropped, unless a child panics.
pub fn join<T: Outcome<Everything>>(children: T) -> Join<T> {
    Join { inner: Combined::new(children) }
}

operation! {
    /// The `Async` of [`join()`].
    pub struct Join: Everything
}
