//! An async block is asked, not dropped, so `or_cancelled` is not for it.
use async_cancel::{OrCancelled as _, with_timeout};
use async_trait_core::async_block;
use std::time::Duration;

fn main() {
    let good = with_timeout(Duration::ZERO, async_block! { std::future::ready(1).or_cancelled().await });
    let bad = async_block! { 1 }.or_cancelled();
    drop((good, bad));
}
