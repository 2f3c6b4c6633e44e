//! And a release hook, since the scope may. Good twin: `good/not_send.rs`.
use async_scope::scope;
use std::rc::Rc;

fn main() {
    let hook = Rc::new(1);
    runtime_glue::block_on(scope!(|s| {
        let hook = Rc::clone(&hook);
        s.on_exit(async move { println!("{hook}") });
    }));
}
