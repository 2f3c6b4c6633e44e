//! And a blocking job. Good twin: `good/not_send.rs`.
use async_scope::scope;
use std::cell::Cell;

fn main() {
    let cell = Cell::new(1);
    runtime_glue::block_on(scope!(|s| {
        s.spawn_blocking(|| cell.set(2));
    }));
}
