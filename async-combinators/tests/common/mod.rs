//! A hand-turned executor for tests: nothing runs that the test does not poll, and wakes are counted.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
};

use async_trait_core::{Async, CancelFlag, Context};

/// A task's waker that counts.
pub struct Task(AtomicUsize);

impl Task {
    pub fn new() -> (Arc<Self>, Waker) {
        let task = Arc::new(Self(AtomicUsize::new(0)));
        (task.clone(), Waker::from(task))
    }

    pub fn wakes(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// One poll, under a flag.
pub fn poll_under<A: Async>(a: &mut Pin<Box<A>>, waker: &Waker, flag: &CancelFlag) -> Poll<A::Output> {
    let mut cx = Context::from_waker(waker);
    let mut cx = cx.with_cancel(flag);
    // SAFETY: *completed*: the tests poll on until it is complete, or what they started lends nothing to anybody. *retired*: they
    // drop it after `Ready`.
    unsafe { a.as_mut().poll_async(&mut cx) }
}

/// One poll.
pub fn poll<A: Async>(a: &mut Pin<Box<A>>, waker: &Waker) -> Poll<A::Output> {
    poll_under(a, waker, &CancelFlag::new())
}

/// What a test and its child share.
#[derive(Default)]
pub struct Gate {
    pub open: Cell<bool>,
    pub polls: Cell<usize>,
    pub asked: Cell<usize>,
    pub waker: Cell<Option<Waker>>,
}

impl Gate {
    pub fn open(&self) {
        self.open.set(true);
        self.waker.take().expect("it was polled").wake();
    }
}

/// A child that is not cancel-safe, ready when its gate is open or when it is asked; `Err` if asked.
pub struct Wait(pub Rc<Gate>);

// SAFETY: nothing is lent to anybody.
unsafe impl Async for Wait {
    type Output = Result<(), ()>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gate = &self.0;
        gate.polls.set(gate.polls.get() + 1);
        if gate.open.get() {
            return Poll::Ready(Ok(()));
        }
        if cx.is_cancelled() {
            gate.asked.set(gate.asked.get() + 1);
            return Poll::Ready(Err(()));
        }
        gate.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

pub fn gates(n: usize) -> (Vec<Rc<Gate>>, Vec<Wait>) {
    let gates: Vec<_> = (0..n).map(|_| Rc::new(Gate::default())).collect();
    let children = gates.iter().cloned().map(Wait).collect();
    (gates, children)
}

pub fn polls(gates: &[Rc<Gate>]) -> usize {
    gates.iter().map(|gate| gate.polls.get()).sum()
}
