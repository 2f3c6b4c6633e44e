//! `ScopeFuture`: runs a scope's body, waits for its tasks, runs its hooks, releases what it owns. Here the contract's
//! *completed* and *quiet* are kept for every scope.
//!
//! ```text
//! Fresh -> Body -> Tasks -> (Hook -> Tasks)* -> Release* -> Done
//!           ^^^^ a panic anywhere is kept, cancels the scope, and goes on when it is Done
//! ```
//!
//! Foreign code (the body, hooks, wakers, destructors) runs only inside `catch_unwind`: no panic leaves before the scope is
//! quiet. Where there is nobody left to wake us (the waker cannot be cloned, or this future is dropped with live tasks, a
//! breach of *completed*), `finish_here` blocks the thread until the scope is quiet.

use std::{
    any::Any,
    io::{self, Write as _},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    process,
    sync::{Arc, atomic::Ordering, mpsc},
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use async_trait_core::{Async, BoxAsync, Context, Reason, poll_fn};
use pin_project_lite::pin_project;
use runtime_glue::{
    AmbientDeadline, Runtime, RuntimeHandle, TimerKey,
    task::{Alive, Inherited, ParentScope},
};

use crate::{
    Scope, stuck,
    tree::{Children, Listed},
};

type Payload = Box<dyn Any + Send>;

/// How long `finish_here` waits for tasks that make no progress because their only thread is the blocked one.
const PATIENCE: Duration = Duration::from_secs(60);

pin_project! {
    /// The computation of a scope with body `B`. Made by the scope macros only.
    #[doc(hidden)]
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct ScopeFuture<'s, B>
    where
        B: Async,
    {
        scope: &'s Scope<'s>,
        #[pin]
        body: Option<B>,
        run: Run<B::Output>,
    }

    impl<B> PinnedDrop for ScopeFuture<'_, B>
    where
        B: Async,
    {
        fn drop(mut this: Pin<&mut Self>) {
            if !matches!(this.run.phase, Phase::Fresh | Phase::Done) {
                this.as_mut().finish_here();
                // There is nobody to go on with it; the panic hook has printed it.
                discard(this.project().run.panic.take());
            }
        }
    }
}

/// What is not pinned.
struct Run<T> {
    phase: Phase,
    output: Option<T>,
    panic: Option<Payload>,
    /// For the scope's deadline.
    alarm: Option<Alarm>,
    /// For the report of stuck tasks.
    watch: Option<Alarm>,
    /// False once the runtime's timers have panicked.
    has_timers: bool,
    /// The entry in the parent's list of scopes.
    listed: Option<Listed>,
}

enum Phase {
    Fresh,
    Body,
    Tasks,
    Hook(BoxAsync<'static, ()>),
    Release(BoxAsync<'static, ()>),
    Done,
}

impl<'s, B: Async> ScopeFuture<'s, B> {
    /// # Safety
    /// `scope` lies pinned in the frame that also holds this future, is not used by another one, and `&'s Scope` was given only
    /// to `body`. Only the macros of this crate call it.
    pub unsafe fn new(scope: &'s Scope<'s>, body: B) -> Self {
        Self {
            scope,
            body: Some(body),
            run: Run {
                phase: Phase::Fresh,
                output: None,
                panic: None,
                alarm: None,
                watch: None,
                has_timers: true,
                listed: None,
            },
        }
    }

    /// One round: as far as it goes without waiting. `Ready` when the scope is quiet. A panic of foreign code unwinds out of
    /// here with the phase as it was; `step_contained` goes on.
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let scope: &'s Scope<'s> = this.scope;
        let tasks = &scope.tasks;
        if let Phase::Fresh = this.run.phase {
            let ambient = scope.options.runtime.clone().unwrap_or_else(|| RuntimeHandle::of(cx));
            let scheduler = match &scope.local {
                None => ambient.clone(),
                Some(queue) => RuntimeHandle::from_arc(Arc::clone(queue) as Arc<dyn Runtime>),
            };
            tasks.set_runtime(scheduler, ambient);
            let deadline = match scope.deadline() {
                Some((at, _)) => Some(AmbientDeadline::within(at, cx)),
                None => AmbientDeadline::of(cx).map(AmbientDeadline::at),
            };
            let children = scope.options.name.as_ref().map(|_| Arc::<Children>::default());
            this.run.listed = children.as_ref().and_then(|_| Listed::below_parent(scope, cx));
            scope.set_children(children.as_ref());
            let parent = children.map(|children| ParentScope(children));
            if deadline.is_some() || parent.is_some() {
                tasks.set_inherited(Inherited { deadline, parent });
            }
            this.run.phase = Phase::Body;
        }
        if let Some(reason) = cx.cancel_reason() {
            tasks.cancel_contained(reason);
        } else if let Some(reason) = cx.stop_reason() {
            tasks.stop_contained(reason);
        }
        tasks.register_parent(cx.waker());
        if let Some(queue) = &scope.local {
            queue.register_parent(cx.waker());
        }
        let (alarm, watch) = (&mut this.run.alarm, &mut this.run.watch);
        let timers = AssertUnwindSafe(|| {
            poll_deadline(scope, alarm, cx.waker());
            poll_watch(scope, watch, cx.waker());
        });
        if this.run.has_timers
            && let Err(panic) = catch_unwind(timers)
        {
            // They get no second chance to keep the scope from ending.
            this.run.has_timers = false;
            tasks.unobserved_panic(panic);
        }
        loop {
            match &mut this.run.phase {
                Phase::Fresh => unreachable!("left above"),
                Phase::Body => {
                    let body = this.body.as_mut().as_pin_mut().expect("the body is there in its phase");
                    let mut cx = cx.with_value(tasks.ambient());
                    let mut cx = cx.with_cancel(tasks.flag());
                    let poll = |cx: &mut Context<'_>| {
                        // SAFETY: *completed*: the body is polled until it is complete, by the polls of this future or
                        // `finish_here`. *retired*: it is dropped below when it is.
                        unsafe { body.poll_async(cx) }
                    };
                    let polled = catch_unwind(AssertUnwindSafe(|| tasks.with_inherited(&mut cx, poll)));
                    match polled {
                        Ok(Poll::Pending) => {
                            // Whatever they wake in the body has us polled again.
                            scope.run_local();
                            // A plain future is not asked but dropped (*honest*: `is_cancel_safe` is called right before).
                            let body = this.body.as_ref().as_pin_ref().expect("the body is there in its phase");
                            if !(tasks.is_failing() && body.is_cancel_safe()) {
                                return Poll::Pending;
                            }
                        }
                        Ok(Poll::Ready(output)) => this.run.output = Some(output),
                        // Kept with those of the tasks, in the order in which they came.
                        Err(panic) => tasks.unobserved_panic(panic),
                    }
                    this.run.phase = Phase::Tasks;
                    // Its locals, handles among them, go while the body's share still holds the scope.
                    let dropped = catch_unwind(AssertUnwindSafe(|| this.body.set(None)));
                    if let Err(panic) = dropped {
                        tasks.unobserved_panic(panic);
                    }
                    tasks.body_done();
                }
                Phase::Tasks => match tasks.live() {
                    // A task that wakes itself has us polled again: one round of the local ones.
                    alive @ (Alive::Some | Alive::Background)
                        if alive == Alive::Some || scope.ending.load(Ordering::SeqCst) =>
                    {
                        scope.run_local();
                        if matches!(tasks.live(), Alive::Some) || tasks.live() == alive {
                            return Poll::Pending;
                        }
                    }
                    Alive::Some | Alive::Background => {
                        scope.ending.store(true, Ordering::SeqCst);
                        tasks.cancel_background();
                    }
                    Alive::Finishing => {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Alive::None => match scope.pop_hook() {
                        Some(hook) => {
                            scope.ending.store(false, Ordering::SeqCst);
                            // The hook may spawn.
                            tasks.body_again();
                            this.run.phase = Phase::Hook(hook);
                        }
                        None => {
                            if let Some(panic) = tasks.take_panic() {
                                keep_first(&mut this.run.panic, panic);
                            }
                            this.run.phase = match scope.pop_owned() {
                                None => Phase::Done,
                                Some(release) => match catch_unwind(AssertUnwindSafe(release)) {
                                    Ok(release) => Phase::Release(release),
                                    Err(panic) => {
                                        keep_first(&mut this.run.panic, panic);
                                        continue;
                                    }
                                },
                            };
                        }
                    },
                },
                Phase::Hook(hook) => {
                    match poll_hook(hook, scope, cx) {
                        Ok(Poll::Pending) => {
                            // It may wait for a task that it has spawned.
                            scope.run_local();
                            return Poll::Pending;
                        }
                        Ok(Poll::Ready(())) => {}
                        // What it has spawned is asked to finish; the other hooks run.
                        Err(panic) => tasks.unobserved_panic(panic),
                    }
                    let Phase::Hook(hook) = mem::replace(&mut this.run.phase, Phase::Tasks) else { unreachable!() };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(hook))) {
                        tasks.unobserved_panic(panic);
                    }
                    tasks.body_done();
                }
                Phase::Release(release) => {
                    match poll_hook(release, scope, cx) {
                        Ok(Poll::Pending) => return Poll::Pending,
                        Ok(Poll::Ready(())) => {}
                        Err(panic) => keep_first(&mut this.run.panic, panic),
                    }
                    let Phase::Release(release) = mem::replace(&mut this.run.phase, Phase::Tasks) else {
                        unreachable!()
                    };
                    drop_into(&mut this.run.panic, release);
                }
                Phase::Done => return Poll::Ready(()),
            }
        }
    }

    /// A round whose panics of foreign code are kept for the end. `None` if this poll's waker cannot be relied on.
    fn step_contained(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<()>> {
        match catch_unwind(AssertUnwindSafe(|| self.as_mut().step(cx))) {
            Ok(poll) => Some(poll),
            Err(panic) => {
                let this = self.project();
                if let Phase::Fresh = this.run.phase {
                    // There is no runtime, and nothing was started.
                    keep_first(&mut this.run.panic, panic);
                    this.run.phase = Phase::Done;
                    return Some(Poll::Ready(()));
                }
                this.scope.tasks.unobserved_panic(panic);
                None
            }
        }
    }

    /// Destroys the body and, with `destroy_tasks`, what it spawned; then the scope is done. For scopes of plain futures only, all
    /// of which may be destroyed at any time. Panics of destructors go on when everything is gone.
    pub(crate) fn destroy_body(self: Pin<&mut Self>, destroy_tasks: impl FnOnce()) {
        let mut this = self.project();
        let mut panic = this.run.panic.take();
        match mem::replace(&mut this.run.phase, Phase::Done) {
            Phase::Fresh | Phase::Done => return,
            Phase::Body | Phase::Hook(_) => {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.body.set(None))) {
                    keep_first(&mut panic, payload);
                }
                this.scope.tasks.body_done();
            }
            Phase::Tasks | Phase::Release(_) => {}
        }
        destroy_tasks();
        if let Some(payload) = this.scope.tasks.take_panic() {
            keep_first(&mut panic, payload);
        }
        if let Some(output) = this.run.output.take() {
            drop_into(&mut panic, output);
        }
        match panic {
            // A second panic during a panic would abort; the panic hook has printed this one.
            Some(panic) if thread::panicking() => discard(panic),
            Some(panic) => resume_unwind(panic),
            None => {}
        }
    }

    /// Blocks this thread until the scope is quiet. Does not unwind.
    fn finish_here(mut self: Pin<&mut Self>) {
        let scope = self.scope;
        // What is scheduled from now on must not wait for the executor whose thread this may be. The body is asked, too.
        scope.tasks.rescue_all();
        scope.tasks.cancel_contained(Reason::Shutdown);
        thread::scope(|threads| {
            let (end, ended) = mpsc::channel::<()>();
            // Without it there is only nobody to tell.
            let _ = thread::Builder::new().spawn_scoped(threads, move || watch_for_the_end(scope, &ended));
            // SAFETY: *inert*, and *quiet*, since it is ready when the scope is.
            let quiet = unsafe {
                poll_fn(|cx| {
                    self.as_mut().step_contained(cx).unwrap_or_else(|| {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    })
                })
            };
            // As a `block_on` inside a task it helps the rescue, and a runtime that knows how to do without this thread, does.
            let driven = catch_unwind(AssertUnwindSafe(|| scope.runtime().block_on(quiet)));
            if let Err(panic) = driven {
                // `Runtime::drive` has panicked; `block_on` has gone on without it.
                keep_first(&mut self.as_mut().project().run.panic, panic);
            }
            drop(end);
        });
    }
}

/// Ends the process if the scope does not end in time.
fn watch_for_the_end(scope: &Scope<'_>, ended: &mpsc::Receiver<()>) {
    if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        // Not `eprintln!`, which panics where standard error is gone.
        let _ = writeln!(
            io::stderr(),
            "async-scope: the future of a scope was dropped while its tasks were alive, which breaks the clause *completed* of \
             `Async`, and they did not end within {PATIENCE:?}; aborting\n{}",
            scope.tree()
        );
        process::abort();
    }
}

// SAFETY: *inert*: nothing is spawned before the first poll, since only the body has the scope. *quiet*: `Ready`, and the
// panic, come in phase `Done`: body, tasks, hooks and owned values are gone then, by `TaskSet::live`; until then every piece of
// foreign code is run under `catch_unwind`. *honest*: never cancel-safe. *last touch* is `Count`'s.
unsafe impl<B: Async> Async for ScopeFuture<'_, B> {
    type Output = B::Output;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        match self.as_mut().step_contained(cx) {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(())) => {}
            None => self.as_mut().finish_here(),
        }
        let run = self.project().run;
        match run.panic.take() {
            None => Poll::Ready(run.output.take().expect("the body has returned, or panicked")),
            Some(panic) => {
                if let Some(output) = run.output.take() {
                    discard(output);
                }
                resume_unwind(panic)
            }
        }
    }
}

/// Polls a hook, or a release, not asked to finish. A panic completes it.
fn poll_hook(hook: &mut BoxAsync<'static, ()>, scope: &Scope<'_>, cx: &mut Context<'_>) -> Result<Poll<()>, Payload> {
    let mut cx = cx.shielded();
    let mut cx = cx.with_value(scope.tasks.ambient());
    // SAFETY: *completed* and *retired*: the hook is kept in its phase, polled until it is complete, and dropped then.
    catch_unwind(AssertUnwindSafe(|| unsafe { Pin::new(hook).poll_async(&mut cx) }))
}

/// A timer of the scope's runtime.
struct Alarm {
    at: Instant,
    waker: Waker,
    runtime: RuntimeHandle,
    key: Option<TimerKey>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.runtime.cancel_sleep(key);
        }
    }
}

/// Asks the scope to finish when its deadline has come; else sets the timer.
fn poll_deadline(scope: &Scope<'_>, alarm: &mut Option<Alarm>, waker: &Waker) {
    let Some((at, reason)) = scope.deadline() else { return };
    if scope.is_cancelled() {
        return;
    }
    if scope.runtime().now() >= at {
        *alarm = None;
        scope.tasks.cancel_contained(reason);
    } else {
        set_alarm(scope, alarm, at, waker);
    }
}

/// Reports tasks that were asked to finish and do not notice; sets the timer for the next.
fn poll_watch(scope: &Scope<'_>, watch: &mut Option<Alarm>, waker: &Waker) {
    match stuck::look(scope) {
        Some(at) => set_alarm(scope, watch, at, waker),
        None => *watch = None,
    }
}

fn set_alarm(scope: &Scope<'_>, alarm: &mut Option<Alarm>, at: Instant, waker: &Waker) {
    if !alarm.as_ref().is_some_and(|alarm| alarm.at == at && alarm.waker.will_wake(waker)) {
        *alarm = None;
        let runtime = scope.runtime().clone();
        let key = Some(runtime.sleep_until(at, waker));
        *alarm = Some(Alarm { at, waker: waker.clone(), runtime, key });
    }
}

/// Keeps a panic if it is the first; the panic hook has printed it otherwise.
fn keep_first(first: &mut Option<Payload>, panic: Payload) {
    match first {
        None => *first = Some(panic),
        Some(_) => discard(panic),
    }
}

/// Drops a value; a panic of its destructor is kept if it is the first.
fn drop_into<T>(first: &mut Option<Payload>, value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        keep_first(first, panic);
    }
}

/// Drops a value where nobody is left to be told of a panic of its destructor. The payload of such a panic is leaked: its own
/// destructor might panic, and so on.
fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        mem::forget(panic);
    }
}
