//! `race_ok` of vectors.

use alloc::vec::Vec;
use core::pin::Pin;

use async_trait_core::Async;

use super::{failure, success};
use crate::utils::{
    policy::FirstSuccess,
    set::{Outcome, VecSlots, output_at},
};

impl<T, E, A: Async<Output = Result<T, E>>> Outcome<FirstSuccess> for Vec<A> {
    type Output = Result<T, Vec<E>>;

    #[inline]
    fn outcome(slots: Pin<&mut VecSlots<A>>, first: Option<usize>) -> Self::Output {
        match first {
            Some(index) => Ok(success(output_at(slots, index))),
            None => Err(slots.map(|slot| failure(slot.output()))),
        }
    }
}
