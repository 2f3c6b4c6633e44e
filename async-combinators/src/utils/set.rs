//! A set of children in its three shapes: what the engine may ask of it, and the tuples, arrays and vectors it is made of.
//!
//! The engine knows neither shape nor outputs. It visits slots by position, all in order or one by one; each visit is
//! generic in the child, so for a tuple it compiles to a list of calls.

use core::{
    marker::PhantomData,
    ops::ControlFlow,
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::{Async, CancelSafe, Context};
use pin_project_lite::pin_project;

use super::{
    engine::Engine,
    policy::{Judge, Policy},
    slot::Slot,
    wakers::Wakers,
};

/// What is done with a slot.
pub trait Visit {
    /// Does it; `Break` ends the round.
    fn visit<A: Async, P: Judge<A::Output>>(&mut self, index: usize, slot: Pin<&mut Slot<A>>) -> ControlFlow<()>;
}

/// The slots of a set.
pub trait Slots<P> {
    /// How many.
    fn len(&self) -> usize;

    /// Visits the slots from position `from` on, in order.
    fn visit_from<V: Visit>(self: Pin<&mut Self>, from: usize, visitor: &mut V) -> ControlFlow<()>;

    /// Visits the slot at a position, if there is one.
    fn visit_at<V: Visit>(self: Pin<&mut Self>, index: usize, visitor: &mut V) -> ControlFlow<()>;

    /// Whether every child that is still here may be dropped now.
    fn is_cancel_safe(&self) -> bool;
}

/// A tuple, array or vector of children of an operation with rule `P`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of children for this operation",
    label = "its members cannot be run together here",
    note = "a set is a tuple of 2 to 12, an array or (feature `alloc`) a `Vec`, and every member is an `Async`",
    note = "the members of `try_join` and `race_ok` return a `Result`"
)]
pub trait Set<P: Policy>: Sized {
    /// Where the children live once they are pinned.
    type Slots: Slots<P>;
    /// How the set finds out which children were woken.
    type Wakers: Wakers;

    /// Takes the children in; nothing is polled.
    fn into_slots(self) -> Self::Slots;
}

/// A set whose children are all [`CancelSafe`].
///
/// # Safety
/// They are.
pub unsafe trait CancelSafeSet<P: Policy>: Set<P> {}

/// What an operation with rule `P` makes of a complete set.
#[diagnostic::on_unimplemented(
    message = "the members of `{Self}` do not fit together in this operation",
    label = "no output can be made of these",
    note = "`race` asks for one output type (`select` takes different ones), `try_join` for one error type, `race_ok` for one success and one error type"
)]
pub trait Outcome<P: Policy>: Set<P> {
    /// The operation's output.
    type Output;

    /// Makes it. Every child is complete and its output still in its slot, except that without [`Policy::KEEPS_LATE`] only
    /// the output at `first` is left once there was a deciding one.
    fn outcome(slots: Pin<&mut Self::Slots>, first: Option<usize>) -> Self::Output;
}

pin_project! {
    /// A set and the engine that runs it: the whole of an operation.
    pub struct Combined<T: Set<P>, P: Policy> {
        #[pin]
        slots: T::Slots,
        engine: Engine<T::Wakers>,
        policy: PhantomData<fn() -> P>,
    }
}

impl<T: Set<P>, P: Policy> Combined<T, P> {
    pub(crate) fn new(set: T) -> Self {
        let slots = set.into_slots();
        Self { engine: Engine::new(slots.len()), slots, policy: PhantomData }
    }

    /// How many children there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

// SAFETY: *inert*: `new` polls nothing. *quiet*: the engine returns `true` and lets a panic out only when every child is complete or
// was dropped while fresh or cancel-safe; `outcome` then moves plain values. *honest*: the engine asks every live child.
unsafe impl<T: Outcome<P>, P: Policy> Async for Combined<T, P> {
    type Output = T::Output;

    #[inline]
    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let mut this = self.project();
        // SAFETY: *completed* and *retired* are promised by the caller for this value, which owns and pins the slots.
        ready!(unsafe { this.engine.poll::<T::Slots, P>(this.slots.as_mut(), cx) });
        Poll::Ready(T::outcome(this.slots, this.engine.first()))
    }

    fn is_cancel_safe(&self) -> bool {
        self.engine.is_fresh() || self.slots.is_cancel_safe()
    }
}

// SAFETY: every child's `is_cancel_safe` is always true, so this one's is; a dropped operation drops its children.
unsafe impl<T: Outcome<P> + CancelSafeSet<P>, P: Policy> CancelSafe for Combined<T, P> {}

/// The slots of an array.
pub struct ArraySlots<A: Async, const N: usize>(pub(crate) [Slot<A>; N]);

impl<A: Async, const N: usize> ArraySlots<A, N> {
    #[inline]
    pub(crate) fn as_slice(self: Pin<&mut Self>) -> Pin<&mut [Slot<A>]> {
        // SAFETY: the array is pinned exactly when this struct is: nothing moves it or hands out `&mut` to it otherwise, it has no
        // `Drop` of its own, and it is `Unpin` only if the field is.
        unsafe { self.map_unchecked_mut(|slots| &mut slots.0[..]) }
    }

    /// Makes something of every slot.
    #[inline]
    pub(crate) fn map_outputs<T>(mut self: Pin<&mut Self>, mut f: impl FnMut(Pin<&mut Slot<A>>) -> T) -> [T; N] {
        core::array::from_fn(|index| f(slot_at(self.as_mut().as_slice(), index).expect("one of N")))
    }

    /// The output of one child.
    #[inline]
    pub(crate) fn output_at(self: Pin<&mut Self>, index: usize) -> A::Output {
        slot_at(self.as_slice(), index).expect("the position of a child").output()
    }
}

impl<A: Async, P: Judge<A::Output>, const N: usize> Slots<P> for ArraySlots<A, N> {
    #[inline]
    fn len(&self) -> usize {
        N
    }

    #[inline]
    fn visit_from<V: Visit>(self: Pin<&mut Self>, from: usize, visitor: &mut V) -> ControlFlow<()> {
        visit_slice::<A, P, V>(self.as_slice(), from, visitor)
    }

    #[inline]
    fn visit_at<V: Visit>(self: Pin<&mut Self>, index: usize, visitor: &mut V) -> ControlFlow<()> {
        visit_in_slice::<A, P, V>(self.as_slice(), index, visitor)
    }

    fn is_cancel_safe(&self) -> bool {
        self.0.iter().all(Slot::is_cancel_safe)
    }
}

impl<A: Async, P: Judge<A::Output>, const N: usize> Set<P> for [A; N] {
    type Slots = ArraySlots<A, N>;
    #[cfg(feature = "alloc")]
    type Wakers = super::wakers::WokenOnly;
    #[cfg(not(feature = "alloc"))]
    type Wakers = super::wakers::PollAll;

    fn into_slots(self) -> Self::Slots {
        ArraySlots(self.map(Slot::new))
    }
}

// SAFETY: by the bound.
unsafe impl<A: CancelSafe, P: Judge<A::Output>, const N: usize> CancelSafeSet<P> for [A; N] {}

/// One element of a pinned slice.
#[inline]
pub(crate) fn slot_at<A: Async>(slots: Pin<&mut [Slot<A>]>, index: usize) -> Option<Pin<&mut Slot<A>>> {
    if index >= slots.len() {
        return None;
    }
    // SAFETY: an element of a pinned slice is pinned: its memory is the slice's, and nobody here moves elements out.
    Some(unsafe { slots.map_unchecked_mut(|slots| &mut slots[index]) })
}

#[inline]
fn visit_slice<A: Async, P: Judge<A::Output>, V: Visit>(
    mut slots: Pin<&mut [Slot<A>]>,
    from: usize,
    visitor: &mut V,
) -> ControlFlow<()> {
    for index in from..slots.len() {
        visit_in_slice::<A, P, V>(slots.as_mut(), index, visitor)?;
    }
    ControlFlow::Continue(())
}

#[inline]
fn visit_in_slice<A: Async, P: Judge<A::Output>, V: Visit>(
    slots: Pin<&mut [Slot<A>]>,
    index: usize,
    visitor: &mut V,
) -> ControlFlow<()> {
    match slot_at(slots, index) {
        Some(slot) => visitor.visit::<A, P>(index, slot),
        None => ControlFlow::Continue(()),
    }
}

#[cfg(feature = "alloc")]
pub use with_alloc::VecSlots;

#[cfg(feature = "alloc")]
mod with_alloc {
    use alloc::{boxed::Box, vec::Vec};
    use core::{ops::ControlFlow, pin::Pin};

    use async_trait_core::{Async, CancelSafe};

    use super::{CancelSafeSet, Judge, Set, Slot, Slots, Visit, slot_at, visit_in_slice, visit_slice};
    use crate::utils::wakers::WokenOnly;

    /// The slots of a vector, pinned on the heap.
    pub struct VecSlots<A: Async>(pub(crate) Pin<Box<[Slot<A>]>>);

    impl<A: Async> VecSlots<A> {
        #[inline]
        pub(crate) fn as_slice(self: Pin<&mut Self>) -> Pin<&mut [Slot<A>]> {
            self.get_mut().0.as_mut()
        }

        /// Makes something of every slot.
        pub(crate) fn map_outputs<T>(self: Pin<&mut Self>, mut f: impl FnMut(Pin<&mut Slot<A>>) -> T) -> Vec<T> {
            let mut slots = self.as_slice();
            (0..slots.len()).map(|index| f(slot_at(slots.as_mut(), index).expect("one of them"))).collect()
        }

        /// The output of one child.
        pub(crate) fn output_at(self: Pin<&mut Self>, index: usize) -> A::Output {
            slot_at(self.as_slice(), index).expect("the position of a child").output()
        }
    }

    impl<A: Async, P: Judge<A::Output>> Slots<P> for VecSlots<A> {
        #[inline]
        fn len(&self) -> usize {
            self.0.len()
        }

        #[inline]
        fn visit_from<V: Visit>(self: Pin<&mut Self>, from: usize, visitor: &mut V) -> ControlFlow<()> {
            visit_slice::<A, P, V>(self.as_slice(), from, visitor)
        }

        #[inline]
        fn visit_at<V: Visit>(self: Pin<&mut Self>, index: usize, visitor: &mut V) -> ControlFlow<()> {
            visit_in_slice::<A, P, V>(self.as_slice(), index, visitor)
        }

        fn is_cancel_safe(&self) -> bool {
            self.0.iter().all(Slot::is_cancel_safe)
        }
    }

    impl<A: Async, P: Judge<A::Output>> Set<P> for Vec<A> {
        type Slots = VecSlots<A>;
        type Wakers = WokenOnly;

        fn into_slots(self) -> VecSlots<A> {
            VecSlots(Box::into_pin(self.into_iter().map(Slot::new).collect()))
        }
    }

    // SAFETY: by the bound.
    unsafe impl<A: CancelSafe, P: Judge<A::Output>> CancelSafeSet<P> for Vec<A> {}
}
