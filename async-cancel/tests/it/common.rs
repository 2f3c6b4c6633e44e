//! An executor turned by hand: one value, one flag above it, and a waker that counts.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Wake, Waker},
};

use async_trait_core::{Async, CancelFlag, Context, Reason};

/// Counts how often it was called.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A value that is polled one step at a time, under a flag of its own.
pub struct Hand<A: Async> {
    a: Pin<Box<A>>,
    is_started: bool,
    is_complete: bool,
    pub flag: Arc<CancelFlag>,
    pub wakes: Arc<Wakes>,
}

impl<A: Async> Hand<A> {
    pub fn new(a: A) -> Self {
        Self {
            a: Box::pin(a),
            is_started: false,
            is_complete: false,
            flag: Arc::default(),
            wakes: Arc::new(Wakes::default()),
        }
    }

    /// One poll.
    pub fn poll(&mut self) -> Poll<A::Output> {
        assert!(!self.is_complete, "the test polls a value that is complete");
        self.is_started = true;
        // Should it unwind, it is complete too.
        self.is_complete = true;
        let waker = Waker::from(self.wakes.clone());
        // SAFETY: *completed*: `drop` checks it. *retired*: checked above.
        let polled = unsafe { self.a.as_mut().poll_async(&mut Context::from_waker(&waker).with_cancel(&self.flag)) };
        self.is_complete = polled.is_ready();
        polled
    }

    /// One poll, which must complete it.
    #[track_caller]
    pub fn finish(mut self) -> A::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it is still pending"),
        }
    }

    /// One poll, which must not complete it.
    #[track_caller]
    pub fn step(&mut self) {
        assert!(self.poll().is_pending(), "it is complete already");
    }

    /// Asks from outside.
    pub fn ask(&self) {
        self.flag.request(Reason::Requested);
    }

    pub fn is_cancel_safe(&self) -> bool {
        self.a.is_cancel_safe()
    }
}

impl<A: Async> Drop for Hand<A> {
    fn drop(&mut self) {
        if self.is_started && !self.is_complete && !self.a.is_cancel_safe() {
            eprintln!("the test drops a value that is started and not complete");
            std::process::abort();
        }
    }
}

/// Runs a value to its end on this thread.
pub fn run<A: Async>(a: A) -> A::Output {
    let mut hand = Hand::new(a);
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = hand.poll() {
            return output;
        }
    }
    eprintln!("a value does not come to an end");
    std::process::abort();
}

/// Tells when it is dropped.
pub struct OnDrop(pub Arc<Wakes>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.clone().wake();
    }
}

/// Gives away a counter and something that counts its drop.
pub fn drops() -> (Arc<Wakes>, OnDrop) {
    let count = Arc::new(Wakes::default());
    (count.clone(), OnDrop(count))
}

/// Forgets a value on the heap. A leak checker still finds the way to it.
pub fn forget<T>(value: Box<T>) {
    static FORGOTTEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    FORGOTTEN.lock().unwrap().push(Box::into_raw(value).expose_provenance());
}
