//! `join` of arrays.

use core::pin::Pin;

use async_trait_core::Async;

use crate::utils::{
    policy::Everything,
    set::{ArraySlots, Outcome},
};

impl<A: Async, const N: usize> Outcome<Everything> for [A; N] {
    type Output = [A::Output; N];

    #[inline]
    fn outcome(slots: Pin<&mut ArraySlots<A, N>>, _: Option<usize>) -> Self::Output {
        slots.map(|slot| slot.output())
    }
}
