//! `try_join` of tuples.

use core::pin::Pin;

use async_trait_core::Async;

use super::{failure, success};
use crate::utils::{policy::FirstError, set::Outcome, tuple::*};

macro_rules! try_join_tuple {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        impl<Failure, $($AT, $A: Async<Output = Result<$AT, Failure>>),+> Outcome<FirstError> for ($($A,)+) {
            type Output = Result<($($AT,)+), Failure>;

            #[inline]
            fn outcome(slots: Pin<&mut $Slots<$($A),+>>, first: Option<usize>) -> Self::Output {
                let slots = slots.project();
                match first {
                    $(Some($index) => Err(failure(slots.$a.output())),)+
                    _ => Ok(($(success(slots.$a.output()),)+)),
                }
            }
        }
    };
}

for_each_arity!(try_join_tuple);
