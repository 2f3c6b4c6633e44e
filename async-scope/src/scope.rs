//! `Scope`: what a scope's body and its tasks see. Spawning, asking to finish, release hooks, owned values, the live tree.

use std::{
    borrow::Cow,
    fmt,
    marker::PhantomData,
    mem,
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait_core::{Async, BoxAsync, Reason};
use runtime_glue::{
    BlockingCx, JoinHandle, Runtime as _, RuntimeHandle,
    task::{TaskOptions, TaskSet},
};

use crate::{
    ScopeOptions, TaskTree,
    limit::{Limit, Reserve, Slot, SpawnWhenFree},
    local::LocalQueue,
    tree::Children,
};

/// A scope: tasks that are spawned into it may borrow everything that outlives it, and have all ended before it completes.
///
/// Made by [`scope!`](crate::scope!) only. `'s` is the life of the scope: a task may hold `&'s` data and the scope itself, but
/// nothing that belongs to the scope's body.
///
/// What must not compile, and its good twin:
///
/// ```compile_fail,E0597
/// # use async_scope::scope;
/// // The scope leaves through a variable of the surroundings.
/// let mut escaped = None;
/// runtime_glue::block_on(scope!(|s| { escaped = Some(s) }));
/// ```
/// ```compile_fail,E0597
/// # use async_scope::scope;
/// // Or through a cell.
/// let escaped = std::cell::Cell::new(None);
/// runtime_glue::block_on(scope!(|s| escaped.set(Some(s))));
/// ```
/// ```compile_fail,E0597
/// # use async_scope::{Scope, scope};
/// // Or through a static.
/// static ESCAPED: std::sync::Mutex<Option<&'static Scope<'static>>> = std::sync::Mutex::new(None);
/// runtime_glue::block_on(scope!(|s| *ESCAPED.lock().unwrap() = Some(s)));
/// ```
/// ```compile_fail,E0597
/// # use async_scope::scope;
/// // Or as the result.
/// let escaped = runtime_glue::block_on(scope!(|s| s));
/// ```
/// ```compile_fail,E0502
/// # use async_scope::scope;
/// // The data changes while a scope that reads it is about to run.
/// let mut data = vec![1, 2, 3];
/// let sum = scope!(|s| s.spawn(async { data.iter().sum::<i32>() }).await.unwrap());
/// data.push(4);
/// runtime_glue::block_on(sum);
/// ```
/// ```compile_fail,E0505
/// # use async_scope::scope;
/// // Or is gone.
/// let data = vec![1, 2, 3];
/// let sum = scope!(|s| s.spawn(async { data.iter().sum::<i32>() }).await.unwrap());
/// drop(data);
/// runtime_glue::block_on(sum);
/// ```
/// ```compile_fail,E0277
/// # use async_scope::scope;
/// // A scope is no future, which safe code could forget.
/// runtime_glue::block_on(async { scope!(|_| 1).await });
/// ```
/// ```compile_fail,E0277
/// # use async_scope::scope;
/// // What is not `Send` cannot go into a parallel task.
/// let shared = std::rc::Rc::new(1);
/// runtime_glue::block_on(scope!(|s| s.spawn(async move { *shared }).await.unwrap()));
/// ```
/// ```
/// # use async_scope::scope;
/// let mut data = vec![1, 2, 3];
/// let sum = scope!(|s| s.spawn(async { data.iter().sum::<i32>() }).await.unwrap());
/// assert_eq!(runtime_glue::block_on(sum), 6);
/// data.push(4);
/// ```
///
/// # Invariants
/// It lies in the frame of the async block that the macro made, pinned, and is run by exactly one `ScopeFuture`, which does
/// not complete before every task, hook and owned value is gone.
pub struct Scope<'s> {
    pub(crate) tasks: TaskSet,
    pub(crate) options: ScopeOptions,
    pub(crate) limit: Option<Limit>,
    /// The queue of a local scope, whose tasks run in the polls of its future.
    pub(crate) local: Option<Arc<LocalQueue>>,
    /// The named scopes that run in this one, if it has a name itself.
    children: OnceLock<Arc<Children>>,
    /// Only the background tasks are left: further ones are asked to stop at once.
    pub(crate) ending: AtomicBool,
    inner: Mutex<Inner>,
    /// Invariant: a scope must not be taken for one of a shorter life, whose tasks could borrow less.
    marker: PhantomData<fn(&'s ()) -> &'s ()>,
}

/// What is under the lock. Nothing foreign is called while it is held.
struct Inner {
    /// Release hooks. Their `'s` is erased: they are run and dropped by the `ScopeFuture`, within `'s`.
    hooks: Vec<BoxAsync<'static, ()>>,
    /// Releases of owned values, which run after everything else.
    owned: Vec<Owned>,
    /// When the scope is to be asked to finish.
    deadline: Option<(Instant, Reason)>,
}

type Owned = Box<dyn FnOnce() -> BoxAsync<'static, ()> + Send>;

impl<'s> Scope<'s> {
    /// # Safety
    /// The invariants of the type: only the macros of this crate call it.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn new(options: ScopeOptions) -> Self {
        // INVARIANT: promised by the caller.
        Self::with_tasks(options, TaskSet::new(), None)
    }

    pub(crate) fn with_tasks(options: ScopeOptions, tasks: TaskSet, local: Option<Arc<LocalQueue>>) -> Self {
        Self {
            tasks,
            local,
            limit: options.limit.map(Limit::new),
            children: OnceLock::new(),
            ending: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                hooks: Vec::new(),
                owned: Vec::new(),
                deadline: options.deadline.map(|at| (at, Reason::Deadline)),
            }),
            options,
            marker: PhantomData,
        }
    }

    /// Spawns a task, which runs in parallel and may borrow everything that outlives the scope.
    ///
    /// A task that was spawned always starts, even into a cancelled scope (it may own what it has to release), but a plain
    /// future is dropped then. A panic in a task whose handle nobody awaits cancels the scope and goes on out of it.
    ///
    /// ```
    /// use async_scope::scope;
    ///
    /// let numbers = vec![1, 2, 3, 4];
    /// let sum = runtime_glue::block_on(scope!(|s| {
    ///     let (a, b) = numbers.split_at(2);
    ///     let a = s.spawn(async move { a.iter().sum::<i32>() });
    ///     let b = s.spawn(async move { b.iter().sum::<i32>() });
    ///     a.await.unwrap() + b.await.unwrap()
    /// }));
    /// assert_eq!(sum, 10);
    /// ```
    ///
    /// What belongs to the body cannot be borrowed (E0597):
    /// ```compile_fail,E0597
    /// # use async_scope::scope;
    /// runtime_glue::block_on(scope!(|s| {
    ///     let local = String::from("gone before the task is");
    ///     s.spawn(async { println!("{}", local.len()) });
    /// }));
    /// ```
    #[track_caller]
    pub fn spawn<A>(&'s self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 's,
        A::Output: Send + 's,
    {
        self.spawn_as(a, TaskOptions::here())
    }

    /// Spawns a task that does not keep the scope from ending: when all ordinary tasks are done it is asked to finish, with
    /// [`Reason::ScopeEnding`].
    ///
    /// It must notice that: await plain futures with `.or_cancelled()`.
    #[track_caller]
    pub fn spawn_background<A>(&'s self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 's,
        A::Output: Send + 's,
    {
        self.spawn_as(a, TaskOptions { background: true, ..TaskOptions::here() })
    }

    /// Runs a closure on a thread that may block.
    ///
    /// It always runs, except if the runtime shuts down before: then its handle yields
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled).
    #[track_caller]
    pub fn spawn_blocking<T: Send + 's>(&'s self, f: impl FnOnce() -> T + Send + 's) -> JoinHandle<T> {
        self.spawn_blocking_as(move |_| f(), TaskOptions::here())
    }

    /// Runs a closure on a thread that may block, and tells it whether it is asked to finish.
    #[track_caller]
    pub fn spawn_blocking_with<T: Send + 's>(
        &'s self,
        f: impl FnOnce(&BlockingCx<'_>) -> T + Send + 's,
    ) -> JoinHandle<T> {
        self.spawn_blocking_as(f, TaskOptions::here())
    }

    pub(crate) fn spawn_as<A>(&'s self, a: A, options: TaskOptions) -> JoinHandle<A::Output>
    where
        A: Async + Send + 's,
        A::Output: Send + 's,
    {
        let background = options.background;
        // SAFETY: the set is pinned and its scope waits, by the invariant of the type; `A` and its output live for `'s`, which
        // outlasts that; they are `Send`; `&'s self` is at hand only in the body, the tasks and the hooks.
        let handle = unsafe { self.tasks.spawn(a, options) };
        self.ask_if_ending(background, &handle);
        handle
    }

    pub(crate) fn spawn_blocking_as<T: Send + 's>(
        &'s self,
        f: impl FnOnce(&BlockingCx<'_>) -> T + Send + 's,
        options: TaskOptions,
    ) -> JoinHandle<T> {
        let background = options.background;
        // SAFETY: as in `spawn_as`.
        let handle = unsafe { self.tasks.spawn_blocking(f, options) };
        self.ask_if_ending(background, &handle);
        handle
    }

    /// A background task that comes when the others were already asked.
    fn ask_if_ending<T>(&self, background: bool, handle: &JoinHandle<T>) {
        // The slot was claimed under the set's lock, which `cancel_background` takes after `ending` is set: this task is asked
        // there, or seen here.
        if background && self.ending.load(Ordering::SeqCst) {
            handle.cancel_with(Reason::ScopeEnding);
        }
    }

    /// A task with a name, or other options.
    pub fn builder(&'s self) -> Builder<'s> {
        Builder { scope: self, background: false, name: None }
    }

    /// Waits for a place in a scope with a [`limit`](ScopeOptions::limit): take it before you take on the work.
    pub fn reserve(&'s self) -> Reserve<'s> {
        Reserve::new(self)
    }

    /// A place, if one is free now and nobody waits for it.
    pub fn try_reserve(&'s self) -> Option<Slot<'s>> {
        Slot::try_new(self)
    }

    /// Waits for a place, then spawns `a`; gives `a` back if it is asked to finish before.
    pub fn spawn_when_free<A>(&'s self, a: A) -> SpawnWhenFree<'s, A>
    where
        A: Async + Send + 's,
        A::Output: Send + 's,
    {
        SpawnWhenFree::new(self, a)
    }

    /// Runs `a` when the body and all tasks are done, before the scope completes: the last registered first, not asked to
    /// finish whatever happened to the scope, also after a panic.
    pub fn on_exit(&'s self, a: impl Async<Output = ()> + Send + 's) {
        let hook: BoxAsync<'s, ()> = BoxAsync::new(a);
        // SAFETY: only the lifetime changes. The hook is run, and dropped, by the `ScopeFuture` before it completes, within `'s`.
        let hook = unsafe { mem::transmute::<BoxAsync<'s, ()>, BoxAsync<'static, ()>>(hook) };
        self.lock().hooks.push(hook);
    }

    /// Hands out a value that lives as long as the scope, and releases it asynchronously after everything else in the scope is
    /// gone: body, tasks, outputs and all [`on_exit`](Self::on_exit) hooks. The last owned first; also after a panic.
    ///
    /// ```
    /// use async_scope::{async_fn, scope};
    ///
    /// struct Connection;
    /// #[async_fn(send)]
    /// async fn close(c: Connection) {
    ///     drop(c);
    /// }
    /// runtime_glue::block_on(scope!(|s| {
    ///     let connection: &Connection = s.own(Connection, close);
    ///     s.spawn(async move { let _ = connection; });
    /// }));
    /// ```
    pub fn own<T, A>(&'s self, value: T, release: impl FnOnce(T) -> A + Send + 'static) -> &'s T
    where
        T: Send + Sync + 'static,
        A: Async<Output = ()> + Send + 'static,
    {
        /// The value's address; the box is taken back by the release.
        struct Place<T>(*mut T);
        // SAFETY: the pointer stands for an owned `T`, which is `Send`.
        unsafe impl<T: Send> Send for Place<T> {}

        let place = Place(Box::into_raw(Box::new(value)));
        // SAFETY: the box is taken back only by the release below, which the `ScopeFuture` calls when body, tasks, outputs and
        // hooks are gone. Whoever could still use a `&'s T` was one of them: `T`, the closure and its `Async` are `'static`, so
        // no owned value and no release holds one, and the scope's output cannot name `'s`.
        let shared = unsafe { &*place.0 };
        let owned: Owned = Box::new(move || {
            let place = place;
            // SAFETY: made by `Box::into_raw` above, and called once.
            let value = unsafe { Box::from_raw(place.0) };
            BoxAsync::new(release(*value))
        });
        self.lock().owned.push(owned);
        shared
    }

    /// Asks everything in the scope to finish: the body, tasks, nested scopes, blocking jobs.
    ///
    /// # Panics
    /// If a waker or the runtime panics, after all were asked.
    pub fn cancel(&self) {
        self.cancel_with(Reason::Requested);
    }

    /// Asks everything in the scope to finish, with a reason. Of several requests the first counts.
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.tasks.cancel_with(reason.into());
    }

    /// Asks everything in the scope to start nothing new, and to finish after `grace`.
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    pub fn cancel_within(&self, grace: Duration) {
        if let Some(at) = self.runtime().now().checked_add(grace) {
            let mut inner = self.lock();
            match inner.deadline {
                Some((earlier, _)) if earlier <= at => {}
                _ => inner.deadline = Some((at, Reason::Requested)),
            }
        }
        // Also wakes the scope's future, which sets the timer.
        self.tasks.stop_with(Reason::Requested);
        self.tasks.wake_parent();
    }

    /// Asks everything in the scope to start nothing new.
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    pub fn stop(&self) {
        self.tasks.stop_with(Reason::Requested);
    }

    /// Whether the scope is asked to finish.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.tasks.flag().is_cancelled()
    }

    /// The runtime that the scope's tasks run on.
    #[must_use]
    pub fn runtime(&self) -> &RuntimeHandle {
        self.tasks.ambient()
    }

    /// What is alive in the scope now, as text: names, states, where it was spawned.
    ///
    /// ```
    /// use async_scope::{ScopeOptions, scope};
    ///
    /// let tree = runtime_glue::block_on(scope!(ScopeOptions::new().name("server"), |s| {
    ///     let task = s.builder().name("listener").spawn(std::future::pending::<()>());
    ///     let tree = s.tree().to_string();
    ///     task.cancel();
    ///     tree
    /// }));
    /// assert!(tree.starts_with("server\n  listener: "), "{tree}");
    /// ```
    #[must_use]
    pub fn tree(&self) -> TaskTree {
        TaskTree::of(self)
    }

    pub(crate) fn set_children(&self, children: Option<&Arc<Children>>) {
        if let Some(children) = children {
            let _ = self.children.set(Arc::clone(children));
        }
    }

    pub(crate) fn children(&self) -> Option<&Children> {
        self.children.get().map(|children| &**children)
    }

    pub(crate) fn pop_hook(&self) -> Option<BoxAsync<'static, ()>> {
        self.lock().hooks.pop()
    }

    pub(crate) fn pop_owned(&self) -> Option<Owned> {
        self.lock().owned.pop()
    }

    pub(crate) fn deadline(&self) -> Option<(Instant, Reason)> {
        self.lock().deadline
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("name", &self.options.name).field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

/// Options of one task. Made by [`Scope::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder<'s> {
    scope: &'s Scope<'s>,
    background: bool,
    name: Option<Cow<'static, str>>,
}

impl<'s> Builder<'s> {
    /// A name, for [`Scope::tree`] and reports.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// See [`Scope::spawn_background`].
    pub fn background(mut self) -> Self {
        self.background = true;
        self
    }

    /// See [`Scope::spawn`].
    #[track_caller]
    pub fn spawn<A>(self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 's,
        A::Output: Send + 's,
    {
        let (scope, options) = self.options(Location::caller());
        scope.spawn_as(a, options)
    }

    /// See [`Scope::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<T: Send + 's>(self, f: impl FnOnce() -> T + Send + 's) -> JoinHandle<T> {
        let (scope, options) = self.options(Location::caller());
        scope.spawn_blocking_as(move |_| f(), options)
    }

    /// See [`Scope::spawn_blocking_with`].
    #[track_caller]
    pub fn spawn_blocking_with<T: Send + 's>(self, f: impl FnOnce(&BlockingCx<'_>) -> T + Send + 's) -> JoinHandle<T> {
        let (scope, options) = self.options(Location::caller());
        scope.spawn_blocking_as(f, options)
    }

    fn options(self, location: &'static Location<'static>) -> (&'s Scope<'s>, TaskOptions) {
        (self.scope, TaskOptions { background: self.background, name: self.name, location })
    }
}
