//! What cannot be seen from outside: threads that cannot be started.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use super::{Pool, shared};

/// A pool that starts its threads by `start`.
fn pool(threads: usize, start: super::Start) -> Pool {
    let mut builder = Pool::builder().threads(threads);
    builder.start = start;
    builder.build()
}

#[test]
fn with_no_thread_at_all_those_in_block_on_run_everything() {
    let pool = pool(4, |_, _| false);
    let here = thread::current().id();
    let early = pool.spawn(async { thread::current().id() });
    for _ in 0..10 {
        let tasks: Vec<_> = (0..100).map(|_| pool.spawn(async { thread::current().id() })).collect();
        pool.block_on(async {
            for task in tasks {
                assert_eq!(task.await.unwrap(), here);
            }
        });
    }
    assert_eq!(pool.block_on(early).unwrap(), here);
    // Also one that blocks inside a task.
    let inner = pool.clone();
    let nested = pool.spawn(async move { inner.block_on(inner.spawn(async { 7 })).unwrap() });
    assert_eq!(pool.block_on(nested).unwrap(), 7);
}

#[test]
fn with_fewer_threads_than_wanted() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let pool = pool(4, |name, f| STARTED.fetch_add(1, SeqCst) == 0 && shared::start_thread(name, f));
    let (sender, receiver) = mpsc::channel();
    for n in 0..1000 {
        let sender = sender.clone();
        drop(pool.spawn(async move { sender.send(n).unwrap() }));
    }
    drop(sender);
    assert_eq!(receiver.into_iter().count(), 1000);
    // The one thread blocks inside a task, and nobody can take its place: it goes on working itself.
    let inner = pool.clone();
    let (sender, receiver) = mpsc::channel();
    drop(pool.spawn(async move { sender.send(inner.block_on(inner.spawn(async { 7 })).unwrap()).unwrap() }));
    assert_eq!(receiver.recv().unwrap(), 7);
}

#[test]
fn a_thread_that_could_not_be_started_is_tried_again() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    let pool = pool(1, |name, f| TRIES.fetch_add(1, SeqCst) > 0 && shared::start_thread(name, f));
    let runs = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::channel();
    for _ in 0..2 {
        let (runs, sender) = (Arc::clone(&runs), sender.clone());
        drop(pool.spawn(async move {
            runs.fetch_add(1, SeqCst);
            sender.send(()).unwrap();
        }));
    }
    receiver.recv().unwrap();
    receiver.recv().unwrap();
    assert_eq!(runs.load(SeqCst), 2);
}
