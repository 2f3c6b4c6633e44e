//! Polling only the woken: how many polls, that no wake is lost, and that a request reaches all.
#![cfg(feature = "alloc")]

mod common;

use std::{
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context as TaskContext, Poll, Waker},
    thread,
};

use async_combinators::{join, race, select};
use async_trait_core::{Async, CancelFlag, Context, Reason};
use common::{Task, gates, poll, poll_under, polls};

fn each_wakes_once(n: usize, order: impl Fn(usize) -> usize) {
    let (gates, children) = gates(n);
    let (task, waker) = Task::new();
    let mut all = Box::pin(join(children));
    assert!(poll(&mut all, &waker).is_pending());
    for i in 0..n {
        gates[order(i)].open();
        assert_eq!(task.wakes(), i + 1, "the wake of child {i} reaches the task, once");
        assert_eq!(poll(&mut all, &waker).is_ready(), i + 1 == n);
    }
    assert_eq!(polls(&gates), 2 * n);
}

#[test]
fn n_children_each_woken_once_cost_2n_polls() {
    for n in [10, 100, 1000, 5000] {
        each_wakes_once(n, |i| i);
        each_wakes_once(n, |i| n - 1 - i);
    }
}

#[test]
fn arrays_poll_only_the_woken_too() {
    let (gates, children) = gates(10);
    let (_, waker) = Task::new();
    let children: [common::Wait; 10] = children.try_into().ok().expect("ten");
    let mut all = Box::pin(join(children));
    assert!(poll(&mut all, &waker).is_pending());
    for (i, gate) in gates.iter().enumerate() {
        gate.open();
        assert_eq!(poll(&mut all, &waker).is_ready(), i == 9);
    }
    assert_eq!(polls(&gates), 20);
}

#[test]
fn wakes_in_a_burst_wake_the_task_once() {
    let (gates, children) = gates(300);
    let (task, waker) = Task::new();
    let mut all = Box::pin(join(children));
    assert!(poll(&mut all, &waker).is_pending());
    gates.iter().for_each(|gate| gate.open());
    assert_eq!(task.wakes(), 1);
    assert!(poll(&mut all, &waker).is_ready());
    assert_eq!(polls(&gates), 600);
}

#[test]
fn the_last_of_n_wins_a_race_in_2n_polls() {
    for n in [10, 100, 1000] {
        let (gates, children) = gates(n);
        let (_, waker) = Task::new();
        let mut first = Box::pin(race(children));
        assert!(poll(&mut first, &waker).is_pending());
        gates[n - 1].open();
        assert_eq!(poll(&mut first, &waker), Poll::Ready(Ok(())));
        assert_eq!(polls(&gates), 2 * n);
        assert!(gates[..n - 1].iter().all(|gate| gate.asked.get() == 1));
    }
}

#[test]
fn a_new_waker_of_the_task_replaces_the_old_one() {
    let (gates, children) = gates(8);
    let (old_task, old_waker) = Task::new();
    let (new_task, new_waker) = Task::new();
    let mut all = Box::pin(join(children));
    assert!(poll(&mut all, &old_waker).is_pending());
    assert!(poll(&mut all, &new_waker).is_pending());
    gates[3].open();
    assert_eq!((old_task.wakes(), new_task.wakes()), (0, 1));
    assert_eq!(polls(&gates), 8, "the second poll found nobody woken");
    for gate in gates.iter().filter(|gate| !gate.open.get()) {
        gate.open();
    }
    assert!(poll(&mut all, &new_waker).is_ready());
}

#[test]
fn a_request_reaches_every_child_once_though_none_was_woken() {
    for stop_first in [false, true] {
        let (gates, children) = gates(100);
        let (_, waker) = Task::new();
        let flag = CancelFlag::new();
        let mut all = Box::pin(join(children));
        assert!(poll_under(&mut all, &waker, &flag).is_pending());
        let mut expected = 100;
        if stop_first {
            flag.request_stop(Reason::Shutdown);
            assert!(poll_under(&mut all, &waker, &flag).is_pending());
            expected += 100;
            assert_eq!(polls(&gates), expected);
            assert!(poll_under(&mut all, &waker, &flag).is_pending());
            assert_eq!(polls(&gates), expected, "only when it is first seen");
        }
        flag.request(Reason::Requested);
        assert!(poll_under(&mut all, &waker, &flag).is_ready());
        assert_eq!(polls(&gates), expected + 100);
    }
}

#[test]
fn wakers_may_outlive_the_operation() {
    let (gates, children) = gates(70);
    let (task, waker) = Task::new();
    let mut all = Box::pin(join(children));
    assert!(poll(&mut all, &waker).is_pending());
    let kept: Vec<Waker> = gates.iter().map(|gate| gate.waker.take().expect("polled")).collect();
    let clones = kept.clone();
    gates.iter().for_each(|gate| gate.open.set(true));
    kept[0].wake_by_ref();
    kept[69].wake_by_ref();
    assert!(poll(&mut all, &waker).is_pending());
    drop(all);
    drop(waker);
    assert_eq!(Arc::strong_count(&task), 1, "the wakers of children do not keep the task");
    let wakes = task.wakes();
    kept.into_iter().for_each(Waker::wake);
    clones.iter().for_each(Waker::wake_by_ref);
    drop(clones);
    assert_eq!(task.wakes(), wakes);
}

#[test]
fn a_child_that_wakes_itself_in_its_first_poll_is_polled_again() {
    struct Twice(bool);
    // SAFETY: nothing is lent to anybody.
    unsafe impl Async for Twice {
        type Output = ();
        unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    let (task, waker) = Task::new();
    let mut all = Box::pin(join((0..66).map(|_| Twice(false)).collect::<Vec<_>>()));
    assert!(poll(&mut all, &waker).is_pending());
    assert!(task.wakes() > 0);
    assert!(poll(&mut all, &waker).is_ready());
}

/// Woken from other threads all the time, also in the middle of polls: it ends, which it would not if a wake were lost.
#[test]
fn wakes_from_threads_are_not_lost() {
    struct Shared(Arc<AtomicUsize>, std::sync::mpsc::Sender<Waker>, usize);
    // SAFETY: nothing is lent to anybody.
    unsafe impl Async for Shared {
        type Output = ();
        unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if self.0.load(SeqCst) >= self.2 {
                return Poll::Ready(());
            }
            let _ = self.1.send(cx.waker().clone());
            Poll::Pending
        }
    }
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    for round in 0..20 {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let counters: Vec<_> = (0..200).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let wakers = {
            let counters = counters.clone();
            thread::spawn(move || {
                for (next, waker) in receiver.into_iter().enumerate() {
                    counters[next % 200].fetch_add(1, SeqCst);
                    counters.iter().for_each(|c| _ = c.fetch_add(usize::from(next % 3 == 0), SeqCst));
                    waker.wake();
                }
            })
        };
        let children: Vec<_> =
            counters.iter().enumerate().map(|(i, c)| Shared(c.clone(), sender.clone(), i % (round + 2))).collect();
        drop(sender);
        let mut all = Box::pin(join(children));
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        while poll(&mut all, &waker).is_pending() {
            thread::park();
        }
        drop(all);
        wakers.join().expect("the waking thread");
    }
}

#[test]
fn select_of_many_polls_only_the_woken() {
    let (gates, children) = gates(64);
    let (_, waker) = Task::new();
    let mut selected = Box::pin(select(children));
    assert!(poll(&mut selected, &waker).is_pending());
    gates[63].open();
    let Poll::Ready(selected) = poll(&mut selected, &waker) else { panic!("the winner is ready") };
    assert_eq!(selected.first, (63, Ok(())));
    assert_eq!(selected.late[..63], [Some(Err(())); 63]);
    assert_eq!(selected.late[63], None);
}

#[test]
fn plain_context_in_children_is_that_of_the_task() {
    // A plain future sees a waker that wakes the task, through `std`'s context.
    let (task, waker) = Task::new();
    let mut yielded = false;
    let future = std::future::poll_fn(move |cx: &mut TaskContext<'_>| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        let kept = cx.waker().clone();
        kept.wake();
        Poll::Pending
    });
    let mut both = Box::pin(join((future, async {})));
    assert!(poll(&mut both, &waker).is_pending());
    assert_eq!(task.wakes(), 1);
    assert!(poll(&mut both, &waker).is_ready());
}
