//! Started by hand and let go of: only with `unsafe`. Good twin: `good/awaited_in_plain_code.rs`.
use async_scope::{Async, scope};
use std::{pin::pin, task::Waker};

fn main() {
    let value = pin!(scope!(|s| { s.spawn(async {}); }));
    let _ = value.poll_async(&mut async_trait_core::Context::from_waker(Waker::noop()));
}
