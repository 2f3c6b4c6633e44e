//! `Injector`: the queue that all workers share, for what comes from other threads and for what does not fit elsewhere.
//!
//! A worker whose ring is full moves half of it here in one piece, and whoever takes the piece gets all of it: so a burst of
//! spawns costs the shared queue one operation for a hundred tasks.

use concurrent_queue::ConcurrentQueue;

use super::ring::{CAPACITY, Ring};
use crate::Work;

/// How many single works a worker takes at once at most.
const MOST_SINGLES: usize = 16;

/// The shared queue.
pub(super) struct Injector {
    queue: ConcurrentQueue<Batch>,
}

enum Batch {
    One(Work),
    /// In reverse order: `pop` takes the first.
    Many(Vec<Work>),
}

impl Injector {
    pub(super) fn new() -> Self {
        Self { queue: ConcurrentQueue::unbounded() }
    }

    /// Queues a work; gives it back if the queue is closed.
    pub(super) fn push(&self, work: Work) -> Result<(), Work> {
        self.queue.push(Batch::One(work)).map_err(|refused| match refused.into_inner() {
            Batch::One(work) => work,
            Batch::Many(_) => unreachable!("one was pushed"),
        })
    }

    /// Queues several, the first one last. If the queue is closed they are dropped, hence rescued.
    pub(super) fn push_many(&self, reversed: Vec<Work>) {
        if !reversed.is_empty() {
            drop(self.queue.push(Batch::Many(reversed)));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes one.
    pub(super) fn pop(&self) -> Option<Work> {
        match self.queue.pop().ok()? {
            Batch::One(work) => Some(work),
            Batch::Many(mut works) => {
                let first = works.pop();
                self.push_many(works);
                first
            }
        }
    }

    /// Takes a fair share: one is returned, the others go to `ring`. `sharers` is among how many threads it is shared.
    ///
    /// # Safety
    /// The caller is the owner of `ring`, as for `Ring::push`.
    pub(super) unsafe fn pop_share(&self, ring: &Ring<Work>, sharers: usize) -> Option<Work> {
        let mut works = match self.queue.pop().ok()? {
            Batch::Many(works) => works,
            Batch::One(first) => {
                let share = (self.queue.len() / sharers.max(1))
                    .min(MOST_SINGLES)
                    .min(CAPACITY / 2 - ring.len().min(CAPACITY / 2));
                for _ in 0..share {
                    match self.queue.pop() {
                        // SAFETY: promised by the caller.
                        Ok(Batch::One(work)) => unsafe { self.keep(ring, work) },
                        Ok(Batch::Many(works)) => {
                            self.push_many(works);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                return Some(first);
            }
        };
        let first = works.pop();
        while ring.len() < CAPACITY
            && let Some(work) = works.pop()
        {
            // SAFETY: promised by the caller.
            unsafe { self.keep(ring, work) };
        }
        self.push_many(works);
        first
    }

    /// # Safety
    /// As for `pop_share`.
    unsafe fn keep(&self, ring: &Ring<Work>, work: Work) {
        // SAFETY: promised by the caller.
        if let Err(work) = unsafe { ring.push(work) } {
            self.push_many(vec![work]);
        }
    }

    /// Refuses everything from now on, and drops what is queued, hence rescues it.
    pub(super) fn close(&self) {
        self.queue.close();
        // A push that was not refused has reserved its place by now, and `pop` waits for it.
        while let Ok(batch) = self.queue.pop() {
            drop(batch);
        }
    }
}
