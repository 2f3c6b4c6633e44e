//! A token's handler runs on any thread.
use async_cancel::CancellationToken;
use std::{rc::Rc, sync::Arc};

fn main() {
    let token = CancellationToken::new();
    let good = Arc::new(());
    drop(token.on_cancel(move |_| drop(good)));
    let local = Rc::new(());
    drop(token.on_cancel(move |_| drop(local)));
}
