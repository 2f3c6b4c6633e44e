//! A thousand tasks that do nothing but yield: what a runtime's queue costs.

use async_executor::LocalExecutor;
use async_scope::scope;
use futures::{StreamExt as _, stream::FuturesUnordered};
use runtime_glue::CurrentThread;

use crate::{
    marks::{Mark, Of},
    peers::{self, bare, yield_now},
    work::{Doing, Peer, Work, repeat},
};

const TASKS: usize = 1000;
const YIELDS: u64 = 20;

async fn task() {
    for _ in 0..YIELDS {
        yield_now().await;
    }
}

fn bare() -> Doing {
    repeat(|| {
        bare::block_on(async {
            let tasks: Vec<_> = (0..TASKS).map(|_| bare::spawn(task())).collect();
            for task in tasks {
                task.await;
            }
        });
    })
}

async fn on_tokio() {
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task())).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

pub(crate) fn one_thread() -> Work {
    Work {
        name: "yield",
        title: "1000 tasks that yield, on one thread",
        unit: "yield",
        units: TASKS as u64 * YIELDS,
        marks: vec![Mark::land(Of::Time("bare"), 1.3)],
        peers: vec![
            Peer::one_thread("async-scope", || {
                let runtime = CurrentThread::new();
                repeat(move || {
                    runtime.block_on(scope!(|s| {
                        for _ in 0..TASKS {
                            s.spawn(task());
                        }
                    }));
                })
            }),
            Peer::one_thread("bare", bare),
            Peer::one_thread("FuturesUnordered", || {
                repeat(|| {
                    let tasks: FuturesUnordered<_> = (0..TASKS).map(|_| task()).collect();
                    bare::block_on(tasks.collect::<()>());
                })
            }),
            Peer::one_thread("LocalExecutor", || {
                let executor = LocalExecutor::new();
                repeat(move || {
                    futures_lite::future::block_on(executor.run(async {
                        let tasks: Vec<_> = (0..TASKS).map(|_| executor.spawn(task())).collect();
                        for task in tasks {
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
        name: "yield-2",
        title: "1000 tasks that yield, on 2 workers",
        unit: "yield",
        units: TASKS as u64 * YIELDS,
        marks: vec![Mark::new(Of::Time("bare, one thread"), 1.3, 0.6)],
        peers: vec![
            Peer::threads("async-scope", || {
                let pool = peers::pool();
                repeat(move || {
                    pool.block_on(scope!(|s| {
                        for _ in 0..TASKS {
                            s.spawn(task());
                        }
                    }));
                })
            }),
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
                        let tasks: Vec<_> = (0..TASKS).map(|_| spawner.spawn(task())).collect();
                        for task in tasks {
                            task.await;
                        }
                    });
                })
            }),
        ],
    }
}
