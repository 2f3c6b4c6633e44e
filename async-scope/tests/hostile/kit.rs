//! What the tests of this folder share: data that notices whoever holds it too long, panics that print nothing, destructors that
//! do things, and a parent that polls a scope by hand.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use async_trait_core::{Async, CancelFlag, Context, Reason, poll_fn};

/// Longer than anything here takes: what has not happened by then never will.
pub const HANG: Duration = Duration::from_secs(120);

/// A failure that no unwinding may follow: memory, or a started scope, is in a state that tests cannot go on from.
pub fn die(why: &str) -> ! {
    eprintln!("{why}; aborting");
    process::abort();
}

/// Data that tasks borrow. It counts who holds it, and whoever looks at it after its end kills the process, with or without a
/// sanitizer.
pub struct Lent {
    whole: AtomicU64,
    held: AtomicUsize,
}

const WHOLE: u64 = 0x600d_da7a_600d_da7a;

impl Lent {
    /// On the heap, where AddressSanitizer sees best.
    pub fn new() -> Box<Self> {
        Box::new(Self { whole: AtomicU64::new(WHOLE), held: AtomicUsize::new(0) })
    }

    pub fn look(&self) {
        if self.whole.load(SeqCst) != WHOLE {
            die("lent data was used after its end");
        }
    }

    /// Holds the data until the guard is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.look();
        self.held.fetch_add(1, SeqCst);
        Held(self)
    }

    /// How many guards there are.
    pub fn held(&self) -> usize {
        self.held.load(SeqCst)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.held() != 0 {
            die("lent data goes while somebody holds it");
        }
        self.whole.store(0, SeqCst);
    }
}

/// Somebody holds a [`Lent`].
pub struct Held<'a>(&'a Lent);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.look();
        self.0.held.fetch_sub(1, SeqCst);
    }
}

/// Calls its closure when it is dropped.
pub struct OnDrop<F: FnOnce()>(Option<F>);

pub fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Some(f))
}

impl<F: FnOnce()> OnDrop<F> {
    pub fn is_armed(&self) -> bool {
        self.0.is_some()
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Panics without a message on standard error.
pub fn raise(text: &'static str) -> ! {
    resume_unwind(Box::new(text))
}

/// A payload whose destructor panics with another such payload, `left` times over.
pub struct Bomb {
    pub text: &'static str,
    left: u32,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.left > 0 {
            resume_unwind(Box::new(Self { text: "a payload's destructor", left: self.left - 1 }));
        }
    }
}

/// Panics with a payload that nobody may drop without care.
pub fn raise_bomb(text: &'static str) -> ! {
    resume_unwind(Box::new(Bomb { text, left: 5 }))
}

/// The text of a payload. A bomb is defused.
pub fn text_of(mut payload: Box<dyn Any + Send>) -> String {
    if let Some(bomb) = payload.downcast_mut::<Bomb>() {
        bomb.left = 0;
        return bomb.text.to_owned();
    }
    match payload.downcast::<&'static str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => payload.downcast_ref::<String>().map_or_else(|| "another payload".to_owned(), Clone::clone),
    }
}

/// What `f` returns, or the text that it panics with.
pub fn outcome<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(text_of)
}

/// Pending until it is asked to finish. An `Async`: asked, never dropped.
pub fn asked() -> impl Async<Output = Reason> + Send {
    // SAFETY: the function lends nothing to anybody.
    unsafe { poll_fn(|cx: &mut Context<'_>| cx.cancel_reason().map_or(Poll::Pending, Poll::Ready)) }
}

/// Why it is asked to finish, if it is.
pub fn why_asked() -> impl Async<Output = Option<Reason>> + Send {
    // SAFETY: the function lends nothing to anybody.
    unsafe { poll_fn(|cx: &mut Context<'_>| Poll::Ready(cx.cancel_reason())) }
}

/// Hands out the waker of the poll, once.
pub fn own_waker() -> impl Future<Output = Waker> + Send {
    std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone()))
}

/// Pending once; woken only by others.
pub fn pending_once() -> impl Future<Output = ()> + Send {
    let mut polled = false;
    std::future::poll_fn(move |_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending })
}

/// Waits, on this thread, for something that another thread does.
pub fn wait_for(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > HANG {
            die("what was waited for never came");
        }
        thread::yield_now();
    }
}

/// A waker that counts.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A computation that is polled by hand, with a waker that counts.
pub struct Hand<A: Async> {
    a: Pin<Box<A>>,
    wakes: Arc<Wakes>,
    seen: Cell<usize>,
    started: bool,
}

impl<A: Async> Hand<A> {
    pub fn new(a: A) -> Self {
        Self { a: Box::pin(a), wakes: Arc::default(), seen: Cell::new(0), started: false }
    }

    pub fn poll(&mut self) -> Poll<A::Output> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.poll_with(&waker)
    }

    pub fn poll_with(&mut self, waker: &Waker) -> Poll<A::Output> {
        self.poll_in(&mut Context::from_waker(waker))
    }

    /// A poll under a request, if there is one.
    pub fn poll_under(&mut self, flag: &CancelFlag) -> Poll<A::Output> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.poll_in(&mut Context::from_waker(&waker).with_cancel(flag))
    }

    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<A::Output> {
        self.seen.set(self.wakes.count());
        self.started = false;
        // SAFETY: *completed*: `drop` kills the process if the value is started then. *retired*: no test polls on after the end.
        let poll = unsafe { self.a.as_mut().poll_async(cx) };
        self.started = poll.is_pending();
        poll
    }

    /// Whether it was woken since the last poll.
    pub fn is_woken(&self) -> bool {
        self.wakes.count() > self.seen.get()
    }

    /// Polls it until it is complete, whenever it is woken; `turn` makes the rest of the world go on, and returns whether it did.
    pub fn finish(mut self, mut turn: impl FnMut() -> bool) -> A::Output {
        let mut last = Instant::now();
        loop {
            if let Poll::Ready(output) = self.poll() {
                return output;
            }
            turn();
            while !self.is_woken() {
                if turn() {
                    last = Instant::now();
                } else if last.elapsed() > HANG {
                    die("nobody wakes the scope");
                } else {
                    thread::yield_now();
                }
            }
        }
    }
}

impl<A: Async> Drop for Hand<A> {
    fn drop(&mut self) {
        if self.started && !self.a.is_cancel_safe() {
            die("a test lets go of a started scope");
        }
    }
}
