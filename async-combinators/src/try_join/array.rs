//! `try_join` of arrays.

use core::pin::Pin;

use async_trait_core::Async;

use super::{failure, success};
use crate::utils::{
    policy::FirstError,
    set::{ArraySlots, Outcome, output_at},
};

impl<T, E, A: Async<Output = Result<T, E>>, const N: usize> Outcome<FirstError> for [A; N] {
    type Output = Result<[T; N], E>;

    #[inline]
    fn outcome(slots: Pin<&mut ArraySlots<A, N>>, first: Option<usize>) -> Self::Output {
        match first {
            Some(index) => Err(failure(output_at(slots, index))),
            None => Ok(slots.map(|slot| success(slot.output()))),
        }
    }
}
