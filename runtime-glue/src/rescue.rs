//! The rescue: the executor of last resort for tasks whose runtime lets them down.
//!
//! A scoped task must run to its end, since its scope waits for it and its memory is borrowed. So a `Work` that is dropped (the
//! runtime was shut down, panicked, or drops its queue) comes here. The task is asked to finish, with `Reason::Shutdown`, and
//! stays with the rescue from then on.
//!
//! Each piece of work is promised a thread: an idle one, or a new one, since any of them may block for ever on another piece.
//! Where no thread can be had, every thread that is blocked in `block_on` is woken to help.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    process,
    sync::LazyLock,
    task::Waker,
    thread,
    time::Duration,
};

use async_trait_core::Reason;

use crate::{
    Work,
    contain::contain,
    sync::{Condvar, Mutex, lock},
};

/// More threads than this are not started; the rest of the work waits for one of them, or for a helper.
const MOST_THREADS: usize = 256;
/// An idle thread ends after this time.
const LINGER: Duration = Duration::from_secs(2);

static QUEUE: LazyLock<Queue<Work>> = LazyLock::new(Queue::new);
static HELPERS: std::sync::Mutex<Helpers> = std::sync::Mutex::new(Helpers { next: 0, parked: Vec::new() });

/// Takes over a task whose `Work` was dropped.
pub(crate) fn adopt(work: Work) {
    {
        // SAFETY: a `Work` keeps its task unfinished, hence its slot valid.
        let head = unsafe { work.header().as_ref() };
        if head.state.is_local() {
            // It may not run on another thread, and not be dropped.
            // Not `eprintln!`, which panics where standard error is gone: nothing may unwind from here.
            let _ = writeln!(
                io::stderr(),
                "runtime-glue: the work of a local task was dropped; aborting, since the task can neither go on nor end"
            );
            process::abort();
        }
        head.state.set_rescued();
        head.flag.request(Reason::Shutdown);
    }
    push(work);
}

/// Queues a task that belongs to the rescue.
pub(crate) fn push(work: Work) {
    let started = QUEUE.push(work, || thread::Builder::new().name("rescue".into()).spawn(worker).is_ok());
    if !started {
        let helpers = std::mem::take(&mut helpers().parked);
        for (_, waker) in helpers {
            waker.wake();
        }
    }
}

/// Runs one rescued task, if there is any. Does not unwind: who helps may have started computations on its stack.
pub(crate) fn try_run_one() -> bool {
    let work = QUEUE.try_pop();
    // A panic out of `run` is that of a runtime to which the task was handed back; the panic hook has printed it.
    work.map(|work| contain(|| work.run())).is_some()
}

fn worker() {
    while let Some(work) = QUEUE.pop() {
        contain(|| work.run());
    }
}

/// The threads that are about to block and can help.
struct Helpers {
    next: u64,
    parked: Vec<(u64, Waker)>,
}

fn helpers() -> std::sync::MutexGuard<'static, Helpers> {
    HELPERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// While it lives, `waker` is woken when rescued work finds no thread. Who registers calls [`try_run_one`] once more before
/// it blocks.
pub(crate) struct Helper(u64);

impl Helper {
    /// Offers the thread behind `waker`.
    pub(crate) fn register(waker: Waker) -> Self {
        let mut helpers = helpers();
        helpers.next += 1;
        let key = helpers.next;
        helpers.parked.push((key, waker));
        Self(key)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let mut helpers = helpers();
        let at = helpers.parked.iter().position(|(key, _)| *key == self.0);
        let waker = at.map(|at| helpers.parked.swap_remove(at));
        drop(helpers);
        drop(waker);
    }
}

/// A queue in which each item is promised a thread.
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    some: Condvar,
}

struct Inner<T> {
    items: VecDeque<T>,
    /// Threads that wait and that no item was promised to.
    idle: usize,
    /// Promises that no thread has taken up yet.
    promised: usize,
    threads: usize,
    most_threads: usize,
    linger: Duration,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self::with_limits(MOST_THREADS, LINGER)
    }

    /// A queue with so many threads at most, which end when they were idle for so long.
    pub(crate) fn with_limits(most_threads: usize, linger: Duration) -> Self {
        Self {
            inner: Mutex::new(Inner { items: VecDeque::new(), idle: 0, promised: 0, threads: 0, most_threads, linger }),
            some: Condvar::new(),
        }
    }

    /// Queues an item, and promises it an idle thread or starts one. False if neither can be had.
    pub(crate) fn push(&self, item: T, start: impl FnOnce() -> bool) -> bool {
        let mut inner = lock(&self.inner);
        inner.items.push_back(item);
        if inner.idle > 0 {
            inner.idle -= 1;
            inner.promised += 1;
            drop(inner);
            self.some.notify_one();
            return true;
        }
        if inner.threads == inner.most_threads {
            return false;
        }
        inner.threads += 1;
        drop(inner);
        let started = start();
        if !started {
            lock(&self.inner).threads -= 1;
        }
        started
    }

    pub(crate) fn try_pop(&self) -> Option<T> {
        lock(&self.inner).items.pop_front()
    }

    /// All items, if there is no thread that could ever take them.
    pub(crate) fn take_abandoned(&self) -> VecDeque<T> {
        let mut inner = lock(&self.inner);
        if inner.threads == 0 { std::mem::take(&mut inner.items) } else { VecDeque::new() }
    }

    /// The next item, for a thread that `push` started; `None` when it should end.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut inner = lock(&self.inner);
        loop {
            if let Some(item) = inner.items.pop_front() {
                return Some(item);
            }
            inner.idle += 1;
            let mut timed_out = false;
            while inner.promised == 0 && !timed_out {
                let linger = inner.linger;
                let waited = self.some.wait_timeout(inner, linger);
                let (guard, result) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
                inner = guard;
                timed_out = result.timed_out();
            }
            if inner.promised > 0 {
                inner.promised -= 1;
            } else {
                inner.idle -= 1;
                if inner.items.is_empty() {
                    inner.threads -= 1;
                    return None;
                }
            }
        }
    }
}
