//! The children of the product tests: how each behaves, the probe that behaves so, and what it records.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
};

use async_trait_core::{Async, Context, Reason};

/// How a child behaves. *Now* is at its first poll, *later* when the test wakes it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Child {
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

pub const ALL: [Child; 15] = [
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
    pub fn drop_panics(self) -> bool {
        matches!(self, DropPanicNow | DropPanicLater | PlainDropPanic)
    }

    pub fn waits_for_test(self) -> bool {
        matches!(self, OkLater | ErrLater | PanicLater | DropPanicLater | Plain | PlainDropPanic)
    }

    pub fn is_plain(self) -> bool {
        matches!(self, Plain | PlainDropPanic)
    }
}

/// What the test, the children and the model know of one child.
#[derive(Clone, Default)]
pub struct State {
    pub polls: u32,
    /// Polls since it was asked, this one included.
    pub asked: u32,
    pub go: bool,
    pub started: bool,
    pub complete: bool,
}

pub enum Step {
    Pending { wakes: bool },
    Done(bool),
    Panic,
}

/// One poll of a child; the only thing that the children of the test and of the model share.
pub fn step(child: Child, state: &mut State, asked: bool) -> Step {
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

pub fn may_be_dropped(child: Child, state: &State) -> bool {
    child.is_plain() || (child == BecomesSafe && state.asked > 0)
}

#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    Child(usize),
    Output(usize),
}

/// What one run leaves behind.
#[derive(Default)]
pub struct World {
    pub kinds: Vec<Child>,
    pub states: RefCell<Vec<State>>,
    pub wakers: RefCell<Vec<Option<Waker>>>,
    pub drops: RefCell<Vec<Event>>,
    pub breaches: RefCell<Vec<String>>,
    /// Whether destructors of outputs panic; not any more when the test drops them.
    pub output_panics: Cell<bool>,
}

pub struct Probe(pub usize, pub Rc<World>);
pub struct Output(pub usize, pub Rc<World>);

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
