//! How a set finds out which of its children were woken: not at all (`PollAll`), or by a waker each (`WokenOnly`).

use async_trait_core::Context;

/// The children that a round looks at.
pub enum Sweep {
    /// All of them, from this position on.
    All(usize),
    /// Those that were woken.
    #[cfg(feature = "alloc")]
    Woken(super::woken::Cursor),
}

/// A set's way to find out which children were woken.
pub trait Wakers: Default {
    /// Starts a poll: what to look at. Runs foreign code (the clone and drop of the parent's waker) and may unwind with it.
    fn begin(&mut self, len: usize, cx: &Context<'_>) -> Sweep;

    /// All children are about to be polled for another reason: what was woken before is forgotten.
    fn everything(&mut self) -> Sweep;

    /// `begin` has unwound: from now on all children are polled, with the parent's own waker.
    fn give_up(&mut self);

    /// The next woken child of a round.
    #[cfg(feature = "alloc")]
    fn next(&self, cursor: &mut super::woken::Cursor) -> Option<usize>;

    /// Polls a child with the waker that is meant for it.
    fn lend<R>(&self, index: usize, len: usize, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R;
}

/// Every unfinished child is polled each time, with the parent's own waker: no allocation, and best for few.
#[derive(Default)]
pub struct PollAll;

impl Wakers for PollAll {
    #[inline]
    fn begin(&mut self, _: usize, _: &Context<'_>) -> Sweep {
        Sweep::All(0)
    }

    #[inline]
    fn everything(&mut self) -> Sweep {
        Sweep::All(0)
    }

    fn give_up(&mut self) {}

    #[cfg(feature = "alloc")]
    fn next(&self, _: &mut super::woken::Cursor) -> Option<usize> {
        None
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
    use async_trait_core::Context;

    use super::{Sweep, Wakers};
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

    impl Wakers for WokenOnly {
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

        #[inline]
        fn next(&self, cursor: &mut Cursor) -> Option<usize> {
            cursor.next(self.set.get()?)
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
