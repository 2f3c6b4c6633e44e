//! `race_ok` of tuples.

use core::pin::Pin;

use async_trait_core::Async;

use super::{failure, success};
use crate::utils::{policy::FirstSuccess, set::Outcome, tuple::*};

macro_rules! race_ok_tuple {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        impl<Success, Failure, $($A: Async<Output = Result<Success, Failure>>),+> Outcome<FirstSuccess> for ($($A,)+) {
            type Output = Result<Success, [Failure; [$($index),+].len()]>;

            #[inline]
            fn outcome(slots: Pin<&mut $Slots<$($A),+>>, first: Option<usize>) -> Self::Output {
                let slots = slots.project();
                match first {
                    $(Some($index) => Ok(success(slots.$a.output())),)+
                    _ => Err([$(failure(slots.$a.output())),+]),
                }
            }
        }
    };
}

for_each_arity!(race_ok_tuple);
