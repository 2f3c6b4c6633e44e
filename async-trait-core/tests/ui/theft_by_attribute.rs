use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

mod rustfmt {
    pub use test_attributes::skip;
}

/// With the local module this is a macro, and runs first.
#[async_fn]
#[rustfmt::skip]
async fn stripped_before() -> u32 {
    must_finish().await
}

#[async_fn]
async fn on_a_statement() {
    #[test_attributes::strips_awaits]
    let _ = must_finish().await;
}

#[async_fn]
async fn on_an_expression() -> [u32; 1] {
    [
        #[test_attributes::strips_awaits]
        must_finish().await,
    ]
}

#[async_fn]
async fn conditional() {
    #[cfg_attr(all(), test_attributes::strips_awaits)]
    {
        must_finish().await;
    }
}

fn block() -> impl Async {
    async_block! {
        #[test_attributes::strips_awaits]
        let n = must_finish().await;
        n
    }
}

fn unused() {
    let _ = plain! { 1 };
}

fn main() {}
