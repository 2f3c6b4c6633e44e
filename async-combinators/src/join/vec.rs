//! `join` of vectors.

use alloc::vec::Vec;
use core::pin::Pin;

use async_trait_core::Async;

use crate::utils::{
    policy::Everything,
    set::{Outcome, VecSlots},
};

impl<A: Async> Outcome<Everything> for Vec<A> {
    type Output = Vec<A::Output>;

    fn outcome(slots: Pin<&mut VecSlots<A>>, _: Option<usize>) -> Vec<A::Output> {
        slots.map(|slot| slot.output())
    }
}
