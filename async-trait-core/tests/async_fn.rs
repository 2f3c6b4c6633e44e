//! `#[async_fn]`, `async_block!` and `plain!`: what they make of good programs.

use async_trait_core::{Async, async_block, async_fn, block_on_with, plain, ready, yield_now};

fn run<A: Async>(a: A) -> A::Output {
    block_on_with(a, || unreachable!("everything here wakes itself"))
}

#[async_fn]
async fn add(a: u32, b: &u32) -> u32 {
    yield_now().await;
    a + *b
}

#[async_fn(send)]
async fn twice(n: u32) -> u32 {
    let m = add(n, &n).await;
    ready(m).await
}

trait Source {
    #[async_fn(send)]
    async fn get(&self, key: &str) -> Result<String, std::fmt::Error>;
    #[async_fn]
    async fn len(&self, key: &str) -> usize
    where
        Self: Sync,
    {
        self.get(key).await.map_or(0, |s| s.len())
    }
}

struct Mem;
impl Source for Mem {
    #[async_fn(send)]
    async fn get(&self, key: &str) -> Result<String, std::fmt::Error> {
        yield_now().await;
        Ok(format!("{}-{key}", twice(2).await))
    }
}

#[test]
fn functions_blocks_and_traits() {
    assert_eq!(run(twice(4)), 8);
    assert_eq!(run(Mem.get("k")), Ok("4-k".into()));
    assert_eq!(run(Mem.len("k")), 3);
    let n = run(async_block! { move let x = plain! { 1 }.await; let f = async { x + twice(1).await }; f.await });
    assert_eq!(n, 3);
}
