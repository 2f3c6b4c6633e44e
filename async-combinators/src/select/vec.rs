//! `select` of vectors.

use alloc::vec::Vec;
use core::pin::Pin;

use async_trait_core::Async;

use super::Selected;
use crate::utils::{
    policy::FirstAndLate,
    set::{Outcome, VecSlots, output_at},
};

impl<A: Async> Outcome<FirstAndLate> for Vec<A> {
    type Output = Selected<(usize, A::Output), Vec<Option<A::Output>>>;

    #[inline]
    fn outcome(mut slots: Pin<&mut VecSlots<A>>, first: Option<usize>) -> Self::Output {
        let index = first.expect("every output decides in `select`");
        let output = output_at(slots.as_mut(), index);
        Selected { first: (index, output), late: slots.map(|slot| slot.take()) }
    }
}
