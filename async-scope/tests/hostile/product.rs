//! Every combination of: what kind of task, when it is asked, where it panics, what becomes of its handle, how it is woken. By
//! hand, on one thread, so that each is one schedule.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use async_scope::{JoinError, JoinHandle, ScopeOptions, async_block, scope};
use async_trait_core::{Async, CancelFlag, Reason};

use crate::{
    kit::{Hand, Held, Lent, OnDrop, on_drop, outcome, raise},
    worlds::Faulty,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// An async block: asked, never dropped.
    Block,
    /// A plain future: dropped when it is asked.
    Plain,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    Never,
    BeforeItRuns,
    DuringItsPoll,
    WhileItIsPending,
    AfterItsEnd,
    /// The scope is, before it runs.
    Scope,
    /// The scope is, while it is pending.
    ScopeLater,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Panics {
    Never,
    InItsFirstPoll,
    InItsLastPoll,
    InItsDestructor,
    InItsOutputsDestructor,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Handle {
    Awaited,
    DroppedBeforeItRuns,
    DroppedDuringItsPoll,
    DroppedWhileItIsPending,
    /// With a waker inside.
    PolledAndDroppedWhileItIsPending,
    DroppedAfterItsEnd,
    PolledAndDroppedAfterItsEnd,
    /// Dropped when the scope has ended.
    Kept,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wakes {
    /// It is ready in its first poll.
    Never,
    InItsPoll,
    ByReference,
    ByValue,
    /// From one clone of many, which are dropped or woken when the scope has ended.
    ByOneOfMany,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    ask: Ask,
    panics: Panics,
    handle: Handle,
    wakes: Wakes,
}

fn cases() -> Vec<Case> {
    use {Ask::*, Handle::*, Kind::*, Panics::*, Wakes::*};
    let mut cases = Vec::new();
    for kind in [Block, Plain] {
        for ask in [Ask::Never, BeforeItRuns, DuringItsPoll, WhileItIsPending, AfterItsEnd, Scope, ScopeLater] {
            for panics in [Panics::Never, InItsFirstPoll, InItsLastPoll, InItsDestructor, InItsOutputsDestructor] {
                for handle in [
                    Awaited,
                    DroppedBeforeItRuns,
                    DroppedDuringItsPoll,
                    DroppedWhileItIsPending,
                    PolledAndDroppedWhileItIsPending,
                    DroppedAfterItsEnd,
                    PolledAndDroppedAfterItsEnd,
                    Kept,
                ] {
                    for wakes in [Wakes::Never, InItsPoll, ByReference, ByValue, ByOneOfMany] {
                        cases.push(Case { kind, ask, panics, handle, wakes });
                    }
                }
            }
        }
    }
    cases
}

/// What happened, to be compared with what should have.
#[derive(Default)]
struct Log {
    polls: AtomicUsize,
    futures_dropped: AtomicUsize,
    outputs_made: AtomicUsize,
    outputs_dropped: AtomicUsize,
    panics: AtomicUsize,
    /// Panics that came out of what the test itself did: dropping a handle, say.
    caught: AtomicUsize,
}

impl Log {
    fn raise(&self, text: &'static str) -> ! {
        self.panics.fetch_add(1, SeqCst);
        raise(text)
    }

    fn catch(&self, f: impl FnOnce()) {
        if outcome(f).is_err() {
            self.caught.fetch_add(1, SeqCst);
        }
    }
}

/// The task's output.
struct Output<'a> {
    log: &'a Log,
    lent: &'a Lent,
    raises: bool,
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        self.lent.look();
        assert_eq!(self.log.futures_dropped.load(SeqCst), 1, "the future goes before its output");
        self.log.outputs_dropped.fetch_add(1, SeqCst);
        if self.raises {
            self.log.raise("output");
        }
    }
}

/// What is shared by the task and the test.
struct Stage<'a, 'o> {
    case: Case,
    log: &'o Log,
    lent: &'o Lent,
    handle: &'a Mutex<Option<JoinHandle<Output<'o>>>>,
    wakers: &'a Mutex<Vec<Waker>>,
}

impl Stage<'_, '_> {
    fn cancel(&self) {
        let handle = self.handle.lock().unwrap();
        if let Some(handle) = &*handle {
            handle.cancel();
        }
    }

    fn drop_handle(&self) {
        let handle = self.handle.lock().unwrap().take();
        self.log.catch(|| drop(handle));
    }
}

/// The task's future: pending once, unless it is never woken.
struct Machine<'a, 'o, F: FnOnce()> {
    stage: &'a Stage<'a, 'o>,
    held: Option<Held<'o>>,
    over: bool,
    _dropped: OnDrop<F>,
}

impl<F: FnOnce()> Unpin for Machine<'_, '_, F> {}

impl<'o, F: FnOnce()> Future for Machine<'_, 'o, F> {
    type Output = Output<'o>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output<'o>> {
        let Stage { case, log, lent, .. } = *self.stage;
        assert!(!self.over, "polled after its end");
        let first = log.polls.fetch_add(1, SeqCst) == 0;
        if first {
            self.held = Some(lent.hold());
            if case.ask == Ask::DuringItsPoll {
                self.stage.cancel();
            }
            if case.handle == Handle::DroppedDuringItsPoll {
                self.stage.drop_handle();
            }
            if case.panics == Panics::InItsFirstPoll {
                self.over = true;
                log.raise("first poll");
            }
            if case.wakes != Wakes::Never {
                let clones = if case.wakes == Wakes::ByOneOfMany { 5 } else { 1 };
                self.stage.wakers.lock().unwrap().extend((0..clones).map(|_| cx.waker().clone()));
                if case.wakes == Wakes::InItsPoll {
                    cx.waker().wake_by_ref();
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        self.over = true;
        if case.panics == Panics::InItsLastPoll {
            log.raise("last poll");
        }
        log.outputs_made.fetch_add(1, SeqCst);
        Poll::Ready(Output { log, lent, raises: case.panics == Panics::InItsOutputsDestructor })
    }
}

fn machine<'a, 'o>(stage: &'a Stage<'a, 'o>) -> Machine<'a, 'o, impl FnOnce() + Send + 'o> {
    let Stage { case, log, lent, .. } = *stage;
    let dropped = on_drop(move || {
        lent.look();
        log.futures_dropped.fetch_add(1, SeqCst);
        if case.panics == Panics::InItsDestructor && !std::thread::panicking() {
            log.raise("future");
        }
    });
    Machine { stage, held: None, over: false, _dropped: dropped }
}

fn run(case: Case) {
    let runtime = Faulty::by_hand();
    let (log, lent, handle, wakers) = (Log::default(), Lent::new(), Mutex::new(None), Mutex::new(Vec::new()));
    let (flag, gate, yielded) = (CancelFlag::new(), AtomicBool::new(false), Mutex::new(None));
    let stage = Stage { case, log: &log, lent: &lent, handle: &handle, wakers: &wakers };
    let (task, open, slot) = (&stage, &gate, &yielded);
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let handle = match case.kind {
            Kind::Block => {
                let mut machine = Box::pin(machine(task));
                // One by one, since rustc leaks the value of an `.await` whose future panics when it goes (rust-lang/rust#47949).
                s.spawn(async_block! { move
                    let output = machine.as_mut().await;
                    drop(machine);
                    output
                })
            }
            Kind::Plain => s.spawn(machine(task)),
        };
        *task.handle.lock().unwrap() = Some(handle);
        std::future::poll_fn(|_| if open.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }).await;
        let handle = task.handle.lock().unwrap().take();
        match (case.handle, handle) {
            (Handle::Awaited, Some(handle)) => {
                let joined = handle.await;
                *slot.lock().unwrap() = Some(match joined {
                    Ok(output) => {
                        task.log.catch(|| drop(output));
                        Ok(())
                    }
                    Err(error) => Err(error),
                });
            }
            (_, handle) => *task.handle.lock().unwrap() = handle,
        }
    }));

    // Spawned.
    assert!(hand.poll_under(&flag).is_pending());
    match case.ask {
        Ask::BeforeItRuns => stage.cancel(),
        Ask::Scope => {
            flag.request(Reason::Requested);
            assert!(hand.poll_under(&flag).is_pending());
        }
        _ => {}
    }
    if case.handle == Handle::DroppedBeforeItRuns {
        stage.drop_handle();
    }

    // Polled once.
    assert!(runtime.turn());
    if let Handle::PolledAndDroppedWhileItIsPending | Handle::PolledAndDroppedAfterItsEnd = case.handle {
        let mut handle = handle.lock().unwrap();
        if let Some(handle) = handle.as_mut().filter(|handle| !handle.is_finished()) {
            let mut cx = async_trait_core::Context::from_waker(Waker::noop());
            // SAFETY: *completed*: a handle that is dropped lets go of its output, no more. *retired*: it is not complete.
            let poll = unsafe { Pin::new(handle).poll_async(&mut cx) };
            assert!(poll.is_pending());
        }
    }
    match case.ask {
        Ask::WhileItIsPending => stage.cancel(),
        Ask::ScopeLater => {
            flag.request(Reason::Requested);
            assert!(hand.poll_under(&flag).is_pending());
        }
        _ => {}
    }
    if let Handle::DroppedWhileItIsPending | Handle::PolledAndDroppedWhileItIsPending = case.handle {
        stage.drop_handle();
    }

    // Woken, unless it has been.
    let waker = wakers.lock().unwrap().pop();
    if let Some(waker) = waker {
        match case.wakes {
            Wakes::ByReference => waker.wake_by_ref(),
            _ => waker.wake(),
        }
    }
    runtime.settle();
    assert_eq!(log.futures_dropped.load(SeqCst), 1, "{case:?}: ended, and its future destroyed once");
    if case.ask == Ask::AfterItsEnd {
        stage.cancel();
    }
    if let Handle::DroppedAfterItsEnd | Handle::PolledAndDroppedAfterItsEnd = case.handle {
        stage.drop_handle();
    }
    assert_eq!(runtime.len(), 0, "{case:?}: a task that has ended is not scheduled");

    // The scope ends.
    gate.store(true, SeqCst);
    let result = outcome(|| hand.poll_under(&flag));
    assert!(!matches!(result, Ok(Poll::Pending)), "{case:?}: nothing is left to wait for");
    drop(hand);
    assert_eq!(lent.held(), 0, "{case:?}");

    // What outlives it.
    for waker in wakers.lock().unwrap().drain(..) {
        waker.wake_by_ref();
        drop(waker.clone());
        waker.wake();
    }
    assert_eq!(runtime.len(), 0);
    stage.drop_handle();

    let yielded = yielded.lock().unwrap().take();
    let observed = usize::from(matches!(yielded, Some(Err(JoinError::Panicked(_)))));
    let (raised, caught) = (log.panics.load(SeqCst), log.caught.load(SeqCst));
    assert_eq!(
        result.is_err(),
        raised > caught + observed,
        "{case:?}: {raised} raised, {caught} caught, {observed} observed"
    );
    assert_eq!(log.outputs_made.load(SeqCst), log.outputs_dropped.load(SeqCst), "{case:?}: outputs");
    let asked = !matches!(case.ask, Ask::Never | Ask::AfterItsEnd);
    match (&yielded, case.kind) {
        // Nothing that was asked for politely is lost.
        (Some(Ok(())), _) | (Some(Err(JoinError::Panicked(_))), _) => {}
        (Some(Err(JoinError::Cancelled(_))), Kind::Plain) => assert!(asked, "{case:?}"),
        (Some(Err(JoinError::Cancelled(_))), Kind::Block) => panic!("{case:?}: a block was dropped"),
        // A scope that was asked for another's panic never gets to its await.
        (None, _) => assert!(case.handle != Handle::Awaited || result.is_err(), "{case:?}"),
    }
    if case.panics == Panics::Never {
        assert!(result.is_ok() && raised == 0);
        if case.kind == Kind::Block || !asked {
            assert_eq!(log.outputs_made.load(SeqCst), 1, "{case:?}: it came to its end");
        }
    }
}

#[test]
fn every_combination_of_kind_request_panic_handle_and_wake() {
    let cases = cases();
    assert_eq!(cases.len(), 2 * 7 * 5 * 8 * 5);
    for case in cases {
        run(case);
    }
}
