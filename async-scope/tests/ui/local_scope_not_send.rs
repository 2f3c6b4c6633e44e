//! And so does its value. Good twin: `good/not_send.rs`.
use async_scope::{local_scope, scope};

fn main() {
    runtime_glue::block_on(scope!(|s| {
        s.spawn(local_scope!(|_| ()));
    }));
}
