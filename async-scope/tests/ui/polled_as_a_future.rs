//! Nor is it a future, which could be polled without. Good twin: `good/awaited_in_plain_code.rs`.
use async_scope::scope;
use std::{pin::pin, task::Waker};

fn main() {
    let value = pin!(scope!(|s| { s.spawn(async {}); }));
    let _ = std::future::Future::poll(value, &mut std::task::Context::from_waker(Waker::noop()));
}
