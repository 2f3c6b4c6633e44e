//! A timeout around an async block must be waited for, so plain code, which may be dropped, cannot await it. Around a plain
//! future it can.
use async_cancel::timeout;
use async_trait_core::async_block;
use std::time::Duration;

async fn good() -> bool {
    timeout(Duration::ZERO, async { 1 }).await.is_ok()
}

async fn bad() -> bool {
    timeout(Duration::ZERO, async_block! { 1 }).await.is_ok()
}

fn main() {
    drop((good(), bad()));
}
