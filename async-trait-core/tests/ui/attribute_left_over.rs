use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

#[async_fn]
#[rustfmt::skip]
async fn tool() {}

#[async_fn]
#[test_attributes::adds_a_tool]
async fn added() {}

#[async_fn(__last)]
#[test_attributes::keep]
async fn claims_to_be_last() {}

fn unused() {
    let _ = async_block! { plain! { 1 }.await };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
