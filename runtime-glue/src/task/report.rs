//! What a scope can say of its tasks: a line for each that is alive, and those that were asked to finish and do not notice.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    panic::{AssertUnwindSafe, Location, catch_unwind},
    ptr::NonNull,
    time::{Duration, Instant},
};

use super::{header::Header, set::TaskSet};
use crate::Runtime as _;

/// A plain future that a task waits for though it was asked to finish.
pub(super) struct Wait {
    future: &'static str,
    location: &'static Location<'static>,
    since: Instant,
    reported: bool,
}

/// A task that still waits for a plain future though it was asked to finish.
#[derive(Clone, Debug)]
pub struct StuckTask {
    /// Its name, or the type of its computation.
    pub name: Cow<'static, str>,
    /// Whether it is a background task.
    pub background: bool,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// The type of the future that it awaits.
    pub future: &'static str,
    /// Where it awaits that.
    pub awaits_at: &'static Location<'static>,
    /// For how long it has been waiting there since it was asked.
    pub waiting: Duration,
}

impl TaskSet {
    /// Writes a line for each unfinished task.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn describe(&self, indent: &str, out: &mut String) -> fmt::Result {
        let mut lines = Vec::new();
        let inner = self.lock();
        self.visit_locked(&inner, |header| {
            // SAFETY: under the lock a claimed slot is initialised.
            let head = unsafe { header.as_ref() };
            if head.state.is_done() {
                return;
            }
            let name = inner.names.get(&header.addr().get()).cloned();
            let state = if head.state.is_scheduled() {
                if head.state.is_started() { "running" } else { "queued" }
            } else {
                "waiting"
            };
            let wait = inner.waits.get(&header.addr().get()).map(|wait| (wait.future, wait.location));
            let reason = head.flag.reason();
            lines.push((name, state, head.state.is_background(), reason, head.location, head.vtable.type_name, wait));
        });
        drop(inner);
        for (name, state, background, reason, location, type_name, wait) in lines {
            let name = name.unwrap_or_else(|| type_name().into());
            let background = if background { " (background)" } else { "" };
            write!(out, "{indent}{name}: {state}{background}")?;
            if let Some(reason) = reason {
                write!(out, ", asked to finish: {reason}")?;
            }
            if let Some((future, location)) = wait {
                write!(out, ", still waits for `{future}` at {location}")?;
            }
            writeln!(out, ", spawned at {location}")?;
        }
        Ok(())
    }

    /// Notes what a task that is asked to finish waits for. The first such task wakes the parent, which sets its timer. Does not
    /// unwind, since the task is started: a panic of the runtime's clock, or of the parent's waker, waits for the end of the scope.
    pub(crate) fn note_wait(&self, task: NonNull<Header>, site: Option<(&'static str, &'static Location<'static>)>) {
        let key = task.addr().get();
        let Some((future, location)) = site else {
            let mut inner = self.lock();
            if !inner.waits.is_empty() {
                inner.waits.remove(&key);
            }
            return;
        };
        let noted = catch_unwind(AssertUnwindSafe(|| {
            let since = self.ambient().now();
            let mut inner = self.lock();
            if inner.waits.get(&key).is_some_and(|wait| wait.location == location && wait.future == future) {
                return;
            }
            let first = inner.waits.is_empty();
            inner.waits.insert(key, Wait { future, location, since, reported: false });
            let parent = if first { inner.parent.take() } else { None };
            drop(inner);
            if let Some(parent) = parent {
                parent.wake();
            }
        }));
        self.note_foreign_panic(noted.err());
    }

    /// The tasks that have been waiting for a plain future for at least `grace` since they were asked, each once; and when the
    /// next one will have been.
    pub fn stuck(&self, now: Instant, grace: Duration) -> (Vec<StuckTask>, Option<Instant>) {
        let mut inner = self.lock();
        if inner.waits.is_empty() {
            return (Vec::new(), None);
        }
        let mut unfinished = Vec::new();
        self.visit_locked(&inner, |header| {
            // SAFETY: under the lock a claimed slot is initialised.
            let head = unsafe { header.as_ref() };
            if !head.state.is_done() {
                unfinished.push((
                    header.addr().get(),
                    head.state.is_background(),
                    head.location,
                    head.vtable.type_name,
                ));
            }
        });
        let (mut stuck, mut next) = (Vec::new(), None::<Instant>);
        let inner = &mut *inner;
        for (key, background, spawned_at, type_name) in unfinished {
            let Some(wait) = inner.waits.get_mut(&key) else { continue };
            if wait.reported {
                continue;
            }
            // A grace without end: never.
            let Some(due) = wait.since.checked_add(grace) else { continue };
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            wait.reported = true;
            stuck.push(StuckTask {
                name: inner.names.get(&key).cloned().unwrap_or_else(|| type_name().into()),
                background,
                spawned_at,
                future: wait.future,
                awaits_at: wait.location,
                waiting: now.saturating_duration_since(wait.since),
            });
        }
        (stuck, next)
    }
}
