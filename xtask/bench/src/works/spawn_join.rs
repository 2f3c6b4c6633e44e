//! Spawning tasks and waiting for all of them: one, as a caller that only wants to run something elsewhere does, a hundred on one
//! thread, ten thousand on two workers.

use std::hint::black_box;

use async_executor::LocalExecutor;
use async_scope::{local_scope, scope};
use futures::{StreamExt as _, stream::FuturesUnordered};
use runtime_glue::CurrentThread;
use tokio::task::JoinSet;

use crate::{
    marks::{Mark, Of},
    peers::{self, bare},
    work::{Doing, Peer, Work, repeat},
};

/// What every task does.
async fn task(number: u64) -> u64 {
    black_box(number)
}

pub(crate) fn one() -> Work {
    Work {
        name: "spawn-1",
        title: "Spawn one task from `block_on` and wait for it",
        unit: "task",
        units: 1,
        marks: vec![Mark::land(Of::Time("tokio, 2 workers"), 0.2), Mark::goal(Of::Nanoseconds, 1000.0)],
        peers: vec![
            Peer::threads("async-scope, 2 workers", || {
                let pool = peers::pool();
                repeat(move || {
                    let output = pool.block_on(scope!(|s| { s.spawn(task(1)).await.unwrap() }));
                    black_box(output);
                })
            }),
            Peer::threads("tokio, 2 workers", || {
                let tokio = peers::tokio_workers();
                repeat(move || {
                    let output = tokio.block_on(async { tokio::spawn(task(1)).await.unwrap() });
                    black_box(output);
                })
            }),
            Peer::threads("async-executor, 2 workers", || {
                let executor = peers::executor();
                repeat(move || {
                    black_box(futures_lite::future::block_on(executor.spawn(task(1))));
                })
            }),
            Peer::threads("rayon::scope, 2 workers", || {
                let rayon = peers::rayon();
                repeat(move || {
                    let mut output = 0;
                    rayon.scope(|s| s.spawn(|_| output = black_box(1)));
                    black_box(output);
                })
            }),
            Peer::one_thread("tokio, current_thread", || {
                let tokio = peers::tokio_current_thread();
                repeat(move || {
                    let output = tokio.block_on(async { tokio::spawn(task(1)).await.unwrap() });
                    black_box(output);
                })
            }),
            Peer::one_thread("bare", || {
                repeat(|| {
                    black_box(bare::block_on(bare::spawn(task(1))));
                })
            }),
        ],
    }
}

pub(crate) fn hundred() -> Work {
    const N: u64 = 100;
    Work {
        name: "spawn-100",
        title: "Spawn 100 tasks on one thread and join their handles",
        unit: "task",
        units: N,
        marks: vec![
            Mark::land(Of::Time("bare"), 1.15),
            Mark::land(Of::InstructionsAgainst("bare"), 1.15),
            Mark::goal(Of::Instructions, 200.0),
            Mark::new(Of::Allocations, 1.0, 0.05),
        ],
        peers: vec![
            Peer::one_thread("async-scope", || {
                let runtime = CurrentThread::new();
                repeat(move || {
                    let sum = runtime.block_on(scope!(|s| {
                        let handles: Vec<_> = (0..N).map(|i| s.spawn(task(i))).collect();
                        let mut sum = 0;
                        for handle in handles {
                            sum += handle.await.unwrap();
                        }
                        sum
                    }));
                    assert_eq!(sum, 4950);
                })
            }),
            Peer::one_thread("local_scope!", || {
                repeat(|| {
                    let sum = bare::block_on(local_scope!(futures, |s| {
                        let handles: Vec<_> = (0..N).map(|i| s.spawn(task(i))).collect();
                        let mut sum = 0;
                        for handle in handles {
                            sum += handle.await.unwrap();
                        }
                        sum
                    }));
                    assert_eq!(sum, 4950);
                })
            }),
            Peer::one_thread("bare", || {
                repeat(|| {
                    let sum = bare::block_on(async {
                        let tasks: Vec<_> = (0..N).map(|i| bare::spawn(task(i))).collect();
                        let mut sum = 0;
                        for task in tasks {
                            sum += task.await;
                        }
                        sum
                    });
                    assert_eq!(sum, 4950);
                })
            }),
            Peer::one_thread("FuturesUnordered", || {
                repeat(|| {
                    let sum = bare::block_on(async {
                        let mut tasks: FuturesUnordered<_> = (0..N).map(task).collect();
                        let mut sum = 0;
                        while let Some(output) = tasks.next().await {
                            sum += output;
                        }
                        sum
                    });
                    assert_eq!(sum, 4950);
                })
            }),
            Peer::one_thread("LocalExecutor", || {
                let executor = LocalExecutor::new();
                repeat(move || {
                    let sum = futures_lite::future::block_on(executor.run(async {
                        let tasks: Vec<_> = (0..N).map(|i| executor.spawn(task(i))).collect();
                        let mut sum = 0;
                        for task in tasks {
                            sum += task.await;
                        }
                        sum
                    }));
                    assert_eq!(sum, 4950);
                })
            }),
            Peer::one_thread("moro-local", || {
                repeat(|| {
                    let sum = bare::block_on(moro_local::async_scope!(|scope| {
                        let tasks: Vec<_> = (0..N).map(|i| scope.spawn(task(i))).collect();
                        let mut sum = 0;
                        for task in tasks {
                            sum += task.await;
                        }
                        sum
                    }));
                    assert_eq!(sum, 4950);
                })
            }),
            Peer::one_thread("tokio, current_thread", || {
                let tokio = peers::tokio_current_thread();
                repeat(move || {
                    assert_eq!(tokio.block_on(on_tokio(N)), 4950);
                })
            }),
            Peer::one_thread("JoinSet, current_thread", || {
                let tokio = peers::tokio_current_thread();
                repeat(move || {
                    assert_eq!(tokio.block_on(join_set(N)), 4950);
                })
            }),
        ],
    }
}

async fn on_tokio(tasks: u64) -> u64 {
    let tasks: Vec<_> = (0..tasks).map(|i| tokio::spawn(task(i))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    sum
}

async fn join_set(tasks: u64) -> u64 {
    let mut set: JoinSet<_> = (0..tasks).map(task).collect();
    let mut sum = 0;
    while let Some(output) = set.join_next().await {
        sum += output.unwrap();
    }
    sum
}

pub(crate) fn ten_thousand() -> Work {
    const N: u64 = 10_000;
    const SUM: u64 = N * (N - 1) / 2;
    fn slots() -> Vec<u64> {
        vec![0; N as usize]
    }
    fn check(slots: &[u64]) {
        assert_eq!(slots.iter().sum::<u64>(), SUM);
    }
    fn ours() -> Doing {
        let (pool, mut slots) = (peers::pool(), slots());
        repeat(move || {
            pool.block_on(scope!(|s| {
                for (i, slot) in slots.iter_mut().enumerate() {
                    s.spawn(async move { *slot = black_box(i as u64) });
                }
            }));
            check(&slots);
        })
    }
    Work {
        name: "spawn-10000",
        title: "10,000 tasks on 2 workers, each writes its slot",
        unit: "task",
        units: N,
        marks: vec![
            Mark::land(Of::Time("tokio::spawn, handles"), 0.5),
            Mark::goal(Of::Time("rayon::scope"), 1.0),
            Mark::goal(Of::Allocations, 0.05),
        ],
        peers: vec![
            Peer::threads("async-scope", ours),
            Peer::threads("async-scope, handles", || {
                let pool = peers::pool();
                repeat(move || {
                    let sum = pool.block_on(scope!(|s| {
                        let handles: Vec<_> = (0..N).map(|i| s.spawn(task(i))).collect();
                        let mut sum = 0;
                        for handle in handles {
                            sum += handle.await.unwrap();
                        }
                        sum
                    }));
                    assert_eq!(sum, SUM);
                })
            }),
            Peer::threads("rayon::scope", || {
                let (rayon, mut slots) = (peers::rayon(), slots());
                repeat(move || {
                    rayon.scope(|s| {
                        for (i, slot) in slots.iter_mut().enumerate() {
                            s.spawn(move |_| *slot = black_box(i as u64));
                        }
                    });
                    check(&slots);
                })
            }),
            Peer::threads("tokio::spawn, handles", || {
                let tokio = peers::tokio_workers();
                repeat(move || assert_eq!(peers::on_tokio(&tokio, on_tokio(N)), SUM))
            }),
            Peer::threads("tokio JoinSet", || {
                let tokio = peers::tokio_workers();
                repeat(move || assert_eq!(peers::on_tokio(&tokio, join_set(N)), SUM))
            }),
            Peer::threads("async-executor, handles", || {
                let executor = peers::executor();
                repeat(move || {
                    let spawner = executor.clone();
                    let sum = peers::on_executor(&executor, async move {
                        let tasks: Vec<_> = (0..N).map(|i| spawner.spawn(task(i))).collect();
                        let mut sum = 0;
                        for task in tasks {
                            sum += task.await;
                        }
                        sum
                    });
                    assert_eq!(sum, SUM);
                })
            }),
            Peer::one_thread("bare, one thread, handles", || {
                repeat(|| {
                    let sum = bare::block_on(async {
                        let tasks: Vec<_> = (0..N).map(|i| bare::spawn(task(i))).collect();
                        let mut sum = 0;
                        for task in tasks {
                            sum += task.await;
                        }
                        sum
                    });
                    assert_eq!(sum, SUM);
                })
            }),
        ],
    }
}
