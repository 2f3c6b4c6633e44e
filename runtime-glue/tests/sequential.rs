//! `Sequential`: one task at a time, in order, on the thread that waits.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, ThreadId},
};

use async_trait_core::yield_now;
use futures::channel::oneshot;
use runtime_glue::{CurrentThread, Pool, RuntimeHandle, Sequential, block_on, sleep, spawn};

type Log = Arc<Mutex<Vec<(u32, u32, ThreadId)>>>;

/// Spawns tasks that log each of their polls.
fn spawn_logging(runtime: &Sequential, log: &Log, tasks: u32, polls: u32) -> Vec<runtime_glue::JoinHandle<()>> {
    let active = Arc::new(AtomicUsize::new(0));
    (0..tasks)
        .map(|task| {
            let (log, active) = (Arc::clone(log), Arc::clone(&active));
            runtime.spawn(async move {
                for poll in 0..polls {
                    assert_eq!(active.fetch_add(1, SeqCst), 0, "one at a time");
                    log.lock().unwrap().push((poll, task, thread::current().id()));
                    active.fetch_sub(1, SeqCst);
                    yield_now().await;
                }
            })
        })
        .collect()
}

async fn join(tasks: Vec<runtime_glue::JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

/// Round by round, in the order of the spawns.
fn assert_in_order(log: &Log, tasks: u32, polls: u32, here: Option<ThreadId>) {
    let log = log.lock().unwrap();
    let expected: Vec<_> = (0..polls).flat_map(|poll| (0..tasks).map(move |task| (poll, task))).collect();
    assert_eq!(log.iter().map(|&(poll, task, _)| (poll, task)).collect::<Vec<_>>(), expected);
    if let Some(here) = here {
        assert!(log.iter().all(|&(.., thread)| thread == here));
    }
}

#[test]
fn in_its_own_block_on() {
    let (runtime, log) = (Sequential::new(), Log::default());
    runtime.block_on(async { join(spawn_logging(&runtime, &log, 5, 4)).await });
    assert_in_order(&log, 5, 4, Some(thread::current().id()));
}

#[test]
fn in_the_block_on_of_any_other_runtime() {
    for other in [
        RuntimeHandle::current(),
        RuntimeHandle::new(Pool::new(0)),
        RuntimeHandle::new(Pool::new(2)),
        RuntimeHandle::new(CurrentThread::new()),
        RuntimeHandle::new(Sequential::new()),
    ] {
        let (runtime, log) = (Sequential::new(), Log::default());
        other.block_on(async { join(spawn_logging(&runtime, &log, 5, 4)).await });
        assert_in_order(&log, 5, 4, Some(thread::current().id()));
    }
}

#[test]
fn spawning_runs_nothing() {
    let (runtime, log) = (Sequential::new(), Log::default());
    block_on(async {
        let tasks = spawn_logging(&runtime, &log, 3, 1);
        assert_eq!(log.lock().unwrap().len(), 0);
        join(tasks).await;
    });
}

#[test]
fn in_a_task_of_a_pool_and_without_anybody_who_waits() {
    let (runtime, log) = (Sequential::new(), Log::default());
    let pool = Pool::new(2);
    let (sender, receiver) = std::sync::mpsc::channel();
    let (inner, its_log) = (runtime.clone(), Arc::clone(&log));
    drop(pool.spawn(async move {
        join(spawn_logging(&inner, &its_log, 1, 4)).await;
        sender.send(()).unwrap();
    }));
    receiver.recv().unwrap();
    assert_in_order(&log, 1, 4, None);
}

#[test]
fn woken_by_another_thread_they_run_on_the_one_that_waits() {
    let runtime = Sequential::new();
    let here = thread::current().id();
    block_on(async {
        for _ in 0..20 {
            let (sender, receiver) = oneshot::channel();
            let task = runtime.spawn(async move {
                receiver.await.unwrap();
                thread::current().id()
            });
            yield_now().await;
            let other = thread::spawn(move || sender.send(()).unwrap());
            assert_eq!(task.await.unwrap(), here);
            other.join().unwrap();
        }
        let task = runtime.spawn(async move {
            sleep(std::time::Duration::from_millis(1)).await;
            thread::current().id()
        });
        assert_eq!(task.await.unwrap(), here);
    });
}

#[test]
fn what_is_left_when_the_thread_stops_waiting_goes_on() {
    let runtime = Sequential::new();
    for own in [true, false] {
        let (sender, receiver) = std::sync::mpsc::channel();
        let spawning = async {
            drop(runtime.spawn(async move {
                for _ in 0..10 {
                    yield_now().await;
                }
                sender.send(()).unwrap();
            }));
        };
        if own {
            runtime.block_on(spawning)
        } else {
            block_on(spawning)
        }
        receiver.recv().unwrap();
    }
}

#[test]
fn a_task_that_blocks_for_another_one() {
    let runtime = Sequential::new();
    let inner = runtime.clone();
    let task = runtime.spawn(async move {
        let by_its_own = inner.block_on(inner.spawn(async { 1 })).unwrap();
        let by_the_default = block_on(inner.spawn(async { 10 })).unwrap();
        by_its_own + by_the_default
    });
    assert_eq!(block_on(task).unwrap(), 11);
}

#[test]
fn several_at_once_and_tasks_of_pools_between_them() {
    let all: Vec<_> = (0..3).map(|_| (Sequential::new(), Log::default())).collect();
    block_on(async {
        let busy: Vec<_> = (0..10)
            .map(|_| {
                spawn(async {
                    for _ in 0..500 {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let tasks: Vec<_> = all.iter().flat_map(|(runtime, log)| spawn_logging(runtime, log, 4, 5)).collect();
        join(tasks).await;
        join(busy).await;
    });
    for (_, log) in &all {
        assert_in_order(log, 4, 5, None);
    }
}
