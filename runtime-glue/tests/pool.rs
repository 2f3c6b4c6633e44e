//! The pool: everybody's work is done, on whatever threads there are; nobody is starved; shutting down loses nothing.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use async_trait_core::{Reason, yield_now};
use futures::channel::oneshot;
use runtime_glue::{JoinError, Pool, block_on};

#[test]
fn all_tasks_run() {
    for threads in [0, 1, 2, 4] {
        let pool = Pool::new(threads);
        let done = Arc::new(AtomicUsize::new(0));
        pool.block_on(async {
            let tasks: Vec<_> = (0..10_000)
                .map(|n| {
                    let done = Arc::clone(&done);
                    pool.spawn(async move {
                        if n % 3 == 0 {
                            yield_now().await;
                        }
                        done.fetch_add(1, SeqCst);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(done.load(SeqCst), 10_000);
    }
}

#[test]
fn tasks_that_spawn_tasks() {
    fn tree(pool: Pool, depth: u32, leaves: Arc<AtomicUsize>) {
        if depth == 0 {
            leaves.fetch_add(1, SeqCst);
            return;
        }
        for _ in 0..2 {
            let (inner, leaves) = (pool.clone(), Arc::clone(&leaves));
            drop(pool.spawn(async move { tree(inner, depth - 1, leaves) }));
        }
    }
    let pool = Pool::new(2);
    let leaves = Arc::new(AtomicUsize::new(0));
    tree(pool.clone(), 12, Arc::clone(&leaves));
    pool.block_on(async {
        while leaves.load(SeqCst) < 1 << 12 {
            yield_now().await;
        }
    });
}

#[test]
fn without_threads_the_one_in_block_on_runs_everything() {
    let pool = Pool::new(0);
    let here = thread::current().id();
    let queued_before: Vec<_> = (0..10).map(|_| pool.spawn(async { thread::current().id() })).collect();
    pool.block_on(async {
        for task in queued_before {
            assert_eq!(task.await.unwrap(), here);
        }
        let nested = pool.clone();
        let task = pool.spawn(async move { nested.block_on(nested.spawn(async { thread::current().id() })).unwrap() });
        assert_eq!(task.await.unwrap(), here);
    });
}

#[test]
fn a_task_spawned_and_awaited_in_block_on_needs_no_other_thread() {
    let pool = Pool::new(0);
    let with_threads = Pool::builder().threads(2).name("unused").build();
    let here = thread::current().id();
    for pool in [pool, with_threads] {
        let mut elsewhere = 0;
        for _ in 0..1000 {
            let ran_on = pool.block_on(async { pool.spawn(async { thread::current().id() }).await.unwrap() });
            elsewhere += usize::from(ran_on != here);
        }
        // A thread on watch may find that this one was suspended by the system, and help.
        assert!(elsewhere < 1000);
    }
}

#[test]
fn the_threads_have_the_pools_name() {
    let pool = Pool::builder().threads(1).name("reds").build();
    let (sender, receiver) = mpsc::channel();
    drop(pool.spawn(async move { sender.send(thread::current().name().map(str::to_owned)).unwrap() }));
    assert_eq!(receiver.recv().unwrap().as_deref(), Some("reds"));
    assert_eq!((runtime_glue::Runtime::name(&pool), pool.threads()), ("reds", 1));
}

/// The poll blocks its thread until what it has spawned runs: another thread must take that over.
#[test]
fn a_poll_that_blocks_does_not_hold_up_what_it_has_queued() {
    for (threads, from_block_on) in [(1, true), (2, false), (2, true)] {
        let pool = Pool::new(threads);
        for _ in 0..3 {
            let (sender, receiver) = mpsc::channel();
            let inner = pool.clone();
            let body = async move {
                for n in 0..3 {
                    let sender = sender.clone();
                    drop(inner.spawn(async move { sender.send(n).unwrap() }));
                }
                let mut got: Vec<_> = (0..3).map(|_| receiver.recv().unwrap()).collect();
                got.sort_unstable();
                got
            };
            let got = if from_block_on { pool.block_on(body) } else { pool.block_on(pool.spawn(body)).unwrap() };
            assert_eq!(got, [0, 1, 2]);
        }
    }
}

/// As above, but the task had something in its ring already, so that the woken one is the next to run.
#[test]
fn what_runs_next_is_not_held_up_either() {
    let pool = Pool::new(2);
    pool.block_on(async {
        let (wake, woken) = oneshot::channel::<mpsc::Sender<()>>();
        let waits = pool.spawn(async move { woken.await.unwrap().send(()).unwrap() });
        yield_now().await;
        let busy: Vec<_> = (0..50).map(|_| pool.spawn(yield_now())).collect();
        let blocks = pool.spawn(async move {
            let (sender, receiver) = mpsc::channel();
            wake.send(sender).unwrap();
            receiver.recv().unwrap();
        });
        blocks.await.unwrap();
        waits.await.unwrap();
        for task in busy {
            task.await.unwrap();
        }
    });
}

#[test]
fn every_thread_may_block_in_block_on() {
    for threads in [1, 2] {
        let pool = Pool::new(threads);
        let chain = |depth| {
            fn go(pool: Pool, depth: u32) -> u32 {
                if depth == 0 {
                    return 0;
                }
                let inner = pool.clone();
                1 + pool.block_on(pool.spawn(async move { go(inner, depth - 1) })).unwrap()
            }
            go(pool.clone(), depth)
        };
        assert_eq!(chain(20), 20);
    }
}

#[test]
fn two_that_wake_each_other_do_not_starve_a_third() {
    for threads in [0, 1, 2] {
        let pool = Pool::new(threads);
        let stop = Arc::new(AtomicBool::new(false));
        pool.block_on(async {
            let (mut left, right) = (futures::channel::mpsc::unbounded(), futures::channel::mpsc::unbounded());
            let play = |mut from: futures::channel::mpsc::UnboundedReceiver<()>,
                        to: futures::channel::mpsc::UnboundedSender<()>,
                        stop: Arc<AtomicBool>| async move {
                while !stop.load(SeqCst) && futures::StreamExt::next(&mut from).await.is_some() {
                    let _ = to.unbounded_send(());
                }
            };
            left.0.unbounded_send(()).unwrap();
            left.0 = left.0.clone();
            let one = pool.spawn(play(left.1, right.0, Arc::clone(&stop)));
            let two = pool.spawn(play(right.1, left.0, Arc::clone(&stop)));
            let yields = pool.spawn({
                let stop = Arc::clone(&stop);
                async move {
                    while !stop.load(SeqCst) {
                        yield_now().await;
                    }
                }
            });
            let third = pool.spawn(async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                stop.store(true, SeqCst);
            });
            third.await.unwrap();
            yields.await.unwrap();
            one.await.unwrap();
            two.await.unwrap();
        });
    }
}

/// Work from other threads reaches a worker that never runs out of its own.
#[test]
fn a_busy_worker_does_not_starve_the_injector() {
    let pool = Pool::new(0);
    let (sender, receiver) = oneshot::channel();
    let injected = AtomicBool::new(false);
    pool.block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let spinners: Vec<_> = (0..4)
            .map(|_| {
                let stop = Arc::clone(&stop);
                pool.spawn(async move {
                    while !stop.load(SeqCst) {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let other = thread::spawn({
            let pool = pool.clone();
            move || drop(pool.spawn(async move { sender.send(()).unwrap() }))
        });
        receiver.await.unwrap();
        injected.store(true, SeqCst);
        stop.store(true, SeqCst);
        for spinner in spinners {
            spinner.await.unwrap();
        }
        other.join().unwrap();
    });
    assert!(injected.load(SeqCst));
}

#[test]
fn what_is_left_at_the_end_of_block_on_is_run_by_others() {
    let pool = Pool::new(1);
    let (sender, receiver) = mpsc::channel();
    pool.block_on(async {
        for n in 0..1000 {
            let sender = sender.clone();
            drop(pool.spawn(async move { sender.send(n).unwrap() }));
        }
    });
    drop(sender);
    assert_eq!(receiver.into_iter().collect::<HashSet<_>>().len(), 1000);
}

#[test]
fn after_a_shutdown_tasks_are_asked_and_run_to_their_end() {
    for threads in [0, 2] {
        let pool = Pool::new(threads);
        let idle: Vec<_> = (0..100).map(|_| pool.spawn(std::future::pending::<()>())).collect();
        let done = Arc::new(AtomicUsize::new(0));
        let busy: Vec<_> = (0..100)
            .map(|_| {
                let done = Arc::clone(&done);
                pool.spawn(async move {
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    done.fetch_add(1, SeqCst);
                })
            })
            .collect();
        pool.shutdown();
        let late = pool.spawn(async { 1 });
        block_on(async {
            for task in busy {
                // A plain future is dropped when it is asked; one that was quicker has its value.
                match task.await {
                    Ok(()) => {}
                    Err(JoinError::Cancelled(cancelled)) => assert_eq!(cancelled.reason(), Reason::Shutdown),
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(matches!(late.await, Ok(1) | Err(JoinError::Cancelled(_))));
            for task in idle {
                task.cancel();
                assert!(task.await.is_err());
            }
        });
    }
}

#[test]
fn the_last_handle_may_go_in_a_task_of_the_pool() {
    let pool = Pool::new(2);
    let (sender, receiver) = mpsc::channel();
    let own = pool.clone();
    drop(pool.spawn(async move {
        yield_now().await;
        drop(own);
        sender.send(()).unwrap();
    }));
    drop(pool);
    receiver.recv().unwrap();
}

#[test]
fn a_pool_that_is_shut_down_by_its_own_task_while_others_wait_in_block_on() {
    let pool = Pool::new(1);
    let result = pool.block_on(async {
        let own = pool.clone();
        pool.spawn(async move { own.shutdown() }).await.unwrap();
        yield_now().await;
        pool.spawn(async { 7 }).await
    });
    assert!(matches!(result, Ok(7) | Err(JoinError::Cancelled(_))));
}

#[test]
fn pools_inside_pools() {
    let (outer, inner) = (Pool::new(1), Pool::new(0));
    let here = thread::current().id();
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    outer.block_on(async {
        let back = outer.clone();
        // While this thread works for the inner pool its tasks of the outer one are run by others.
        inner.block_on(async {
            let here_too = inner.spawn(async { thread::current().id() }).await.unwrap();
            let there = back.spawn(async { thread::current().id() }).await.unwrap();
            seen.lock().unwrap().extend([here_too, there]);
        });
    });
    let log = log.lock().unwrap();
    assert_eq!(log[0], here);
    assert_eq!(log.len(), 2);
}

#[test]
fn spawning_from_many_threads_at_once() {
    let pool = Pool::new(2);
    let count = Arc::new(AtomicUsize::new(0));
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..2000 {
                    let count = Arc::clone(&count);
                    drop(pool.spawn(async move {
                        yield_now().await;
                        count.fetch_add(1, SeqCst);
                    }));
                }
            });
        }
    });
    pool.block_on(async {
        while count.load(SeqCst) < 8000 {
            yield_now().await;
        }
    });
}
