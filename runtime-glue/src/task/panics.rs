//! Panics of tasks on their way to whoever has to know: the handle that observes them, or else the scope.

use std::{any::Any, error::Error, fmt, panic::resume_unwind, ptr::NonNull, sync::Arc};

use async_trait_core::{Cancelled, Reason};

use super::{set::TaskSet, typed::drop_contained};
use crate::sync::{Mutex, MutexGuard, lock};

/// A task's panic, which its handle or its scope will take, whoever is first; shared by both.
pub(crate) struct PanicCell {
    inner: Mutex<Inner>,
}

struct Inner {
    payload: Option<Box<dyn Any + Send>>,
    /// The scope, until it ends: `TaskSet::take_panic` clears it under the lock before the scope's memory goes.
    set: Option<NonNull<TaskSet>>,
}

// SAFETY: the payload is `Send`; the pointer is used only under the lock and after `try_rise`, which keep the scope alive, and
// `TaskSet` is `Sync`.
unsafe impl Send for PanicCell {}
// SAFETY: everything is behind the lock.
unsafe impl Sync for PanicCell {}

impl PanicCell {
    /// A cell for a panic of a task of `set`, which is told of it.
    pub(crate) fn new(payload: Box<dyn Any + Send>, set: Option<&TaskSet>) -> Arc<Self> {
        let cell = Arc::new(Self { inner: Mutex::new(Inner { payload: Some(payload), set: set.map(NonNull::from) }) });
        if let Some(set) = set {
            set.note_panic(Arc::clone(&cell));
        }
        cell
    }

    pub(crate) fn take(&self) -> Option<Box<dyn Any + Send>> {
        self.lock().payload.take()
    }

    /// Whether nobody has taken the payload yet.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().payload.is_some()
    }

    /// Nobody will ask: the panic hook has printed it.
    pub(crate) fn discard(&self) {
        if let Some(payload) = self.take() {
            drop_contained(payload);
        }
    }

    /// The scope ends: it takes what nobody has taken, and is not touched through this cell any more. Both at once: a handle that
    /// is dropped in between would find no scope to leave the panic to.
    pub(crate) fn take_and_unlink(&self) -> Option<Box<dyn Any + Send>> {
        let mut inner = self.lock();
        inner.set = None;
        inner.payload.take()
    }

    /// The handle goes with the panic inside: it stays in the cell for the scope, which is cancelled now.
    pub(crate) fn unobserved(&self) {
        let pinned = {
            let inner = self.lock();
            match inner.set {
                // SAFETY: under the lock a set pointer is that of a scope that has not ended.
                Some(set) if inner.payload.is_some() && unsafe { set.as_ref() }.pin() => Some(set),
                // The scope is ending and will find the payload.
                Some(_) => None,
                None => {
                    drop(inner);
                    // No scope, or it has ended and taken the panic with it.
                    self.discard();
                    None
                }
            }
        };
        if let Some(set) = pinned {
            // SAFETY: `pin` has taken a share, so the scope does not end before `fall` below.
            unsafe { set.as_ref() }.cancel_for_panic();
            TaskSet::fall(set, false);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

/// The payload of a task's panic.
pub struct Panic {
    /// `None`: another observer had taken it.
    payload: Option<Box<dyn Any + Send>>,
}

// SAFETY: `&Panic` only allows to read the payload's type, and a `&'static str` or `String`, which are `Sync`.
unsafe impl Sync for Panic {}

impl Panic {
    pub(crate) fn new(payload: Option<Box<dyn Any + Send>>) -> Self {
        Self { payload }
    }

    /// The message, if the payload is a string, as that of `panic!` is.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let payload = match &self.payload {
            Some(payload) => &**payload,
            None => return Some(ELSEWHERE),
        };
        payload.downcast_ref::<&'static str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }

    /// The payload, as `std::panic::catch_unwind` gives it.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.unwrap_or_else(|| Box::new(ELSEWHERE))
    }

    /// Goes on with the panic on this thread, without calling the panic hook again.
    pub fn resume(self) -> ! {
        resume_unwind(self.into_payload())
    }
}

const ELSEWHERE: &str = "the task panicked, and its scope went on with the panic";

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message().unwrap_or("..")).finish()
    }
}

/// Why a task has no output.
#[derive(Debug)]
pub enum JoinError {
    /// The task panicked.
    Panicked(Panic),
    /// The task was a plain future or a closure and was dropped because it was asked to finish.
    Cancelled(Cancelled),
}

impl JoinError {
    /// Whether the task panicked.
    #[must_use]
    pub const fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Goes on with the task's panic on this thread; returns if it was cancelled instead.
    ///
    /// # Panics
    /// With the task's panic.
    pub fn resume_panic(self) -> Cancelled {
        match self {
            Self::Panicked(panic) => panic.resume(),
            Self::Cancelled(cancelled) => cancelled,
        }
    }

    /// Why the task was cancelled, if it was.
    #[must_use]
    pub const fn cancel_reason(&self) -> Option<Reason> {
        match self {
            Self::Panicked(_) => None,
            Self::Cancelled(cancelled) => Some(cancelled.reason()),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => match panic.message() {
                Some(message) => write!(f, "the task panicked: {message}"),
                None => f.write_str("the task panicked"),
            },
            Self::Cancelled(cancelled) => write!(f, "the task was {cancelled}"),
        }
    }
}

impl Error for JoinError {}

impl From<Cancelled> for JoinError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Cancelled(cancelled) => cancelled.into(),
            panicked => Self::other(panicked),
        }
    }
}
