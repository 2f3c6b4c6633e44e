//! Runtimes that do what a runtime may do, and what it should not.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Instant,
};

use async_scope::ScopeOptions;
use async_trait_core::Async;
use runtime_glue::{BlockingJob, Runtime, TimerKey, Work, block_on};

use crate::kit::{HANG, Hand, die, raise, raise_bomb, text_of};

/// What a runtime does with a piece of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    Queue,
    /// Drops it at once.
    Drop,
    /// Runs it on the spot.
    Inline,
    /// Runs it on a thread of its own.
    Thread,
    /// Keeps it until the runtime is dropped, or [`Faulty::release`] is called.
    Keep,
    /// Panics; the unwinding drops the work.
    PanicBefore,
    /// As `PanicBefore`, with a payload that must not be dropped without care.
    BombBefore,
    /// Queues it and panics.
    PanicAfter,
    /// Runs it on the spot and panics.
    PanicAfterInline,
    /// Panics, which drops the work, and catches that by itself.
    PanicInside,
}

/// A runtime that acts by a plan: of each piece of work by its number, from 0.
pub struct Faulty {
    shared: Arc<Shared>,
    plan: Box<dyn Fn(usize) -> Act + Send + Sync>,
    count: AtomicUsize,
}

struct Shared {
    queue: Mutex<Queue>,
    some: Condvar,
}

#[derive(Default)]
struct Queue {
    works: VecDeque<Work>,
    kept: Vec<Work>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let mut queue = self.lock();
            while queue.works.is_empty() && !queue.closed {
                queue = self.some.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(work) = queue.works.pop_front() else { return };
            drop(queue);
            run(work);
        }
    }
}

/// What panics here is the `schedule` of this runtime itself, to which a task goes back; its threads go on.
fn run(work: Work) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| work.run())) {
        assert_eq!(text_of(payload), "schedule");
    }
}

impl Faulty {
    /// A runtime with so many threads; with none, its queue is emptied by [`turn`](Self::turn).
    pub fn new(threads: usize, plan: impl Fn(usize) -> Act + Send + Sync + 'static) -> Arc<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), some: Condvar::new() });
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work());
        }
        Arc::new(Self { shared, plan: Box::new(plan), count: AtomicUsize::new(0) })
    }

    /// A well-behaved queue that is emptied by hand.
    pub fn by_hand() -> Arc<Self> {
        Self::new(0, |_| Act::Queue)
    }

    /// Runs the oldest piece of work, if there is one.
    pub fn turn(&self) -> bool {
        let work = self.take();
        work.map(run).is_some()
    }

    /// Runs work until there is none.
    pub fn settle(&self) {
        while self.turn() {}
    }

    pub fn take(&self) -> Option<Work> {
        self.shared.lock().works.pop_front()
    }

    pub fn len(&self) -> usize {
        self.shared.lock().works.len()
    }

    /// Drops what was kept.
    pub fn release(&self) {
        let kept = std::mem::take(&mut self.shared.lock().kept);
        drop(kept);
    }

    /// Lets the threads end, and drops what is queued and what is still to come.
    pub fn shut_down(&self) {
        let works = {
            let mut queue = self.shared.lock();
            queue.closed = true;
            std::mem::take(&mut queue.works)
        };
        self.shared.some.notify_all();
        drop(works);
    }

    fn push(&self, work: Work) {
        let mut queue = self.shared.lock();
        if queue.closed {
            drop(queue);
            drop(work);
            return;
        }
        queue.works.push_back(work);
        drop(queue);
        self.shared.some.notify_one();
    }
}

impl Runtime for Faulty {
    fn schedule(&self, work: Work) {
        match (self.plan)(self.count.fetch_add(1, SeqCst)) {
            Act::Queue => self.push(work),
            Act::Drop => drop(work),
            Act::Inline => work.run(),
            Act::Thread => drop(thread::spawn(|| work.run())),
            Act::Keep => self.shared.lock().kept.push(work),
            Act::PanicBefore => raise("schedule"),
            Act::BombBefore => raise_bomb("schedule"),
            Act::PanicAfter => {
                self.push(work);
                raise("schedule");
            }
            Act::PanicAfterInline => {
                work.run();
                raise("schedule");
            }
            Act::PanicInside => {
                let caught = catch_unwind(AssertUnwindSafe(move || {
                    let _work = work;
                    raise("inside");
                }));
                drop(caught);
            }
        }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shut_down();
        self.release();
    }
}

/// A queue that also does blocking jobs and timers in its own way: it panics.
pub struct Refusing {
    pub inner: Arc<Faulty>,
    /// The job is dropped by the panic, or was given to the default pool before.
    pub jobs_first: bool,
}

impl Runtime for Refusing {
    fn schedule(&self, work: Work) {
        self.inner.schedule(work);
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        if self.jobs_first {
            self.inner.spawn_blocking(job);
        }
        raise("spawn_blocking");
    }

    fn sleep_until(&self, _: Instant, _: &std::task::Waker) -> TimerKey {
        raise("sleep_until");
    }

    fn cancel_sleep(&self, _: TimerKey) {
        raise("cancel_sleep");
    }
}

/// Where a scope is run: the thing to vary in every test that does not care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum World {
    /// The default pool.
    Pool,
    /// Threads with one queue.
    Threads,
    /// Every piece of work runs inside `schedule`.
    Inline,
    /// One thread, polled by hand.
    Hand,
    /// Every piece of work is dropped, so everything is rescued and asked to finish.
    Dropping,
}

pub const WORLDS: [World; 5] = [World::Pool, World::Threads, World::Inline, World::Hand, World::Dropping];

impl World {
    /// Runs what `make` makes of the options of a scope on this world's runtime.
    pub fn run<A: Async>(self, make: impl FnOnce(ScopeOptions) -> A) -> A::Output {
        let _watch = Watch::new();
        let options = ScopeOptions::new();
        match self {
            Self::Pool => block_on(make(options)),
            Self::Threads => block_on(make(options.on(&Faulty::new(2, |_| Act::Queue)))),
            Self::Inline => block_on(make(options.on(&Faulty::new(0, |_| Act::Inline)))),
            Self::Dropping => block_on(make(options.on(&Faulty::new(0, |_| Act::Drop)))),
            Self::Hand => {
                let runtime = Faulty::by_hand();
                let hand = Hand::new(make(options.on(&runtime)));
                hand.finish(|| runtime.turn())
            }
        }
    }
}

/// Kills the process if it is not dropped in time: a test that hangs says nothing.
pub struct Watch {
    end: Option<mpsc::Sender<()>>,
}

impl Watch {
    pub fn new() -> Self {
        let (end, ended) = mpsc::channel::<()>();
        thread::spawn(move || {
            if ended.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                die("a test hangs");
            }
        });
        Self { end: Some(end) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end.take();
    }
}
