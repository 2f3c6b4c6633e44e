//! A scope is no future: plain async code, which may be forgotten half-way, cannot await it. Nor does an await reach out of a
//! closure or a nested item. Good twin: `good/awaited_in_plain_code.rs`.
use async_scope::{async_fn, scope};

async fn plain() {
    scope!(|s| { s.spawn(async {}); }).await;
}

#[async_fn]
async fn nested() {
    let closure = || scope!(|s| { s.spawn(async {}); }).await;
    closure();
    async fn item() {
        scope!(|s| { s.spawn(async {}); }).await;
    }
    item().await;
}

fn main() {
    runtime_glue::block_on(plain());
    runtime_glue::block_on(nested());
}
