//! `select` of arrays.

use core::pin::Pin;

use async_trait_core::Async;

use super::Selected;
use crate::utils::{
    policy::FirstAndLate,
    set::{ArraySlots, Outcome, output_at},
};

impl<A: Async, const N: usize> Outcome<FirstAndLate> for [A; N] {
    type Output = Selected<(usize, A::Output), [Option<A::Output>; N]>;

    #[inline]
    fn outcome(mut slots: Pin<&mut ArraySlots<A, N>>, first: Option<usize>) -> Self::Output {
        let index = first.expect("every output decides in `select`");
        let output = output_at(slots.as_mut(), index);
        Selected { first: (index, output), late: slots.map(|slot| slot.take()) }
    }
}
