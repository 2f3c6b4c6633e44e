//! An async block is as large as the plain `async` block it is made of.

use std::future::Future;

use async_trait_core::{Async, async_fn, ready, yield_now};

mod theirs {
    use super::*;

    pub async fn leaf(n: u64) -> u64 {
        yield_now().await;
        n
    }

    pub async fn linear(n: u64) -> u64 {
        let a = leaf(n).await;
        let buffer = [a; 8];
        let b = leaf(buffer[1]).await;
        a + b + buffer.len() as u64
    }

    pub async fn branches(n: u64, text: String) -> Result<u64, std::fmt::Error> {
        let mut sum = 0;
        for i in 0..n {
            sum += match i {
                0 => leaf(i).await,
                1 => linear(i).await,
                _ => fails(&text).await?,
            };
        }
        println!("{}", leaf(sum).await);
        Ok(sum)
    }

    pub async fn fails(text: &str) -> Result<u64, std::fmt::Error> {
        let _guard = String::from(text);
        ready(Err(std::fmt::Error)).await
    }

    pub async fn nested(n: u64) -> u64 {
        let inner = async move { linear(n).await + leaf(n).await };
        inner.await + ready(n).await
    }

    pub async fn patterns((a, b): (u64, [u64; 4]), _: String, mut c: Vec<u64>) -> u64 {
        c.push(leaf(a).await);
        leaf(b[0]).await + c.len() as u64
    }
}

mod ours {
    use super::*;

    #[async_fn]
    pub async fn leaf(n: u64) -> u64 {
        yield_now().await;
        n
    }

    #[async_fn]
    pub async fn linear(n: u64) -> u64 {
        let a = leaf(n).await;
        let buffer = [a; 8];
        let b = leaf(buffer[1]).await;
        a + b + buffer.len() as u64
    }

    #[async_fn]
    pub async fn branches(n: u64, text: String) -> Result<u64, std::fmt::Error> {
        let mut sum = 0;
        for i in 0..n {
            sum += match i {
                0 => leaf(i).await,
                1 => linear(i).await,
                _ => fails(&text).await?,
            };
        }
        println!("{}", leaf(sum).await);
        Ok(sum)
    }

    #[async_fn]
    pub async fn fails(text: &str) -> Result<u64, std::fmt::Error> {
        let _guard = String::from(text);
        ready(Err(std::fmt::Error)).await
    }

    #[async_fn]
    pub async fn nested(n: u64) -> u64 {
        let inner = async move { linear(n).await + leaf(n).await };
        inner.await + ready(n).await
    }

    #[async_fn]
    pub async fn patterns((a, b): (u64, [u64; 4]), _: String, mut c: Vec<u64>) -> u64 {
        c.push(leaf(a).await);
        leaf(b[0]).await + c.len() as u64
    }
}

fn sizes<F: Future, A: Async>(future: F, a: A) -> (usize, usize) {
    (size_of_val(&future), size_of_val(&a))
}

#[test]
fn equal() {
    let text = String::new;
    for (theirs, ours) in [
        sizes(theirs::leaf(1), ours::leaf(1)),
        sizes(theirs::linear(1), ours::linear(1)),
        sizes(theirs::branches(1, text()), ours::branches(1, text())),
        sizes(theirs::fails(""), ours::fails("")),
        sizes(theirs::nested(1), ours::nested(1)),
        sizes(theirs::patterns((1, [1; 4]), text(), vec![]), ours::patterns((1, [1; 4]), text(), vec![])),
    ] {
        assert_eq!(theirs, ours);
    }
}
