//! The stand-in for a ring where io_uring is not allowed: system calls on threads.
//!
//! One thread owns the operations, as a ring's thread would: it takes mail, tries what may have to wait for a peer (sockets,
//! pipes), and polls the descriptors of what does. What waits for a disk goes to a pool of threads, which hand it back. So
//! the protocol of `OpState` is the same: the owner alone finishes operations.
//!
//! An operation that waits for a peer is cancelled at once. One that a pool thread is at work on cannot be interrupted, and
//! simply completes, as with a ring.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use super::{
    Mailbox,
    local::{TAG_MASK, TAG_MULTI},
    wake,
};
use crate::{
    op::{Finished, Mail, OpState, Phase, multishot::Multishot},
    ring::sqe::errno::{ECANCELED, ETIME},
    sys::emulate::{self, Attempt},
};

/// How many threads do what waits for a disk.
const THREADS: usize = 16;

/// How long an idle one of them stays.
const LINGER: Duration = Duration::from_secs(10);

/// Starts the thread that owns the operations, and returns its mailbox.
pub(super) fn launch() -> io::Result<&'static Mailbox> {
    let mailbox = Mailbox::lease()?;
    thread::Builder::new().name("async-io-uring".into()).spawn(move || {
        let pool = Arc::new(Pool { mailbox, shared: Mutex::default(), more: Condvar::new() });
        Owner { mailbox, pool, waiting: Vec::new(), wakers: Vec::new() }.run()
    })?;
    Ok(mailbox)
}

/// An operation in the hands of this driver: not published, hence alive.
struct Held(*const OpState);

// SAFETY: `OpState` is `Sync`; who may touch what is said at its fields, and passes with the lock of the pool.
unsafe impl Send for Held {}

impl Held {
    fn get(&self) -> &OpState {
        // SAFETY: by what the type stands for: it is published only by `Owner::publish`, which consumes the `Held`.
        unsafe { &*self.0 }
    }
}

struct Owner {
    mailbox: &'static Mailbox,
    pool: Arc<Pool>,
    waiting: Vec<Waiting>,
    wakers: Vec<Waker>,
}

struct Waiting {
    op: Held,
    until: Until,
}

#[derive(Clone, Copy)]
enum Until {
    Event(i32, u16),
    Time(Instant),
}

impl Owner {
    fn run(mut self) -> ! {
        let mut events = Vec::new();
        loop {
            self.receive();
            for op in self.pool.take_done() {
                self.finish(op);
            }
            for waker in self.wakers.drain(..) {
                wake(waker);
            }
            self.mailbox.prepare_sleep();
            let limit = if self.mailbox.is_empty() && self.pool.nothing_done() {
                self.waiting
                    .iter()
                    .filter_map(|waiting| match waiting.until {
                        Until::Time(when) => Some(when.saturating_duration_since(Instant::now())),
                        Until::Event(..) => None,
                    })
                    .min()
            } else {
                Some(Duration::ZERO)
            };
            events.clear();
            events.extend(self.waiting.iter().filter_map(|waiting| match waiting.until {
                Until::Event(fd, events) => Some((fd, events)),
                Until::Time(_) => None,
            }));
            emulate::wait(self.mailbox.event(), &mut events, limit);
            self.mailbox.awake();
            self.retry(&events);
        }
    }

    /// Tries again what has an event, and ends what has waited long enough.
    fn retry(&mut self, events: &[(i32, u16)]) {
        let (now, mut events) = (Instant::now(), events.iter());
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting.until {
                Until::Time(when) if when <= now => {
                    waiting.op.get().res.set(-ETIME);
                    self.finish(waiting.op);
                }
                Until::Event(..) if events.next().is_some_and(|(_, happened)| *happened != 0) => {
                    self.try_op(waiting.op, true);
                }
                _ => self.waiting.push(waiting),
            }
        }
    }

    fn receive(&mut self) {
        let mut next = self.mailbox.take();
        while !next.is_null() {
            let op = Held(next);
            next = op.get().mail.load(Ordering::Relaxed);
            // SAFETY: we are the owner: it was posted to our mailbox.
            match unsafe { op.get().take_mail() } {
                Mail::Submit => {
                    // Any phase but `New` says that it has been seen.
                    op.get().phase.set(Phase::InQueue(0));
                    self.try_op(op, false);
                }
                Mail::NeverMind => {
                    op.get().res.set(-ECANCELED);
                    self.finish(op);
                }
                Mail::Cancel => self.cancel(&op),
                Mail::Late(right) => self.publish(op, right),
                Mail::Nothing => {}
            }
        }
    }

    fn try_op(&mut self, op: Held, again: bool) {
        let sqe = op.get().sqe.get();
        // SAFETY: the entry of an armed operation, which keeps what it names until it is published.
        let until = match unsafe { emulate::attempt(&sqe, again) } {
            Attempt::Done(res) if res >= 0 && is_multishot(op.get()) => {
                // SAFETY: the tag says that it is the state of a `Multishot`, which is not taken back yet.
                let multishot = unsafe { Multishot::of(op.get()) };
                self.wakers.extend(multishot.deliver(res));
                return self.try_op(op, true);
            }
            Attempt::Done(res) => {
                op.get().res.set(res);
                return self.finish(op);
            }
            Attempt::Block => match self.pool.push(op) {
                Ok(()) => return,
                Err(op) => {
                    op.get().res.set(-crate::ring::sqe::errno::EAGAIN);
                    return self.finish(op);
                }
            },
            Attempt::Wait(fd, events) => Until::Event(fd, events),
            Attempt::Sleep(duration) => {
                let now = Instant::now();
                Until::Time(now.checked_add(duration).unwrap_or_else(|| now + Duration::from_secs(1 << 32)))
            }
        };
        self.waiting.push(Waiting { op, until });
    }

    /// Cancels what waits for a peer, or for a thread.
    fn cancel(&mut self, op: &Held) {
        let place = self.waiting.iter().position(|waiting| std::ptr::eq(waiting.op.0, op.0));
        let found = match place {
            Some(place) => Some(self.waiting.swap_remove(place).op),
            None => self.pool.take_back(op),
        };
        if let Some(op) = found {
            op.get().res.set(-ECANCELED);
            self.finish(op);
        }
    }

    fn finish(&mut self, op: Held) {
        // SAFETY: we are the owner, and a `Held` is finished once.
        if let Some(right) = unsafe { op.get().finish() } {
            self.publish(op, right);
        }
    }

    fn publish(&mut self, op: Held, right: Finished) {
        if is_multishot(op.get()) {
            // SAFETY: the tag says what it is, and it is finished once.
            let multishot = unsafe { Multishot::take_back(op.get()) };
            self.wakers.extend(multishot.end(op.get().res.get()));
            return;
        }
        // SAFETY: we are the owner, `right` is of this operation, and it is not touched after this.
        self.wakers.extend(unsafe { op.get().publish(right) });
    }
}

fn is_multishot(op: &OpState) -> bool {
    op.sqe.get().user_data & TAG_MASK == TAG_MULTI
}

/// Threads that may block.
struct Pool {
    mailbox: &'static Mailbox,
    shared: Mutex<Shared>,
    more: Condvar,
}

#[derive(Default)]
struct Shared {
    queue: VecDeque<Held>,
    done: Vec<Held>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// Hands an operation to a thread; gives it back if there is none, and none can be started.
    fn push(self: &Arc<Self>, op: Held) -> Result<(), Held> {
        let mut shared = self.lock();
        shared.queue.push_back(op);
        if shared.idle >= shared.queue.len() {
            self.more.notify_one();
        } else if shared.threads < THREADS {
            let pool = Arc::clone(self);
            if thread::Builder::new().name("async-io-uring-pool".into()).spawn(move || pool.serve()).is_ok() {
                shared.threads += 1;
            } else if shared.threads == 0 {
                return shared.queue.pop_back().map_or(Ok(()), Err);
            }
        }
        Ok(())
    }

    /// Takes an operation back that no thread has begun.
    fn take_back(&self, op: &Held) -> Option<Held> {
        let mut shared = self.lock();
        let place = shared.queue.iter().position(|other| std::ptr::eq(other.0, op.0))?;
        shared.queue.remove(place)
    }

    fn take_done(&self) -> Vec<Held> {
        std::mem::take(&mut self.lock().done)
    }

    fn nothing_done(&self) -> bool {
        self.lock().done.is_empty()
    }

    fn serve(&self) {
        let mut shared = self.lock();
        loop {
            if let Some(op) = shared.queue.pop_front() {
                drop(shared);
                let sqe = op.get().sqe.get();
                // SAFETY: the entry of an armed operation, which keeps what it names until it is published; the owner waits for it to
                // come back.
                let res = unsafe { emulate::block(&sqe) };
                op.get().res.set(res);
                shared = self.lock();
                shared.done.push(op);
                drop(shared);
                self.mailbox.notify();
                shared = self.lock();
                continue;
            }
            shared.idle += 1;
            let (guard, timeout) = self.more.wait_timeout(shared, LINGER).unwrap_or_else(PoisonError::into_inner);
            shared = guard;
            shared.idle -= 1;
            if timeout.timed_out() && shared.queue.is_empty() {
                shared.threads -= 1;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
