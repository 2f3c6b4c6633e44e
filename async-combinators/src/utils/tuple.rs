//! The slots of tuples, 2 to 12: a named, pinned field for each child, visited by a list of calls.

use core::{ops::ControlFlow, pin::Pin};

use async_trait_core::{Async, CancelSafe};
use pin_project_lite::pin_project;

use super::{
    policy::{Judge, Policy},
    set::{CancelSafeSet, Set, Slots, Visit},
    slot::Slot,
    wakers::PollAll,
};

/// Calls a macro once for each arity, with the name of the slots, of `select`'s enum, and of each member its type, a name for
/// its success type, its field and its position.
#[rustfmt::skip]
macro_rules! for_each_arity {
    ($macro:ident) => {
        $macro!(Slots2 OneOf2 (A AT a 0, B BT b 1));
        $macro!(Slots3 OneOf3 (A AT a 0, B BT b 1, C CT c 2));
        $macro!(Slots4 OneOf4 (A AT a 0, B BT b 1, C CT c 2, D DT d 3));
        $macro!(Slots5 OneOf5 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4));
        $macro!(Slots6 OneOf6 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4, F FT f 5));
        $macro!(Slots7 OneOf7 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4, F FT f 5, G GT g 6));
        $macro!(Slots8 OneOf8 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4, F FT f 5, G GT g 6, H HT h 7));
        $macro!(Slots9 OneOf9 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4, F FT f 5, G GT g 6, H HT h 7, I IT i 8));
        $macro!(Slots10 OneOf10 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4, F FT f 5, G GT g 6, H HT h 7, I IT i 8, J JT j 9));
        $macro!(Slots11 OneOf11 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4, F FT f 5, G GT g 6, H HT h 7, I IT i 8, J JT j 9, K KT k 10));
        $macro!(Slots12 OneOf12 (A AT a 0, B BT b 1, C CT c 2, D DT d 3, E ET e 4, F FT f 5, G GT g 6, H HT h 7, I IT i 8, J JT j 9, K KT k 10, L LT l 11));
    };
}
pub(crate) use for_each_arity;

macro_rules! tuple_slots {
    ($Slots:ident $OneOf:ident ($($A:ident $AT:ident $a:ident $index:tt),+)) => {
        pin_project! {
            #[doc = concat!("The slots of a tuple, for ", stringify!($OneOf), ".")]
            pub struct $Slots<$($A: Async),+> {
                $(#[pin] pub(crate) $a: Slot<$A>,)+
            }
        }

        impl<Rule, $($A: Async),+> Slots<Rule> for $Slots<$($A),+>
        where
            $(Rule: Judge<$A::Output>),+
        {
            #[inline]
            fn len(&self) -> usize {
                [$($index),+].len()
            }

            #[inline]
            fn visit_from<Visitor: Visit>(self: Pin<&mut Self>, from: usize, visitor: &mut Visitor) -> ControlFlow<()> {
                let this = self.project();
                $(if from <= $index {
                    visitor.visit::<$A, Rule>($index, this.$a)?;
                })+
                ControlFlow::Continue(())
            }

            fn visit_at<Visitor: Visit>(self: Pin<&mut Self>, index: usize, visitor: &mut Visitor) -> ControlFlow<()> {
                let this = self.project();
                match index {
                    $($index => visitor.visit::<$A, Rule>($index, this.$a),)+
                    _ => ControlFlow::Continue(()),
                }
            }

            fn is_cancel_safe(&self) -> bool {
                $(self.$a.is_cancel_safe())&&+
            }
        }

        impl<Rule: Policy, $($A: Async),+> Set<Rule> for ($($A,)+)
        where
            $(Rule: Judge<$A::Output>),+
        {
            type Slots = $Slots<$($A),+>;
            type Wakers = PollAll;

            #[inline]
            fn into_slots(self) -> Self::Slots {
                let ($($a,)+) = self;
                $Slots { $($a: Slot::new($a)),+ }
            }
        }

        // SAFETY: by the bounds.
        unsafe impl<Rule: Policy, $($A: CancelSafe),+> CancelSafeSet<Rule> for ($($A,)+)
        where
            $(Rule: Judge<$A::Output>),+
        {
        }
    };
}

for_each_arity!(tuple_slots);
