//! `Lane`: a queue whose work is run in order, by one thread at a time. What `CurrentThread` and `Sequential` are made of.
//!
//! The thread that *drives* a lane takes everything into a queue of its own, which it uses without a lock; what other threads
//! queue waits in the shared one, and wakes the driver once. A thread that blocks inside a poll of the lane and needs the lane in
//! order to go on drives it from there.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    mem,
    ptr::{self, NonNull},
    sync::Arc,
};

use crate::{
    Waiting, Work,
    contain::contain,
    parker::Parker,
    sequential,
    sync::{AtomicBool, Mutex, Ordering, lock},
};

/// After so many polls the driver looks at the shared queue, and at the computation that it waits for.
const ROUND: usize = 61;

thread_local! {
    /// The innermost lane that this thread drives.
    static DRIVING: Cell<Option<NonNull<Driving<'static>>>> = const { Cell::new(None) };
}

/// A queue of work.
pub(crate) struct Lane {
    inner: Mutex<Inner>,
    /// The shared queue is not empty, or the lane was closed, and the driver has not seen it.
    has_news: AtomicBool,
}

struct Inner {
    queue: VecDeque<Work>,
    driver: Option<Arc<Parker>>,
    /// Threads that want to drive it when the driver leaves.
    candidates: Vec<Arc<Parker>>,
    is_closed: bool,
}

/// What became of a work that was pushed.
pub(crate) enum Pushed {
    /// A thread that drives the lane will run it.
    Driven,
    /// It waits for a driver.
    Waits,
    /// The lane is closed.
    Refused(Work),
}

/// A thread's drive of a lane. Lives on the thread's stack.
struct Driving<'a> {
    lane: &'a Lane,
    queue: RefCell<VecDeque<Work>>,
    outer: Option<NonNull<Driving<'static>>>,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner { queue: VecDeque::new(), driver: None, candidates: Vec::new(), is_closed: false }),
            has_news: AtomicBool::new(false),
        }
    }

    /// Queues a work at the end.
    pub(crate) fn push(&self, work: Work) -> Pushed {
        let mut work = Some(work);
        self.with_own(|own| {
            if let Some(own) = own {
                own.queue.borrow_mut().extend(work.take());
            }
        });
        let Some(work) = work else { return Pushed::Driven };
        let mut inner = lock(&self.inner);
        if inner.is_closed {
            return Pushed::Refused(work);
        }
        inner.queue.push_back(work);
        let first = !self.has_news.swap(true, Ordering::Relaxed);
        let driver = inner.driver.as_ref().filter(|_| first).cloned();
        let driven = inner.driver.is_some();
        drop(inner);
        if let Some(driver) = driver {
            driver.unpark();
        }
        if driven { Pushed::Driven } else { Pushed::Waits }
    }

    /// Whether work waits for a driver.
    pub(crate) fn is_waiting(&self) -> bool {
        let inner = lock(&self.inner);
        inner.driver.is_none() && !inner.queue.is_empty()
    }

    /// Refuses everything from now on, and drops what is queued, hence rescues it.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.is_closed = true;
        self.has_news.store(true, Ordering::Relaxed);
        let queue = mem::take(&mut inner.queue);
        let driver = inner.driver.clone();
        drop(inner);
        drop(queue);
        if let Some(driver) = driver {
            driver.unpark();
        }
    }

    /// Runs what is queued until what the thread waits for is complete. While another thread drives the lane, that runs it.
    pub(crate) fn drive(&self, waiting: &mut Waiting<'_>) {
        let nested = self.with_own(|own| own.map(|own| own.work(waiting)).is_some());
        if nested {
            return;
        }
        loop {
            // Before the first poll, so that what that spawns need not be handed over.
            if self.begin(waiting.parker()) {
                self.drive_as(|own| own.work(waiting));
                return;
            }
            if waiting.poll() {
                break;
            }
            waiting.park();
        }
        lock(&self.inner).candidates.retain(|candidate| !Arc::ptr_eq(candidate, waiting.parker()));
    }

    /// Runs what is queued now, and what that queues first, unless another thread drives the lane. Whether there was anything.
    pub(crate) fn run_round(&self) -> bool {
        if self.with_own(|own| own.is_some()) {
            return self.with_own(|own| own.is_some_and(Driving::round));
        }
        let mut inner = lock(&self.inner);
        if inner.driver.is_some() || inner.queue.is_empty() {
            return false;
        }
        inner.driver = Some(Parker::current());
        drop(inner);
        self.drive_as(|own| own.round())
    }

    /// Makes the thread of `parker` the driver, or else a candidate.
    fn begin(&self, parker: &Arc<Parker>) -> bool {
        let mut inner = lock(&self.inner);
        if inner.driver.is_none() {
            inner.driver = Some(Arc::clone(parker));
            return true;
        }
        if !inner.candidates.iter().any(|candidate| Arc::ptr_eq(candidate, parker)) {
            inner.candidates.push(Arc::clone(parker));
        }
        false
    }

    /// Calls `f` as the driver that this thread has just become.
    fn drive_as<R>(&self, f: impl FnOnce(&Driving<'_>) -> R) -> R {
        /// Puts the outer drive back and gives the lane up, also when `f` unwinds.
        struct Leave<'a, 'b>(&'a Driving<'b>);

        impl Drop for Leave<'_, '_> {
            fn drop(&mut self) {
                DRIVING.set(self.0.outer);
                self.0.lane.end(self.0.queue.take());
            }
        }

        let own = Driving { lane: self, queue: RefCell::default(), outer: DRIVING.get() };
        let _leave = Leave(&own);
        DRIVING.set(Some(NonNull::from(&own).cast()));
        own.take_news();
        f(&own)
    }

    /// The driver leaves, and leaves `rest` behind.
    fn end(&self, mut rest: VecDeque<Work>) {
        let mut inner = lock(&self.inner);
        inner.driver = None;
        if !inner.is_closed {
            rest.append(&mut inner.queue);
            mem::swap(&mut rest, &mut inner.queue);
        }
        self.has_news.store(inner.is_closed || !inner.queue.is_empty(), Ordering::Relaxed);
        let candidates = mem::take(&mut inner.candidates);
        drop(inner);
        // Empty, unless the lane is closed.
        drop(rest);
        for candidate in candidates {
            candidate.unpark();
        }
    }

    /// Calls `f` with this thread's drive of this lane.
    fn with_own<R>(&self, f: impl FnOnce(Option<&Driving<'_>>) -> R) -> R {
        let mut next = DRIVING.get();
        while let Some(driving) = next {
            // SAFETY: a drive in the list is that of a `drive_as` which is still running, further down on this stack.
            let driving = unsafe { driving.as_ref() };
            if ptr::eq(driving.lane, self) {
                return f(Some(driving));
            }
            next = driving.outer;
        }
        f(None)
    }
}

impl Driving<'_> {
    fn work(&self, waiting: &mut Waiting<'_>) {
        while !waiting.poll() {
            let mut ran = false;
            for _ in 0..ROUND {
                let Some(work) = self.pop() else { break };
                contain(|| work.run());
                ran = true;
                if waiting.is_woken() {
                    break;
                }
            }
            if self.take_news() || ran {
                sequential::run_hosted();
            } else {
                waiting.park();
            }
        }
    }

    fn round(&self) -> bool {
        let all = self.queue.borrow().len();
        for at in 0..all {
            let Some(work) = self.pop() else { return at > 0 };
            contain(|| work.run());
        }
        self.take_news();
        all > 0
    }

    fn pop(&self) -> Option<Work> {
        self.queue.borrow_mut().pop_front()
    }

    /// Takes over what other threads have queued. Whether there was anything.
    fn take_news(&self) -> bool {
        if !self.lane.has_news.load(Ordering::Relaxed) {
            return false;
        }
        let mut inner = lock(&self.lane.inner);
        if inner.is_closed {
            drop(inner);
            // Rescued, one by one, without a borrow.
            let mut any = false;
            while let Some(work) = self.pop() {
                drop(work);
                any = true;
            }
            return any;
        }
        self.lane.has_news.store(false, Ordering::Relaxed);
        let mut own = self.queue.borrow_mut();
        own.append(&mut inner.queue);
        true
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
    }
}
