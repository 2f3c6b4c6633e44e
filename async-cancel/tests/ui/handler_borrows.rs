//! A token's handler runs at any time, so it owns what it uses. One in the task itself may borrow.
use async_cancel::{CancellationToken, on_cancel};
use async_trait_core::{async_block, block_on_with};
use std::cell::Cell;

fn main() {
    let seen = Cell::new(false);
    block_on_with(on_cancel(async_block! {}, |_| seen.set(true)), || {});

    let token = CancellationToken::new();
    let count = 1;
    drop(token.on_cancel(|_| drop(&count)));
}
