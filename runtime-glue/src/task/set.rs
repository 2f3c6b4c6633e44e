//! `TaskSet`: the tasks of one scope. Their slots, their count, their request to finish, and their panics.
//!
//! The set lies in the frame of the scope's future, and its tasks point to it. So the frame must outlive every unfinished task:
//! that is the duty of who calls [`TaskSet::spawn`], and it is discharged by polling [`TaskSet::live`] until nothing is.

use std::{
    any::Any,
    borrow::Cow,
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    ptr::NonNull,
    sync::{Arc, OnceLock},
    task::Waker,
};

use async_trait_core::{Async, CancelFlag, Context, Reason};

use super::{
    arena::{Arena, Visit},
    blocked::BlockingCx,
    count::{Count, Live},
    header::{self, Header},
    panics::PanicCell,
    report::Wait,
    state::Kind,
    typed,
};
use crate::{
    AmbientDeadline, JoinHandle, RuntimeHandle,
    contain::contain,
    rescue,
    sync::{AtomicBool, Mutex, MutexGuard, Ordering, lock},
};

type Payload = Box<dyn Any + Send>;

/// How a task is spawned into a [`TaskSet`].
#[derive(Debug)]
pub struct TaskOptions {
    /// It does not keep the scope from ending: it is asked to stop when the ordinary tasks are done.
    pub background: bool,
    /// Its name, for reports.
    pub name: Option<Cow<'static, str>>,
    /// Where it was spawned, for reports.
    pub location: &'static Location<'static>,
}

impl TaskOptions {
    /// An ordinary task without a name, spawned at the caller's location.
    #[track_caller]
    #[must_use]
    pub const fn here() -> Self {
        Self { background: false, name: None, location: Location::caller() }
    }
}

/// What a scope that waits for its tasks finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alive {
    /// No task is left, and nothing refers to the set any more.
    None,
    /// Only background tasks are left.
    Background,
    /// Tasks are left; the parent's waker will be woken.
    Some,
    /// The last one is about to go: wake yourself and look again.
    Finishing,
}

/// Ambient values that a scope hands on to its body and its tasks.
#[derive(Clone, Debug, Default)]
pub struct Inherited {
    /// The deadline in force; announced, not enforced.
    pub deadline: Option<AmbientDeadline>,
    /// What nested scopes find of the scope that they run in.
    pub parent: Option<ParentScope>,
}

/// What a nested scope finds of the scope that it runs in; its type is the business of the crate that builds scopes.
#[derive(Clone, Debug)]
pub struct ParentScope(pub Arc<dyn Any + Send + Sync>);

/// The tasks of one scope. For those who build scopes; users want `async_scope::scope!`.
///
/// # Invariants
/// From the first spawn until [`live`](TaskSet::live) was [`Alive::None`] the set is neither moved nor dropped.
pub struct TaskSet {
    scheduler: OnceLock<RuntimeHandle>,
    ambient: OnceLock<RuntimeHandle>,
    inherited: OnceLock<Inherited>,
    flag: CancelFlag,
    /// A panic that nobody observes is on its way out.
    failing: AtomicBool,
    /// What is spawned goes to the rescue.
    rescued: AtomicBool,
    count: Count,
    local: bool,
    /// The tasks have nothing to do with each other: a panic of one is not the others' business.
    roots: bool,
    inner: Mutex<Inner>,
}

/// What is under the lock. Nothing foreign is called while it is held.
pub(super) struct Inner {
    arena: Arena,
    pub(super) parent: Option<Waker>,
    panics: Vec<Arc<PanicCell>>,
    /// Names of tasks, by the address of their slot; removed when the slot is claimed again.
    pub(super) names: HashMap<usize, Cow<'static, str>>,
    /// What tasks that were asked to finish wait for, by the address of their slot; as `names`.
    pub(super) waits: HashMap<usize, Wait>,
}

impl TaskSet {
    /// An empty set; `local` if its tasks are not `Send`.
    ///
    /// # Safety
    /// The scheduler of a local set keeps every `Work` until the one thread that polls the scope runs it.
    #[must_use]
    pub unsafe fn with_locality(local: bool) -> Self {
        Self {
            scheduler: OnceLock::new(),
            ambient: OnceLock::new(),
            inherited: OnceLock::new(),
            flag: CancelFlag::new(),
            failing: AtomicBool::new(false),
            rescued: AtomicBool::new(false),
            count: Count::new(),
            local,
            roots: false,
            inner: Mutex::new(Inner {
                arena: Arena::new(),
                parent: None,
                panics: Vec::new(),
                names: HashMap::new(),
                waits: HashMap::new(),
            }),
        }
    }

    /// An empty set of `Send` tasks.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: the set is not local.
        unsafe { Self::with_locality(false) }
    }

    /// An empty set of tasks that are not `Send` and have nothing to do with each other: a panic that no handle observes is not
    /// the set's business, as with a task that has no scope.
    ///
    /// # Safety
    /// As for [`with_locality`](Self::with_locality) with `true`.
    pub(crate) unsafe fn of_local_roots() -> Self {
        // SAFETY: promised by the caller.
        Self { roots: true, ..unsafe { Self::with_locality(true) } }
    }

    pub(crate) fn is_of_roots(&self) -> bool {
        self.roots
    }

    /// Sets the runtime that tasks are scheduled on, and the one that code in the tasks sees. The first call counts.
    pub fn set_runtime(&self, scheduler: RuntimeHandle, ambient: RuntimeHandle) {
        let _ = self.scheduler.set(scheduler);
        let _ = self.ambient.set(ambient);
    }

    /// The runtime that tasks are scheduled on.
    ///
    /// # Panics
    /// Before [`set_runtime`](Self::set_runtime).
    pub fn scheduler(&self) -> &RuntimeHandle {
        self.scheduler.get().expect("the scope was polled before anything was spawned")
    }

    /// The runtime that code in the tasks sees.
    ///
    /// # Panics
    /// Before [`set_runtime`](Self::set_runtime).
    pub fn ambient(&self) -> &RuntimeHandle {
        self.ambient.get().expect("the scope was polled before anything was spawned")
    }

    /// Hands ambient values on to the body and the tasks: those of a poll end with it. The first call counts.
    pub fn set_inherited(&self, inherited: Inherited) {
        let _ = self.inherited.set(inherited);
    }

    /// Calls `f` with a context that carries what was handed on.
    pub fn with_inherited<R>(&self, cx: &mut Context<'_>, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        match self.inherited.get() {
            None => f(cx),
            Some(Inherited { deadline, parent }) => match (deadline, parent) {
                (None, None) => f(cx),
                (Some(deadline), None) => f(&mut cx.with_value(deadline)),
                (None, Some(parent)) => f(&mut cx.with_value(parent)),
                (Some(deadline), Some(parent)) => f(&mut cx.with_value(deadline).with_value(parent)),
            },
        }
    }

    /// The request to finish that every task of the set is polled under.
    pub fn flag(&self) -> &CancelFlag {
        &self.flag
    }

    /// Spawns a task.
    ///
    /// # Safety
    /// The set is pinned, keeps its invariant, and its scope does not complete, nor let any lifetime in `A` end, before
    /// [`live`](Self::live) was [`Alive::None`]. Unless the set is local, `A` and its output are `Send`. The caller is the
    /// scope's body, one of its hooks while they run, or a live task of it.
    pub unsafe fn spawn<A: Async>(&self, a: A, options: TaskOptions) -> JoinHandle<A::Output> {
        let rising = Rising::new(self, options.background);
        let header = typed::new_async(a, self.kind(&options), options.location, self.claim(&options.name));
        std::mem::forget(rising);
        // Relaxed: whoever misses it is found by a later `rescue_all`.
        if self.rescued.load(Ordering::Relaxed) && !self.local {
            // SAFETY: a new task is owned by its spawner.
            unsafe { header.as_ref() }.state.set_rescued();
        }
        // SAFETY: the task's output type, and the handle's reference is passed on.
        let handle = unsafe { JoinHandle::from_header(header) };
        // SAFETY: a new task is owned by its spawner; the handle holds a reference.
        unsafe { header::schedule(header) };
        handle
    }

    /// Spawns a blocking job.
    ///
    /// # Safety
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// With a panic of [`Runtime::spawn_blocking`](crate::Runtime::spawn_blocking); the job is cancelled then.
    pub unsafe fn spawn_blocking<F, T>(&self, f: F, options: TaskOptions) -> JoinHandle<T>
    where
        F: FnOnce(&BlockingCx<'_>) -> T,
    {
        let rising = Rising::new(self, options.background);
        let header = typed::new_blocking(f, self.kind(&options), options.location, self.claim(&options.name));
        std::mem::forget(rising);
        // SAFETY: the task's output type, and the handle's reference is passed on.
        let handle = unsafe { JoinHandle::from_header(header) };
        // SAFETY: a new task is owned by its spawner; the handle holds a reference; the payload is a closure.
        unsafe { header::schedule_blocking(header) };
        handle
    }

    fn kind(&self, options: &TaskOptions) -> Kind {
        Kind { background: options.background, local: self.local }
    }

    /// Claims and initialises a slot under the lock: whoever cancels sees a task that is whole, or has not begun.
    fn claim(
        &self,
        name: &Option<Cow<'static, str>>,
    ) -> impl FnOnce(std::alloc::Layout, &dyn Fn(NonNull<Header>, super::arena::Place)) -> NonNull<Header> {
        let name = name.clone();
        move |layout, initialise| {
            let mut inner = self.lock();
            let (header, place) = inner.arena.claim(layout, NonNull::from(self));
            initialise(header, place);
            match name {
                Some(name) => drop(inner.names.insert(header.addr().get(), name)),
                None if inner.names.is_empty() => {}
                None => drop(inner.names.remove(&header.addr().get())),
            }
            if !inner.waits.is_empty() {
                inner.waits.remove(&header.addr().get());
            }
            header
        }
    }

    /// Asks every task to finish, and wakes it and the parent. False if that was already asked.
    ///
    /// # Panics
    /// With the first panic of a waker or of the runtime, after all are woken.
    pub fn cancel_with(&self, reason: Reason) -> bool {
        if !self.flag.request(reason) {
            return false;
        }
        if let Some(panic) = self.wake_all() {
            resume_unwind(panic);
        }
        true
    }

    /// Asks every task to start nothing new, and wakes it and the parent. False if this or more was already asked.
    ///
    /// # Panics
    /// As [`cancel_with`](Self::cancel_with).
    pub fn stop_with(&self, reason: Reason) -> bool {
        if !self.flag.request_stop(reason) {
            return false;
        }
        if let Some(panic) = self.wake_all() {
            resume_unwind(panic);
        }
        true
    }

    /// As [`cancel_with`](Self::cancel_with); a panic of a waker or of the runtime waits for the end of the scope.
    pub fn cancel_contained(&self, reason: Reason) {
        if self.flag.request(reason) {
            let panic = self.wake_all();
            self.note_foreign_panic(panic);
        }
    }

    /// As [`stop_with`](Self::stop_with); a panic of a waker or of the runtime waits for the end of the scope.
    pub fn stop_contained(&self, reason: Reason) {
        if self.flag.request_stop(reason) {
            let panic = self.wake_all();
            self.note_foreign_panic(panic);
        }
    }

    /// Wakes the parent.
    pub fn wake_parent(&self) {
        let parent = self.lock().parent.take();
        if let Some(parent) = parent {
            parent.wake();
        }
    }

    /// Asks the background tasks to finish.
    pub fn cancel_background(&self) {
        let panic = self.each_unfinished(|header| {
            // SAFETY: `each_unfinished` lends a reference.
            if unsafe { header.as_ref() }.state.is_background() {
                // SAFETY: as above.
                unsafe { header::cancel(header, Reason::ScopeEnding) };
            }
        });
        self.note_foreign_panic(panic);
    }

    /// A task or something around it panicked, and no handle observes it: the others are asked to finish, and the panic
    /// waits for the end of the scope.
    pub fn unobserved_panic(&self, payload: Payload) {
        drop(PanicCell::new(payload, Some(self)));
        self.cancel_for_panic();
    }

    /// A panic is on its way out of the scope: everything else is asked to finish.
    pub fn cancel_for_panic(&self) {
        if self.failing.swap(true, Ordering::AcqRel) {
            return;
        }
        let panic =
            if self.flag.request(Reason::SiblingFailed) { self.wake_all() } else { self.wake_parent_contained() };
        self.note_foreign_panic(panic);
    }

    /// Whether a panic is on its way out of the scope.
    pub fn is_failing(&self) -> bool {
        // Acquire pairs with the Release of `cancel_for_panic`: what led to the panic is seen.
        self.failing.load(Ordering::Acquire)
    }

    /// The first panic that nobody has observed. The others are dropped: the panic hook has printed them.
    pub fn take_panic(&self) -> Option<Payload> {
        let panics = std::mem::take(&mut self.lock().panics);
        let mut first = None;
        for cell in panics {
            match cell.take_and_unlink() {
                Some(payload) if first.is_none() => first = Some(payload),
                Some(payload) => typed::drop_contained(payload),
                None => {}
            }
        }
        first
    }

    /// Leaves the parent's waker where the last task finds it. The parent calls this in each poll, before
    /// [`live`](Self::live).
    pub fn register_parent(&self, waker: &Waker) {
        if self.lock().parent.as_ref().is_some_and(|parent| parent.will_wake(waker)) {
            return;
        }
        // The waker's clone and drop are foreign code: not under the lock.
        let waker = waker.clone();
        let old = self.lock().parent.replace(waker);
        drop(old);
    }

    /// The body is done: from now on only the tasks keep the set alive. By the parent, once.
    pub fn body_done(&self) {
        self.count.body_done();
    }

    /// The parent's code may spawn again, until [`body_done`](Self::body_done). Only after [`Alive::None`].
    pub fn body_again(&self) {
        self.count.body_again();
    }

    /// What is left. By the parent, after [`body_done`](Self::body_done) and [`register_parent`](Self::register_parent).
    pub fn live(&self) -> Alive {
        match self.count.live() {
            Live::None => Alive::None,
            Live::Background => Alive::Background,
            Live::Some => Alive::Some,
            Live::Finishing => Alive::Finishing,
        }
    }

    /// For the destructor of a scope's future that was dropped with live tasks, a breach of *completed*: sends what is
    /// scheduled from now on to the rescue, so that the tasks go on although this thread will block.
    pub fn rescue_all(&self) {
        self.rescued.store(true, Ordering::Release);
        let panic = self.each_unfinished(|header| {
            // SAFETY: `each_unfinished` lends a reference.
            let head = unsafe { header.as_ref() };
            if !head.state.is_local() {
                head.state.set_rescued();
            }
            // SAFETY: as above.
            unsafe { header::cancel(header, Reason::Shutdown) };
        });
        self.note_foreign_panic(panic);
        while rescue::try_run_one() {}
    }

    /// Destroys every idle task: for a local set of cancel-safe tasks whose scope is dropped. The queue of the set must be
    /// empty, or be emptied with [`abandon`](Self::abandon).
    ///
    /// # Safety
    /// The set is local, this is its thread, and every task of it is cancel-safe.
    pub unsafe fn abandon_idle(&self) {
        let panic = self.each_unfinished(|header| {
            // SAFETY: `each_unfinished` lends a reference.
            if unsafe { header.as_ref() }.state.wake() == super::state::Wake::Schedule {
                // SAFETY: `SCHED` was just set by this call; cancel-safe, as the caller promised.
                unsafe { Header::abandon(header) };
            }
        });
        self.note_foreign_panic(panic);
    }

    /// Destroys the task of a work.
    ///
    /// # Safety
    /// The task is of a local set, this is its thread, and it is cancel-safe.
    pub unsafe fn abandon(work: crate::Work) {
        // SAFETY: a `Work` is the one owner; cancel-safe, as the caller promised.
        unsafe { Header::abandon(work.into_header()) };
    }

    pub(crate) fn pin(&self) -> bool {
        self.count.try_rise()
    }

    /// One share less. The caller holds it, and touches nothing of the set any more.
    ///
    /// Takes a pointer, since the set may be gone before this returns: a `&self` would promise that it is not.
    pub(crate) fn fall(set: NonNull<Self>, background: bool) {
        // SAFETY: the caller's share keeps the set until the count falls, which is the last touch. The count is one atomic word:
        // a reference to it promises nothing beyond its last use.
        let count = unsafe { &(*set.as_ptr()).count };
        let parent = count.fall(background, || {
            // SAFETY: called before the fall.
            unsafe { set.as_ref() }.lock().parent.take()
        });
        if let Some(parent) = parent {
            // The waker is owned. Who runs the last task has nothing to do with a panic of it, and the scope may be gone.
            contain(|| parent.wake());
        }
    }

    pub(crate) fn note_panic(&self, cell: Arc<PanicCell>) {
        let panics = &mut self.lock().panics;
        if panics.len() == panics.capacity() {
            // Those that a handle has taken are forgotten, so that a long scope with many of them does not grow.
            panics.retain(|cell| cell.is_full());
            panics.reserve(panics.len() + 4);
        }
        panics.push(cell);
    }

    pub(super) fn note_foreign_panic(&self, panic: Option<Payload>) {
        if let Some(panic) = panic {
            drop(PanicCell::new(panic, Some(self)));
        }
    }

    /// Wakes every unfinished task and the parent; the first panic of a waker or of the runtime is returned.
    fn wake_all(&self) -> Option<Payload> {
        let first = self.each_unfinished(|header| {
            // SAFETY: `each_unfinished` lends a reference.
            unsafe { Header::wake(header) };
        });
        let second = self.wake_parent_contained();
        match (first, second) {
            (Some(first), Some(second)) => {
                typed::drop_contained(second);
                Some(first)
            }
            (first, second) => first.or(second),
        }
    }

    fn wake_parent_contained(&self) -> Option<Payload> {
        catch_unwind(AssertUnwindSafe(|| self.wake_parent())).err()
    }

    /// Calls `f` for each unfinished task, holding a reference to it and no lock. The first panic of `f` is returned.
    fn each_unfinished(&self, mut f: impl FnMut(NonNull<Header>)) -> Option<Payload> {
        let mut panic = None;
        let (mut class, mut block) = (0, 0);
        loop {
            let mut batch = [const { None }; 64];
            let mut len = 0;
            let visit = self.lock().arena.visit(class, block, |header| {
                // SAFETY: under the lock a claimed slot is initialised.
                if unsafe { header.as_ref() }.state.retain_unfinished() {
                    batch[len] = Some(header);
                    len += 1;
                }
            });
            for header in batch.into_iter().flatten() {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(header))) {
                    match panic {
                        None => panic = Some(payload),
                        Some(_) => typed::drop_contained(payload),
                    }
                }
                // SAFETY: the reference taken above.
                unsafe { Header::release(header) };
            }
            match visit {
                Visit::Done => block += 1,
                Visit::NoBlock => (class, block) = (class + 1, 0),
                Visit::NoClass => return panic,
            }
        }
    }

    pub(super) fn visit_locked(&self, inner: &Inner, mut f: impl FnMut(NonNull<Header>)) {
        let (mut class, mut block) = (0, 0);
        loop {
            match inner.arena.visit(class, block, &mut f) {
                Visit::Done => block += 1,
                Visit::NoBlock => (class, block) = (class + 1, 0),
                Visit::NoClass => return,
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Default for TaskSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TaskSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet").field("flag", &self.flag).field("live", &self.live()).finish_non_exhaustive()
    }
}

/// A share for a task that is being made; given back if that unwinds.
struct Rising<'a> {
    set: &'a TaskSet,
    background: bool,
}

impl<'a> Rising<'a> {
    fn new(set: &'a TaskSet, background: bool) -> Self {
        set.count.rise(background);
        Self { set, background }
    }
}

impl Drop for Rising<'_> {
    fn drop(&mut self) {
        // Not the last one: the spawner has a share.
        TaskSet::fall(NonNull::from(self.set), self.background);
    }
}
