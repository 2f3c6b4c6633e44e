//! `s` does not leave its scope: by a variable, a cell, a return, a thread, or a task of an outer scope. Good twin:
//! `good/scope_escapes.rs`.
use async_scope::{Scope, scope};
use std::cell::Cell;

fn main() {
    let mut variable = None;
    runtime_glue::block_on(scope!(|s| {
        variable = Some(s);
    }));
    variable.unwrap().cancel();

    let cell: Cell<Option<&Scope<'_>>> = Cell::new(None);
    runtime_glue::block_on(scope!(|s| { cell.set(Some(s)) }));
    cell.get().unwrap().cancel();

    let returned = runtime_glue::block_on(scope!(|s| s));
    returned.cancel();

    runtime_glue::block_on(scope!(|s| {
        std::thread::spawn(move || s.cancel());
    }));

    runtime_glue::block_on(scope!(|outer| {
        scope!(|inner| {
            outer.spawn(async move { inner.cancel() });
        })
        .await;
    }));

    let builder = runtime_glue::block_on(scope!(|s| s.builder()));
    drop(builder);

    let place = runtime_glue::block_on(scope!(|s| s.try_reserve()));
    drop(place);
}
