//! `try_scope!`: tasks that may fail. The first error asks the others to finish, and is the scope's unless somebody awaited it.
//!
//! An error goes into a cell that the task's handle and the scope share; whoever takes it first has it. So it is nobody's loss
//! that a handle is dropped, forgotten, or outlives the scope.

use std::{
    fmt,
    future::{Future, IntoFuture},
    ops::Deref,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{self, Poll},
};

use async_trait_core::{Async, Cancelled, Context, Reason};
use pin_project_lite::pin_project;
use runtime_glue::{BlockingCx, JoinError, JoinFuture, JoinHandle};

use crate::{Reserve, Scope, ScopeOptions, Slot, asked::Asked};

/// A task's error, to be taken once: by its handle, or by the scope.
struct ErrorCell<E> {
    error: Mutex<Option<E>>,
    /// It only says that the task was asked to finish because a sibling failed: never better than that sibling's error.
    echo: bool,
}

impl<E> ErrorCell<E> {
    fn take(&self) -> Option<E> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A scope whose tasks yield `Result<_, E>`. Made by [`try_scope!`](crate::try_scope!) only.
///
/// It dereferences to [`Scope`]; spawning through that is for tasks that cannot fail.
pub struct TryScope<'s, E> {
    scope: Scope<'s>,
    /// The errors of tasks, in the order in which they came.
    errors: Mutex<Vec<Arc<ErrorCell<E>>>>,
}

impl<'s, E> Deref for TryScope<'s, E> {
    type Target = Scope<'s>;

    fn deref(&self) -> &Scope<'s> {
        &self.scope
    }
}

impl<'s, E: From<Cancelled> + Send + 's> TryScope<'s, E> {
    /// # Safety
    /// The invariants of [`Scope`]: only the macros of this crate call it.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn new(options: ScopeOptions) -> Self {
        // SAFETY: promised by the caller.
        Self { scope: unsafe { Scope::new(options) }, errors: Mutex::new(Vec::new()) }
    }

    /// Spawns a task. Its error asks the others to finish at once, with [`Reason::SiblingFailed`]. See [`Scope::spawn`].
    #[track_caller]
    pub fn spawn<A, T>(&'s self, a: A) -> TryJoinHandle<T, E>
    where
        A: Async<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        TryJoinHandle { handle: self.scope.spawn(Trying { a: Asked::new(a), scope: self }) }
    }

    /// Spawns a task that is asked to finish when the ordinary tasks are done. See [`Scope::spawn_background`].
    #[track_caller]
    pub fn spawn_background<A, T>(&'s self, a: A) -> TryJoinHandle<T, E>
    where
        A: Async<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        TryJoinHandle { handle: self.scope.spawn_background(Trying { a: Asked::new(a), scope: self }) }
    }

    /// Runs a closure on a thread that may block. See [`Scope::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<T: Send + 's>(&'s self, f: impl FnOnce() -> Result<T, E> + Send + 's) -> TryJoinHandle<T, E> {
        self.spawn_blocking_with(move |_| f())
    }

    /// Runs a closure on a thread that may block. See [`Scope::spawn_blocking_with`].
    #[track_caller]
    pub fn spawn_blocking_with<T: Send + 's>(
        &'s self,
        f: impl FnOnce(&BlockingCx<'_>) -> Result<T, E> + Send + 's,
    ) -> TryJoinHandle<T, E> {
        TryJoinHandle {
            handle: self.scope.spawn_blocking_with(move |cx| f(cx).map_err(|error| self.fail(error, false))),
        }
    }

    /// Waits for a place. See [`Scope::reserve`].
    pub fn reserve(&'s self) -> TryReserve<'s, E> {
        TryReserve { scope: self, reserve: self.scope.reserve() }
    }

    /// A place, if one is free now and nobody waits for it.
    pub fn try_reserve(&'s self) -> Option<TrySlot<'s, E>> {
        Some(TrySlot { scope: self, slot: self.scope.try_reserve()? })
    }

    /// Keeps an error for whoever takes it first, and asks the others to finish.
    fn fail(&self, error: E, echo: bool) -> Arc<ErrorCell<E>> {
        let cell = Arc::new(ErrorCell { error: Mutex::new(Some(error)), echo });
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&cell));
        self.scope.tasks.cancel_contained(Reason::SiblingFailed);
        cell
    }

    fn fail_cancelled(&self, cancelled: Cancelled) -> Arc<ErrorCell<E>> {
        self.fail(E::from(cancelled), cancelled.reason() == Reason::SiblingFailed)
    }

    /// What the scope yields: the body's error, else the first error that nobody took (one that only echoes a sibling's failure
    /// last), else the body's output.
    #[doc(hidden)]
    pub fn result<T>(&self, body: Result<T, E>) -> Result<T, E> {
        let errors = std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner));
        let output = body?;
        let causes = errors.iter().filter(|cell| !cell.echo);
        let echoes = errors.iter().filter(|cell| cell.echo);
        match causes.chain(echoes).find_map(|cell| cell.take()) {
            Some(error) => Err(error),
            None => Ok(output),
        }
    }
}

impl<E> fmt::Debug for TryScope<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scope.fmt(f)
    }
}

pin_project! {
    /// A task of a `TryScope`.
    struct Trying<'s, A, E> {
        #[pin]
        a: Asked<A>,
        scope: &'s TryScope<'s, E>,
    }
}

// SAFETY: every clause is passed on to `a`, which is pinned inside and polled exactly when this is.
unsafe impl<'s, A, T, E> Async for Trying<'s, A, E>
where
    A: Async<Output = Result<T, E>>,
    E: From<Cancelled> + Send + 's,
{
    type Output = Result<T, Arc<ErrorCell<E>>>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // SAFETY: promised by the caller for the whole, hence for `a`.
        let polled = unsafe { this.a.poll_async(cx) };
        polled.map(|result| match result {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(this.scope.fail(error, false)),
            Err(cancelled) => Err(this.scope.fail_cancelled(cancelled)),
        })
    }
}

pin_project! {
    /// The body of a `TryScope`: its error asks the tasks to finish at once.
    #[doc(hidden)]
    pub struct TryBody<'s, B> {
        #[pin]
        body: B,
        scope: &'s Scope<'s>,
    }
}

impl<'s, B> TryBody<'s, B> {
    /// The body of `scope`.
    pub fn new<T, E>(scope: &'s TryScope<'s, E>, body: B) -> Self
    where
        B: Async<Output = Result<T, E>>,
    {
        Self { body, scope: &scope.scope }
    }
}

// SAFETY: every clause is passed on to the body, which is pinned inside and polled exactly when this is.
unsafe impl<B, T, E> Async for TryBody<'_, B>
where
    B: Async<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // SAFETY: promised by the caller for the whole, hence for the body.
        let polled = unsafe { this.body.poll_async(cx) };
        if let Poll::Ready(Err(_)) = polled {
            this.scope.tasks.cancel_contained(Reason::SiblingFailed);
        }
        polled
    }
}

/// The output of a task of a [`TryScope`]. `Async` and `IntoFuture`, as [`JoinHandle`] is.
///
/// Its task's error is the awaiter's; a handle that is dropped leaves it to the scope.
///
/// # Panics
/// Awaiting it goes on with the task's panic.
///
/// # Cancellation
/// As for [`JoinHandle`].
pub struct TryJoinHandle<T, E> {
    handle: JoinHandle<Result<T, Arc<ErrorCell<E>>>>,
}

type Joined<T, E> = Result<Result<T, Arc<ErrorCell<E>>>, JoinError>;

fn joined<T, E: From<Cancelled>>(joined: Joined<T, E>) -> Result<T, E> {
    match joined {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(cell)) => Err(cell.take().unwrap_or_else(|| E::from(Cancelled::from_reason(Reason::SiblingFailed)))),
        Err(error) => Err(E::from(error.resume_panic())),
    }
}

impl<T, E> TryJoinHandle<T, E> {
    /// Asks the task to finish.
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Asks the task to finish, with a reason. Of several requests the first counts.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.handle.cancel_with(reason);
    }

    /// Whether the task is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

// SAFETY: every clause is passed on to the handle.
unsafe impl<T, E: From<Cancelled>> Async for TryJoinHandle<T, E> {
    type Output = Result<T, E>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        // SAFETY: promised by the caller for the whole, hence for the handle.
        unsafe { Pin::new(&mut self.handle).poll_async(cx) }.map(joined)
    }
}

impl<T, E: From<Cancelled>> IntoFuture for TryJoinHandle<T, E> {
    type Output = Result<T, E>;
    type IntoFuture = TryJoinFuture<T, E>;

    fn into_future(self) -> TryJoinFuture<T, E> {
        TryJoinFuture { handle: self.handle.into_future() }
    }
}

impl<T, E> fmt::Debug for TryJoinHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}

/// A [`TryJoinHandle`] in plain async code. Dropping it detaches the result, not the task.
#[must_use = "futures do nothing unless awaited"]
pub struct TryJoinFuture<T, E> {
    handle: JoinFuture<Result<T, Arc<ErrorCell<E>>>>,
}

impl<T, E: From<Cancelled>> Future for TryJoinFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<T, E>> {
        Pin::new(&mut self.handle).poll(cx).map(joined)
    }
}

impl<T, E> fmt::Debug for TryJoinFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoinFuture").finish_non_exhaustive()
    }
}

/// Waits for a place in a [`TryScope`]. See [`Reserve`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct TryReserve<'s, E> {
    scope: &'s TryScope<'s, E>,
    reserve: Reserve<'s>,
}

impl<'s, E> Future for TryReserve<'s, E> {
    type Output = TrySlot<'s, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<TrySlot<'s, E>> {
        let scope = self.scope;
        Pin::new(&mut self.reserve).poll(cx).map(|slot| TrySlot { scope, slot })
    }
}

/// A place for one task of a [`TryScope`]. Dropping it frees the place.
#[derive(Debug)]
#[must_use = "dropping a slot frees it; spawn a task with it"]
pub struct TrySlot<'s, E> {
    scope: &'s TryScope<'s, E>,
    slot: Slot<'s>,
}

impl<'s, E: From<Cancelled> + Send + 's> TrySlot<'s, E> {
    /// Spawns a task that keeps the place until it ends. See [`TryScope::spawn`].
    #[track_caller]
    pub fn spawn<A, T>(self, a: A) -> TryJoinHandle<T, E>
    where
        A: Async<Output = Result<T, E>> + Send + 's,
        T: Send + 's,
    {
        TryJoinHandle { handle: self.slot.spawn(Trying { a: Asked::new(a), scope: self.scope }) }
    }

    /// Spawns a blocking job that keeps the place until it ends. See [`TryScope::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<T: Send + 's>(self, f: impl FnOnce() -> Result<T, E> + Send + 's) -> TryJoinHandle<T, E> {
        self.spawn_blocking_with(move |_| f())
    }

    /// Spawns a blocking job that keeps the place until it ends. See [`TryScope::spawn_blocking_with`].
    #[track_caller]
    pub fn spawn_blocking_with<T: Send + 's>(
        self,
        f: impl FnOnce(&BlockingCx<'_>) -> Result<T, E> + Send + 's,
    ) -> TryJoinHandle<T, E> {
        let scope = self.scope;
        let handle = self.slot.spawn_blocking_with(move |cx| f(cx).map_err(|error| scope.fail(error, false)));
        TryJoinHandle { handle }
    }
}
