//! A local of the body is gone before a task is: it cannot be borrowed by one. Good twin: `good/body_local.rs`.
use async_scope::{scope, try_scope};

fn main() {
    runtime_glue::block_on(scope!(|s| {
        let local = String::from("of the body");
        s.spawn(async { println!("{}", local.len()) });
    }));
    runtime_glue::block_on(scope!(|s| {
        let local = String::from("of the body");
        s.spawn_blocking(|| println!("{}", local.len()));
    }));
    runtime_glue::block_on(scope!(|s| {
        let mut local = vec![1];
        s.on_exit(async { local.push(2) });
    }));
    let _ = runtime_glue::block_on(try_scope!(|s| -> std::io::Result<()> {
        let local = String::from("of the body");
        s.spawn(async { Ok(local.len()) });
        Ok(())
    }));
}
