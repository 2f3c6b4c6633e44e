//! `TaskTree`: what is alive in a scope, as text; and the list of nested scopes that it is made from.
//!
//! A named scope that begins inside another named one enters itself into that one's list, and leaves it when its future goes.
//! The list is shared, so it does not matter which of the two goes first, and an entry is read only under the list's lock.

use std::{
    fmt,
    ptr::NonNull,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait_core::Context;
use runtime_glue::task::ParentScope;

use crate::Scope;

/// A snapshot of what is alive in a scope. `Display` prints a line for each task, and below them the named scopes that run
/// inside.
#[derive(Clone, Debug)]
pub struct TaskTree {
    text: String,
}

impl TaskTree {
    pub(crate) fn of(scope: &Scope<'_>) -> Self {
        let mut text = String::new();
        describe(scope, 0, &mut text);
        Self { text }
    }
}

impl fmt::Display for TaskTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn describe(scope: &Scope<'_>, depth: usize, text: &mut String) {
    text.push_str(&"  ".repeat(depth));
    text.push_str(scope.options.name.as_deref().unwrap_or("scope"));
    if let Some(reason) = scope.tasks.flag().reason() {
        let stage = if scope.is_cancelled() { "asked to finish" } else { "asked to stop" };
        text.push_str(&format!(" ({stage}: {reason})"));
    }
    text.push('\n');
    scope.tasks.describe(&"  ".repeat(depth + 1), text).expect("writing to a string does not fail");
    if let Some(children) = scope.children() {
        for &(_, Entry(child)) in &children.lock().entries {
            // SAFETY: an entry is that of a scope whose future is alive, since that leaves the list, under this lock, when it is
            // dropped, before the scope is.
            describe(unsafe { child.as_ref() }, depth + 1, text);
        }
    }
}

/// The named scopes that run in a named one.
#[derive(Default)]
pub(crate) struct Children {
    inner: Mutex<List>,
}

#[derive(Default)]
struct List {
    next: u64,
    entries: Vec<(u64, Entry)>,
}

/// A scope, its lifetime erased: only its names, states and flags are looked at.
struct Entry(NonNull<Scope<'static>>);

// SAFETY: a `&Scope` may be used from any thread, as `Scope` is `Sync`, and the entry is only used for such a reference.
unsafe impl Send for Entry {}

impl Children {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry in the list of a parent, which ends with it.
pub(crate) struct Listed {
    children: Arc<Children>,
    key: u64,
}

impl Listed {
    /// Enters `scope`, whose future is polled with `cx`, into the list of the scope that it runs in.
    pub(crate) fn below_parent(scope: &Scope<'_>, cx: &Context<'_>) -> Option<Self> {
        let ParentScope(parent) = cx.get()?;
        let children = Arc::clone(parent).downcast::<Children>().ok()?;
        let mut list = children.lock();
        list.next += 1;
        let key = list.next;
        list.entries.push((key, Entry(NonNull::from(scope).cast())));
        drop(list);
        Some(Self { children, key })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.children.lock().entries.retain(|(key, _)| *key != self.key);
    }
}
