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
    pinned::{PinArray, PinSlice, pin_at},
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
pub type ArraySlots<A, const N: usize> = PinArray<Slot<A>, N>;

impl<A: Async, P: Judge<A::Output>, S: PinSlice<Element = Slot<A>>> Slots<P> for S {
    #[inline]
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    #[inline]
    fn visit_from<V: Visit>(self: Pin<&mut Self>, from: usize, visitor: &mut V) -> ControlFlow<()> {
        let mut slots = self.as_pin_slice();
        for index in from..slots.len() {
            visitor.visit::<A, P>(index, pin_at(slots.as_mut(), index))?;
        }
        ControlFlow::Continue(())
    }

    #[inline]
    fn visit_at<V: Visit>(self: Pin<&mut Self>, index: usize, visitor: &mut V) -> ControlFlow<()> {
        let slots = self.as_pin_slice();
        if index >= slots.len() {
            return ControlFlow::Continue(());
        }
        visitor.visit::<A, P>(index, pin_at(slots, index))
    }

    fn is_cancel_safe(&self) -> bool {
        self.as_slice().iter().all(Slot::is_cancel_safe)
    }
}

/// The output of one child of an array or vector.
#[inline]
pub(crate) fn output_at<A: Async, S: PinSlice<Element = Slot<A>>>(slots: Pin<&mut S>, index: usize) -> A::Output {
    pin_at(slots.as_pin_slice(), index).output()
}

impl<A: Async, P: Judge<A::Output>, const N: usize> Set<P> for [A; N] {
    type Slots = ArraySlots<A, N>;
    #[cfg(feature = "alloc")]
    type Wakers = super::wakers::WokenOnly;
    #[cfg(not(feature = "alloc"))]
    type Wakers = super::wakers::PollAll;

    #[inline]
    fn into_slots(self) -> Self::Slots {
        PinArray::new(self.map(Slot::new))
    }
}

// SAFETY: by the bound.
unsafe impl<A: CancelSafe, P: Judge<A::Output>, const N: usize> CancelSafeSet<P> for [A; N] {}

#[cfg(feature = "alloc")]
pub use with_alloc::VecSlots;

#[cfg(feature = "alloc")]
mod with_alloc {
    use alloc::vec::Vec;

    use async_trait_core::{Async, CancelSafe};

    use super::{CancelSafeSet, Judge, Set, Slot};
    use crate::utils::{pinned::PinVec, wakers::WokenOnly};

    /// The slots of a vector, pinned on the heap.
    pub type VecSlots<A> = PinVec<Slot<A>>;

    impl<A: Async, P: Judge<A::Output>> Set<P> for Vec<A> {
        type Slots = VecSlots<A>;
        type Wakers = WokenOnly;

        fn into_slots(self) -> VecSlots<A> {
            self.into_iter().map(Slot::new).collect()
        }
    }

    // SAFETY: by the bound.
    unsafe impl<A: CancelSafe, P: Judge<A::Output>> CancelSafeSet<P> for Vec<A> {}
}
