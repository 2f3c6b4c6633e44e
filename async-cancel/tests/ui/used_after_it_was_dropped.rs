//! `or_cancelled` hands back an error and no future: what was dropped cannot be awaited again.
use async_cancel::OrCancelled as _;
use async_trait_core::async_block;

fn main() {
    let mut good = Box::pin(std::future::pending::<()>());
    let future = std::future::pending::<()>();
    let _ = async_block! {
        // by reference it is kept, as the one who awaits it knows
        if good.as_mut().or_cancelled().await.is_err() {
            good.await;
        }
    };
    let _ = async_block! {
        if future.or_cancelled().await.is_err() {
            future.await;
        }
    };
}
