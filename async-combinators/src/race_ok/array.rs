//! `race_ok` of arrays.

use core::pin::Pin;

use async_trait_core::Async;

use super::{failure, success};
use crate::utils::{
    policy::FirstSuccess,
    set::{ArraySlots, Outcome, output_at},
};

impl<T, E, A: Async<Output = Result<T, E>>, const N: usize> Outcome<FirstSuccess> for [A; N] {
    type Output = Result<T, [E; N]>;

    #[inline]
    fn outcome(slots: Pin<&mut ArraySlots<A, N>>, first: Option<usize>) -> Self::Output {
        match first {
            Some(index) => Ok(success(output_at(slots, index))),
            None => Err(slots.map(|slot| failure(slot.output()))),
        }
    }
}
