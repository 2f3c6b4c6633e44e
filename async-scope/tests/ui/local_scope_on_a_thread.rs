//! A local scope stays on its thread. Good twin: `good/not_send.rs`.
use async_scope::local_scope;

fn main() {
    runtime_glue::block_on(local_scope!(|s| {
        std::thread::scope(|threads| {
            threads.spawn(|| s.spawn(async {}));
        });
    }));
}
