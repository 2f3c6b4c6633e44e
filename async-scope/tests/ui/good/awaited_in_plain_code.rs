use async_scope::{async_block, async_fn, plain, scope};

async fn plain() {
    // The door from plain code: a task of its own.
    runtime_glue::run(scope!(|s| { s.spawn(async {}); })).await;
}

#[async_fn]
async fn nested() {
    let closure = || async_block! { scope!(|s| { s.spawn(async {}); }).await };
    closure().await;
    #[async_fn]
    async fn item() {
        scope!(|s| { s.spawn(async {}); }).await;
    }
    item().await;
    // A plain future can be awaited anywhere.
    plain! { std::future::ready(()).await }.await;
}

fn main() {
    runtime_glue::block_on(plain());
    runtime_glue::block_on(nested());
}
