//! How a set finds out which of its children were woken: not at all (`PollAll`), or by a waker each (`WokenOnly`).

use core::pin::Pin;

use async_trait_core::Context;

use super::set::{Slots, Visit};

/// A set's way to find out which children were woken.
pub trait Wakers: Default {
    /// The children that a round looks at, as far as it has not yet.
    type Sweep;

    /// Starts a poll: what to look at. Runs foreign code (the clone and drop of the parent's waker) and may unwind with it.
    fn begin(&mut self, len: usize, cx: &Context<'_>) -> Self::Sweep;

    /// All children are about to be polled for another reason: what was woken before is forgotten.
    fn everything(&mut self) -> Self::Sweep;

    /// `begin` has unwound: from now on all children are polled, with the parent's own waker.
    fn give_up(&mut self);

    /// A visit has unwound, the one at `at` if that is a position: what is left is what comes after it.
    fn resume(sweep: &mut Self::Sweep, at: usize);

    /// Visits what the sweep names, until a visit breaks.
    fn walk<S: Slots<P>, P, V: Visit>(&self, slots: Pin<&mut S>, sweep: &mut Self::Sweep, visitor: &mut V);

    /// Polls a child with the waker that is meant for it.
    fn lend<R>(&self, index: usize, len: usize, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R;
}

/// Every unfinished child is polled each time, with the parent's own waker: no allocation, and best for few.
#[derive(Default)]
pub struct PollAll;

impl Wakers for PollAll {
    /// The next position.
    type Sweep = usize;

    #[inline]
    fn begin(&mut self, _: usize, _: &Context<'_>) -> usize {
        0
    }

    #[inline]
    fn everything(&mut self) -> usize {
        0
    }

    fn give_up(&mut self) {}

    fn resume(sweep: &mut usize, at: usize) {
        // Unwinding outside of any visit leaves it as it is.
        *sweep = at.checked_add(1).unwrap_or(*sweep);
    }

    #[inline]
    fn walk<S: Slots<P>, P, V: Visit>(&self, slots: Pin<&mut S>, sweep: &mut usize, visitor: &mut V) {
        let _ = slots.visit_from(*sweep, visitor);
    }

    #[inline]
    fn lend<R>(&self, _: usize, _: usize, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        poll(cx)
    }
}

#[cfg(feature = "alloc")]
pub use with_alloc::{FEW, WokenOnly, stage};

#[cfg(feature = "alloc")]
mod with_alloc {
    use core::pin::Pin;

    use async_trait_core::Context;

    use super::{Slots, Visit, Wakers};
    use crate::utils::woken::{Cursor, LazySet};

    /// Up to this many children are polled all together: telling them apart would cost more than it saves.
    pub const FEW: usize = 4;

    /// Only the woken children are polled, and all once more when a request to stop or to finish is first seen (*forward*).
    ///
    /// # Invariants
    /// While there is no set, no child holds a waker that was lent by this: then nothing is known and all are polled.
    #[derive(Default)]
    pub struct WokenOnly {
        set: LazySet,
        /// How much was asked of the children at their last common poll: 0 nothing, 1 to stop, 2 to finish.
        stage: u8,
        given_up: bool,
    }

    /// How much is asked: 0 nothing, 1 to stop, 2 to finish.
    #[inline]
    pub fn stage(cx: &Context<'_>) -> u8 {
        if cx.is_cancelled() { 2 } else { u8::from(cx.is_stopping()) }
    }

    /// What a round looks at.
    pub enum Sweep {
        /// All children, from this position on.
        All(usize),
        /// Those that were woken.
        Woken(Cursor),
    }

    impl Wakers for WokenOnly {
        type Sweep = Sweep;

        #[inline]
        fn begin(&mut self, len: usize, cx: &Context<'_>) -> Sweep {
            if len <= FEW || self.given_up {
                return Sweep::All(0);
            }
            let stage = stage(cx);
            let asked = stage > self.stage;
            self.stage = self.stage.max(stage);
            let Some(set) = self.set.get() else { return Sweep::All(0) };
            // Before anything is taken out of the set: a wake after that finds this waker.
            set.register(cx.waker());
            if asked { self.everything() } else { Sweep::Woken(Cursor::new()) }
        }

        fn everything(&mut self) -> Sweep {
            if let Some(set) = self.set.get() {
                set.drain();
            }
            Sweep::All(0)
        }

        fn give_up(&mut self) {
            self.given_up = true;
        }

        fn resume(sweep: &mut Sweep, at: usize) {
            if let Sweep::All(next) = sweep {
                *next = at.checked_add(1).unwrap_or(*next);
            }
        }

        #[inline]
        fn walk<S: Slots<P>, P, V: Visit>(&self, mut slots: Pin<&mut S>, sweep: &mut Sweep, visitor: &mut V) {
            match (sweep, self.set.get()) {
                (Sweep::Woken(cursor), Some(set)) => {
                    while let Some(index) = cursor.next(set) {
                        if slots.as_mut().visit_at(index, visitor).is_break() {
                            break;
                        }
                    }
                }
                (Sweep::All(next), _) => _ = slots.visit_from(*next, visitor),
                (Sweep::Woken(_), None) => unreachable!("somebody was woken, so there is a set"),
            }
        }

        #[inline]
        fn lend<R>(
            &self,
            index: usize,
            len: usize,
            cx: &mut Context<'_>,
            poll: impl FnOnce(&mut Context<'_>) -> R,
        ) -> R {
            if len <= FEW || self.given_up { poll(cx) } else { self.set.lend(index, len, cx, poll) }
        }
    }
}
