//! `Waiting`: a thread that waits in `block_on`, as [`Runtime::drive`] sees it; and the list of such waits on each thread.
//!
//! One thread may wait several times over: a task that runs inside a `block_on` may itself block. Each wait has a [`Frame`] in the
//! stack frame of its `block_on`, linked to the one outside it. Before a thread goes to sleep it looks whether an outer wait was
//! woken, and polls it, unless that poll is what the inner wait is part of. Else a task that blocks until an outer `block_on` goes
//! on would wait for ever.
//!
//! [`Runtime::drive`]: crate::Runtime::drive

use std::{
    cell::Cell,
    fmt,
    ptr::NonNull,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

use crate::{
    contain::contain,
    parker::Parker,
    pool,
    rescue::{self, Helper},
    sequential,
    sync::{AtomicBool, Ordering},
    timer,
};

/// A computation whose thread waits for it.
pub(crate) trait Root {
    /// Polls it; true if it is complete. `None` if it is being polled already, further down on this stack. Does not unwind.
    fn poll(&self) -> Option<bool>;
}

/// A thread that waits in [`block_on`](crate::block_on()), for [`Runtime::drive`](crate::Runtime::drive).
pub struct Waiting<'a> {
    frame: &'a Frame<'a>,
}

impl Waiting<'_> {
    /// Polls the computation that the thread waits for, if it was woken. True if it is complete: return then.
    pub fn poll(&mut self) -> bool {
        self.frame.poll();
        self.frame.complete.get()
    }

    /// Whether there is reason to call [`poll`](Self::poll).
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.frame.complete.get() || self.frame.signal.is_set()
    }

    /// Blocks the thread until the computation is woken, or [`unparker`](Self::unparker) is; or does something useful instead.
    /// May return for no reason.
    pub fn park(&mut self) {
        let Ok(_blocked) = pool::block_in_place(self) else { return };
        let Some(_helper) = self.prepare() else { return };
        match timer::unattended() {
            None => self.parker().park(),
            Some(next) => {
                self.parker().park_timeout(next);
            }
        }
    }

    /// As [`park`](Self::park), for `most` at the most.
    pub(crate) fn park_timeout(&mut self, most: Duration) {
        let Some(_helper) = self.prepare() else { return };
        self.parker().park_timeout(timer::unattended().map_or(most, |next| next.min(most)));
    }

    /// A waker that ends a [`park`](Self::park) without waking the computation: what a runtime calls when it has queued
    /// something for this thread.
    pub fn unparker(&self) -> Waker {
        self.parker().waker()
    }

    pub(crate) fn parker(&self) -> &Arc<Parker> {
        &self.frame.signal.parker
    }

    /// Does what the thread owes to others before it sleeps. `None` if that was something, so that it should look again;
    /// else the thread may be woken to help with the rescue until the value is dropped.
    pub(crate) fn prepare(&self) -> Option<Helper> {
        if self.is_woken() || self.poll_outer() || sequential::run_hosted() || help() {
            return None;
        }
        let helper = Helper::register(self.unparker());
        if help() { None } else { Some(helper) }
    }

    /// Polls an outer wait of this thread that was woken, if there is one.
    fn poll_outer(&self) -> bool {
        let mut next = self.frame.outer;
        while let Some(outer) = next {
            // SAFETY: a frame in the list belongs to a `Frame::enter` that is still running, further down on this stack.
            let frame = unsafe { outer.as_ref() };
            if frame.poll() {
                return true;
            }
            next = frame.outer;
        }
        false
    }
}

/// Runs one rescued task, or overdue timers that have no thread.
fn help() -> bool {
    contain(rescue::try_run_one).unwrap_or(true) || timer::help()
}

impl fmt::Debug for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("is_woken", &self.is_woken()).finish_non_exhaustive()
    }
}

/// Whether this thread waits in `block_on`.
pub(crate) fn is_any() -> bool {
    INNERMOST.get().is_some()
}

thread_local! {
    /// The innermost wait of this thread.
    static INNERMOST: Cell<Option<NonNull<Frame<'static>>>> = const { Cell::new(None) };
    /// A signal for the next wait, so that a `block_on` need not allocate.
    static SPARE: Cell<Option<(Arc<Signal>, Waker)>> = const { Cell::new(None) };
}

/// One wait of a thread.
pub(crate) struct Frame<'a> {
    root: &'a dyn Root,
    signal: &'a Signal,
    complete: Cell<bool>,
    outer: Option<NonNull<Frame<'static>>>,
}

impl Frame<'_> {
    /// Calls `f` with a signal that is set, and its waker.
    pub(crate) fn with_waker<R>(f: impl FnOnce(&Signal, &Waker) -> R) -> R {
        let (signal, waker) = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(Signal::new);
        signal.set.store(true, Ordering::Relaxed);
        let result = f(&signal, &waker);
        // Old wakers of the signal may still be called: the next wait is polled once more then.
        let _ = SPARE.try_with(|spare| spare.set(Some((signal, waker))));
        result
    }

    /// Calls `f` for a wait for `root`.
    pub(crate) fn enter<R>(root: &dyn Root, signal: &Signal, f: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
        /// Takes the frame out of the list, also when `f` unwinds.
        struct Leave(Option<NonNull<Frame<'static>>>);

        impl Drop for Leave {
            fn drop(&mut self) {
                INNERMOST.set(self.0);
                if self.0.is_none() {
                    sequential::evict_hosted();
                }
            }
        }

        let frame = Frame { root, signal, complete: Cell::new(false), outer: INNERMOST.get() };
        let _leave = Leave(frame.outer);
        INNERMOST.set(Some(NonNull::from(&frame).cast()));
        f(&mut Waiting { frame: &frame })
    }

    /// Polls the root if it was woken and is not being polled. Whether it was polled.
    fn poll(&self) -> bool {
        if self.complete.get() || !self.signal.is_set() {
            return false;
        }
        self.signal.clear();
        match self.root.poll() {
            Some(complete) => {
                self.complete.set(complete);
                true
            }
            None => {
                // It is polled further down; that poll's own loop has to see the wake.
                self.signal.set.store(true, Ordering::Relaxed);
                false
            }
        }
    }
}

/// Whether a wait was woken. Wakers point here, and may outlive the wait.
pub(crate) struct Signal {
    set: AtomicBool,
    parker: Arc<Parker>,
}

impl Signal {
    fn new() -> (Arc<Self>, Waker) {
        let signal = Arc::new(Self { set: AtomicBool::new(false), parker: Parker::current() });
        let waker = Waker::from(Arc::clone(&signal));
        (signal, waker)
    }

    fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }

    fn clear(&self) {
        // Acquire pairs with the Release of `wake_by_ref`: the poll that follows sees what happened before the wake.
        self.set.swap(false, Ordering::Acquire);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A thread that wakes itself is not asleep, and looks before it sleeps.
        if !self.set.swap(true, Ordering::Release) && !self.parker.is_own() {
            self.parker.unpark();
        }
    }
}
