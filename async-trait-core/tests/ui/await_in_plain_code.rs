use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

fn is_async<A: Async>(a: A) -> A {
    a
}

async fn plain_function() -> u32 {
    must_finish().await
}

fn plain_block() {
    let _ = async { must_finish().await };
}

#[async_fn]
async fn kept_plain() -> u32 {
    plain! { must_finish().await }.await
}

#[async_fn]
async fn async_closure() -> u32 {
    let closure = async || must_finish().await;
    closure().await
}

#[async_fn]
async fn item() {
    async fn inner() -> u32 {
        must_finish().await
    }
    is_async(inner()).await;
    is_async(async_block! { 1 }).await;
}

fn main() {}
