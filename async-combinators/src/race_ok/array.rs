//! `race_ok` of arrays.

use core::pin::Pin;

use async_trait_core::Async;

use super::{failure, success};
use crate::utils::{
    policy::FirstSuccess,
    set::{ArraySlots, Outcome},
};

impl<T, E, A: Async<Output = Result<T, E>>, const N: usize> Outcome<FirstSuccess> for [A; N] {
    type Output = Result<T, [E; N]>;

    #[inline]
    fn outcome(slots: Pin<&mut ArraySlots<A, N>>, first: Option<usize>) -> Self::Output {
        match first {
            Some(index) => Ok(success(slots.output_at(index))),
            None => Err(slots.map_outputs(|slot| failure(slot.output()))),
        }
    }
}
