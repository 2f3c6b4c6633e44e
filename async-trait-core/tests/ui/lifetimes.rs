use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

struct Holder<'a>(&'a u32);

#[async_fn]
async fn borrows(text: &str) -> &str {
    must_finish().await;
    text
}

fn returned_too_long() -> &'static str {
    let text = String::from("local");
    let value = borrows(&text);
    drop(text);
    drop(value);
    ""
}

#[async_fn]
async fn local() -> &'static str {
    let text = String::from("local");
    must_finish().await;
    &text
}

#[async_fn(boxed)]
async fn hidden_lifetime(holder: Holder) -> u32 {
    *holder.0
}

fn unused() {
    let _ = async_block! { plain! { 1 }.await };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
