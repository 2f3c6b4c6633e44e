use async_scope::{scope, try_scope};

fn main() {
    let outside = String::from("outlives the scope");
    let mut list = vec![1];
    runtime_glue::block_on(scope!(|s| {
        s.spawn(async { println!("{}", outside.len()) });
        s.spawn_blocking(|| println!("{}", outside.len()));
        s.on_exit(async { list.push(2) });
        // What is moved in is the task's own.
        let local = String::from("of the body");
        s.spawn(async move { println!("{}", local.len()) });
        // And a task of an inner scope may borrow from the body of the outer one.
        let local = String::from("of the outer body");
        scope!(|inner| { inner.spawn(async { println!("{}", local.len()) }); }).await;
    }));
    runtime_glue::block_on(try_scope!(|s| -> std::io::Result<()> {
        s.spawn(async { Ok(outside.len()) });
        Ok(())
    }))
    .unwrap();
    assert_eq!(list, [1, 2]);
}
