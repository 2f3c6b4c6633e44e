use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

use std::{cell::Cell, rc::Rc};

#[async_fn(send)]
async fn holds_an_rc() -> u32 {
    let rc = Rc::new(1);
    must_finish().await + *rc
}

#[async_fn(boxed)]
async fn boxed_with_a_cell(cell: &Cell<u32>) -> u32 {
    cell.set(must_finish().await);
    cell.get()
}

trait Source {
    #[async_fn]
    async fn get(&self) -> u32;
}

fn assert_send<T: Send>(_: T) {}

fn generic<S: Source + Sync>(source: &S) {
    assert_send(source.get());
}

fn unused() {
    let _ = async_block! { plain! { 1 }.await };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
