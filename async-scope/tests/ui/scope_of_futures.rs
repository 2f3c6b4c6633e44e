//! A scope of plain futures may be dropped, so what is no plain future does not go into it. Good twin:
//! `good/scope_of_futures.rs`.
use async_scope::{async_block, local_scope, scope};

fn main() {
    runtime_glue::block_on(local_scope!(futures, |s| {
        s.spawn(async_block! { std::future::ready(()).await });
        s.spawn(scope!(|inner| { inner.spawn(async {}); }));
    }));

    runtime_glue::block_on(local_scope!(futures, |s| {
        scope!(|inner| { inner.spawn(async {}); }).await;
    }));
}
