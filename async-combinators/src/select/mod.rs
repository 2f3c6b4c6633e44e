//! `select`: which child was first, and every output that came.

mod array;
mod tuple;
#[cfg(feature = "alloc")]
mod vec;

pub use tuple::{OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8, OneOf9, OneOf10, OneOf11, OneOf12};

use crate::utils::{
    operation::operation,
    policy::FirstAndLate,
    set::{Combined, Outcome},
};

/// Runs all children at once until one finishes, ends the others, and returns which was first and **every** output.
///
/// Takes a tuple of 2 to 12, an array or (feature `alloc`) a `Vec`. Children are polled in the order written; the losers
/// are ended as in [`race`](crate::race()): fresh and cancel-safe ones are dropped, every other is asked with
/// [`Reason::LostRace`](async_trait_core::Reason::LostRace) and waited for, and its output is handed back in
/// [`Selected::late`]. So nothing that a loser has read, accepted or written is lost.
///
/// Children are owned: a started `Async` cannot be selected by reference and left behind. A plain future can
/// (`select((&mut future, ..))`, as `&mut F` is a future), and then stands still until somebody polls it again; whoever
/// waits for a lock that it holds waits for ever. Prefer to give `select` the future, or spawn it.
///
/// ```compile_fail,E0277
/// // neither pinned nor `Unpin`: it could be moved afterwards
/// let (mut a, mut b) = (async { std::future::pending::<()>().await }, async {});
/// async_combinators::select((&mut a, &mut b));
/// ```
///
/// # Examples
/// ```
/// use async_combinators::{OneOf2, select};
/// use async_trait_core::{block_on_with, pending, ready};
///
/// let selected = block_on_with(select((pending::<u8>(), ready("b"))), || {});
/// assert_eq!(selected.first, OneOf2::B("b"));
/// assert_eq!(selected.late, (None, None), "a plain future is dropped");
/// ```
///
/// # Panics
/// If there are no children, for then there is no first. With the first panic of a child, also of a loser, once the others
/// are complete; outputs that came are dropped then.
///
/// # Cancellation
/// A request reaches every child. Plain futures are waited for, since `select` has no value for "not done".
#[track_caller]
pub fn select<T: Outcome<FirstAndLate>>(children: T) -> Select<T> {
    let inner = Combined::new(children);
    assert!(inner.len() > 0, "`select` of no children: there is no first to finish");
    Select { inner }
}

operation! {
    /// The `Async` of [`select()`].
    pub struct Select: FirstAndLate
}

/// What [`select()`] returns: the first output, and those that came while the losers were ended.
///
/// | children | `first` | `late` |
/// |---|---|---|
/// | a tuple | [`OneOf2`] to [`OneOf12`], a variant for each position | a tuple of `Option`s |
/// | an array | `(usize, T)`, position and output | `[Option<T>; N]` |
/// | a `Vec` | `(usize, T)` | `Vec<Option<T>>` |
///
/// `late` has a place for every child; it is `None` for the first, and for those that were dropped.
#[must_use = "late outputs may hold what a loser has read or accepted"]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Selected<F, L> {
    /// The output that came first, and whose it is.
    pub first: F,
    /// The outputs that came after it, by position.
    pub late: L,
}
