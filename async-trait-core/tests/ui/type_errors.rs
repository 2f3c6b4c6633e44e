use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

#[async_fn]
async fn wrong_tail() -> String {
    must_finish().await
}

#[async_fn]
async fn wrong_let() {
    let _: &str = must_finish().await;
}

#[async_fn]
async fn wrong_return(early: bool) -> u32 {
    if early {
        return "early";
    }
    must_finish().await
}

#[async_fn]
async fn question_mark() {
    "1".parse::<u32>()?;
}

#[async_fn]
async fn moved(text: String) -> String {
    drop(text);
    must_finish().await;
    text
}

#[async_fn]
async fn wrong_argument() -> u32 {
    takes(must_finish().await).await
}

#[async_fn]
async fn takes(text: &str) -> u32 {
    text.len() as u32
}

fn block() -> impl Async<Output = String> {
    async_block! { must_finish().await }
}

fn unused() {
    let _ = plain! { 1 };
}

fn main() {}
