//! A crate on edition 2018 that uses `async-trait-core`.
#![forbid(unsafe_code)]
#![deny(warnings)]

use async_trait_core::{async_block, async_fn, plain, ready, Async};

/// Borrows through an elided lifetime, which an `impl Trait` of this edition would not capture.
#[async_fn]
pub async fn first<'a, T>(all: &'a [T], _: &str) -> Option<&'a T> {
    ready(all.first()).await
}

/// The panic of this edition takes any value.
#[expect(non_fmt_panics, reason = "it is what this tests")]
#[async_fn]
pub async fn panics(n: u32) {
    panic!(ready(n).await);
}

/// Blocks.
pub fn block() -> impl Async<Output = usize> {
    async_block! {
        let text = plain! { "text" }.await;
        let dyn_ = [1, 2];
        assert!(ready(true).await, "{}", ready(1).await);
        first(&dyn_, text).await.map_or(0, |n| *n) + first(text.as_bytes(), "").await.is_some() as usize
    }
}
