//! `race` of arrays.

use core::pin::Pin;

use async_trait_core::Async;

use crate::utils::{
    policy::First,
    set::{ArraySlots, Outcome, output_at},
};

impl<A: Async, const N: usize> Outcome<First> for [A; N] {
    type Output = A::Output;

    #[inline]
    fn outcome(slots: Pin<&mut ArraySlots<A, N>>, first: Option<usize>) -> A::Output {
        output_at(slots, first.expect("every output decides in `race`"))
    }
}
