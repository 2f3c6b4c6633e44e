//! `Op`: one operation from its first poll to its result, whatever driver it runs on and whoever wins a race with its cancel.
//!
//! ```text
//! Fresh ──poll: asked already───────────────────────────────▶ Retired, Err(Cancelled), nothing was started
//!       ──poll: carried out by a call that does not wait, on a thread without a ring ─▶ Retired
//!       ──poll: given to the driver of this thread, or posted──▶ Started
//! Started ──poll: asked ─▶ cancel sent or posted, once ─▶ Started
//!         ──poll: not done ─▶ waker registered, Pending
//!         ──poll: done ─▶ result >= 0, also after a cancel ─▶ Retired, Ok
//!                         ECANCELED or EINTR, asked        ─▶ Retired, Err(Cancelled)
//!                         ECANCELED or EINTR, not asked    ─▶ Fresh, and once more: its ring was closed, or a signal came
//!                         another error                    ─▶ Retired, Err
//!         ──drop (a breach of *completed*): cancel, wait for the end, abort after `PATIENCE`
//! ```
//!
//! The kernel has what the SQE names from the start until `DONE`. Nothing that is foreign (a waker) may unwind through a poll
//! in between: `WaitOnUnwind` brings the operation to its end first (clause *quiet*).

use std::{
    io, mem,
    pin::Pin,
    process::abort,
    sync::Arc,
    task::{Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use async_trait_core::{Cancelled, Context, Reason};

use super::{OpState, Stage};
use crate::{
    driver,
    error::failed,
    ring::{
        Sqe, check_opcode,
        sqe::errno::{ECANCELED, EINTR},
    },
};

/// How long a `Drop` of an operation in flight waits for the kernel before it aborts.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often an operation that was interrupted without a request is started again before that counts as its result.
const RESTARTS: u8 = 100;

/// Why an operation has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    Cancelled(Reason),
    Errno(i32),
    /// It could not be started.
    Unavailable(io::Error),
}

impl Failure {
    /// The error for users, which names the operation and what it worked on.
    pub(crate) fn into_io(self, operation: &'static str, subject: impl FnOnce() -> Option<String>) -> io::Error {
        match self {
            Self::Cancelled(reason) => Cancelled::from_reason(reason).into(),
            Self::Errno(errno) => failed(operation, subject(), io::Error::from_raw_os_error(errno)),
            Self::Unavailable(error) => failed(operation, subject(), error),
        }
    }
}

/// What distinguishes one operation from another: its entry, and what becomes of its result.
///
/// # Safety
/// The entry that `prepare` returns names only memory and descriptors that stay valid, and that nobody else uses in a
/// conflicting way, for as long as the value stays pinned and is not polled or dropped: its own fields (in an `UnsafeCell`
/// where the kernel writes) or what it borrows.
pub(crate) unsafe trait Kind {
    type Output;

    /// The operation's name, for messages.
    const NAME: &'static str;

    /// Whether EINTR means that it has happened all the same (as for `close`), so that it must not be done again.
    const EINTR_IS_FINAL: bool = false;

    /// The entry to submit. Called once, or again after the operation was interrupted before it had any effect.
    fn prepare(self: Pin<&mut Self>) -> Sqe;

    /// Makes the output from the result.
    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output;

    /// A result that nobody will take: release what it stands for.
    fn discard(&mut self, _result: u32) {}
}

/// An operation; see the head of the file.
pub(crate) struct Op<K: Kind> {
    state: OpState,
    kind: K,
}

impl<K: Kind> Op<K> {
    pub(crate) const fn new(kind: K) -> Self {
        Self { state: OpState::new(), kind }
    }

    /// Polls it.
    ///
    /// # Safety
    /// As [`poll_async`](async_trait_core::Async::poll_async): *completed* and *retired*.
    #[inline]
    pub(crate) unsafe fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<K::Output> {
        // SAFETY: nothing is moved out of the reference: `state` is only used by `&`, `kind` is pinned again where it is used.
        let Self { state, kind } = unsafe { self.get_unchecked_mut() };
        let state = &*state;
        loop {
            let result = match state.stage.get() {
                Stage::Fresh => {
                    if let Some(reason) = cx.cancel_reason() {
                        Err(Failure::Cancelled(reason))
                    } else {
                        // SAFETY: a projection: `kind` is pinned with `self` and is never moved.
                        let sqe = unsafe { Pin::new_unchecked(&mut *kind) }.prepare();
                        // SAFETY: the entry of a fresh operation, whose memory and descriptors are valid for the time of this call.
                        if let Some(res) = unsafe { driver::at_once(&sqe) } {
                            let result = u32::try_from(res).map_err(|_| Failure::Errno(-res));
                            return Poll::Ready(retire(state, kind, result));
                        }
                        // SAFETY: fresh; *completed* keeps `state` and what `sqe` names in place until it is done, and so does `Drop`.
                        match unsafe { start(state, &sqe, cx.waker()) } {
                            Ok(()) if state.is_done() => continue,
                            Ok(()) => return Poll::Pending,
                            Err(error) => Err(Failure::Unavailable(error)),
                        }
                    }
                }
                Stage::Started => {
                    // SAFETY: we poll.
                    if !unsafe { poll_started(state, cx) } {
                        return Poll::Pending;
                    }
                    match u32::try_from(state.res.get()) {
                        Ok(result) => Ok(result),
                        Err(_) => match -state.res.get() {
                            EINTR if K::EINTR_IS_FINAL => Err(Failure::Errno(EINTR)),
                            ECANCELED | EINTR => match state.asked.get().or_else(|| cx.cancel_reason()) {
                                Some(reason) => Err(Failure::Cancelled(reason)),
                                None if state.restarts.get() == RESTARTS => Err(Failure::Errno(-state.res.get())),
                                None => {
                                    state.restarts.set(state.restarts.get() + 1);
                                    // SAFETY: we poll, and it is done.
                                    unsafe { state.reset() };
                                    continue;
                                }
                            },
                            errno => Err(Failure::Errno(errno)),
                        },
                    }
                }
                Stage::Retired => panic!("`{}` was polled after it had completed", K::NAME),
            };
            return Poll::Ready(retire(state, kind, result));
        }
    }

    /// What it is about.
    pub(crate) const fn kind(&self) -> &K {
        &self.kind
    }

    /// Makes a retired operation fresh again with another kind, so that one state serves a loop of operations.
    pub(crate) fn renew(self: Pin<&mut Self>, change: impl FnOnce(&mut K)) {
        assert!(!self.state.is_in_flight(), "an operation in flight is not changed");
        // SAFETY: not in flight, so nobody has an address in it.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: we hold `&mut`, hence poll; it is not in flight.
        unsafe { this.state.reset() };
        this.state.restarts.set(0);
        change(&mut this.kind);
    }
}

/// Ends an operation that is not in flight.
#[inline]
fn retire<K: Kind>(state: &OpState, kind: &mut K, result: Result<u32, Failure>) -> K::Output {
    state.stage.set(Stage::Retired);
    // SAFETY: `kind` is that of an `Op` that is pinned, and is never moved out of it.
    unsafe { Pin::new_unchecked(kind) }.finish(result)
}

impl<K: Kind> Drop for Op<K> {
    fn drop(&mut self) {
        if self.state.stage.get() == Stage::Started {
            // SAFETY: we hold `&mut`, hence poll.
            unsafe { wait_until_done(&self.state, K::NAME) };
            if let Ok(result) = u32::try_from(self.state.res.get()) {
                self.kind.discard(result);
            }
        }
    }
}

/// Gives a fresh operation to a driver.
///
/// # Safety
/// The caller polls `state`, which is fresh; it and what `sqe` names stay in place until it is done.
#[inline]
pub(super) unsafe fn start(state: &OpState, sqe: &Sqe, waker: &Waker) -> io::Result<()> {
    check_opcode(sqe.opcode)?;
    let waker = waker.clone();
    driver::with_current(|current| {
        if let Some(driver) = current {
            // SAFETY: promised by the caller.
            unsafe { state.arm(sqe, driver.mailbox(), waker, false) };
            // SAFETY: armed for this driver just now; the rest is promised by the caller.
            unsafe { driver.start(state) };
        } else {
            let mailbox = driver::shared_mailbox()?;
            // SAFETY: promised by the caller.
            unsafe { state.arm(sqe, mailbox, waker, true) };
            // SAFETY: armed as posted, to this mailbox.
            unsafe { mailbox.post(state) };
        }
        Ok(())
    })
}

/// Looks after an operation in flight: passes a request on, and registers the waker. True when it is done.
///
/// # Safety
/// The caller polls `state`, which is started.
unsafe fn poll_started(state: &OpState, cx: &Context<'_>) -> bool {
    if state.is_done() {
        return true;
    }
    let guard = WaitOnUnwind(state);
    if state.asked.get().is_none()
        && let Some(reason) = cx.cancel_reason()
    {
        state.asked.set(Some(reason));
        // SAFETY: we poll, it is started, and this is the first request.
        unsafe { request_cancel(state) };
    }
    // SAFETY: we poll, and it is started.
    let registered = unsafe { state.register(cx.waker()) };
    let done = !registered && state.is_done();
    if !registered && !done {
        // The owner is between finishing and publishing, and will wake nobody: we look again.
        cx.waker().wake_by_ref();
    }
    mem::forget(guard);
    done
}

/// Asks the owner for an early end.
///
/// # Safety
/// The caller polls `state`, which is started, and calls this once.
pub(super) unsafe fn request_cancel(state: &OpState) {
    let mailbox = state.mailbox.get().expect("set when it was started");
    driver::with_current(|current| match current {
        Some(driver) if std::ptr::eq(driver.mailbox(), mailbox) => {
            if state.is_waiting_for_mail() {
                // Submitted by mail that is still on its way to this very thread.
                let posted = state.ask_by_mail();
                debug_assert!(!posted, "it was posted already");
            } else if !state.is_done() {
                // SAFETY: it was started on this driver, is not published (we are the owner, so that cannot change under us), and the
                // caller asks once.
                unsafe { driver.cancel(state) };
            }
        }
        _ => {
            if state.ask_by_mail() {
                // SAFETY: `ask_by_mail` has just set `POSTED`; it is the mailbox that it was started with.
                unsafe { mailbox.post(state) };
            }
        }
    });
}

/// Brings an operation to its end on the spot: the last resort when a started one is dropped, or when foreign code unwinds.
///
/// # Safety
/// The caller polls `state`, which is started.
#[cold]
unsafe fn wait_until_done(state: &OpState, name: &str) {
    if state.is_done() {
        return;
    }
    if state.asked.replace(Some(Reason::Shutdown)).is_none() {
        // SAFETY: we poll, it is started, and nobody has asked before.
        unsafe { request_cancel(state) };
    }
    let mailbox = state.mailbox.get().expect("set when it was started");
    let (start, tick) = (Instant::now(), Duration::from_millis(20));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while !state.is_done() {
        if start.elapsed() > PATIENCE {
            eprintln!(
                "async-io-uring: `{name}` was dropped while the kernel was at work on it, and does not end: aborting"
            );
            abort();
        }
        let is_owner = driver::with_current(|current| match current {
            Some(driver) if std::ptr::eq(driver.mailbox(), mailbox) => {
                driver.turn_without_wakers(tick);
                true
            }
            _ => false,
        });
        // SAFETY: we poll, and it is started.
        if !is_owner && !state.is_done() && unsafe { state.register(&waker) } {
            thread::park_timeout(tick);
        }
    }
}

/// Unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Completes the operation before a panic leaves the poll.
struct WaitOnUnwind<'a>(&'a OpState);

impl Drop for WaitOnUnwind<'_> {
    fn drop(&mut self) {
        // SAFETY: made, and dropped, inside of a poll of a started operation.
        unsafe { wait_until_done(self.0, "an operation whose waker panicked") };
    }
}
