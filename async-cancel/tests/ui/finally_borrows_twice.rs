//! A cleanup may not use what the work borrows mutably: that is what `bracket!` is for.
use async_cancel::{Cancelled, bracket, finally};
use async_trait_core::{async_block, async_fn, block_on_with};

struct Connection(u32);

impl Connection {
    #[async_fn]
    async fn query(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
    #[async_fn]
    async fn close(self) {}
}

fn main() {
    let mut connection = Connection(0);
    let bad = finally(async_block! { connection.query().await }, async_block! { connection.query().await; });
    block_on_with(bad, || {});

    let good = bracket!(
        async { Ok::<_, Cancelled>(Connection(0)) },
        |connection| { Ok(connection.query().await) },
        |connection, _| connection.close().await
    );
    block_on_with(good, || {}).unwrap();
}
