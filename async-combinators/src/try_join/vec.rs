//! `try_join` of vectors.

use alloc::vec::Vec;
use core::pin::Pin;

use async_trait_core::Async;

use super::{failure, success};
use crate::utils::{
    policy::FirstError,
    set::{Outcome, VecSlots, output_at},
};

impl<T, E, A: Async<Output = Result<T, E>>> Outcome<FirstError> for Vec<A> {
    type Output = Result<Vec<T>, E>;

    fn outcome(slots: Pin<&mut VecSlots<A>>, first: Option<usize>) -> Self::Output {
        match first {
            Some(index) => Err(failure(output_at(slots, index))),
            None => Ok(slots.map(|slot| success(slot.output()))),
        }
    }
}
