//! `Core`: what a thread needs in order to work for a pool and be stolen from. `Cores`: those of a pool, lent to one thread at
//! a time.

use std::{ptr, sync::OnceLock};

use super::ring::{Ring, Word as _};
use crate::{
    Work,
    sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// The queues of one worker. Aligned so that two workers share no cache line.
#[repr(align(128))]
pub(super) struct Core {
    /// The work that is run next, whatever else is queued: what the running task woke first. Null if there is none.
    next: AtomicPtr<()>,
    /// How many polls its owner has begun. Who sees the same number twice knows that the owner is still in the same poll.
    ticks: AtomicU32,
    pub(super) ring: Ring<Work>,
    index: usize,
}

impl Core {
    fn new(index: usize) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), ticks: AtomicU32::new(0), ring: Ring::new(), index }
    }

    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// Sets the work that is run next, and returns the one that was.
    pub(super) fn replace_next(&self, work: Option<Work>) -> Option<Work> {
        let raw = work.map_or(ptr::null_mut(), Work::into_raw);
        // Release publishes the task to who takes it, Acquire takes over one that another thread has put there.
        let old = self.next.swap(raw, Ordering::AcqRel);
        // SAFETY: a word that is not null comes from `into_raw` above, and the exchange takes it out.
        (!old.is_null()).then(|| unsafe { Work::from_raw(old) })
    }

    /// Takes the work that is run next.
    pub(super) fn take_next(&self) -> Option<Work> {
        if self.next.load(Ordering::Relaxed).is_null() { None } else { self.replace_next(None) }
    }

    /// Whether anything is queued, more or less.
    pub(super) fn has_any(&self) -> bool {
        self.ring.len() > 0 || !self.next.load(Ordering::Relaxed).is_null()
    }

    /// The owner begins a poll.
    pub(super) fn tick(&self) -> u32 {
        let ticks = self.ticks.load(Ordering::Relaxed).wrapping_add(1);
        self.ticks.store(ticks, Ordering::Relaxed);
        ticks
    }

    pub(super) fn ticks(&self) -> u32 {
        self.ticks.load(Ordering::Relaxed)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        drop(self.take_next());
    }
}

/// How many cores there are besides those for a pool's own threads: for threads that wait in `block_on`, and for those that
/// take the place of blocked ones. A thread without a core works, too, through the shared queue.
const GUESTS: usize = 64;

/// The cores of a pool, made when they are first needed.
pub(super) struct Cores {
    cores: Box<[OnceLock<Box<Core>>]>,
    /// A bit for each core: set if it is free.
    free: Box<[AtomicU64]>,
    /// All cores that were ever in use are below this.
    used: AtomicUsize,
}

impl Cores {
    pub(super) fn new(threads: usize) -> Self {
        let words = (threads + GUESTS).div_ceil(64);
        Self {
            cores: (0..words * 64).map(|_| OnceLock::new()).collect(),
            free: (0..words).map(|_| AtomicU64::new(u64::MAX)).collect(),
            used: AtomicUsize::new(0),
        }
    }

    /// Lends a core to the calling thread, which is its one owner until it calls `release`.
    pub(super) fn acquire(&self) -> Option<&Core> {
        for (at, word) in self.free.iter().enumerate() {
            let mut free = word.load(Ordering::Relaxed);
            while free != 0 {
                let bit = free & free.wrapping_neg();
                // Acquire pairs with `release`: what the last owner did happens before.
                match word.compare_exchange_weak(free, free & !bit, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => {
                        let index = at * 64 + bit.trailing_zeros() as usize;
                        self.used.fetch_max(index + 1, Ordering::Relaxed);
                        return Some(self.cores[index].get_or_init(|| Box::new(Core::new(index))));
                    }
                    Err(now) => free = now,
                }
            }
        }
        None
    }

    /// Gives an acquired core back, empty.
    pub(super) fn release(&self, core: &Core) {
        debug_assert!(!core.has_any());
        self.free[core.index / 64].fetch_or(1 << (core.index % 64), Ordering::Release);
    }

    /// All cores, beginning with number `start` modulo how many there are.
    pub(super) fn iter_from(&self, start: usize) -> impl Iterator<Item = &Core> {
        // Relaxed: a core that is missed is one that was acquired just now.
        let used = self.used.load(Ordering::Relaxed);
        let start = if used == 0 { 0 } else { start % used };
        (start..used).chain(0..start).filter_map(|index| self.cores[index].get().map(|core| &**core))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_core_has_one_owner_and_comes_back() {
        let cores = Cores::new(3);
        let all: Vec<_> = std::iter::from_fn(|| cores.acquire()).collect();
        assert_eq!(all.len(), 128);
        let mut indices: Vec<_> = all.iter().map(|core| core.index()).collect();
        indices.dedup();
        assert_eq!(indices, (0..128).collect::<Vec<_>>());
        cores.release(all[70]);
        assert_eq!(cores.acquire().unwrap().index(), 70);
        assert!(cores.acquire().is_none());
    }

    #[test]
    fn iteration_begins_anywhere_and_sees_all() {
        let cores = Cores::new(1);
        for _ in 0..5 {
            cores.acquire().unwrap();
        }
        assert_eq!(cores.iter_from(8).map(Core::index).collect::<Vec<_>>(), [3, 4, 0, 1, 2]);
    }
}
