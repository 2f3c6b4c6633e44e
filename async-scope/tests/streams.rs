//! Streams into scopes: order, back-pressure, nothing lost, nothing stalled.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_scope::{StreamInScope as _, async_fn, scope};
use async_trait_core::{items, yield_now};
use futures::stream;
use runtime_glue::block_on;

/// How many are under way, and the most there ever were.
#[derive(Default)]
struct Gauge {
    live: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn up(&self) {
        self.most.fetch_max(self.live.fetch_add(1, SeqCst) + 1, SeqCst);
    }

    fn down(&self) {
        self.live.fetch_sub(1, SeqCst);
    }
}

#[async_fn(send)]
async fn work(gauge: &Gauge, n: usize) -> usize {
    gauge.up();
    for _ in 0..n % 4 {
        yield_now().await;
    }
    gauge.down();
    n
}

#[test]
fn buffered_keeps_the_order_and_the_limit() {
    let gauge = Gauge::default();
    let out = block_on(scope!(|s| {
        items(stream::iter(0..200)).map(|n| work(&gauge, n)).buffered_in(5, s).collect::<Vec<_>>().await
    }));
    assert_eq!(out, (0..200).collect::<Vec<_>>());
    assert!(gauge.most.load(SeqCst) <= 5);
}

#[test]
fn unordered_yields_all_within_the_limit() {
    let gauge = Gauge::default();
    let mut out = block_on(scope!(|s| {
        items(stream::iter(0..200)).map(|n| work(&gauge, n)).buffer_unordered_in(5, s).collect::<Vec<_>>().await
    }));
    out.sort_unstable();
    assert_eq!(out, (0..200).collect::<Vec<_>>());
    assert!(gauge.most.load(SeqCst) <= 5);
}

#[test]
fn for_each_runs_at_most_n() {
    let (gauge, sum) = (Gauge::default(), AtomicUsize::new(0));
    block_on(scope!(|s| {
        items(stream::iter(0..200))
            .for_each_in(3, s, |n| {
                let (gauge, sum) = (&gauge, &sum);
                async_scope::async_block! { move sum.fetch_add(work(gauge, n).await, SeqCst); }
            })
            .await
    }));
    assert_eq!(sum.load(SeqCst), 199 * 100);
    assert!(gauge.most.load(SeqCst) <= 3);
}

#[test]
fn work_in_flight_goes_on_while_the_consumer_is_slow() {
    let gauge = Gauge::default();
    block_on(scope!(|s| {
        let mut results = items(stream::iter(0..20)).map(|n| work(&gauge, n)).buffered_in(5, s);
        let mut taken = 0;
        while let Some(n) = results.next().await {
            assert_eq!(n, taken);
            taken += 1;
            // The consumer waits for what is in flight, without polling the stream: a nested await that would stall `buffered`.
            while gauge.live.load(SeqCst) > 0 {
                yield_now().await;
            }
        }
        assert_eq!(taken, 20);
    }));
}

#[test]
fn a_dropped_buffer_asks_its_tasks_and_the_scope_ends() {
    block_on(scope!(|s| {
        let futures = (0..10).map(|n| {
            Box::pin(async_trait_core::plain! { move
                if n > 0 {
                    std::future::pending::<()>().await;
                }
                n
            })
        });
        let mut results = items(stream::iter(futures)).buffer_unordered_in(4, s);
        assert_eq!(results.next().await, Some(0));
    }));
}

#[test]
fn what_nobody_took_is_handed_back() {
    let (sent, took) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let left = block_on(scope!(|s| {
        let mut received = s.produce(3, |tx| {
            let sent = &sent;
            async_scope::async_block! { move
                for n in 0_usize.. {
                    match tx.send(n).await {
                        Ok(()) => { sent.fetch_add(1, SeqCst); }
                        Err(error) => { assert_eq!(error.0, n); break }
                    }
                }
            }
        });
        for n in 0..10 {
            assert_eq!(received.next().await, Some(n));
            took.fetch_add(1, SeqCst);
        }
        received.into_inner().close().await
    }));
    assert_eq!(took.load(SeqCst) + left.len(), sent.load(SeqCst));
    assert_eq!(left, (10..10 + left.len()).collect::<Vec<_>>());
}

#[test]
fn an_iterator_in_a_task_is_a_plain_stream() {
    let gauge = Gauge::default();
    let out = block_on(scope!(|s| {
        let gauge = &gauge;
        // `then` of a non-cancel-safe block is no stream; in its task it is.
        let slow = items(stream::iter(0..50)).then(move |n| work(gauge, n));
        futures::StreamExt::collect::<Vec<_>>(slow.spawn_in(4, s).into_inner()).await
    }));
    assert_eq!(out, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_source_that_panics_ends_the_scope() {
    let panic = std::panic::catch_unwind(|| {
        block_on(scope!(|s| {
            let mut received = s.produce(1, |tx| {
                async_scope::async_block! { move
                    tx.send(1).await.unwrap();
                    panic!("source");
                }
            });
            while received.next().await.is_some() {}
        }));
    });
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"source"));
}

#[test]
fn dropping_the_receiver_stops_a_source_that_waits_for_its_input() {
    block_on(scope!(|s| {
        let received = items(stream::pending::<u8>()).spawn_in(1, s);
        drop(received);
        // The pump is background work: the scope would end anyway, but here it has ended before.
        while s.tree().to_string().lines().count() > 1 {
            yield_now().await;
        }
    }));
}
