//! Small executors' parts for the tests: an `Async` that is asked at a chosen moment, and one that polls many at once.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use async_io_uring::UringRuntime;
use async_trait_core::{Async, CancelFlag, Cancelled, Context, Reason};
use std::{io, pin::Pin, task::Poll};

/// When an operation is asked to finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    Never,
    /// Before its first poll.
    Fresh,
    /// Between its first poll and the submission.
    Queued,
    /// After the submission.
    InFlight,
}

pub const ASKED: [Moment; 3] = [Moment::Fresh, Moment::Queued, Moment::InFlight];

/// Polls `a`, asks it at `moment`, and calls `also` right after asking.
pub struct Ask<A, F> {
    a: A,
    moment: Moment,
    polled: bool,
    flag: CancelFlag,
    also: F,
}

pub fn ask<A: Async>(moment: Moment, a: A) -> Ask<A, fn()> {
    ask_and(moment, a, || ())
}

pub fn ask_and<A: Async, F: FnMut()>(moment: Moment, a: A, also: F) -> Ask<A, F> {
    Ask { a, moment, polled: false, flag: CancelFlag::new(), also }
}

// SAFETY: passes every clause on to `a`, which is pinned with it.
unsafe impl<A: Async, F: FnMut()> Async for Ask<A, F> {
    type Output = A::Output;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        // SAFETY: only `a` is pinned, and it is pinned again at once.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let mut a = unsafe { Pin::new_unchecked(&mut this.a) };
        let now = match this.moment {
            Moment::Fresh => !this.polled,
            Moment::InFlight => this.polled,
            _ => false,
        };
        if now && this.flag.request(Reason::Requested) {
            (this.also)();
        }
        // SAFETY: the caller's promises, passed on.
        let mut poll = unsafe { a.as_mut().poll_async(&mut cx.with_cancel(&this.flag)) };
        if poll.is_pending() && this.moment == Moment::Queued && this.flag.request(Reason::Requested) {
            (this.also)();
            // SAFETY: as above; it was pending.
            poll = unsafe { a.as_mut().poll_async(&mut cx.with_cancel(&this.flag)) };
        }
        if poll.is_pending() && this.moment == Moment::InFlight && !this.polled {
            cx.waker().wake_by_ref();
        }
        this.polled = true;
        poll
    }
}

/// Polls all of them whenever it is polled; yields the outputs in order.
pub struct All<A: Async> {
    items: Vec<Item<A>>,
}

type Item<A> = (Pin<Box<A>>, Option<<A as Async>::Output>);

pub fn all<A: Async>(items: impl IntoIterator<Item = A>) -> All<A> {
    All { items: items.into_iter().map(|a| (Box::pin(a), None)).collect() }
}

impl<A: Async> Unpin for All<A> {}

// SAFETY: polls each child to its end, and is ready when all are; no child panics in these tests.
unsafe impl<A: Async> Async for All<A> {
    type Output = Vec<A::Output>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut pending = false;
        for (a, output) in &mut self.items {
            if output.is_none() {
                // SAFETY: the caller's promises, passed on; each is polled until it is ready.
                match unsafe { a.as_mut().poll_async(cx) } {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(self.items.drain(..).filter_map(|(_, value)| value).collect()) }
    }
}

/// Where operations are polled.
#[derive(Clone)]
pub enum Place {
    /// On a thread with a ring of its own.
    Ring(UringRuntime),
    /// On a thread without one.
    Foreign,
}

impl Place {
    pub fn each() -> [Self; 2] {
        [Self::Ring(UringRuntime::new().unwrap()), Self::Foreign]
    }

    pub fn run<A: Async>(&self, a: A) -> A::Output {
        match self {
            Self::Ring(runtime) => runtime.block_on(a),
            Self::Foreign => runtime_glue::block_on(a),
        }
    }
}

pub fn is_cancelled(error: &io::Error) -> bool {
    Cancelled::from_io(error).is_some_and(|cancelled| cancelled.reason() == Reason::Requested)
}

pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub fn scratch(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("async-io-uring-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// Goes on with an `Async` that may have been started elsewhere.
pub struct Resume<A>(pub Pin<Box<A>>);

impl<A> Unpin for Resume<A> {}

// SAFETY: passes every clause on to the inner value, which it owns and which is pinned in its box.
unsafe impl<A: Async> Async for Resume<A> {
    type Output = A::Output;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        // SAFETY: the caller's promises, passed on.
        unsafe { self.0.as_mut().poll_async(cx) }
    }
}

/// Leaks a value for the rest of the process, and remembers where, so that a leak checker finds it.
pub fn leak<T: Send + 'static>(value: T) -> &'static mut T {
    static LEAKED: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());
    let place = Box::leak(Box::new(value));
    LEAKED.lock().unwrap().push(std::ptr::from_mut(place).expose_provenance());
    place
}
