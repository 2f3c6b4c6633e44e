//! A handle may leave the scope, but not if its output borrows from it. Good twin: `good/handle_escapes.rs`.
use async_scope::scope;

fn main() {
    let handle = runtime_glue::block_on(scope!(|s| {
        let number = s.own(5, |_| async {});
        s.spawn(async move { number })
    }));
    drop(handle);

    let mut kept = Vec::new();
    runtime_glue::block_on(scope!(|s| {
        kept.push(s.spawn(async move { s }));
    }));
    drop(kept);
}
