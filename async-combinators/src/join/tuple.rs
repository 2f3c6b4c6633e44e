//! `join` of tuples.

use core::pin::Pin;

use async_trait_core::Async;

use crate::utils::{policy::Everything, set::Outcome, tuple::*};

macro_rules! join_tuple {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        impl<$($A: Async),+> Outcome<Everything> for ($($A,)+) {
            type Output = ($($A::Output,)+);

            #[inline]
            fn outcome(slots: Pin<&mut $Slots<$($A),+>>, _: Option<usize>) -> Self::Output {
                let slots = slots.project();
                ($(slots.$a.output(),)+)
            }
        }
    };
}

for_each_arity!(join_tuple);
