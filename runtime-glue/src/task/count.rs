//! The count of a scope's live tasks, and the end of the scope: the protocol of the contract's *last touch*.
//!
//! ```text
//!   body running            body done                 last task                       parent
//!   total = 1 + tasks  -->  total = tasks  -->  FINISHING | total = 1  -->  total = 0  -->  frame is freed
//!                                               (takes the parent's waker)  (last touch, then wakes it)
//! ```
//!
//! The parent's frame holds this count, so whoever makes it fall to 0 must not touch the frame afterwards. A plain decrement
//! followed by a wake is a use after free: the parent, polled for another reason, sees 0 and frees the frame. So the falls that
//! the parent waits for first set `FINISHING`, take the parent's waker out, publish with one atomic operation and then wake the
//! waker that they own. A parent that sees `FINISHING` wakes itself.
//!
//! Background tasks are counted twice, in the total and on their own: when the others are done the parent asks them to stop, so
//! the fall of the last ordinary task is one that the parent waits for, too.

use crate::sync::{AtomicU64, Ordering};

const ONE: u64 = 1;
const BACKGROUND: u64 = 1 << 31;
const FINISHING: u64 = 1 << 63;
const MASK: u64 = BACKGROUND - 1;

/// Live tasks of a scope, plus one while the body runs.
pub(crate) struct Count {
    word: AtomicU64,
}

/// What the parent finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Live {
    /// Nothing is live, and nobody will touch the count or the scope any more.
    None,
    /// Only background tasks are live.
    Background,
    /// Ordinary tasks are live.
    Some,
    /// A fall that the parent waits for is under way: it must wake itself and look again.
    Finishing,
}

impl Count {
    /// One share, that of the body.
    pub(crate) fn new() -> Self {
        Self { word: AtomicU64::new(ONE) }
    }

    /// One task more. By the body, or by a live task: somebody who has a share.
    ///
    /// # Panics
    /// If 2^31 - 1 tasks are live.
    pub(crate) fn rise(&self, background: bool) {
        // Relaxed: the new task is published by other means, and the spawner's own share keeps the count from ending.
        let old = self.word.fetch_add(step(background), Ordering::Relaxed);
        if old & MASK == MASK - 1 {
            self.word.fetch_sub(step(background), Ordering::Relaxed);
            panic!("a scope cannot have more than {} live tasks", MASK - 1);
        }
    }

    /// A share for somebody who has none, unless the scope's tasks have already ended.
    pub(crate) fn try_rise(&self) -> bool {
        self.word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |old| {
                (old & FINISHING == 0 && old & MASK != 0).then_some(old + ONE)
            })
            .is_ok()
    }

    /// One task less. `take_waker` is called if the parent may be waiting for this fall, before it is published; what it
    /// returns is to be woken by the caller. Nothing of the scope may be touched after this.
    #[must_use]
    pub(crate) fn fall<W>(&self, background: bool, take_waker: impl FnOnce() -> Option<W>) -> Option<W> {
        let step = step(background);
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            let new = old - step;
            // The last ordinary one (total = background), or the last at all. While another is FINISHING it has its own
            // share, so this fall is neither: no two are FINISHING at once.
            let awaited = if background { new & MASK == 0 } else { new & MASK == (new / BACKGROUND) & MASK };
            if awaited && old & FINISHING == 0 {
                if let Err(now) =
                    self.word.compare_exchange_weak(old, old | FINISHING, Ordering::AcqRel, Ordering::Relaxed)
                {
                    old = now;
                    continue;
                }
                let waker = take_waker();
                // Last touch. Release: all that this task did, and the take, happens before the parent goes on. A subtraction and
                // not a store, since background tasks may have risen or fallen meanwhile.
                self.word.fetch_sub(FINISHING | step, Ordering::Release);
                return waker;
            }
            // Release as above: the parent's Acquire load reads from this or from a later fall in the same release sequence.
            match self.word.compare_exchange_weak(old, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return None,
                Err(now) => old = now,
            }
        }
    }

    /// The body gives up its share. By the parent, which looks with `live` next.
    pub(crate) fn body_done(&self) {
        self.word.fetch_sub(ONE, Ordering::Release);
    }

    /// The parent takes the body's share again, for a phase in which its own code may spawn. Only when `live` is `None`.
    pub(crate) fn body_again(&self) {
        self.word.fetch_add(ONE, Ordering::Relaxed);
    }

    /// What is live. By the parent, after it has left its waker where `take_waker` finds it.
    pub(crate) fn live(&self) -> Live {
        // Acquire pairs with the Release of the falls.
        let word = self.word.load(Ordering::Acquire);
        if word & FINISHING != 0 {
            Live::Finishing
        } else if word & MASK == 0 {
            Live::None
        } else if word & MASK == (word / BACKGROUND) & MASK {
            Live::Background
        } else {
            Live::Some
        }
    }
}

const fn step(background: bool) -> u64 {
    if background { ONE | BACKGROUND } else { ONE }
}
