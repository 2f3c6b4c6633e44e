//! What an `.await` costs in an `#[async_fn]`, against one in a plain `async fn`: four functions deep, ready at once or pending
//! once.

use std::hint::black_box;

use async_scope::async_fn;
use async_trait_core::block_on_with;

use crate::{
    marks::{Mark, Of},
    peers::yield_now,
    work::{Peer, Work, repeat},
};

const TIMES: u64 = 1000;

/// The same functions twice: `async fn`, and `#[async_fn]`.
macro_rules! functions {
    ($module:ident $(#[$attribute:meta])?) => {
        mod $module {
            use super::*;

            $(#[$attribute])?
            async fn leaf(n: u64, wait: bool) -> u64 {
                if wait {
                    yield_now().await;
                }
                black_box(n)
            }

            $(#[$attribute])?
            async fn branch(n: u64, wait: bool) -> u64 {
                leaf(n, wait).await + 1
            }

            $(#[$attribute])?
            async fn bough(n: u64, wait: bool) -> u64 {
                branch(n, wait).await + 1
            }

            $(#[$attribute])?
            pub(super) async fn trunk(times: u64, wait: bool) -> u64 {
                let mut sum = 0;
                for n in 0..times {
                    sum += bough(n, wait).await;
                }
                sum
            }
        }
    };
}

functions!(plain);
functions!(ours #[async_fn]);

pub(crate) fn ready() -> Work {
    Work {
        name: "await-ready",
        title: "Await four functions deep, ready at once",
        unit: "call",
        units: TIMES,
        marks: vec![
            Mark::new(Of::Time("async fn"), 1.03, 1.03),
            Mark::new(Of::InstructionsAgainst("async fn"), 1.03, 1.03),
        ],
        peers: vec![
            Peer::one_thread("#[async_fn]", || {
                repeat(|| {
                    black_box(block_on_with(ours::trunk(TIMES, black_box(false)), || {}));
                })
            }),
            Peer::one_thread("async fn", || {
                repeat(|| {
                    black_box(block_on_with(plain::trunk(TIMES, black_box(false)), || {}));
                })
            }),
        ],
    }
}

pub(crate) fn pending() -> Work {
    Work {
        name: "await-pending",
        title: "Await four functions deep, pending once",
        unit: "call",
        units: TIMES,
        marks: vec![
            Mark::new(Of::Time("async fn"), 1.03, 1.03),
            Mark::new(Of::InstructionsAgainst("async fn"), 1.03, 1.03),
        ],
        peers: vec![
            Peer::one_thread("#[async_fn]", || {
                repeat(|| {
                    black_box(block_on_with(ours::trunk(TIMES, black_box(true)), || {}));
                })
            }),
            Peer::one_thread("async fn", || {
                repeat(|| {
                    black_box(block_on_with(plain::trunk(TIMES, black_box(true)), || {}));
                })
            }),
        ],
    }
}
