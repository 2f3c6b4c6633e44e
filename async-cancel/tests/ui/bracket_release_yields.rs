//! A release yields nothing, which would be lost.
use async_cancel::{Cancelled, bracket};
use async_trait_core::block_on_with;

fn main() {
    let good = bracket!(async { Ok::<_, Cancelled>(1) }, |r| { Ok(*r) }, |_, _| {});
    assert_eq!(block_on_with(good, || {}), Ok(1));
    let _ = bracket!(async { Ok::<_, Cancelled>(1) }, |r| { Ok(*r) }, |_, _| 5);
}
