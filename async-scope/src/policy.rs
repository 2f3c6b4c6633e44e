//! `policy_scope!`: what becomes of a scope is decided by a `Policy`, which hears of each task as it ends; and the usual ones:
//! all outcomes, the first success, a quorum.

use std::{
    collections::VecDeque,
    fmt,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use async_trait_core::{Async, Cancelled, Context, Reason};
use pin_project_lite::pin_project;
use runtime_glue::JoinHandle;

use crate::{Scope, ScopeOptions, asked::Asked};

/// Decides what becomes of a scope, as its tasks end.
///
/// It is called for one task at a time, in the order in which they end, also for those that end late; a panic in it cancels the
/// scope and goes on out of it.
pub trait Policy<T>: Send {
    /// What the scope yields.
    type Output;

    /// A task has ended. The verdict may ask the others to finish.
    fn on_complete(&mut self, task: Outcome<T>) -> Verdict;

    /// All tasks have ended.
    fn finish(self) -> Self::Output;
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome<T> {
    /// With its output.
    Done(T),
    /// It was a plain future, and was dropped because it was asked to finish.
    Cancelled(Cancelled),
}

/// What a [`Policy`] says when a task has ended.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Ask all others to finish, with this reason.
    Cancel(Reason),
}

/// A scope whose tasks yield `T` to a [`Policy`]. Made by [`policy_scope!`](crate::policy_scope!) only.
///
/// It dereferences to [`Scope`]; what is spawned through that the policy does not hear of.
pub struct PolicyScope<'s, P: Policy<T>, T> {
    scope: Scope<'s>,
    state: Mutex<State<P, T, P::Output>>,
}

struct State<P, T, O> {
    /// Absent while it is called: foreign code is not called under the lock, and may end another task.
    policy: Option<P>,
    waiting: VecDeque<Outcome<T>>,
    output: Option<O>,
}

impl<'s, P: Policy<T>, T> Deref for PolicyScope<'s, P, T> {
    type Target = Scope<'s>;

    fn deref(&self) -> &Scope<'s> {
        &self.scope
    }
}

impl<'s, P, T> PolicyScope<'s, P, T>
where
    P: Policy<T> + 's,
    P::Output: Send + 's,
    T: Send + 's,
{
    /// # Safety
    /// The invariants of [`Scope`]: only the macros of this crate call it.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn new(options: ScopeOptions, policy: P) -> Self {
        Self {
            // SAFETY: promised by the caller.
            scope: unsafe { Scope::new(options) },
            state: Mutex::new(State { policy: Some(policy), waiting: VecDeque::new(), output: None }),
        }
    }

    /// Before the body: the policy finishes after all tasks and all hooks of the user's (this hook is the first registered, so it
    /// runs last), and before owned values are released, which its outcomes may refer to.
    #[doc(hidden)]
    pub fn finish_on_exit(&'s self) {
        self.scope.on_exit(Finish { scope: self });
    }

    /// Spawns a task, whose output goes to the policy. See [`Scope::spawn`].
    #[track_caller]
    pub fn spawn(&'s self, a: impl Async<Output = T> + Send + 's) -> TaskRef {
        TaskRef { handle: self.scope.spawn(Reporting { a: Asked::new(a), scope: self }) }
    }

    /// What the policy made of it all.
    #[doc(hidden)]
    pub fn output(&self) -> P::Output {
        self.lock().output.take().expect("the policy has finished, or its panic went on")
    }

    fn report(&self, outcome: Outcome<T>) {
        let mut state = self.lock();
        state.waiting.push_back(outcome);
        // Where another thread, or an outer frame of this one, is calling it: that goes on with what waits.
        while let Some(policy) = state.policy.take() {
            let Some(outcome) = state.waiting.pop_front() else {
                state.policy = Some(policy);
                return;
            };
            drop(state);
            let mut returning = Returning { scope: self, policy: Some(policy) };
            let verdict = returning.policy.as_mut().map(|policy| policy.on_complete(outcome));
            drop(returning);
            if let Some(Verdict::Cancel(reason)) = verdict {
                self.scope.tasks.cancel_contained(reason);
            }
            state = self.lock();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<P, T, P::Output>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the policy back, also when it panics.
struct Returning<'a, 's, P: Policy<T>, T> {
    scope: &'a PolicyScope<'s, P, T>,
    policy: Option<P>,
}

impl<P: Policy<T>, T> Drop for Returning<'_, '_, P, T> {
    fn drop(&mut self) {
        self.scope.state.lock().unwrap_or_else(PoisonError::into_inner).policy = self.policy.take();
    }
}

impl<P: Policy<T>, T> fmt::Debug for PolicyScope<'_, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scope.fmt(f)
    }
}

/// The hook in which the policy finishes.
struct Finish<'s, P: Policy<T>, T> {
    scope: &'s PolicyScope<'s, P, T>,
}

// SAFETY: it starts nothing.
unsafe impl<'s, P, T> Async for Finish<'s, P, T>
where
    P: Policy<T> + 's,
    P::Output: Send + 's,
    T: Send + 's,
{
    type Output = ();

    unsafe fn poll_async(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let policy = self.scope.lock().policy.take();
        if let Some(policy) = policy {
            let output = policy.finish();
            self.scope.lock().output = Some(output);
        }
        Poll::Ready(())
    }
}

pin_project! {
    /// A task of a `PolicyScope`.
    struct Reporting<'s, A, P: Policy<T>, T> {
        #[pin]
        a: Asked<A>,
        scope: &'s PolicyScope<'s, P, T>,
    }
}

// SAFETY: every clause is passed on to `a`, which is pinned inside and polled exactly when this is.
unsafe impl<'s, A, P, T> Async for Reporting<'s, A, P, T>
where
    A: Async<Output = T>,
    P: Policy<T> + 's,
    P::Output: Send + 's,
    T: Send + 's,
{
    type Output = ();

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: promised by the caller for the whole, hence for `a`.
            let polled = unsafe { this.a.poll_async(cx) };
            polled.map(|result| {
                this.scope.report(match result {
                    Ok(output) => Outcome::Done(output),
                    Err(cancelled) => Outcome::Cancelled(cancelled),
                });
            })
        }));
        // Nobody awaits a `TaskRef`: a panic of the task or of the policy is the scope's at once.
        polled.unwrap_or_else(|panic| {
            this.scope.tasks.unobserved_panic(panic);
            Poll::Ready(())
        })
    }
}

/// A task of a [`PolicyScope`], to be asked to finish. Dropping it does nothing.
#[derive(Debug)]
pub struct TaskRef {
    handle: JoinHandle<()>,
}

impl TaskRef {
    /// Asks the task to finish.
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Whether the task is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

/// Every outcome, in the order in which the tasks ended.
#[derive(Debug)]
pub struct Collect<T> {
    outcomes: Vec<Outcome<T>>,
}

impl<T> Collect<T> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { outcomes: Vec::new() }
    }
}

impl<T> Default for Collect<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send> Policy<T> for Collect<T> {
    type Output = Vec<Outcome<T>>;

    fn on_complete(&mut self, task: Outcome<T>) -> Verdict {
        self.outcomes.push(task);
        Verdict::Continue
    }

    fn finish(self) -> Vec<Outcome<T>> {
        self.outcomes
    }
}

/// The first success; the others are asked to finish. Or all the errors.
#[derive(Debug)]
pub struct FirstOk<T, E> {
    first: Option<T>,
    errors: Vec<E>,
}

impl<T, E> FirstOk<T, E> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None, errors: Vec::new() }
    }
}

impl<T, E> Default for FirstOk<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send, E: Send> Policy<Result<T, E>> for FirstOk<T, E> {
    type Output = Result<T, Vec<E>>;

    fn on_complete(&mut self, task: Outcome<Result<T, E>>) -> Verdict {
        match task {
            Outcome::Done(Ok(value)) => {
                self.first.get_or_insert(value);
                Verdict::Cancel(Reason::LostRace)
            }
            Outcome::Done(Err(error)) => {
                self.errors.push(error);
                Verdict::Continue
            }
            Outcome::Cancelled(_) => Verdict::Continue,
        }
    }

    fn finish(self) -> Result<T, Vec<E>> {
        self.first.ok_or(self.errors)
    }
}

/// A number of successes; then the others are asked to finish. What comes late is kept.
#[derive(Debug)]
pub struct Quorum<T, E> {
    wanted: usize,
    ok: Vec<T>,
    late: Vec<T>,
    errors: Vec<E>,
}

impl<T, E> Quorum<T, E> {
    /// `wanted` successes are enough.
    #[must_use]
    pub const fn of(wanted: usize) -> Self {
        Self { wanted, ok: Vec::new(), late: Vec::new(), errors: Vec::new() }
    }
}

/// What a [`Quorum`] yields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuorumOutcome<T, E> {
    /// The successes that made the quorum, or fewer if it was not reached.
    pub ok: Vec<T>,
    /// Successes that came after it.
    pub late: Vec<T>,
    /// Errors, whenever they came.
    pub errors: Vec<E>,
    /// Whether there were as many successes as wanted.
    pub reached: bool,
}

impl<T: Send, E: Send> Policy<Result<T, E>> for Quorum<T, E> {
    type Output = QuorumOutcome<T, E>;

    fn on_complete(&mut self, task: Outcome<Result<T, E>>) -> Verdict {
        match task {
            Outcome::Done(Ok(value)) if self.ok.len() < self.wanted => self.ok.push(value),
            Outcome::Done(Ok(value)) => self.late.push(value),
            Outcome::Done(Err(error)) => self.errors.push(error),
            Outcome::Cancelled(_) => {}
        }
        if self.ok.len() >= self.wanted { Verdict::Cancel(Reason::LostRace) } else { Verdict::Continue }
    }

    fn finish(self) -> QuorumOutcome<T, E> {
        let reached = self.ok.len() >= self.wanted;
        QuorumOutcome { ok: self.ok, late: self.late, errors: self.errors, reached }
    }
}
