//! A thread of a runtime: its seat, that is its ring and its own queue, and the loop of a worker.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    ptr,
    sync::Arc,
};

use runtime_glue::Work;

use super::queue::Queue;
use crate::driver::{self, Entered, LocalDriver, Mailbox, Wait};

/// How many tasks run before completions are looked at again.
const BATCH: usize = 61;

thread_local! {
    /// The seat that this thread takes.
    static SEAT: Cell<*const Seat> = const { Cell::new(ptr::null()) };
    /// The ring of a thread that has called `block_on` before, for the next time. Nothing is in flight on it.
    static CACHE: RefCell<Option<LocalDriver>> = const { RefCell::new(None) };
}

/// A thread's place in a runtime.
pub(super) struct Seat {
    queue: Arc<Queue>,
    own: RefCell<VecDeque<Work>>,
    /// `None` where io_uring is forbidden: then operations go to the pool that stands in for it.
    driver: Option<LocalDriver>,
    mailbox: &'static Mailbox,
    /// Whether this thread runs tasks of the runtime.
    runs_tasks: bool,
}

impl Seat {
    fn new(queue: &Arc<Queue>, driver: Option<LocalDriver>, mailbox: &'static Mailbox, runs_tasks: bool) -> Self {
        Self { queue: Arc::clone(queue), own: RefCell::default(), driver, mailbox, runs_tasks }
    }

    /// Calls `f` with a seat for the `block_on` of this thread.
    pub(super) fn with<T>(queue: &Arc<Queue>, f: impl FnOnce(&Self) -> T) -> T {
        let outer = SEAT.get();
        // SAFETY: null, or set by a frame further out on this stack, which resets it before the seat goes.
        let outer = unsafe { outer.as_ref() };
        // A runtime without threads needs a seat of its own: nobody else would run its tasks.
        if let Some(outer) = outer.filter(|outer| !queue.has_no_threads() || Arc::ptr_eq(&outer.queue, queue)) {
            // A `block_on` inside of a task: the thread will be busy with that, so others take over its queue.
            outer.give_away();
            return f(outer);
        }
        let cached = CACHE.try_with(|cache| cache.borrow_mut().take()).ok().flatten();
        let driver = cached.or_else(|| driver::new_local(None, queue.entries));
        let mailbox = match &driver {
            Some(driver) => driver.mailbox(),
            None => Mailbox::lease().expect("a descriptor for the eventfd of `block_on`"),
        };
        let seat = Self::new(queue, driver, mailbox, queue.has_no_threads());
        let value = seat.sit(|| f(&seat));
        seat.leave(true);
        value
    }

    /// Takes the seat for the time of `f`.
    fn sit<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Leave(*const Seat);
        impl Drop for Leave {
            fn drop(&mut self) {
                SEAT.set(self.0);
            }
        }
        let _leave = Leave(SEAT.replace(self));
        let _entered = self.driver.as_ref().map(Entered::new);
        f()
    }

    /// Gives the ring back: to this thread, for its next `block_on`, or to the system.
    fn leave(self, keep: bool) {
        self.give_away();
        match self.driver {
            Some(driver) if keep => {
                driver.drain();
                let _ = CACHE.try_with(|cache| cache.borrow_mut().replace(driver));
            }
            Some(driver) => drop(driver),
            None => self.mailbox.release(),
        }
    }

    pub(super) const fn mailbox(&self) -> &'static Mailbox {
        self.mailbox
    }

    /// One turn of the driver. `idle` is asked right before the thread sleeps, and says whether it may.
    pub(super) fn turn(&self, wait: Wait, idle: impl FnOnce() -> bool) {
        match (&self.driver, wait) {
            (Some(driver), _) => driver.turn(wait, idle),
            (None, Wait::No) => {}
            (None, Wait::AtMost(_) | Wait::Forever) => {
                self.mailbox.prepare_sleep();
                if idle() {
                    match wait {
                        Wait::AtMost(limit) => self.mailbox.wait_at_most(limit),
                        Wait::No | Wait::Forever => self.mailbox.wait(),
                    }
                }
                self.mailbox.awake();
            }
        }
        if !matches!(wait, Wait::No) && self.runs_tasks {
            self.queue.leave_idle(self.mailbox);
        }
    }

    /// Whether the thread has nothing to run; it is announced as idle then.
    pub(super) fn is_idle(&self) -> bool {
        self.own.borrow().is_empty() && (!self.runs_tasks || self.queue.enter_idle(self.mailbox))
    }

    /// Runs some tasks; false if there were none.
    pub(super) fn run_some(&self) -> bool {
        if !self.runs_tasks {
            return false;
        }
        for count in 0..BATCH {
            // The shared queue is looked at first once in a batch, so that nothing starves there.
            let shared = if count == 0 { self.queue.pop() } else { None };
            let work = shared.or_else(|| self.own.borrow_mut().pop_front()).or_else(|| self.queue.pop());
            match work {
                Some(work) => work.run(),
                None => return count > 0,
            }
        }
        true
    }

    /// Moves the thread's own queue to the shared one.
    fn give_away(&self) {
        let own = self.own.take();
        for work in own {
            self.queue.share(work);
        }
    }
}

/// Keeps work on this thread if it belongs to the runtime, and other threads are busy; else gives it back.
pub(super) fn keep(queue: &Arc<Queue>, work: Work) -> Option<Work> {
    let seat = SEAT.get();
    // SAFETY: null, or set by `sit` further out on this stack.
    let Some(seat) = (unsafe { seat.as_ref() }) else { return Some(work) };
    if !seat.runs_tasks || !Arc::ptr_eq(&seat.queue, queue) {
        return Some(work);
    }
    let waiting = seat.own.borrow().len();
    if waiting >= 2 * BATCH || (waiting > 0 && queue.has_takers()) {
        return Some(work);
    }
    seat.own.borrow_mut().push_back(work);
    None
}

/// The life of a worker thread.
pub(super) fn run(queue: &Arc<Queue>, mailbox: &'static Mailbox) {
    let driver = driver::new_local(Some(mailbox), queue.entries);
    let seat = Seat::new(queue, driver, mailbox, true);
    seat.sit(|| {
        while !queue.is_closed() {
            if seat.run_some() {
                seat.turn(Wait::No, || true);
            } else {
                seat.turn(Wait::Forever, || seat.is_idle());
            }
        }
    });
    // Nothing is in flight on the ring when this returns.
    seat.leave(false);
}
