use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

macro_rules! same {
    ($($token:tt)*) => { $($token)* };
}

macro_rules! expression {
    ($e:expr) => {
        $e
    };
}

#[async_fn]
async fn tokens() -> u32 {
    same!(must_finish().await)
}

fn block() -> impl Async<Output = u32> {
    async_block! { expression!(must_finish().await) }
}

#[async_fn]
async fn delayed() {
    // Bind it first: `let n = must_finish().await;`.
    let _ = format_args!("{}", must_finish().await);
    let _ = plain! { async_block! { 1 }.await };
}

fn main() {}
