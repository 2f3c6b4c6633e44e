use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

#[async_fn]
async unsafe fn unsafe_function() {}

#[async_fn]
const async fn const_function() {}

#[async_fn]
async extern "C" fn extern_function() {}

#[async_fn]
fn not_async() {}

#[async_fn]
struct NotAFunction;

#[async_fn(sent)]
async fn unknown_option() {}

#[async_fn(local)]
async fn local_without_boxed() {}

#[async_fn(send, boxed, local)]
async fn contradiction() {}

#[async_fn(send, send)]
async fn twice() {}

#[async_fn(boxed(global))]
async fn boxed_what() {}

fn syntax() {
    let _ = async_block! { -> u32 { 1 } 2 };
    let _ = async_block! { let x = ; must_finish().await };
}

fn unused() {
    let _ = plain! { 1 };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
