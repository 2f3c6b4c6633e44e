//! `on_cancel` of a token: a handler that runs at once on the thread that asks.
//!
//! The handler waits in the token's list as a waker, which calls it. It can end in three ways, and the state says which: it is
//! called, once; it is taken back by the registration before it was called; or it is dropped with its token.
//!
//! ```text
//! Waiting ── call ──► Running(thread) ── returned or unwound ──► Done
//!    └────── take back ──────────────────────────────────────────┘
//! ```

use std::{
    boxed::Box,
    task::{Wake, Waker},
};

use core::{fmt, pin::Pin};

use async_trait_core::Reason;

use super::{CancellationToken, wait::Waiting};
use crate::sync::{Arc, Condvar, Mutex, ThreadId, lock, thread};

/// A handler that was given to [`CancellationToken::on_cancel`].
///
/// Dropped, it takes the handler back: one that has not run never will, and one that is running on another thread is waited
/// for, so what the handler uses may go when the registration has gone. Dropped by the handler itself it does not wait.
/// Forgotten, it leaves the handler in place, and the token in memory.
#[must_use = "dropping a `Registration` takes the handler back"]
pub struct Registration {
    /// `None` if the handler was called at once.
    entry: Option<Entry>,
}

struct Entry {
    /// Before `handler`: what is unlinked is not called any more.
    waiting: Option<Pin<Box<Waiting<CancellationToken>>>>,
    handler: Arc<dyn TakeBack>,
}

impl Registration {
    pub(super) fn new<F: FnOnce(Reason) + Send + 'static>(token: &CancellationToken, f: F) -> Self {
        if let Some(reason) = token.node().cancel_reason() {
            f(reason);
            return Self { entry: None };
        }
        let state = Mutex::new(State::Waiting(f));
        let handler = Arc::new(Handler { token: token.clone(), state, done: Condvar::new() });
        let mut waiting = Box::pin(Waiting::new(token.clone()));
        if waiting.as_mut().wait(false, &Waker::from(Arc::clone(&handler))) {
            // Cancelled in between, when it was not yet in the list.
            handler.call();
        }
        Self { entry: Some(Entry { waiting: Some(waiting), handler }) }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.waiting = None;
            entry.handler.take_back();
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

struct Handler<F> {
    token: CancellationToken,
    state: Mutex<State<F>>,
    done: Condvar,
}

enum State<F> {
    Waiting(F),
    Running(ThreadId),
    Done,
}

impl<F: FnOnce(Reason)> Handler<F> {
    fn call(&self) {
        let Some(reason) = self.token.node().cancel_reason() else { return };
        let f = {
            let mut state = lock(&self.state);
            match core::mem::replace(&mut *state, State::Running(thread::current().id())) {
                State::Waiting(f) => f,
                other => {
                    *state = other;
                    return;
                }
            }
        };
        /// Also when the handler panics.
        struct Finish<'a, F>(&'a Handler<F>);
        impl<F> Drop for Finish<'_, F> {
            fn drop(&mut self) {
                *lock(&self.0.state) = State::Done;
                self.0.done.notify_all();
            }
        }
        let _finish = Finish(self);
        f(reason);
    }
}

impl<F: FnOnce(Reason) + Send + 'static> Wake for Handler<F> {
    fn wake(self: Arc<Self>) {
        self.call();
    }
}

/// A handler of any type.
trait TakeBack: Send + Sync {
    fn take_back(&self);
}

impl<F: Send> TakeBack for Handler<F> {
    fn take_back(&self) {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Waiting(_) => {
                    let f = core::mem::replace(&mut *state, State::Done);
                    // The destructor of what the handler holds is foreign code.
                    drop(state);
                    return drop(f);
                }
                State::Running(id) if *id != thread::current().id() => {
                    state = self.done.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                State::Running(_) | State::Done => return,
            }
        }
    }
}
