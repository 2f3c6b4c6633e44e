//! A task of a parallel scope goes to other threads. Good twin: `good/not_send.rs`.
use async_scope::scope;
use std::rc::Rc;

fn main() {
    let shared = Rc::new(1);
    runtime_glue::block_on(scope!(|s| {
        let shared = Rc::clone(&shared);
        s.spawn(async move { println!("{shared}") });
    }));
}
