//! `Queue`: the work that the threads of a runtime share, and who of them sleeps.
//!
//! No work is left lying while a thread sleeps: a thread announces itself as idle before it looks at the queue for the last
//! time, and whoever pushes looks for idle threads after pushing, both under the lock of the queue.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use runtime_glue::Work;

use super::worker;
use crate::driver::Mailbox;

/// See the head of the file.
pub(super) struct Queue {
    shared: Mutex<Shared>,
    /// The size of each thread's ring.
    pub(super) entries: u32,
    max_threads: usize,
}

struct Shared {
    work: VecDeque<Work>,
    /// The mailboxes of threads that sleep, or are about to.
    idle: Vec<&'static Mailbox>,
    /// For threads that have not been started.
    unused: Vec<&'static Mailbox>,
    threads: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new(threads: usize, entries: u32) -> io::Result<Arc<Self>> {
        let mut unused = Vec::new();
        for _ in 0..threads {
            unused.push(Mailbox::lease()?);
        }
        let shared = Shared { work: VecDeque::new(), idle: Vec::new(), unused, threads: 0, closed: false };
        Ok(Arc::new(Self { shared: Mutex::new(shared), entries, max_threads: threads }))
    }

    /// Puts work where some thread will run it. Once the runtime is closed it goes to the rescue executor.
    pub(super) fn schedule(self: &Arc<Self>, work: Work) {
        if let Some(work) = worker::keep(self, work) {
            self.share(work);
        }
    }

    /// Puts work where any thread will run it.
    pub(super) fn share(self: &Arc<Self>, work: Work) {
        let mut shared = self.lock();
        if shared.closed {
            // Its destructor is foreign code, more or less: not under the lock.
            drop(shared);
            drop(work);
            return;
        }
        shared.work.push_back(work);
        if let Some(sleeper) = shared.idle.pop() {
            drop(shared);
            sleeper.notify();
        } else if let Some(mailbox) = shared.unused.pop() {
            shared.threads += 1;
            drop(shared);
            self.start(mailbox);
        }
    }

    /// Whether another thread would take work now.
    pub(super) fn has_takers(&self) -> bool {
        let shared = self.lock();
        !shared.idle.is_empty() || !shared.unused.is_empty()
    }

    /// Whether tasks run inside of `block_on` only.
    pub(super) const fn has_no_threads(&self) -> bool {
        self.max_threads == 0
    }

    /// The oldest work.
    pub(super) fn pop(&self) -> Option<Work> {
        self.lock().work.pop_front()
    }

    /// Announces a thread that is about to sleep; false if there is work, or the runtime is closed.
    pub(super) fn enter_idle(&self, mailbox: &'static Mailbox) -> bool {
        let mut shared = self.lock();
        let may_sleep = shared.work.is_empty() && !shared.closed;
        if may_sleep {
            shared.idle.push(mailbox);
        }
        may_sleep
    }

    /// The thread is awake.
    pub(super) fn leave_idle(&self, mailbox: &'static Mailbox) {
        self.lock().idle.retain(|other| !std::ptr::eq(*other, mailbox));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends the threads, and hands what is queued to the rescue executor.
    pub(super) fn close(&self) {
        let mut shared = self.lock();
        shared.closed = true;
        let (work, idle) = (std::mem::take(&mut shared.work), std::mem::take(&mut shared.idle));
        let unused = std::mem::take(&mut shared.unused);
        drop(shared);
        for mailbox in idle {
            mailbox.notify();
        }
        for mailbox in unused {
            mailbox.release();
        }
        drop(work);
    }

    fn start(self: &Arc<Self>, mailbox: &'static Mailbox) {
        let queue = Arc::clone(self);
        let started = thread::Builder::new().name("io-uring-worker".into()).spawn(move || worker::run(&queue, mailbox));
        if started.is_err() {
            let mut shared = self.lock();
            shared.threads -= 1;
            if shared.threads == 0 {
                // Nobody is there to run it: the rescue executor is.
                let work = std::mem::take(&mut shared.work);
                drop(shared);
                drop(work);
                self.lock().unused.push(mailbox);
            } else {
                shared.unused.push(mailbox);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
