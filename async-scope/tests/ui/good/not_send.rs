use async_scope::{local_scope, scope};
use std::{cell::Cell, rc::Rc, sync::Arc};

fn main() {
    let shared = Arc::new(1);
    runtime_glue::block_on(scope!(|s| {
        let shared = Arc::clone(&shared);
        s.spawn(async move { println!("{shared}") });
    }));

    let (shared, cell) = (Rc::new(1), Cell::new(1));
    runtime_glue::block_on(local_scope!(|s| {
        let shared = Rc::clone(&shared);
        let output = s.spawn(async move { shared });
        s.spawn(async { cell.set(2) });
        let hook = Rc::new(1);
        s.on_exit(async move { println!("{hook}") });
        assert_eq!(*output.await.unwrap(), 1);
    }));
    assert_eq!(cell.get(), 2);
}
