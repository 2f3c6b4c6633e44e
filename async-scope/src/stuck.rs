//! The report of stuck tasks: asked to finish, and still waiting for a plain future, which does not hear of it.
//!
//! Each task that waits so leaves the await's type, file and line in its scope (`TaskSet::note_wait`); the scope's future looks
//! when the first of them has waited for the grace period.

#[cfg(not(feature = "tracing"))]
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use runtime_glue::{Runtime as _, task::StuckTask};

use crate::Scope;

/// How long a task may wait before it is reported, if the options do not say.
const GRACE: Duration = Duration::from_secs(5);

/// Reports the tasks that have waited long enough, each once; returns when to look again.
pub(crate) fn look(scope: &Scope<'_>) -> Option<Instant> {
    let grace = scope.options.report_after.unwrap_or(GRACE);
    let (mut stuck, next) = scope.tasks.stuck(scope.runtime().now(), grace);
    // A background task that does not notice keeps its scope from ending: the usual case, so it comes first.
    stuck.sort_by_key(|task| !task.background);
    for task in &stuck {
        report(scope, task);
    }
    next
}

fn report(scope: &Scope<'_>, task: &StuckTask) {
    if let Some(report_to) = &scope.options.report_to {
        (report_to.0)(task);
        return;
    }
    let name = scope.options.name.as_deref().unwrap_or("unnamed");
    let kind = if task.background { "background task" } else { "task" };
    let StuckTask { name: task_name, spawned_at, future, awaits_at, waiting, .. } = task;
    let text = format!(
        "scope `{name}`: {kind} `{task_name}`, spawned at {spawned_at}, was asked to finish {waiting:?} ago and still waits for the \
         plain future `{future}` at {awaits_at}, which does not notice; write `.or_cancelled()` before that `.await`"
    );
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "async_scope", "{text}");
    // Not `eprintln!`, which panics where standard error is gone: that would be the scope's panic.
    #[cfg(not(feature = "tracing"))]
    let _ = writeln!(io::stderr(), "{text}");
}
