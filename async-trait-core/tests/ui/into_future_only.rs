use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

struct Request;

impl IntoFuture for Request {
    type Output = u32;
    type IntoFuture = std::future::Ready<u32>;
    fn into_future(self) -> Self::IntoFuture {
        std::future::ready(1)
    }
}

#[async_fn]
async fn function() -> u32 {
    Request.await
}

fn block() -> impl Async {
    async_block! { 5.await }
}

fn unused() {
    let _ = plain! { 1 };
}

fn main() {}
