//! What is lent does not leave the body: the release takes it away.
use async_cancel::{Cancelled, bracket};
use async_trait_core::block_on_with;

fn main() {
    let good = bracket!(async { Ok::<_, Cancelled>(String::new()) }, |r| { Ok(r.len()) }, |r, _| drop(r));
    assert_eq!(block_on_with(good, || {}), Ok(0));
    let bad = bracket!(async { Ok::<_, Cancelled>(String::new()) }, |r| { Ok(r) }, |r, _| drop(r));
    block_on_with(bad, || {}).unwrap();
}
