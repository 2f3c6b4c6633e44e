//! What a blocking job is told does not leave its thread. Good twin: `good/blocking_cx.rs`.
use async_scope::scope;

fn main() {
    runtime_glue::block_on(scope!(|s| {
        s.spawn_blocking_with(|cx| {
            std::thread::scope(|threads| {
                threads.spawn(|| cx.is_cancelled());
            });
        });
    }));
}
