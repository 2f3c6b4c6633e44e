//! And does not go into a parallel task. Good twin: `good/not_send.rs`.
use async_scope::{local_scope, scope};

fn main() {
    runtime_glue::block_on(scope!(|parallel| {
        local_scope!(|s| {
            parallel.spawn_blocking(move || s.cancel());
        })
        .await;
    }));
}
