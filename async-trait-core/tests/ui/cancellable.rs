use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

#[async_fn(cancellable)]
async fn no_result() -> u32 {
    must_finish().await
}

#[async_fn(cancellable)]
async fn nothing() {
    must_finish().await;
}

struct Error;

#[async_fn(cancellable)]
async fn no_conversion() -> Result<u32, Error> {
    Ok(must_finish().await)
}

#[async_fn(cancellable)]
async fn opaque() -> impl std::fmt::Debug {
    Ok::<_, std::convert::Infallible>(must_finish().await)
}

fn unused() {
    let _ = async_block! { plain! { 1 }.await };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
