//! `select` of tuples, and the enums that say which child was first.

use core::pin::Pin;

use async_trait_core::Async;

use super::Selected;
use crate::utils::{policy::FirstAndLate, set::Outcome, tuple::*};

macro_rules! select_tuple {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        #[doc = concat!("The first output of a [`select`](crate::select()) of ", stringify!($OneOf), ": a variant for each position.")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[allow(missing_docs, reason = "a variant is a position")]
        pub enum $OneOf<$($A),+> {
            $($A($A),)+
        }

        impl<$($A: Async),+> Outcome<FirstAndLate> for ($($A,)+) {
            type Output = Selected<$OneOf<$($A::Output),+>, ($(Option<$A::Output>,)+)>;

            #[inline]
            fn outcome(slots: Pin<&mut $Slots<$($A),+>>, first: Option<usize>) -> Self::Output {
                let mut slots = slots.project();
                let first = match first {
                    $(Some($index) => $OneOf::$A(slots.$a.as_mut().output()),)+
                    _ => unreachable!("every output decides in `select`"),
                };
                Selected { first, late: ($(slots.$a.take(),)+) }
            }
        }
    };
}

for_each_arity!(select_tuple);
