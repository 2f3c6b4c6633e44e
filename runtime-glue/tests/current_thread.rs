//! `CurrentThread`: its tasks run on the thread in `block_on`, whichever that is, and are rescued when it goes.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use async_trait_core::{Reason, yield_now};
use futures::channel::oneshot;
use runtime_glue::{CurrentThread, JoinError, RuntimeHandle, block_on, spawn};

#[test]
fn tasks_run_here_and_in_order() {
    let runtime = CurrentThread::new();
    let here = thread::current().id();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..1000)
            .map(|n| {
                let order = Arc::clone(&order);
                spawn(async move {
                    assert_eq!(thread::current().id(), here);
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*order.lock().unwrap(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn work_waits_for_the_next_block_on() {
    let runtime = CurrentThread::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let task = |n| {
        let runs = Arc::clone(&runs);
        async move {
            for _ in 0..n {
                runs.fetch_add(1, SeqCst);
                yield_now().await;
            }
        }
    };
    let first = runtime.spawn(task(1000));
    assert_eq!(runs.load(SeqCst), 0);
    runtime.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    let so_far = runs.load(SeqCst);
    assert!(so_far > 0 && so_far < 1000);
    assert!(!first.is_finished());
    runtime.block_on(first).unwrap();
    assert_eq!(runs.load(SeqCst), 1000);
}

#[test]
fn woken_from_other_threads() {
    let runtime = CurrentThread::new();
    for n in 0..200 {
        let (sender, receiver) = oneshot::channel();
        let task = runtime.spawn(receiver);
        let other = thread::spawn(move || sender.send(n).unwrap());
        assert_eq!(runtime.block_on(task).unwrap(), Ok(n));
        other.join().unwrap();
    }
}

#[test]
fn of_several_threads_in_block_on_one_runs_the_tasks() {
    let runtime = CurrentThread::new();
    let barrier = Barrier::new(4);
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                barrier.wait();
                for n in 0..300 {
                    let task = runtime.spawn(async move {
                        yield_now().await;
                        n
                    });
                    assert_eq!(runtime.block_on(task).unwrap(), n);
                }
            });
        }
    });
}

#[test]
fn one_that_is_dropped_leaves_its_tasks_to_the_rescue() {
    let runtime = CurrentThread::new();
    let done = Arc::new(AtomicUsize::new(0));
    let handle = RuntimeHandle::new(runtime.clone());
    let queued: Vec<_> = (0..10).map(|_| runtime.spawn(yield_now())).collect();
    let (keep_going, waits) = oneshot::channel::<()>();
    let counts = Arc::clone(&done);
    let idle = runtime.spawn(async move {
        waits.await.unwrap();
        counts.fetch_add(1, SeqCst);
    });
    let asked = runtime.spawn(async_trait_core::ready(1));
    runtime.block_on(async {
        while !asked.is_finished() {
            yield_now().await;
        }
    });
    drop(runtime);
    // Woken when it is gone.
    keep_going.send(()).unwrap();
    let late = handle.spawn(async { 1 });
    block_on(async {
        for task in queued {
            assert!(matches!(task.await, Ok(()) | Err(JoinError::Cancelled(_))));
        }
        assert_eq!(asked.await.unwrap(), 1);
        assert!(matches!(late.await, Err(JoinError::Cancelled(cancelled)) if cancelled.reason() == Reason::Shutdown));
        // It was asked, but a value beats a request.
        idle.await.unwrap();
    });
    assert_eq!(done.load(SeqCst), 1);
}

#[test]
fn a_nested_block_on_runs_the_tasks_of_the_outer_one() {
    let runtime = CurrentThread::new();
    let inner = runtime.clone();
    let sum = runtime.block_on(async {
        let ready = spawn(async { 1 });
        spawn(async move {
            // The first was queued before this one; it may have been run.
            let nested = inner.block_on(spawn(async { 10 })).unwrap();
            nested + inner.block_on(ready).unwrap()
        })
        .await
        .unwrap()
    });
    assert_eq!(sum, 11);
}

#[test]
fn one_runtime_inside_another() {
    let (outer, inner) = (CurrentThread::new(), CurrentThread::new());
    let back = outer.clone();
    let sum = outer.block_on(async {
        inner.block_on(async {
            let there = back.spawn(async { 1 });
            let here = spawn(async { 10 }).await.unwrap();
            // The outer runtime's thread is in here; its tasks wait.
            assert!(!there.is_finished());
            (here, there)
        })
    });
    assert_eq!(outer.block_on(sum.1).unwrap() + sum.0, 11);
}
