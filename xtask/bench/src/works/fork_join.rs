//! A tree of forks: each node starts one half as a task, does the other itself, and waits.

use std::{future::Future, hint::black_box, pin::Pin, sync::Arc};

use async_executor::Executor;
use async_scope::{BoxAsync, async_block, scope};

use crate::{
    marks::{Mark, Of},
    peers,
    work::{Peer, Work, repeat},
};

const DEPTH: u64 = 20;
const OUTPUT: u64 = 6765;
/// How many calls a recursive fib(20) makes.
const NODES: u64 = 21_891;

fn ours(n: u64) -> BoxAsync<'static, u64> {
    if n < 2 {
        return BoxAsync::new(std::future::ready(black_box(n)));
    }
    BoxAsync::new(scope!(move |s| {
        let a = s.spawn(ours(n - 1));
        let b = ours(n - 2).await;
        a.await.unwrap() + b
    }))
}

fn on_rayon(n: u64) -> u64 {
    if n < 2 {
        return black_box(n);
    }
    let (a, b) = rayon::join(|| on_rayon(n - 1), || on_rayon(n - 2));
    a + b
}

type Boxed = Pin<Box<dyn Future<Output = u64> + Send>>;

fn on_tokio(n: u64) -> Boxed {
    if n < 2 {
        return Box::pin(std::future::ready(black_box(n)));
    }
    Box::pin(async move {
        let a = tokio::spawn(on_tokio(n - 1));
        let b = on_tokio(n - 2).await;
        a.await.unwrap() + b
    })
}

fn on_executor(executor: Arc<Executor<'static>>, n: u64) -> Boxed {
    if n < 2 {
        return Box::pin(std::future::ready(black_box(n)));
    }
    Box::pin(async move {
        let a = executor.spawn(on_executor(Arc::clone(&executor), n - 1));
        let b = on_executor(executor, n - 2).await;
        a.await + b
    })
}

pub(crate) fn tree() -> Work {
    Work {
        name: "fork-join",
        title: "Fork-join tree, fib(20), on 2 workers",
        unit: "node",
        units: NODES,
        marks: vec![
            Mark::land(Of::Time("tokio::spawn"), 0.5),
            Mark::goal(Of::Nanoseconds, 12.0),
            Mark::goal(Of::Time("rayon::join"), 4.0),
        ],
        peers: vec![
            Peer::threads("async-scope", || {
                let pool = peers::pool();
                repeat(move || assert_eq!(pool.block_on(async_block! { ours(DEPTH).await }), OUTPUT))
            }),
            Peer::threads("rayon::join", || {
                let rayon = peers::rayon();
                repeat(move || assert_eq!(rayon.install(|| on_rayon(DEPTH)), OUTPUT))
            }),
            Peer::threads("tokio::spawn", || {
                let tokio = peers::tokio_workers();
                repeat(move || assert_eq!(peers::on_tokio(&tokio, on_tokio(DEPTH)), OUTPUT))
            }),
            Peer::threads("async-executor", || {
                let executor = peers::executor();
                repeat(move || {
                    let work = on_executor(Arc::clone(&executor), DEPTH);
                    assert_eq!(peers::on_executor(&executor, work), OUTPUT);
                })
            }),
        ],
    }
}
