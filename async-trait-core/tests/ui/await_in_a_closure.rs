use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

#[async_fn]
async fn closure() -> Option<u32> {
    Some(()).map(|()| must_finish().await)
}

fn block() -> impl Async {
    async_block! { [1].map(|_| must_finish().await) }
}

#[async_fn]
async fn item() {
    fn inner() {
        must_finish().await;
    }
    const SIZE: u32 = must_finish().await;
}

fn unused() {
    let _ = plain! { 1 };
}

fn main() {}
