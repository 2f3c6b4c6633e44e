#![deny(unused_must_use)]

use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}


#[async_fn]
async fn fallible() -> Result<(), std::fmt::Error> {
    Ok(())
}

#[async_fn]
async fn forgets() {
    must_finish();
    async_block! { 1 };
    fallible().await;
}

#[async_fn(boxed)]
async fn forgets_a_box() {
    forgets_a_box();
}

fn unused() {
    let _ = plain! { 1 };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
