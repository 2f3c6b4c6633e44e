//! Nor by a static. Good twin: `good/scope_escapes.rs`.
use async_scope::{Scope, scope};
use std::sync::Mutex;

static KEPT: Mutex<Option<&'static Scope<'static>>> = Mutex::new(None);

fn main() {
    runtime_glue::block_on(scope!(|s| {
        *KEPT.lock().unwrap() = Some(s);
    }));
}
