//! `select` of arrays.

use core::pin::Pin;

use async_trait_core::Async;

use super::Selected;
use crate::utils::{
    policy::FirstAndLate,
    set::{ArraySlots, Outcome},
};

impl<A: Async, const N: usize> Outcome<FirstAndLate> for [A; N] {
    type Output = Selected<(usize, A::Output), [Option<A::Output>; N]>;

    #[inline]
    fn outcome(mut slots: Pin<&mut ArraySlots<A, N>>, first: Option<usize>) -> Self::Output {
        let index = first.expect("every output decides in `select`");
        let output = slots.as_mut().output_at(index);
        Selected { first: (index, output), late: slots.map_outputs(|slot| slot.take()) }
    }
}
