//! `race` of vectors.

use alloc::vec::Vec;
use core::pin::Pin;

use async_trait_core::Async;

use crate::utils::{
    policy::First,
    set::{Outcome, VecSlots, output_at},
};

impl<A: Async> Outcome<First> for Vec<A> {
    type Output = A::Output;

    #[inline]
    fn outcome(slots: Pin<&mut VecSlots<A>>, first: Option<usize>) -> A::Output {
        output_at(slots, first.expect("every output decides in `race`"))
    }
}
