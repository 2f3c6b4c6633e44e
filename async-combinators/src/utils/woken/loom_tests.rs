//! Loom models of the woken set and of the parent's waker: no wake is lost, and who finds a child woken sees what was done
//! before its wake. Run with `RUSTFLAGS="--cfg loom" cargo test -p async-combinators --lib loom_tests`.

use alloc::{boxed::Box, sync::Arc, task::Wake, vec::Vec};
use core::task::Waker;

use async_trait_core::Context;
use loom::{
    sync::{
        Notify,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use super::{BITS, Cursor, LazySet, ParentWaker};

/// A task that can wait for its wake.
struct Task(Notify);

impl Task {
    /// Waits for a wake since the last wait. The yield matters where the task wakes itself because another thread is just
    /// taking its waker: without it loom would let it go round for ever.
    fn wait(&self) {
        self.0.wait();
        thread::yield_now();
    }

    fn new() -> (Arc<Self>, Waker) {
        let task = Arc::new(Self(Notify::new()));
        (task.clone(), Waker::from(task))
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

fn waker_of(set: &LazySet, index: usize, len: usize, task: &Waker) -> Waker {
    set.lend(index, len, &mut Context::from_waker(task), |cx| cx.waker().clone())
}

/// Threads wake the children; the task polls, with its wakers in turn, until it has found each. If a wake were lost it would
/// wait for ever, which loom reports.
fn every_wake_is_found(len: usize, woken: &'static [&'static [usize]], tasks: usize) {
    model(move || {
        let tasks: Vec<_> = (0..tasks).map(|_| Task::new()).collect();
        let set = LazySet::default();
        let done = Arc::new((0..len).map(|_| AtomicUsize::new(0)).collect::<Box<[_]>>());
        let threads: Vec<_> = woken
            .iter()
            .map(|children| {
                let wakers: Vec<_> =
                    children.iter().map(|&index| (index, waker_of(&set, index, len, &tasks[0].1))).collect();
                let done = done.clone();
                thread::spawn(move || {
                    for (index, waker) in wakers {
                        // Relaxed: the set must order it.
                        done[index].store(1, Relaxed);
                        waker.wake();
                    }
                })
            })
            .collect();
        let mut left = woken.concat();
        for round in 0.. {
            let (task, waker) = &tasks[round % tasks.len()];
            let lines = set.get().expect("wakers were made");
            lines.register(waker);
            let mut cursor = Cursor::new();
            while let Some(index) = cursor.next(lines) {
                assert_eq!(done[index].load(Relaxed), 1, "found woken, but not what was done before");
                left.retain(|&i| i != index);
            }
            if left.is_empty() {
                break;
            }
            task.wait();
        }
        drop(set);
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn two_children_of_one_line() {
    every_wake_is_found(5, &[&[0], &[1]], 1);
}

#[test]
fn one_thread_wakes_twice() {
    every_wake_is_found(5, &[&[0, 1]], 1);
}

#[test]
fn the_task_changes_its_waker() {
    every_wake_is_found(5, &[&[0], &[1]], 2);
}

#[test]
fn two_lines_of_one_group() {
    every_wake_is_found(BITS + 1, &[&[0], &[BITS]], 1);
}

#[test]
fn two_lines_and_one_thread() {
    every_wake_is_found(BITS + 1, &[&[0, BITS]], 2);
}

/// A round that stops early leaves summaries taken and words not; `drain` repairs that.
#[test]
fn a_wake_after_a_round_that_stopped_early_is_found() {
    model(|| {
        let (task, waker) = Task::new();
        let set = LazySet::default();
        let len = BITS + 1;
        let first = waker_of(&set, 0, len, &waker);
        let (early, late) = (waker_of(&set, BITS, len, &waker), waker_of(&set, BITS, len, &waker));
        first.wake();
        early.wake();
        let lines = set.get().expect("wakers were made");
        lines.register(&waker);
        assert_eq!(Cursor::new().next(lines), Some(0));
        let thread = thread::spawn(move || late.wake());
        lines.drain();
        // Everything is polled here. If the wake came before that it was drained, else it must be found.
        let mut found = false;
        thread.join().expect("no panic");
        lines.register(&waker);
        let mut cursor = Cursor::new();
        while let Some(index) = cursor.next(lines) {
            assert_eq!(index, BITS);
            found = true;
        }
        let again = waker_of(&set, BITS, len, &waker);
        again.wake();
        let index = Cursor::new().next(lines);
        assert_eq!(index, Some(BITS), "the line is reachable again, found before: {found}");
        task.wait();
    });
}

/// Two threads that share a child's poll make the set at once: one set comes out.
#[test]
fn two_threads_make_the_set() {
    model(|| {
        let (task, waker) = Task::new();
        let set = Arc::new(LazySet::default());
        let (set2, waker2) = (set.clone(), waker.clone());
        let thread = thread::spawn(move || waker_of(&set2, 0, 5, &waker2).wake());
        waker_of(&set, 1, 5, &waker).wake();
        thread.join().expect("no panic");
        let lines = set.get().expect("made");
        let mut cursor = Cursor::new();
        assert_eq!([cursor.next(lines), cursor.next(lines), cursor.next(lines)], [Some(0), Some(1), None]);
        task.wait();
    });
}

#[test]
fn a_registered_waker_is_woken_by_one_of_two() {
    model(|| {
        let (task, waker) = Task::new();
        let flag = Arc::new(AtomicUsize::new(0));
        let parent = Arc::new(ParentWaker::new(None));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (parent, flag) = (parent.clone(), flag.clone());
                thread::spawn(move || {
                    flag.fetch_add(1, loom::sync::atomic::Ordering::AcqRel);
                    parent.wake();
                })
            })
            .collect();
        loop {
            parent.register(&waker);
            if flag.load(loom::sync::atomic::Ordering::Acquire) == 2 {
                break;
            }
            task.wait();
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}
