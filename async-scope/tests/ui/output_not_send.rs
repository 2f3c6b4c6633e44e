//! And so does its output. Good twin: `good/not_send.rs`.
use async_scope::scope;
use std::rc::Rc;

fn main() {
    runtime_glue::block_on(scope!(|s| {
        s.spawn(async { Rc::new(1) });
    }));
}
