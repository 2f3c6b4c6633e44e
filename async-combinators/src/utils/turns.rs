//! Whose turn it is among the sources of a merge, a zip or a group: all in rotation (`Rotate`), or the woken in rotation.
//!
//! Unlike a round of the engine, a round here ends with the first item, and the next one goes on behind its source: that is
//! what keeps a busy source from starving the others.

use async_trait_core::Context;

/// Chooses whose turn it is.
pub trait Turns: Default {
    /// Starts a poll of `len` sources. Runs foreign code (the clone and drop of the parent's waker) and may unwind with it.
    fn begin(&mut self, len: usize, cx: &Context<'_>);

    /// The next source in this poll.
    fn next(&mut self, len: usize) -> Option<usize>;

    /// A source may have more although it was not woken.
    fn again(&mut self, index: usize);

    /// All sources may have more although they were not woken.
    fn all_again(&mut self, len: usize);

    /// Polls a source with the waker that is meant for it.
    fn lend<R>(&self, index: usize, len: usize, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R;
}

/// Every source has one turn in each poll, with the parent's own waker.
#[derive(Default)]
pub struct Rotate {
    next: usize,
    /// Turns left in this poll.
    left: usize,
}

impl Turns for Rotate {
    fn begin(&mut self, len: usize, _: &Context<'_>) {
        self.left = len;
    }

    fn next(&mut self, len: usize) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let index = self.next;
        self.next = if index + 1 < len { index + 1 } else { 0 };
        Some(index)
    }

    fn again(&mut self, _: usize) {}

    fn all_again(&mut self, _: usize) {}

    #[inline]
    fn lend<R>(&self, _: usize, _: usize, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        poll(cx)
    }
}

#[cfg(feature = "alloc")]
pub use with_alloc::RotateWoken;

#[cfg(feature = "alloc")]
mod with_alloc {
    use async_trait_core::Context;

    use super::Turns;
    use crate::utils::{
        bits::Bits,
        wakers::{FEW, stage},
        woken::{Cursor, LazySet},
    };

    /// The woken sources have turns, and all once more when a request to stop or to finish is first seen (*forward*).
    ///
    /// # Invariants
    /// A source that is not in `due` was polled after it was last woken, through `set`, `outgrown` or the parent's waker.
    #[derive(Default)]
    pub struct RotateWoken {
        set: LazySet,
        /// How many sources `set` was made for, or would be.
        room: usize,
        /// The set before the last growth. It wakes the parent until the next poll, in which all sources are due.
        outgrown: LazySet,
        due: Bits,
        next: usize,
        stage: u8,
    }

    impl RotateWoken {
        /// There are `len` sources now, and the one at `index` is new. Returns without waking anybody.
        pub(crate) fn added(&mut self, index: usize, len: usize) {
            if len > self.room {
                self.room = len;
                self.due.grow(len);
                if self.set.get().is_some() {
                    self.outgrown = core::mem::take(&mut self.set);
                }
            }
            self.due.insert(index);
        }
    }

    impl Turns for RotateWoken {
        fn begin(&mut self, len: usize, cx: &Context<'_>) {
            if len > self.room {
                self.room = len;
                self.due.grow(len);
            }
            let stage = stage(cx);
            let asked = stage > self.stage;
            self.stage = self.stage.max(stage);
            let Some(set) = self.set.get() else {
                // Nobody holds a waker that tells sources apart: nothing is known.
                self.due.insert_all(len);
                self.outgrown = LazySet::default();
                return;
            };
            // Before anything is taken out of the set: a wake after that finds this waker.
            set.register(cx.waker());
            let mut cursor = Cursor::new();
            while let Some((line, word)) = cursor.take_word(set) {
                self.due.insert_word(line, word);
            }
            if asked {
                self.due.insert_all(len);
            }
        }

        fn next(&mut self, _: usize) -> Option<usize> {
            let index = self.due.take_from(self.next)?;
            self.next = index + 1;
            Some(index)
        }

        fn again(&mut self, index: usize) {
            self.due.insert(index);
        }

        fn all_again(&mut self, len: usize) {
            self.due.insert_all(len);
        }

        #[inline]
        fn lend<R>(
            &self,
            index: usize,
            len: usize,
            cx: &mut Context<'_>,
            poll: impl FnOnce(&mut Context<'_>) -> R,
        ) -> R {
            if len <= FEW { poll(cx) } else { self.set.lend(index, self.room, cx, poll) }
        }
    }
}
