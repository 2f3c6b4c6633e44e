//! And does not go into a task. Good twin: `good/blocking_cx.rs`.
use async_scope::scope;

fn main() {
    runtime_glue::block_on(scope!(|s| {
        s.spawn_blocking_with(|cx| {
            s.spawn_blocking(move || cx.is_cancelled());
        });
    }));
}
