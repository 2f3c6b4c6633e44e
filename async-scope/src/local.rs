//! `local_scope!`: tasks that are not `Send` run in the polls of the scope itself; and its form for plain futures, which is a
//! plain future itself.
//!
//! The tasks are those of any scope, but their runtime is a queue that only the scope's own poll empties, so that a `Work` never
//! leaves the thread (the scope's future is not `Send`). A task's waker may be called from anywhere: it puts the work into the
//! queue and wakes the scope's task.
//!
//! The form for plain futures may be dropped, and forgotten: dropped, it destroys its tasks, which are cancel-safe. Forgotten, its
//! frame is never reused: it is pinned when it is first polled, and pinned memory is dropped before it is reused (the drop
//! guarantee of `Pin`), so a waker that outlives it finds the queue, and the frame, where they were.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll, Waker},
};

use async_trait_core::{Async, Context, LocalBoxAsync, Reason};
use pin_project_lite::pin_project;
use runtime_glue::{
    JoinHandle, Runtime, Work,
    task::{TaskOptions, TaskSet},
};

use crate::{Scope, ScopeOptions, TaskTree, run::ScopeFuture};

/// The work of a local scope, until its poll runs it.
#[derive(Default)]
pub(crate) struct LocalQueue {
    inner: Mutex<Queued>,
}

#[derive(Default)]
struct Queued {
    works: VecDeque<Work>,
    parent: Option<Waker>,
}

impl LocalQueue {
    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The waker of the poll under way: woken when work comes.
    pub(crate) fn register_parent(&self, waker: &Waker) {
        if self.lock().parent.as_ref().is_some_and(|parent| parent.will_wake(waker)) {
            return;
        }
        // The waker's clone and drop are foreign code: not under the lock.
        let waker = waker.clone();
        let old = self.lock().parent.replace(waker);
        drop(old);
    }

    fn pop(&self) -> Option<Work> {
        self.lock().works.pop_front()
    }
}

impl Runtime for LocalQueue {
    fn schedule(&self, work: Work) {
        // The work is safe in the queue before foreign code, the waker, runs.
        let parent = {
            let mut queued = self.lock();
            queued.works.push_back(work);
            queued.parent.take()
        };
        if let Some(parent) = parent {
            parent.wake();
        }
    }

    fn name(&self) -> &str {
        "local scope"
    }
}

impl Scope<'_> {
    /// Runs the local tasks that are ready now, each once.
    pub(crate) fn run_local(&self) {
        let Some(queue) = &self.local else { return };
        let ready = queue.lock().works.len();
        for _ in 0..ready {
            let Some(work) = queue.pop() else { return };
            work.run();
        }
    }
}

/// A scope whose tasks need not be `Send`: they run in turn, in the polls of the scope itself. Made by
/// [`local_scope!`](crate::local_scope!) only.
///
/// # Invariants
/// As those of [`Scope`]; and it stays on one thread.
pub struct LocalScope<'s> {
    scope: Scope<'s>,
    /// Neither `Send` nor `Sync`: a handle to it in a task on another thread could spawn there.
    marker: PhantomData<*mut ()>,
}

impl<'s> LocalScope<'s> {
    /// # Safety
    /// The invariants of the type: only the macros of this crate call it.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn new(options: ScopeOptions) -> Self {
        Self { scope: local_scope(options), marker: PhantomData }
    }

    /// The scope, for its future.
    #[doc(hidden)]
    pub fn scope(&'s self) -> &'s Scope<'s> {
        &self.scope
    }

    /// Spawns a task, which runs in turn with the body and the other tasks, on this thread, and may borrow everything that
    /// outlives the scope.
    ///
    /// ```
    /// use async_scope::local_scope;
    /// use std::cell::Cell;
    ///
    /// let sum = Cell::new(0);
    /// runtime_glue::block_on(local_scope!(|s| {
    ///     for i in 1..=4 {
    ///         let sum = &sum;
    ///         s.spawn(async move { sum.set(sum.get() + i) });
    ///     }
    /// }));
    /// assert_eq!(sum.get(), 10);
    /// ```
    #[track_caller]
    pub fn spawn<A: Async + 's>(&'s self, a: A) -> JoinHandle<A::Output> {
        // SAFETY: the set is local and this is its thread, since a `LocalScope` is not `Sync`; the rest as in `Scope::spawn_as`.
        unsafe { self.scope.tasks.spawn(a, TaskOptions::here()) }
    }

    /// Asks everything in the scope to finish.
    pub fn cancel(&self) {
        self.scope.cancel();
    }

    /// Asks everything in the scope to finish, with a reason. Of several requests the first counts.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.scope.cancel_with(reason);
    }

    /// Whether the scope is asked to finish.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.scope.is_cancelled()
    }

    /// Runs `a` when the body and all tasks are done. See [`Scope::on_exit`].
    pub fn on_exit(&'s self, a: impl Async<Output = ()> + 's) {
        self.scope.on_exit(OnThisThread { a: LocalBoxAsync::new(a) });
    }

    /// What is alive in the scope now. See [`Scope::tree`].
    #[must_use]
    pub fn tree(&self) -> TaskTree {
        self.scope.tree()
    }
}

impl fmt::Debug for LocalScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scope.fmt(f)
    }
}

fn local_scope<'s>(options: ScopeOptions) -> Scope<'s> {
    // SAFETY: the queue keeps every work until `run_local`, which only the scope's future calls, on its thread.
    let tasks = unsafe { TaskSet::with_locality(true) };
    Scope::with_tasks(options, tasks, Some(Arc::default()))
}

pin_project! {
    /// A hook of a local scope, which is run and dropped by the scope's future, on its thread.
    struct OnThisThread<'s> {
        #[pin]
        a: LocalBoxAsync<'s, ()>,
    }
}

// SAFETY: a `LocalScope` is neither `Send` nor `Sync`, and its `ScopeFuture` is not `Send` (see `OnOneThread`), so the list of
// hooks that this goes into is filled and emptied on one thread.
unsafe impl Send for OnThisThread<'_> {}

// SAFETY: every clause is passed on to what is inside.
unsafe impl Async for OnThisThread<'_> {
    type Output = ();

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: promised by the caller for the whole, hence for `a`.
        unsafe { self.project().a.poll_async(cx) }
    }
}

pin_project! {
    /// The computation of a local scope: a `ScopeFuture` that stays on its thread.
    #[doc(hidden)]
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct OnOneThread<'s, B>
    where
        B: Async,
    {
        #[pin]
        inner: ScopeFuture<'s, B>,
        marker: PhantomData<*mut ()>,
    }
}

impl<'s, B: Async> OnOneThread<'s, B> {
    /// # Safety
    /// As for `ScopeFuture::new`.
    pub unsafe fn new(scope: &'s LocalScope<'s>, body: B) -> Self {
        // SAFETY: promised by the caller.
        Self { inner: unsafe { ScopeFuture::new(&scope.scope, body) }, marker: PhantomData }
    }
}

// SAFETY: every clause is passed on to what is inside.
unsafe impl<B: Async> Async for OnOneThread<'_, B> {
    type Output = B::Output;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        // SAFETY: promised by the caller for the whole, hence for `inner`.
        unsafe { self.project().inner.poll_async(cx) }
    }
}

/// A scope for plain futures, which is a plain future itself: it can be dropped, with its tasks. Made by
/// [`local_scope!(futures, ..)`](crate::local_scope!) only.
///
/// # Invariants
/// As those of [`LocalScope`]; every task is a plain future.
pub struct FutureScope<'s> {
    local: LocalScope<'s>,
}

impl<'s> FutureScope<'s> {
    /// # Safety
    /// The invariants of the type: only the macros of this crate call it.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn new(options: ScopeOptions) -> Self {
        // SAFETY: promised by the caller.
        Self { local: unsafe { LocalScope::new(options) } }
    }

    /// Spawns a plain future, which runs in turn with the body and the others, and is dropped when the scope is.
    #[track_caller]
    pub fn spawn<F: Future + 's>(&'s self, future: F) -> JoinHandle<F::Output> {
        self.local.spawn(future)
    }

    /// Drops every future that is not finished.
    pub fn cancel(&self) {
        self.local.cancel();
    }

    /// What is alive in the scope now. See [`Scope::tree`].
    #[must_use]
    pub fn tree(&self) -> TaskTree {
        self.local.tree()
    }
}

impl fmt::Debug for FutureScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.local.fmt(f)
    }
}

pin_project! {
    /// The computation of a scope of plain futures.
    #[doc(hidden)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct FuturesFuture<'s, B>
    where
        B: Future,
    {
        #[pin]
        inner: OnOneThread<'s, B>,
        scope: &'s FutureScope<'s>,
    }

    impl<B> PinnedDrop for FuturesFuture<'_, B>
    where
        B: Future,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.inner.project().inner.abandon(this.scope);
        }
    }
}

impl<'s, B: Future> FuturesFuture<'s, B> {
    /// # Safety
    /// As for `ScopeFuture::new`.
    pub unsafe fn new(scope: &'s FutureScope<'s>, body: B) -> Self {
        // SAFETY: promised by the caller.
        Self { inner: unsafe { OnOneThread::new(&scope.local, body) }, scope }
    }
}

impl<B: Future> Future for FuturesFuture<'_, B> {
    type Output = B::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<B::Output> {
        let inner = self.project().inner;
        // SAFETY: *completed*: if this future is dropped, `abandon` destroys body and tasks, all of which are plain futures, so
        // nothing is live afterwards; if it is forgotten, see the head of this file. *retired*: `ScopeFuture` panics at most.
        unsafe { inner.poll_async(&mut Context::from_waker(cx.waker())) }
    }
}

impl<'s, B: Future> ScopeFuture<'s, B> {
    /// Destroys the body and every task: all are plain futures.
    fn abandon(self: Pin<&mut Self>, scope: &'s FutureScope<'s>) {
        let tasks = &scope.local.scope.tasks;
        let Some(queue) = &scope.local.scope.local else { return };
        self.destroy_body(|| {
            loop {
                while let Some(work) = queue.pop() {
                    // SAFETY: the set is local and this is its thread; every task is a plain future.
                    unsafe { TaskSet::abandon(work) };
                }
                // SAFETY: as above.
                unsafe { tasks.abandon_idle() };
                if tasks.live() == runtime_glue::task::Alive::None {
                    break;
                }
            }
        });
    }
}
