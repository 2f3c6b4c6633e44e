//! `TaskTree`: what is alive in a scope, as text.

use std::fmt;

use crate::Scope;

/// A snapshot of what is alive in a scope. `Display` prints a line for each task.
#[derive(Clone, Debug)]
pub struct TaskTree {
    text: String,
}

impl TaskTree {
    pub(crate) fn of(scope: &Scope<'_>) -> Self {
        let mut text = String::new();
        text.push_str(scope.options.name.as_deref().unwrap_or("scope"));
        if let Some(reason) = scope.tasks.flag().reason() {
            let stage = if scope.is_cancelled() { "asked to finish" } else { "asked to stop" };
            text.push_str(&format!(" ({stage}: {reason})"));
        }
        text.push('\n');
        scope.tasks.describe("  ", &mut text).expect("writing to a string does not fail");
        Self { text }
    }
}

impl fmt::Display for TaskTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
