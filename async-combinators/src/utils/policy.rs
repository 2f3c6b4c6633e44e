//! What tells the operations apart: when one child's output ends the others, and whether late outputs are kept.

use async_trait_core::Reason;

/// An operation's rule.
pub trait Policy {
    /// Whether outputs that come after the deciding one are handed back, or dropped when all children are complete.
    const KEEPS_LATE: bool;
}

/// An operation's rule for a child with output `O`.
pub trait Judge<O>: Policy {
    /// Whether this output decides, and then why the others are asked to finish.
    fn decides(output: &O) -> Option<Reason>;
}

/// Rule of `join`: wait for all.
#[derive(Debug)]
pub enum Everything {}

impl Policy for Everything {
    const KEEPS_LATE: bool = true;
}

impl<O> Judge<O> for Everything {
    #[inline]
    fn decides(_: &O) -> Option<Reason> {
        None
    }
}

/// Rule of `try_join`: the first error decides.
#[derive(Debug)]
pub enum FirstError {}

impl Policy for FirstError {
    const KEEPS_LATE: bool = false;
}

impl<T, E> Judge<Result<T, E>> for FirstError {
    #[inline]
    fn decides(output: &Result<T, E>) -> Option<Reason> {
        output.is_err().then_some(Reason::SiblingFailed)
    }
}

/// Rule of `race`: the first output decides.
#[derive(Debug)]
pub enum First {}

impl Policy for First {
    const KEEPS_LATE: bool = false;
}

impl<O> Judge<O> for First {
    #[inline]
    fn decides(_: &O) -> Option<Reason> {
        Some(Reason::LostRace)
    }
}

/// Rule of `race_ok`: the first success decides.
#[derive(Debug)]
pub enum FirstSuccess {}

impl Policy for FirstSuccess {
    const KEEPS_LATE: bool = false;
}

impl<T, E> Judge<Result<T, E>> for FirstSuccess {
    #[inline]
    fn decides(output: &Result<T, E>) -> Option<Reason> {
        output.is_ok().then_some(Reason::LostRace)
    }
}

/// Rule of `select`: the first output decides, and the late ones are handed back too.
#[derive(Debug)]
pub enum FirstAndLate {}

impl Policy for FirstAndLate {
    const KEEPS_LATE: bool = true;
}

impl<O> Judge<O> for FirstAndLate {
    #[inline]
    fn decides(_: &O) -> Option<Reason> {
        Some(Reason::LostRace)
    }
}
