//! The deterministic runtime: virtual time, schedules by seed, all schedules of a small program.

use std::{cell::RefCell, collections::BTreeSet, sync::Mutex, time::Duration};

use runtime_glue::{RuntimeHandle, sleep, spawn, testing};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn time_passes_only_when_nothing_is_ready() {
    testing::for_seeds(0..50, |rt| {
        let start = rt.now();
        rt.block_on(async {
            let long = spawn(sleep(HOUR));
            sleep(Duration::from_millis(5)).await;
            for _ in 0..10 {
                async_trait_core::yield_now().await;
            }
            long.await.unwrap();
        });
        assert_eq!(rt.now() - start, HOUR);
    });
}

/// The order in which three tasks finish.
fn order(rt: &testing::Deterministic) -> String {
    let log = std::sync::Arc::new(Mutex::new(String::new()));
    rt.block_on(async {
        let tasks = ["a", "b", "c"].map(|name| {
            let log = std::sync::Arc::clone(&log);
            spawn(async move { log.lock().unwrap().push_str(name) })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    std::mem::take(&mut *log.lock().unwrap())
}

#[test]
fn a_seed_repeats_its_schedule_and_seeds_differ() {
    let seen = RefCell::new(BTreeSet::new());
    for seed in 0..50 {
        let (mut first, mut second) = (None, None);
        testing::for_seeds(seed..seed + 1, |rt| first = Some((order(rt), rt.trace())));
        testing::for_seeds(seed..seed + 1, |rt| second = Some((order(rt), rt.trace())));
        assert_eq!(first, second);
        seen.borrow_mut().insert(first.unwrap().0);
    }
    assert_eq!(seen.borrow().len(), 6, "50 seeds show all orders of three tasks");
}

#[test]
fn all_schedules_are_searched() {
    let mut seen = BTreeSet::new();
    let schedules = testing::for_all_schedules(10_000, |rt| {
        seen.insert(order(rt));
    });
    assert!((6..10_000).contains(&schedules), "{schedules}");
    assert_eq!(seen.len(), 6);
}

#[test]
fn blocking_jobs_and_wakes_from_other_threads() {
    testing::for_seeds(0..20, |rt| {
        let sum = rt.block_on(async {
            let (send, receive) = futures::channel::oneshot::channel();
            let thread = std::thread::spawn(move || send.send(40).unwrap());
            let outer = receive.await.unwrap();
            thread.join().unwrap();
            outer + spawn(async { 2 }).await.unwrap()
        });
        assert_eq!(sum, 42);
    });
}

#[test]
fn what_is_left_is_rescued() {
    let handle = {
        let rt = testing::Deterministic::seed(1);
        rt.spawn(async {
            async_trait_core::yield_now().await;
            7
        })
    };
    // A plain future that was never started and is asked to finish because its runtime is gone: dropped.
    let pool: RuntimeHandle = RuntimeHandle::current();
    assert!(pool.block_on(handle).unwrap_err().cancel_reason().is_some());
}
