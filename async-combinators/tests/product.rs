//! Every outcome of three children x every operation x every shape, by enumeration, against a model.
//!
//! The model restates the documented semantics in plain code: what is returned, which panic goes on, and in which order
//! children and outputs are dropped. Beside that every child checks its own treatment: started means completed unless it
//! was cancel-safe at the drop, and nothing fresh is started in order to be asked.
#![cfg(feature = "std")]

use std::{
    cell::{Cell, RefCell},
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process::{Command, Stdio},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
};

use async_combinators::{OneOf3, Selected, join, race, race_ok, select, try_join};
use async_trait_core::{Async, CancelFlag, Context, Reason};

/// How a child behaves. *Now* is at its first poll, *later* when the test wakes it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Child {
    OkNow,
    OkLater,
    ErrNow,
    ErrLater,
    PanicNow,
    PanicLater,
    /// Its destructor panics, whenever it runs.
    DropPanicNow,
    DropPanicLater,
    /// The destructor of its output panics.
    OutputPanic,
    /// Pending once, and woken by itself.
    WakesItself,
    /// Pending until it is asked, then once more, then ready.
    WhenAsked,
    PanicWhenAsked,
    /// Cancel-safe, as a plain future is.
    Plain,
    PlainDropPanic,
    /// Pending for ever, and cancel-safe from the poll on in which it is asked.
    BecomesSafe,
}

use Child::*;

const ALL: [Child; 15] = [
    OkNow,
    OkLater,
    ErrNow,
    ErrLater,
    PanicNow,
    PanicLater,
    DropPanicNow,
    DropPanicLater,
    OutputPanic,
    WakesItself,
    WhenAsked,
    PanicWhenAsked,
    Plain,
    PlainDropPanic,
    BecomesSafe,
];

impl Child {
    fn drop_panics(self) -> bool {
        matches!(self, DropPanicNow | DropPanicLater | PlainDropPanic)
    }

    fn waits_for_test(self) -> bool {
        matches!(self, OkLater | ErrLater | PanicLater | DropPanicLater | Plain | PlainDropPanic)
    }

    fn is_plain(self) -> bool {
        matches!(self, Plain | PlainDropPanic)
    }
}

/// What the test, the children and the model know of one child.
#[derive(Clone, Default)]
struct State {
    polls: u32,
    /// Polls since it was asked, this one included.
    asked: u32,
    go: bool,
    started: bool,
    complete: bool,
}

enum Step {
    Pending { wakes: bool },
    Done(bool),
    Panic,
}

/// One poll of a child; the only thing that the children of the test and of the model share.
fn step(child: Child, state: &mut State, asked: bool) -> Step {
    state.polls += 1;
    state.asked += u32::from(asked);
    let later = |step: Step| if state.go { step } else { Step::Pending { wakes: false } };
    let done = match child {
        OkNow | DropPanicNow | OutputPanic => Step::Done(true),
        ErrNow => Step::Done(false),
        PanicNow => Step::Panic,
        OkLater | DropPanicLater | Plain | PlainDropPanic => later(Step::Done(true)),
        ErrLater => later(Step::Done(false)),
        PanicLater => later(Step::Panic),
        WakesItself if state.polls == 1 => Step::Pending { wakes: true },
        WakesItself => Step::Done(true),
        WhenAsked | PanicWhenAsked if state.asked == 0 => Step::Pending { wakes: false },
        PanicWhenAsked => Step::Panic,
        WhenAsked if state.asked == 1 => Step::Pending { wakes: true },
        WhenAsked => Step::Done(true),
        BecomesSafe => Step::Pending { wakes: false },
    };
    // A child that waits for the test answers a request at once: that is what an operation that is asked does.
    match done {
        Step::Pending { .. } if asked && child.waits_for_test() && !child.is_plain() => match child {
            ErrLater => Step::Done(false),
            PanicLater => Step::Panic,
            _ => Step::Done(true),
        },
        step => step,
    }
}

fn may_be_dropped(child: Child, state: &State) -> bool {
    child.is_plain() || (child == BecomesSafe && state.asked > 0)
}

#[derive(Clone, PartialEq, Debug)]
enum Event {
    Child(usize),
    Output(usize),
}

/// What one run leaves behind.
#[derive(Default)]
struct World {
    kinds: Vec<Child>,
    states: RefCell<Vec<State>>,
    wakers: RefCell<Vec<Option<Waker>>>,
    drops: RefCell<Vec<Event>>,
    breaches: RefCell<Vec<String>>,
    /// Whether destructors of outputs panic; not any more when the test drops them.
    output_panics: Cell<bool>,
}

struct Probe(usize, Rc<World>);
struct Output(usize, Rc<World>);

// SAFETY: nothing is lent to anybody; *honest* is part of what is tested, and nothing unsound follows from it here.
unsafe impl Async for Probe {
    type Output = Result<Output, Output>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self(index, world) = &*self;
        let asked = cx.is_cancelled();
        let mut state = world.states.borrow_mut()[*index].clone();
        if state.complete {
            world.breaches.borrow_mut().push(format!("{index} was polled when complete"));
        }
        if !state.started && matches!(cx.cancel_reason(), Some(Reason::LostRace | Reason::SiblingFailed)) {
            world.breaches.borrow_mut().push(format!("{index} was started in order to be asked"));
        }
        let step = step(world.kinds[*index], &mut state, asked);
        state.started = true;
        state.complete = !matches!(step, Step::Pending { .. });
        world.states.borrow_mut()[*index] = state;
        match step {
            Step::Done(true) => Poll::Ready(Ok(Output(*index, world.clone()))),
            Step::Done(false) => Poll::Ready(Err(Output(*index, world.clone()))),
            Step::Panic => panic!("poll {index}"),
            Step::Pending { wakes } => {
                world.wakers.borrow_mut()[*index] = Some(cx.waker().clone());
                if wakes {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }

    fn is_cancel_safe(&self) -> bool {
        may_be_dropped(self.1.kinds[self.0], &self.1.states.borrow()[self.0])
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let Self(index, world) = self;
        world.drops.borrow_mut().push(Event::Child(*index));
        let state = world.states.borrow()[*index].clone();
        if state.started && !state.complete && !may_be_dropped(world.kinds[*index], &state) {
            world.breaches.borrow_mut().push(format!("{index} was dropped unfinished"));
        }
        if world.kinds[*index].drop_panics() {
            panic!("drop {index}");
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let Self(index, world) = self;
        if world.output_panics.get() {
            world.drops.borrow_mut().push(Event::Output(*index));
            if world.kinds[*index] == OutputPanic {
                panic!("output {index}");
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Op {
    Join,
    TryJoin,
    Race,
    RaceOk,
    Select,
}

/// What came out: a panic, nothing yet although all was tried, or outputs in a form common to all operations.
#[derive(Clone, PartialEq, Debug)]
enum Outcome {
    Panic(String),
    Stuck,
    /// Whether the operation succeeded, who decided, and which outputs were handed back.
    Output {
        ok: bool,
        first: Option<usize>,
        handed_back: Vec<(usize, bool)>,
    },
}

/// The documented semantics.
fn model(kinds: &[Child], op: Op) -> (Outcome, Vec<Event>) {
    let n = kinds.len();
    let mut m = Model {
        kinds,
        op,
        states: vec![State::default(); n],
        live: vec![true; n],
        outputs: vec![None; n],
        drops: vec![],
        panic: None,
        first: None,
        finishing: false,
        outer: false,
    };
    m.round(true);
    loop {
        if m.live.iter().all(|live| !live) {
            return m.complete();
        }
        // `WakesItself` and `WhenAsked` woke their task: another round. Then the test wakes the next one that waits for it.
        if m.states.iter().zip(kinds).zip(&m.live).any(|((s, k), live)| *live && woke(*k, s)) {
            m.round(false);
        } else if let Some(index) = (0..n).find(|&i| m.live[i] && kinds[i].waits_for_test() && !m.states[i].go) {
            m.states[index].go = true;
            m.round(false);
        } else if !m.outer {
            m.outer = true;
            m.round(false);
        } else {
            return (Outcome::Stuck, m.drops);
        }
    }
}

fn woke(child: Child, state: &State) -> bool {
    match child {
        WakesItself => state.polls == 1,
        WhenAsked => state.asked == 1,
        _ => false,
    }
}

struct Model<'a> {
    kinds: &'a [Child],
    op: Op,
    states: Vec<State>,
    live: Vec<bool>,
    outputs: Vec<Option<bool>>,
    drops: Vec<Event>,
    panic: Option<String>,
    first: Option<usize>,
    finishing: bool,
    outer: bool,
}

impl Model<'_> {
    fn note(&mut self, panic: String) {
        self.panic.get_or_insert(panic);
    }

    /// Whether the destructor panicked.
    fn drop_child(&mut self, index: usize) -> bool {
        self.live[index] = false;
        self.drops.push(Event::Child(index));
        if self.kinds[index].drop_panics() {
            self.note(format!("drop {index}"));
        }
        self.kinds[index].drop_panics()
    }

    fn drop_output(&mut self, index: usize) {
        if self.outputs[index].take().is_some() {
            self.drops.push(Event::Output(index));
            if self.kinds[index] == OutputPanic {
                self.note(format!("output {index}"));
            }
        }
    }

    fn round(&mut self, first_round: bool) {
        if !self.finishing {
            let mut fresh_from = usize::MAX;
            for index in 0..self.live.len() {
                if self.live[index] && self.poll(index) {
                    self.finishing = true;
                    fresh_from = if first_round { index + 1 } else { usize::MAX };
                    break;
                }
            }
            if self.finishing {
                self.finish(fresh_from);
            }
        } else {
            self.finish(usize::MAX);
        }
    }

    /// Whether the others are to be ended.
    fn poll(&mut self, index: usize) -> bool {
        match step(self.kinds[index], &mut self.states[index], self.finishing || self.outer) {
            Step::Pending { .. } => false,
            Step::Panic => {
                self.note(format!("poll {index}"));
                self.drop_child(index);
                true
            }
            Step::Done(ok) => {
                self.outputs[index] = Some(ok);
                if self.drop_child(index) {
                    // The panic of the destructor is the panic of the child, whose output goes too.
                    self.drop_output(index);
                    return true;
                }
                let decides = match self.op {
                    Op::Join => false,
                    Op::TryJoin => !ok,
                    Op::Race | Op::Select => true,
                    Op::RaceOk => ok,
                };
                if decides && !self.finishing {
                    self.first = Some(index);
                }
                decides
            }
        }
    }

    fn finish(&mut self, fresh_from: usize) {
        for index in 0..self.live.len() {
            if !self.live[index] {
                continue;
            }
            let safe = |m: &Self| may_be_dropped(m.kinds[index], &m.states[index]);
            if index >= fresh_from || safe(self) {
                self.drop_child(index);
                continue;
            }
            self.poll(index);
            if self.live[index] && safe(self) {
                self.drop_child(index);
            }
        }
    }

    fn complete(mut self) -> (Outcome, Vec<Event>) {
        let n = self.live.len();
        let keeps_late = matches!(self.op, Op::Join | Op::Select);
        if self.panic.is_some() || (!keeps_late && self.first.is_some()) {
            for index in 0..n {
                if Some(index) != self.first || self.panic.is_some() {
                    self.drop_output(index);
                }
            }
            if self.panic.is_some()
                && let Some(first) = self.first
            {
                self.drop_output(first);
            }
        }
        if let Some(panic) = self.panic {
            return (Outcome::Panic(panic), self.drops);
        }
        let handed_back = (0..n).filter_map(|i| Some((i, self.outputs[i]?))).collect();
        let ok = match self.op {
            Op::Join | Op::Select => true,
            Op::TryJoin => self.first.is_none(),
            Op::Race => self.first.and_then(|i| self.outputs[i]).unwrap_or(false),
            Op::RaceOk => self.first.is_some(),
        };
        let first = if self.op == Op::Select { self.first } else { None };
        (Outcome::Output { ok, first, handed_back }, self.drops)
    }
}

/// Counts wakes of the task.
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

type R = Result<Output, Output>;

fn name(r: &R) -> (usize, bool) {
    match r {
        Ok(o) => (o.0, true),
        Err(o) => (o.0, false),
    }
}

/// Drives an operation as the model does; `read` puts its output into the common form and gives the outputs back to be
/// dropped by the test.
fn run<A: Async>(world: &Rc<World>, op: A, read: impl Fn(&A::Output) -> Outcome) -> Outcome {
    let task = Arc::new(Task(AtomicUsize::new(0)));
    let waker = Waker::from(task.clone());
    let outer = CancelFlag::new();
    let mut op = Box::pin(op);
    let mut seen = 0;
    loop {
        let mut cx = Context::from_waker(&waker);
        let mut cx = cx.with_cancel(&outer);
        // SAFETY: *completed*: the box is dropped after `Ready` or unwinding, or it is forgotten with its memory. *retired*: this returns.
        match catch_unwind(AssertUnwindSafe(|| unsafe { op.as_mut().poll_async(&mut cx) })) {
            Err(payload) => {
                world.output_panics.set(false);
                return Outcome::Panic(payload.downcast_ref::<String>().expect("a text").clone());
            }
            Ok(Poll::Ready(output)) => {
                world.output_panics.set(false);
                return read(&output);
            }
            Ok(Poll::Pending) => {}
        }
        let wakes = task.0.load(SeqCst);
        if wakes > seen {
            seen = wakes;
            continue;
        }
        let live = |i: &usize| !world.drops.borrow().contains(&Event::Child(*i));
        let next = (0..world.kinds.len())
            .filter(live)
            .find(|&i| world.kinds[i].waits_for_test() && !world.states.borrow()[i].go);
        if let Some(index) = next {
            world.states.borrow_mut()[index].go = true;
            let waker = world.wakers.borrow_mut()[index].take();
            waker.expect("a pending child has left its waker").wake();
            let wakes = task.0.load(SeqCst);
            assert!(wakes > seen, "the wake of child {index} was lost");
            seen = wakes;
        } else if !outer.is_cancelled() {
            outer.request(Reason::Requested);
        } else {
            // What is left waits for ever: forget it, memory and all.
            world.output_panics.set(false);
            std::mem::forget(op);
            return Outcome::Stuck;
        }
    }
}

fn probes(world: &Rc<World>) -> Vec<Probe> {
    (0..world.kinds.len()).map(|i| Probe(i, world.clone())).collect()
}

fn all(ok: bool, outputs: &[&R]) -> Outcome {
    Outcome::Output { ok, first: None, handed_back: outputs.iter().map(|r| name(r)).collect() }
}

fn plain(ok: bool, outputs: impl IntoIterator<Item = usize>) -> Outcome {
    Outcome::Output { ok, first: None, handed_back: outputs.into_iter().map(|i| (i, ok)).collect() }
}

fn selected(first: (usize, &R), late: &[&Option<R>]) -> Outcome {
    let mut handed_back: Vec<_> = late.iter().filter_map(|r| r.as_ref().map(name)).collect();
    assert!(late[first.0].is_none());
    handed_back.push(name(first.1));
    handed_back.sort();
    Outcome::Output { ok: true, first: Some(first.0), handed_back }
}

fn tuple3(world: &Rc<World>, op: Op) -> Outcome {
    let [a, b, c]: [Probe; 3] = probes(world).try_into().ok().expect("three");
    match op {
        Op::Join => run(world, join((a, b, c)), |(a, b, c)| all(true, &[a, b, c])),
        Op::TryJoin => run(world, try_join((a, b, c)), |r| match r {
            Ok((a, b, c)) => plain(true, [a.0, b.0, c.0]),
            Err(e) => plain(false, [e.0]),
        }),
        Op::Race => run(world, race((a, b, c)), |r| all(r.is_ok(), &[r])),
        Op::RaceOk => run(world, race_ok((a, b, c)), |r| match r {
            Ok(o) => plain(true, [o.0]),
            Err(e) => plain(false, e.iter().map(|o| o.0)),
        }),
        Op::Select => run(world, select((a, b, c)), |Selected { first, late: (a, b, c) }| match first {
            OneOf3::A(r) => selected((0, r), &[a, b, c]),
            OneOf3::B(r) => selected((1, r), &[a, b, c]),
            OneOf3::C(r) => selected((2, r), &[a, b, c]),
        }),
    }
}

fn array<const N: usize>(world: &Rc<World>, op: Op) -> Outcome {
    let children: [Probe; N] = probes(world).try_into().ok().expect("N");
    match op {
        Op::Join => run(world, join(children), |all_of| all(true, &all_of.each_ref())),
        Op::TryJoin => run(world, try_join(children), |r| match r {
            Ok(all_of) => plain(true, all_of.each_ref().map(|o| o.0)),
            Err(e) => plain(false, [e.0]),
        }),
        Op::Race => run(world, race(children), |r| all(r.is_ok(), &[r])),
        Op::RaceOk => run(world, race_ok(children), |r| match r {
            Ok(o) => plain(true, [o.0]),
            Err(e) => plain(false, e.iter().map(|o| o.0)),
        }),
        Op::Select => run(world, select(children), |s| selected((s.first.0, &s.first.1), &s.late.each_ref())),
    }
}

fn vec(world: &Rc<World>, op: Op) -> Outcome {
    let children = probes(world);
    match op {
        Op::Join => run(world, join(children), |all_of| all(true, &all_of.iter().collect::<Vec<_>>())),
        Op::TryJoin => run(world, try_join(children), |r| match r {
            Ok(all_of) => plain(true, all_of.iter().map(|o| o.0)),
            Err(e) => plain(false, [e.0]),
        }),
        Op::Race => run(world, race(children), |r| all(r.is_ok(), &[r])),
        Op::RaceOk => run(world, race_ok(children), |r| match r {
            Ok(o) => plain(true, [o.0]),
            Err(e) => plain(false, e.iter().map(|o| o.0)),
        }),
        Op::Select => {
            run(world, select(children), |s| selected((s.first.0, &s.first.1), &s.late.iter().collect::<Vec<_>>()))
        }
    }
}

fn check(kinds: &[Child], op: Op, shape: &str, make: impl Fn(&Rc<World>, Op) -> Outcome) {
    let n = kinds.len();
    let world = Rc::new(World {
        kinds: kinds.to_vec(),
        states: RefCell::new(vec![State::default(); n]),
        wakers: RefCell::new(vec![None; n]),
        output_panics: Cell::new(true),
        ..World::default()
    });
    let outcome = make(&world, op);
    let drops = world.drops.borrow().clone();
    let case = format!("{op:?} of {shape} {kinds:?}");
    assert_eq!(world.breaches.borrow().as_slice(), [] as [&str; 0], "{case}");
    let (expected, expected_drops) = model(kinds, op);
    assert_eq!(outcome, expected, "{case}");
    assert_eq!(drops, expected_drops, "{case}");
    if outcome != Outcome::Stuck {
        // The wakers that children left must keep nothing alive but themselves.
        assert_eq!(Rc::strong_count(&world), 1, "a child or output leaked: {case}");
        for waker in world.wakers.borrow_mut().drain(..).flatten() {
            waker.wake();
        }
    }
}

/// Runs the enumeration of one operation in a process of its own, since the reports of further panics go to standard
/// error, and counts those.
fn in_child_process(name: &str, op: Op) {
    if env::var_os("PRODUCT_CHILD").is_none() {
        let output = Command::new(env::current_exe().expect("this test's path"))
            .args([name, "--exact", "--nocapture"])
            .env("PRODUCT_CHILD", "1")
            .stdout(Stdio::piped())
            .output()
            .expect("the test runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let rest: Vec<&str> =
            stderr.lines().filter(|l| !l.starts_with("async-combinators: a further panic, not passed on: ")).collect();
        assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), rest.join("\n"));
        assert!(stderr.lines().count() > rest.len(), "further panics are reported");
        return;
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>().map_or("", String::as_str);
        if !["poll ", "drop ", "output "].iter().any(|p| text.starts_with(p)) {
            hook(info);
        }
    }));
    for a in ALL {
        for b in ALL {
            for c in ALL {
                check(&[a, b, c], op, "tuple", tuple3);
                check(&[a, b, c], op, "array", array::<3>);
                check(&[a, b, c], op, "vec", vec);
                // More than are polled all together.
                check(&[a, OkLater, b, WhenAsked, c, OkLater], op, "array", array::<6>);
                check(&[OkLater, a, b, c, WakesItself, WhenAsked], op, "vec", vec);
            }
        }
    }
}

#[test]
fn join_of_everything() {
    in_child_process("join_of_everything", Op::Join);
}

#[test]
fn try_join_of_everything() {
    in_child_process("try_join_of_everything", Op::TryJoin);
}

#[test]
fn race_of_everything() {
    in_child_process("race_of_everything", Op::Race);
}

#[test]
fn race_ok_of_everything() {
    in_child_process("race_ok_of_everything", Op::RaceOk);
}

#[test]
fn select_of_everything() {
    in_child_process("select_of_everything", Op::Select);
}
