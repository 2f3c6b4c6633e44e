//! `Sequential`: a runtime that runs one task after the other, for programs whose order should be plain.

use std::{
    cell::{Cell, RefCell},
    fmt,
    sync::{Arc, LazyLock, Weak},
    thread,
    time::Duration,
};

use async_trait_core::Async;

use crate::{
    JoinHandle, Runtime, RuntimeHandle, Waiting, Work,
    contain::contain,
    lane::{Lane, Pushed},
    parker::Parker,
    rescue::Queue,
    sync::{Mutex, lock},
    waiting,
};

/// A runtime that polls one task at a time, in the order in which they were spawned or woken.
///
/// The tasks run on the thread that waits in [`block_on`](Sequential::block_on), or, if there is none, on the thread that spawns
/// them from inside any other `block_on`: so `block_on(scope!(ScopeOptions::new().on(&Sequential::new()), ..))` is a program for
/// one thread, whose tasks begin in the order of their spawns when the body first waits. Elsewhere (in a task of a pool, say) one
/// thread of this crate takes care of them.
///
/// ```
/// use runtime_glue::Sequential;
/// use std::sync::Mutex;
///
/// static ORDER: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// let runtime = Sequential::new();
/// let tasks: Vec<_> = (0..4).map(|n| runtime.spawn(async move { ORDER.lock().unwrap().push(n) })).collect();
/// runtime.block_on(async {
///     for task in tasks {
///         task.await.unwrap();
///     }
/// });
/// assert_eq!(*ORDER.lock().unwrap(), [0, 1, 2, 3]);
/// ```
#[derive(Clone)]
pub struct Sequential {
    inner: Arc<Inner>,
}

struct Inner {
    lane: Lane,
    /// The thread that took the lane in from inside a `block_on`, and will look at it before it sleeps.
    host: Mutex<Option<Arc<Parker>>>,
}

impl Sequential {
    /// A new runtime.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Arc::new(Inner { lane: Lane::new(), host: Mutex::new(None) }) }
    }

    /// Runs `a` to its end on the calling thread, and meanwhile the tasks. See [`block_on`](crate::block_on()).
    ///
    /// # Panics
    /// With the panic of `a`.
    pub fn block_on<A: Async>(&self, a: A) -> A::Output {
        RuntimeHandle::new(self.clone()).block_on(a)
    }

    /// Starts `a`. See [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<A>(&self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 'static,
        A::Output: Send + 'static,
    {
        RuntimeHandle::new(self.clone()).spawn(a)
    }
}

impl Default for Sequential {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for Sequential {
    fn schedule(&self, work: Work) {
        match self.inner.lane.push(work) {
            Pushed::Driven => {}
            Pushed::Waits => self.inner.find_driver(),
            Pushed::Refused(work) => drop(work),
        }
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        self.inner.lane.drive(waiting);
        if self.inner.lane.is_waiting() {
            self.inner.find_driver();
        }
    }

    fn name(&self) -> &str {
        "sequential"
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequential").finish_non_exhaustive()
    }
}

thread_local! {
    /// Whether this thread hosts any lanes.
    static IS_HOST: Cell<bool> = const { Cell::new(false) };
    /// Those that it hosts.
    static HOSTED: RefCell<Vec<Weak<Inner>>> = const { RefCell::new(Vec::new()) };
}

impl Inner {
    /// Work waits: tells the host, or becomes it, or finds a thread.
    fn find_driver(self: &Arc<Self>) {
        let mut host = lock(&self.host);
        if let Some(parker) = host.clone() {
            drop(host);
            parker.unpark();
            return;
        }
        let can_host =
            waiting::is_any() && HOSTED.try_with(|hosted| hosted.borrow_mut().push(Arc::downgrade(self))).is_ok();
        if can_host {
            // It looks before it sleeps.
            *host = Some(Parker::current());
            IS_HOST.set(true);
            return;
        }
        drop(host);
        if !HELPERS.push(Arc::clone(self), || thread::Builder::new().name("sequential".into()).spawn(help).is_ok()) {
            // The last resort: here and now.
            for inner in HELPERS.take_abandoned() {
                inner.run_all();
            }
        }
    }

    fn run_all(&self) {
        while self.lane.run_round() {}
    }
}

/// For a thread that waits in `block_on` and is about to sleep: runs what the lanes that it hosts have ready. Whether there was
/// anything.
#[inline]
pub(crate) fn run_hosted() -> bool {
    IS_HOST.get() && run_all_hosted()
}

fn run_all_hosted() -> bool {
    let mut any = false;
    // No borrow is held while tasks run: they may add lanes.
    let mut at = 0;
    while let Some(inner) = hosted(at) {
        any |= inner.upgrade().is_some_and(|inner| inner.lane.run_round());
        at += 1;
    }
    any
}

fn hosted(at: usize) -> Option<Weak<Inner>> {
    HOSTED.try_with(|hosted| hosted.borrow().get(at).cloned()).ok().flatten()
}

/// The thread leaves its outermost `block_on`: it hosts no more.
#[inline]
pub(crate) fn evict_hosted() {
    if IS_HOST.replace(false) {
        evict_all_hosted();
    }
}

fn evict_all_hosted() {
    let lanes = HOSTED.try_with(RefCell::take).unwrap_or_default();
    for inner in lanes.iter().filter_map(Weak::upgrade) {
        *lock(&inner.host) = None;
        if inner.lane.is_waiting() {
            contain(|| inner.find_driver());
        }
    }
}

/// Threads for lanes without a driver.
static HELPERS: LazyLock<Queue<Arc<Inner>>> = LazyLock::new(|| Queue::with_limits(64, Duration::from_secs(2)));

fn help() {
    while let Some(inner) = HELPERS.pop() {
        inner.run_all();
    }
}
