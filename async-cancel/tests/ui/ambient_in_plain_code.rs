//! Plain code has no context to ask, so the ambient operations are no futures.
use async_cancel::{checkpoint, is_cancelled};
use async_trait_core::async_fn;

#[async_fn]
async fn good() -> bool {
    checkpoint().await.is_err() || is_cancelled().await
}

async fn bad() -> bool {
    is_cancelled().await
}

fn main() {
    drop((good(), bad()));
}
