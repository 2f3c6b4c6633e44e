//! *Barbara battles buffered streams* (rust-lang/futures-rs#2387): a server drops connections that are idle for 50 ms; at most five
//! queries are under way; the consumer takes 500 ms for each row.
//!
//! Today `buffered` polls its futures only while it is polled itself. While the consumer works, the queries that are in flight
//! stand still, their connections idle, and the server drops them:
//!
//! ```text
//! stream::iter(work).map(|item| do_select(db, item)).buffered(5).for_each(|row| process(row)).await
//! ```
//!
//! Here the queries are tasks of a scope: they go on. Time is virtual.

use std::{
    sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

use async_scope::{StreamInScope as _, async_fn, scope};
use async_trait_core::{items, yield_now};
use futures::stream::{self, StreamExt as _};
use runtime_glue::{now, sleep, testing};

const IDLE: Duration = Duration::from_millis(50);
const ROWS: u32 = 40;

/// The server: counts the queries whose client was silent for longer than `IDLE`.
#[derive(Default)]
struct Server {
    idle_failures: AtomicU32,
    queries: AtomicUsize,
    most_queries: AtomicUsize,
    consumers: AtomicUsize,
}

impl Server {
    fn seen(&self, last: &mut Instant, now: Instant) {
        if now - *last > IDLE {
            self.idle_failures.fetch_add(1, SeqCst);
        }
        *last = now;
    }
}

/// A query: several round trips, the client being heard of at each.
async fn do_select(server: &Server, row: u32) -> u32 {
    server.most_queries.fetch_max(server.queries.fetch_add(1, SeqCst) + 1, SeqCst);
    let clock = runtime_glue::RuntimeHandle::current;
    let mut last = runtime_glue::Runtime::now(&clock());
    for _ in 0..3 {
        sleep(Duration::from_millis(10)).await;
        server.seen(&mut last, runtime_glue::Runtime::now(&clock()));
    }
    server.queries.fetch_sub(1, SeqCst);
    row
}

#[async_fn(send)]
async fn process(server: &Server, _row: u32) {
    assert_eq!(server.consumers.fetch_add(1, SeqCst), 0, "one consumer at a time");
    sleep(Duration::from_millis(500)).await;
    server.consumers.fetch_sub(1, SeqCst);
}

#[test]
fn no_connection_idles_while_the_consumer_works() {
    testing::for_seeds(0..20, |rt| {
        let server = Server::default();
        rt.block_on(scope!(|s| {
            stream::iter(0..ROWS)
                .map(|row| do_select(&server, row))
                .buffered_in(5, s)
                .for_each(|row| process(&server, row))
                .await;
        }));
        assert_eq!(server.idle_failures.load(SeqCst), 0);
        assert!(server.most_queries.load(SeqCst) <= 5);
    });
}

#[test]
fn the_same_on_futures_buffered_fails() {
    testing::for_seeds(0..1, |rt| {
        let server = Server::default();
        rt.block_on(async {
            let mut rows = stream::iter(0..ROWS).map(|row| do_select(&server, row)).buffered(5);
            while rows.next().await.is_some() {
                sleep(Duration::from_millis(500)).await;
            }
        });
        assert!(server.idle_failures.load(SeqCst) > 0, "the reason for all this is gone");
    });
}

#[test]
fn the_semaphores_deadlock_form_finishes() {
    // The consumer needs a permit that the items in flight hold: with `buffered` they are not polled and never give it back.
    testing::for_seeds(0..50, |rt| {
        let permits = futures::lock::Mutex::new(());
        let permits = &permits;
        let rows = rt.block_on(scope!(|s| {
            let mut done = 0;
            let work = items(stream::iter(0..20)).map(|row| async move {
                let _permit = permits.lock().await;
                yield_now().await;
                row
            });
            let mut work = work.buffered_in(5, s);
            while work.next().await.is_some() {
                let _permit = permits.lock().await;
                done += 1;
            }
            done
        }));
        assert_eq!(rows, 20);
    });
}

/// *Barbara compares some C++ code*: a stage that computes uses every core, and borrows its input.
#[test]
fn a_computing_stage_runs_in_parallel_and_borrows() {
    let documents: Vec<String> = (0..64).map(|n| format!("document {n} ").repeat(100)).collect();
    let threads = std::sync::Mutex::new(std::collections::HashSet::new());
    let lengths = runtime_glue::block_on(scope!(|s| {
        let threads = &threads;
        items(stream::iter(&documents))
            .map(|document| async move {
                threads.lock().unwrap().insert(std::thread::current().id());
                document.bytes().map(u64::from).sum::<u64>()
            })
            .buffered_in(8, s)
            .collect::<Vec<_>>()
            .await
    }));
    let expected: Vec<u64> = documents.iter().map(|document| document.bytes().map(u64::from).sum()).collect();
    assert_eq!(lengths, expected);
    assert!(!threads.lock().unwrap().is_empty());
}

#[test]
fn virtual_time_is_what_the_queries_see() {
    testing::for_seeds(0..1, |rt| {
        let start = rt.now();
        let end = rt.block_on(async_scope::async_block! {
            sleep(IDLE).await;
            now().await
        });
        assert_eq!(end - start, IDLE);
    });
}
