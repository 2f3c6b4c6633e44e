//! `Shared`: what the threads of a pool and its handles have in common.

use std::{
    sync::{Arc, OnceLock},
    thread,
};

use super::{cores::Cores, idle::Idle, injector::Injector, worker::Worker};
use crate::{
    Work,
    parker::Parker,
    sync::{AtomicBool, AtomicUsize, Ordering, fence},
};

/// Starts a thread with a name. False if that was not possible.
pub(super) type Start = fn(String, Box<dyn FnOnce() + Send>) -> bool;

pub(super) fn start_thread(name: String, f: Box<dyn FnOnce() + Send>) -> bool {
    thread::Builder::new().name(name).spawn(f).is_ok()
}

/// The inside of a pool.
pub(super) struct Shared {
    pub(super) injector: Injector,
    pub(super) idle: Idle,
    pub(super) cores: Cores,
    /// Spinning helps nobody.
    pub(super) is_single_core: bool,
    pub(super) name: String,
    /// How many `Pool`s there are.
    handles: AtomicUsize,
    closed: AtomicBool,
    start: Start,
}

impl Shared {
    /// With one handle.
    pub(super) fn new(threads: usize, name: String, start: Start) -> Arc<Self> {
        Arc::new(Self {
            injector: Injector::new(),
            idle: Idle::new(threads),
            cores: Cores::new(threads),
            is_single_core: parallelism() == 1,
            name,
            handles: AtomicUsize::new(1),
            closed: AtomicBool::new(false),
            start,
        })
    }

    /// Queues a work for anybody.
    pub(super) fn inject(self: &Arc<Self>, work: Work) {
        match self.injector.push(work) {
            Ok(()) => self.wake_after_injection(),
            // Closed: it is rescued.
            Err(work) => drop(work),
        }
    }

    /// Queues several, the first one last.
    pub(super) fn inject_many(self: &Arc<Self>, reversed: Vec<Work>) {
        self.injector.push_many(reversed);
        self.wake_after_injection();
    }

    fn wake_after_injection(self: &Arc<Self>) {
        // Pairs with the fences of those who go to sleep or end a search: one of us sees the other.
        fence(Ordering::SeqCst);
        if self.idle.is_worth_waking(true) {
            self.wake_one(true);
        }
    }

    pub(super) fn wake_one(self: &Arc<Self>, surplus: bool) {
        self.idle.wake_one(surplus, || self.start_thread());
    }

    /// A thread that works for the pool is about to block. False if none is left that could run anything.
    pub(super) fn block(self: &Arc<Self>, own: bool) -> bool {
        self.idle.block(own, || self.start_thread())
    }

    fn start_thread(self: &Arc<Self>) -> bool {
        if self.is_closed() {
            return false;
        }
        let shared = Arc::clone(self);
        (self.start)(
            self.name.clone(),
            Box::new(move || {
                let worker = Worker::new(&shared, Parker::current(), true);
                worker.run_thread();
            }),
        )
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Ends the pool: its threads finish what they are polling, and what is queued is rescued.
    pub(super) fn close(&self) {
        // Before the queue: who finds that closed finds this, too.
        self.closed.store(true, Ordering::SeqCst);
        self.injector.close();
        self.idle.wake_all();
    }

    pub(super) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn drop_handle(&self) {
        // Nothing is ordered by it: the last one only closes.
        if self.handles.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.close();
        }
    }
}

/// How many threads can run at the same time.
pub(super) fn parallelism() -> usize {
    static PARALLELISM: OnceLock<usize> = OnceLock::new();
    *PARALLELISM.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
