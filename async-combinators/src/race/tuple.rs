//! `race` of tuples.

use core::pin::Pin;

use async_trait_core::Async;

use crate::utils::{policy::First, set::Outcome, tuple::*};

macro_rules! race_tuple {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        impl<Common, $($A: Async<Output = Common>),+> Outcome<First> for ($($A,)+) {
            type Output = Common;

            #[inline]
            fn outcome(slots: Pin<&mut $Slots<$($A),+>>, first: Option<usize>) -> Common {
                let slots = slots.project();
                match first {
                    $(Some($index) => slots.$a.output(),)+
                    _ => unreachable!("every output decides in `race`"),
                }
            }
        }
    };
}

for_each_arity!(race_tuple);
