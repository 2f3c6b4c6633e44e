#![allow(unused)]
use async_trait_core::{Async, async_block, async_fn, plain, yield_now};

/// Must be polled to completion: no future.
#[async_fn(send)]
async fn must_finish() -> u32 {
    yield_now().await;
    1
}

use async_trait_core::__private::{Token, awaited};

#[async_fn]
async fn forged_label() {
    must_finish().await;
    if false {
        break '_body1 (loop {});
    }
}

#[async_fn]
async fn forged_label_in_a_macro() {
    macro_rules! println {
        ($text:literal, $($rest:tt)*) => { { break '_body1 (loop {}); } };
    }
    println!("{}", must_finish().await);
}

fn token_without_unsafe() {
    let _ = awaited(must_finish(), Token::new());
}

fn unused() {
    let _ = async_block! { plain! { 1 }.await };
    fn is_async<A: Async>(_: A) {}
}

fn main() {}
