//! A stream of work on two workers, eight items at a time, whose outputs are taken in order.

use std::hint::black_box;

use async_scope::{StreamInScope as _, scope};
use futures::{StreamExt as _, stream};

use crate::{
    marks::{Mark, Of},
    peers,
    work::{Peer, Work, repeat},
};

const ITEMS: u64 = 1000;
const AT_ONCE: usize = 8;
const SUM: u64 = ITEMS * (ITEMS - 1) / 2;

/// About two microseconds of a core.
async fn item(number: u64) -> u64 {
    let mut state = number | 1;
    for _ in 0..1500 {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005));
    }
    black_box(state);
    number
}

pub(crate) fn buffered() -> Work {
    Work {
        name: "buffered",
        title: "1000 items of 2 µs, 8 at once, on 2 workers, in order",
        unit: "item",
        units: ITEMS,
        marks: vec![Mark::goal(Of::Allocations, 0.1)],
        peers: vec![
            Peer::threads("buffered_in", || {
                let pool = peers::pool();
                repeat(move || {
                    let sum = pool.block_on(scope!(|s| {
                        let mut sum = 0;
                        let mut outputs = stream::iter(0..ITEMS).map(item).buffered_in(AT_ONCE, s);
                        while let Some(output) = outputs.next().await {
                            sum += output;
                        }
                        sum
                    }));
                    assert_eq!(sum, SUM);
                })
            }),
            Peer::threads("buffered over tokio::spawn", || {
                let tokio = peers::tokio_workers();
                repeat(move || {
                    let sum = peers::on_tokio(&tokio, async {
                        let tasks = stream::iter(0..ITEMS).map(|i| tokio::spawn(item(i)));
                        let outputs = tasks.buffered(AT_ONCE);
                        outputs.fold(0, async |sum, output| sum + output.unwrap()).await
                    });
                    assert_eq!(sum, SUM);
                })
            }),
            Peer::one_thread("buffered, in one task", || {
                let tokio = peers::tokio_current_thread();
                repeat(move || {
                    let outputs = stream::iter(0..ITEMS).map(item).buffered(AT_ONCE);
                    assert_eq!(tokio.block_on(outputs.fold(0, async |sum, output| sum + output)), SUM);
                })
            }),
        ],
    }
}
