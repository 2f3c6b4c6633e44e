//! `Idle`: which threads of a pool sleep, and who is woken when work comes.
//!
//! Waking a thread costs as much as running a hundred tasks, so a burst of new work wakes one thread at most. That one *searches*;
//! when it finds work and there is more, it wakes the next. While somebody searches nobody else is woken. A searcher that finds
//! nothing goes to sleep, and looks once more after it has said so.
//!
//! A worker that queues work for itself need not wake anybody: it will soon run it. Two tasks that wake each other in turn stay
//! on one thread. But the worker may be in a long poll. So while somebody works and somebody sleeps, one of the sleepers is on
//! *watch*: it sleeps for a short time only, and takes over what lies in the queue of a worker that is still in the same poll
//! as the last time it looked. The first work that a worker queues for itself without a watch wakes somebody, who becomes it.
//!
//! # The word
//!
//! ```text
//! bits  0..16   active: threads that work or search
//! bits 16..32   searching: those of them that search
//! bits 32..48   sleeping: threads that can be woken, or started
//! bit  48       watch: one of the sleeping is on watch
//! ```
//!
//! Sleepers are under a lock; the word can be read without. Arrivals of new threads and ends of searches change it without the
//! lock, too.
//!
//! # No work is forgotten
//!
//! *From other threads:* who queues work in the injector, then (after a `SeqCst` fence) sees a searcher in the word, and wakes
//! nobody. The last searcher to end, having said so in the word, looks (after a `SeqCst` fence) at the injector again. One of
//! the two sees the other. The same holds for a thread that goes to sleep, which the one who queues may not see sleeping.
//!
//! *From a worker to itself:* without a fence, since this is the hot path. The worker is active while it does so, and the watch
//! ends only when nobody is (one compare-exchange on the word), or when its thread becomes a searcher.

use std::{sync::Arc, time::Duration};

use crate::{
    parker::Parker,
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock},
};

const ACTIVE: u64 = 1;
const SEARCHING: u64 = 1 << 16;
const SLEEPING: u64 = 1 << 32;
const WATCH: u64 = 1 << 48;
const MASK: u64 = 0xffff;

/// More threads than this beyond the wanted number are not started for those that are blocked.
const MOST_EXTRA: usize = 256;

/// How long a watch sleeps at first, and at most, between two looks.
pub(super) const FIRST_LOOK: Duration = Duration::from_micros(50);
pub(super) const LAST_LOOK: Duration = Duration::from_millis(10);

/// What the threads of a pool know of each other.
pub(super) struct Idle {
    word: AtomicU64,
    /// How many threads the pool has of its own, unless some are blocked.
    wanted: usize,
    /// How many should be active at the same time: as many, or, without own threads, all there are.
    most_active: usize,
    inner: Mutex<Inner>,
}

/// # Invariants
/// The word's `sleeping` is `sleepers.len() + startable`; its `watch` is set if and only if a sleeper's is. Both except while
/// the lock is held.
struct Inner {
    sleepers: Vec<Sleeper>,
    /// How many threads may still be started.
    startable: usize,
    /// The pool's own threads that run and are not blocked, asleep or not.
    running: usize,
    /// How many of the pool's own threads should end when they have nothing to do.
    excess: usize,
    /// The pool's own threads, blocked or not.
    threads: usize,
}

struct Sleeper {
    parker: Arc<Parker>,
    watch: bool,
}

/// How a thread went to sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bed {
    /// Until it is woken.
    Sleep,
    /// On watch: for a short time.
    Watch,
    /// Not at all: there are too many threads, and this one should end.
    End,
}

impl Idle {
    /// For a pool that may start `wanted` threads.
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            word: AtomicU64::new(wanted as u64 * SLEEPING),
            wanted,
            most_active: if wanted == 0 { usize::MAX } else { wanted },
            inner: Mutex::new(Inner { sleepers: Vec::new(), startable: wanted, running: 0, excess: 0, threads: 0 }),
        }
    }

    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// A thread that waits in `block_on` begins to work for the pool.
    pub(super) fn arrive(&self) {
        self.word.fetch_add(ACTIVE, Ordering::SeqCst);
    }

    /// It works no more.
    pub(super) fn leave(&self) {
        self.word.fetch_sub(ACTIVE, Ordering::SeqCst);
    }

    /// Whether it looks as if somebody should be woken. `surplus`: there is work that its worker does not run next.
    ///
    /// For a worker that has queued work for itself; others call a `SeqCst` fence before.
    #[inline]
    pub(super) fn is_worth_waking(&self, surplus: bool) -> bool {
        self.worth(self.word.load(Ordering::Relaxed), surplus)
    }

    #[inline]
    fn worth(&self, word: u64, surplus: bool) -> bool {
        (word / SLEEPING) & MASK != 0
            && (word / SEARCHING) & MASK == 0
            && (word & WATCH == 0 || (surplus && ((word & MASK) as usize) < self.most_active))
    }

    /// Wakes a thread to search, or starts one, unless somebody searches already or enough are active.
    pub(super) fn wake_one(&self, surplus: bool, start: impl Fn() -> bool) {
        let mut may_start = true;
        loop {
            let mut inner = lock(&self.inner);
            if !self.worth(self.word.load(Ordering::SeqCst), surplus) {
                return;
            }
            if let Some(sleeper) = inner.sleepers.pop() {
                // On behalf of the sleeper, which finds itself gone from the list.
                self.awake(&sleeper, SEARCHING);
                drop(inner);
                sleeper.parker.unpark();
                return;
            }
            if !may_start {
                return;
            }
            self.starting(inner);
            if start() {
                return;
            }
            self.not_started();
            // Meanwhile others may have relied on this search: perhaps there is a sleeper now.
            may_start = false;
        }
    }

    /// Counts a thread that is about to be started, which will begin with a search.
    fn starting(&self, mut inner: MutexGuard<'_, Inner>) {
        inner.startable -= 1;
        inner.running += 1;
        inner.threads += 1;
        self.change(ACTIVE + SEARCHING, SLEEPING);
    }

    /// It could not be started: no more are tried while there are others.
    fn not_started(&self) {
        let mut inner = lock(&self.inner);
        inner.running -= 1;
        inner.threads -= 1;
        let startable = if inner.threads == 0 { 1 } else { 0 };
        let before = std::mem::replace(&mut inner.startable, startable);
        self.change(startable as u64 * SLEEPING, ACTIVE + SEARCHING + before as u64 * SLEEPING);
    }

    /// Adds to some counts of the word and subtracts from others, at once.
    fn change(&self, more: u64, less: u64) -> u64 {
        // No count is ever below 0 or above its mask, so no borrow or carry reaches a neighbour in the end.
        self.word.fetch_add(more.wrapping_sub(less), Ordering::SeqCst)
    }

    /// An active thread begins to search. False if enough do.
    pub(super) fn begin_search(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let searching = (word / SEARCHING) & MASK;
        if 2 * searching as usize >= self.most_active {
            return false;
        }
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
        true
    }

    /// A searcher has found work, or has something else to do. True if it was the last: then it calls a `SeqCst` fence and
    /// looks whether there is more.
    #[must_use]
    pub(super) fn end_search(&self) -> bool {
        (self.word.fetch_sub(SEARCHING, Ordering::SeqCst) / SEARCHING) & MASK == 1
    }

    /// The thread of `parker` is about to sleep. It calls a `SeqCst` fence next, looks once more for work, and calls `get_up` if
    /// there is any. `searching`: it is; it ends its search hereby. `own`: it is one of the pool's own threads.
    pub(super) fn lie_down(&self, parker: &Arc<Parker>, searching: bool, own: bool) -> Bed {
        let mut inner = lock(&self.inner);
        let less = if searching { ACTIVE + SEARCHING } else { ACTIVE };
        if own && inner.excess > 0 {
            inner.excess -= 1;
            inner.running -= 1;
            inner.threads -= 1;
            self.change(0, less);
            return Bed::End;
        }
        let mut old = self.word.load(Ordering::SeqCst);
        let watch = loop {
            // Decided by the word that is exchanged: who arrives without the lock is either seen here, or sees a sleeper.
            let watch = old & MASK > ACTIVE && old & WATCH == 0;
            let new = old - less + SLEEPING + if watch { WATCH } else { 0 };
            match self.word.compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => break watch,
                Err(now) => old = now,
            }
        };
        inner.sleepers.push(Sleeper { parker: Arc::clone(parker), watch });
        if watch { Bed::Watch } else { Bed::Sleep }
    }

    /// Whether a searcher will look for what the caller, who is about to sleep, would look for.
    pub(super) fn is_anybody_searching(&self) -> bool {
        (self.word.load(Ordering::SeqCst) / SEARCHING) & MASK != 0
    }

    /// The thread of `parker` gets up. True if it had been woken in order to search, and counts as a searcher; false if it is
    /// only active.
    pub(super) fn get_up(&self, parker: &Arc<Parker>) -> bool {
        let mut inner = lock(&self.inner);
        let at = inner.sleepers.iter().position(|sleeper| Arc::ptr_eq(&sleeper.parker, parker));
        match at {
            Some(at) => {
                let sleeper = inner.sleepers.remove(at);
                self.awake(&sleeper, 0);
                false
            }
            None => true,
        }
    }

    /// Counts a sleeper, which is not in the list any more, as active, and adds `more`. Under the lock.
    fn awake(&self, sleeper: &Sleeper, more: u64) {
        self.change(ACTIVE + more, SLEEPING + if sleeper.watch { WATCH } else { 0 });
    }

    /// Whether the thread of `parker` was woken in order to search.
    pub(super) fn was_woken(&self, parker: &Arc<Parker>) -> bool {
        !lock(&self.inner).sleepers.iter().any(|sleeper| Arc::ptr_eq(&sleeper.parker, parker))
    }

    /// Ends the watch of the thread of `parker`, which goes on sleeping, if nobody is active. Whether it did.
    pub(super) fn end_watch(&self, parker: &Arc<Parker>) -> bool {
        let mut inner = lock(&self.inner);
        let Some(sleeper) = inner.sleepers.iter_mut().find(|sleeper| Arc::ptr_eq(&sleeper.parker, parker)) else {
            return false;
        };
        let mut word = self.word.load(Ordering::SeqCst);
        // An exchange, since others may arrive without the lock: nobody is active at the moment when the watch ends.
        while word & MASK == 0 {
            match self.word.compare_exchange_weak(word, word & !WATCH, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => {
                    sleeper.watch = false;
                    return true;
                }
                Err(now) => word = now,
            }
        }
        false
    }

    /// Whether fewer are active than should be when there is work.
    pub(super) fn are_too_few_active(&self) -> bool {
        ((self.word.load(Ordering::Relaxed) & MASK) as usize) < self.most_active
    }

    /// Whether anybody is active.
    pub(super) fn is_anybody_active(&self) -> bool {
        self.word.load(Ordering::Relaxed) & MASK != 0
    }

    /// An active thread is about to block in a poll. `own`: it is one of the pool's own threads; then another may be started
    /// in its place. False if no thread of the pool is left to run anything.
    pub(super) fn block(&self, own: bool, start: impl Fn() -> bool) -> bool {
        let mut inner = lock(&self.inner);
        let mut more = 0;
        if own {
            inner.running -= 1;
            if inner.threads < self.wanted + MOST_EXTRA {
                inner.startable += 1;
                more = SLEEPING;
            }
        }
        self.change(more, ACTIVE);
        if inner.running > 0 {
            return true;
        }
        if inner.startable == 0 {
            return false;
        }
        // The last one: it does not wait until there is work and hope that a thread can be had then.
        self.starting(inner);
        let started = start();
        if !started {
            self.not_started();
        }
        started
    }

    /// The thread goes on.
    pub(super) fn unblock(&self, own: bool) {
        let mut inner = lock(&self.inner);
        let mut less = 0;
        if own {
            inner.running += 1;
            if inner.startable > 0 {
                inner.startable -= 1;
                less = SLEEPING;
            } else if inner.threads > self.wanted {
                inner.excess += 1;
            }
        }
        self.change(ACTIVE, less);
    }

    /// Wakes everybody: the pool is closed.
    pub(super) fn wake_all(&self) {
        let parkers: Vec<_> = lock(&self.inner).sleepers.iter().map(|sleeper| Arc::clone(&sleeper.parker)).collect();
        for parker in parkers {
            parker.unpark();
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{AtomicUsize, fence};
    use loom::thread;

    /// A pool whose work are numbers: `injected` for anybody, taken by workers that follow the protocol as `worker.rs` does.
    struct Model {
        idle: Idle,
        injected: AtomicUsize,
        left: AtomicUsize,
        /// How many must have begun before the first may end.
        meet: AtomicUsize,
    }

    impl Model {
        fn new(work: usize) -> Arc<Self> {
            Arc::new(Self {
                idle: Idle::new(0),
                injected: AtomicUsize::new(0),
                left: AtomicUsize::new(work),
                meet: AtomicUsize::new(0),
            })
        }

        /// As `Shared::inject`.
        fn inject(&self) {
            self.injected.fetch_add(1, Ordering::Release);
            fence(Ordering::SeqCst);
            if self.idle.is_worth_waking(true) {
                self.idle.wake_one(true, || false);
            }
        }

        fn take(&self) -> bool {
            let taken = self.injected.fetch_update(Ordering::Acquire, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
            if taken && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                // Everybody may end.
                self.idle.wake_all();
            }
            taken
        }

        fn run(&self) {
            if self.meet.load(Ordering::Relaxed) > 0 {
                self.meet.fetch_sub(1, Ordering::Relaxed);
                while self.meet.load(Ordering::Relaxed) > 0 {
                    thread::yield_now();
                }
            }
        }

        fn end_search(&self) {
            if self.idle.end_search() {
                fence(Ordering::SeqCst);
                if self.injected.load(Ordering::Relaxed) > 0 && self.idle.is_worth_waking(true) {
                    self.idle.wake_one(true, || false);
                }
            }
        }

        /// As `Worker::work`, until all work is done.
        fn work(&self) {
            let parker = Parker::new();
            self.idle.arrive();
            let mut searching = false;
            while self.left.load(Ordering::SeqCst) > 0 {
                searching = searching || self.idle.begin_search();
                if self.take() {
                    if searching {
                        self.end_search();
                    }
                    searching = false;
                    self.run();
                    continue;
                }
                let bed = self.idle.lie_down(&parker, searching, false);
                fence(Ordering::SeqCst);
                let reason = !self.idle.is_anybody_searching() && self.injected.load(Ordering::Relaxed) > 0;
                if !reason && self.left.load(Ordering::SeqCst) > 0 {
                    match bed {
                        Bed::Watch => drop(parker.park_timeout(FIRST_LOOK)),
                        _ => parker.park(),
                    }
                }
                searching = self.idle.get_up(&parker);
            }
            if searching {
                self.end_search();
            }
        }
    }

    /// Loom finds a deadlock if a wake is lost.
    fn model(workers: usize, injectors: usize) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let model = Model::new(injectors);
            let mut threads = Vec::new();
            for _ in 0..workers {
                let model = Arc::clone(&model);
                threads.push(thread::spawn(move || model.work()));
            }
            for _ in 1..injectors {
                let model = Arc::clone(&model);
                threads.push(thread::spawn(move || model.inject()));
            }
            model.inject();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn one_worker_hears_of_injected_work() {
        model(1, 1);
    }

    #[test]
    fn one_worker_hears_of_two_injections() {
        model(1, 2);
    }

    #[test]
    fn two_workers_hear_of_injected_work() {
        model(2, 1);
    }

    /// Who finds work and is busy with it for long must not leave work behind that others have relied on it for.
    #[test]
    fn a_searcher_that_finds_work_passes_the_search_on() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(|| {
            let model = Model::new(2);
            // Both workers are needed: each piece of work takes until the other one has begun.
            model.meet.store(2, Ordering::Relaxed);
            let threads = [(); 2].map(|()| {
                let model = Arc::clone(&model);
                thread::spawn(move || model.work())
            });
            model.inject();
            model.inject();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    /// A watch ends only when nobody is active; who arrives meanwhile finds it, or finds that there is none and wakes somebody.
    #[test]
    fn work_that_a_worker_queues_for_itself_is_watched() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(0));
            let parker = Parker::new();
            idle.arrive();
            idle.arrive();
            // One goes to sleep while another works: on watch.
            assert_eq!(idle.lie_down(&parker, false, false), Bed::Watch);
            idle.leave();
            let other = {
                let idle = Arc::clone(&idle);
                thread::spawn(move || {
                    idle.arrive();
                    // It has queued something for itself.
                    let relies_on_watch = !idle.is_worth_waking(false);
                    (relies_on_watch, idle)
                })
            };
            let ended = idle.end_watch(&parker);
            let (relies_on_watch, _) = other.join().unwrap();
            assert!(!(ended && relies_on_watch), "the watch ended although a worker relied on it");
        });
    }
}
