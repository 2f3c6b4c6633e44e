//! Two tasks that wake each other in turns: what a wake costs that nobody else is to notice.

use std::sync::Arc;

use async_executor::LocalExecutor;
use async_scope::scope;
use futures::{StreamExt as _, stream::FuturesUnordered};
use runtime_glue::{CurrentThread, RuntimeHandle};

use crate::{
    marks::{Mark, Of},
    peers::{self, bare, court::Court},
    work::{Doing, Peer, Work, repeat},
};

/// How often each of the two plays.
const TIMES: u64 = 1000;

fn ours(runtime: RuntimeHandle) -> Doing {
    repeat(move || {
        let court = Court::default();
        runtime.block_on(scope!(|s| {
            s.spawn(court.play(0, TIMES));
            s.spawn(court.play(1, TIMES));
        }));
    })
}

/// Both players as futures that own the court.
fn players() -> [impl Future<Output = ()> + Send; 2] {
    let court = Arc::new(Court::default());
    [0, 1].map(|me| {
        let court = Arc::clone(&court);
        async move { court.play(me, TIMES).await }
    })
}

async fn on_tokio() {
    for task in players().map(tokio::spawn) {
        task.await.unwrap();
    }
}

fn bare() -> Doing {
    repeat(|| {
        bare::block_on(async {
            for task in players().map(bare::spawn) {
                task.await;
            }
        });
    })
}

pub(crate) fn one_thread() -> Work {
    Work {
        name: "ping-pong",
        title: "Ping-pong of two tasks on one thread",
        unit: "wake",
        units: 2 * TIMES,
        marks: vec![Mark::land(Of::Time("tokio, current_thread"), 1.0), Mark::goal(Of::Time("bare"), 1.1)],
        peers: vec![
            Peer::one_thread("async-scope", || {
                let runtime = CurrentThread::new();
                repeat(move || {
                    let court = Court::default();
                    runtime.block_on(scope!(|s| {
                        s.spawn(court.play(0, TIMES));
                        s.spawn(court.play(1, TIMES));
                    }));
                })
            }),
            Peer::one_thread("bare", bare),
            Peer::one_thread("FuturesUnordered", || {
                repeat(|| {
                    let players: FuturesUnordered<_> = players().into_iter().collect();
                    bare::block_on(players.collect::<()>());
                })
            }),
            Peer::one_thread("LocalExecutor", || {
                let executor = LocalExecutor::new();
                repeat(move || {
                    futures_lite::future::block_on(executor.run(async {
                        for task in players().map(|player| executor.spawn(player)) {
                            task.await;
                        }
                    }));
                })
            }),
            Peer::one_thread("tokio, current_thread", || {
                let tokio = peers::tokio_current_thread();
                repeat(move || tokio.block_on(on_tokio()))
            }),
        ],
    }
}

pub(crate) fn two_workers() -> Work {
    Work {
        name: "ping-pong-2",
        title: "Ping-pong of two tasks on 2 workers",
        unit: "wake",
        units: 2 * TIMES,
        marks: vec![Mark::land(Of::Time("tokio"), 1.0), Mark::goal(Of::Time("bare, one thread"), 1.1)],
        peers: vec![
            Peer::threads("async-scope", || ours(peers::pool())),
            Peer::one_thread("bare, one thread", bare),
            Peer::threads("tokio", || {
                let tokio = peers::tokio_workers();
                repeat(move || peers::on_tokio(&tokio, on_tokio()))
            }),
            Peer::threads("async-executor", || {
                let executor = peers::executor();
                repeat(move || {
                    let spawner = executor.clone();
                    peers::on_executor(&executor, async move {
                        for task in players().map(|player| spawner.spawn(player)) {
                            task.await;
                        }
                    });
                })
            }),
        ],
    }
}
