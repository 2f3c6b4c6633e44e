//! Handles that are dropped, forgotten, kept beyond the scope, cancelled late, polled by several wakers, or whose wakers panic.

use std::{
    future::IntoFuture,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context as TaskContext, Poll, Waker},
    thread,
};

use async_scope::{JoinError, JoinHandle, ScopeOptions, async_block, scope};
use async_trait_core::{CancelFlag, Cause, Reason, pending, yield_now};
use runtime_glue::block_on;

use crate::{
    kit::{Hand, Lent, Wakes, asked, on_drop, outcome, pending_once, raise, raise_bomb, wait_for, why_asked},
    parent::{Fault, Parent},
    worlds::{Act, Faulty, WORLDS, Watch, World},
};

#[test]
fn dropped_with_a_panic_inside_the_scope_is_asked_at_once() {
    for world in WORLDS {
        for inside in [true, false] {
            let lent = Lent::new();
            let data = &*lent;
            let result = outcome(|| {
                world.run(|options| {
                    scope!(options, |s| {
                        s.spawn(async_block! {
                            let _held = data.hold();
                            asked().await;
                        });
                        let task = s.spawn(async_block! { raise("inside the handle") });
                        while !task.is_finished() {
                            yield_now().await;
                        }
                        if world != World::Dropping {
                            assert!(!s.is_cancelled(), "somebody may still take it");
                        }
                        if inside {
                            drop(task);
                        } else {
                            // Dropped on a thread that has nothing to do with the scope.
                            thread::scope(|os| {
                                os.spawn(move || drop(task));
                            });
                        }
                        assert!(
                            s.is_cancelled(),
                            "the rest is asked when the handle goes, not when the body has ended"
                        );
                        asked().await;
                    })
                })
            });
            assert_eq!(result, Err("inside the handle".to_owned()), "{world:?}");
            assert_eq!(lent.held(), 0);
        }
    }
}

#[test]
fn dropped_before_the_panic_the_scope_is_asked_at_once() {
    for world in WORLDS {
        let result = outcome(|| {
            world.run(|options| {
                scope!(options, |s| {
                    drop(s.spawn(async_block! {
                        yield_now().await;
                        raise("nobody's")
                    }));
                    asked().await;
                })
            })
        });
        assert_eq!(result, Err("nobody's".to_owned()), "{world:?}");
    }
}

#[test]
fn forgotten_the_panic_is_the_scopes_and_the_output_is_leaked() {
    static KEPT: Mutex<Vec<JoinHandle<u32>>> = Mutex::new(Vec::new());
    for world in WORLDS {
        let result = outcome(|| {
            world.run(|options| {
                scope!(options, |s| {
                    // Kept where nobody looks, which is as good as forgotten, and no leak.
                    KEPT.lock().unwrap().push(s.spawn(async_block! { raise("forgotten") }));
                    KEPT.lock().unwrap().push(s.spawn(async_block! { 7 }));
                    std::mem::forget(s.spawn(async_block! { 8 }));
                })
            })
        });
        assert_eq!(result, Err("forgotten".to_owned()), "{world:?}");
    }
}

#[test]
fn a_handle_that_outlives_its_scope() {
    for world in WORLDS {
        let cell = Mutex::new(Vec::new());
        let keep = |handle: JoinHandle<u32>| cell.lock().unwrap().push(handle);
        let lent = Lent::new();
        let data = &*lent;
        let result = outcome(|| {
            world.run(|options| {
                scope!(options, |s| {
                    keep(s.spawn(async_block! {
                        let _held = data.hold();
                        1
                    }));
                    keep(s.spawn(dropped_if_asked()));
                    keep(s.spawn_blocking(|| 3));
                    keep(s.spawn(async_block! { raise("for the scope") }));
                    s.cancel();
                })
            })
        });
        assert_eq!(result, Err("for the scope".to_owned()));
        drop(lent);
        let handles = cell.into_inner().unwrap();
        for handle in &handles {
            assert!(handle.is_finished());
            handle.cancel();
        }
        // Awaited where there is no scope any more, on another thread.
        let outputs: Vec<_> =
            thread::spawn(|| handles.into_iter().map(|handle| block_on(handle.into_future())).collect())
                .join()
                .unwrap();
        let [one, dropped, three, panicked] = <[_; 4]>::try_from(outputs).unwrap();
        assert_eq!((one.unwrap(), three.unwrap()), (1, 3));
        assert!(matches!(dropped, Err(JoinError::Cancelled(_))));
        let Err(JoinError::Panicked(panic)) = panicked else { panic!("{panicked:?}") };
        assert_eq!(panic.message(), Some("the task panicked, and its scope went on with the panic"));
    }
}

async fn dropped_if_asked() -> u32 {
    pending().await
}

#[test]
fn handles_of_a_finished_scope_are_dropped_by_other_threads_with_their_outputs() {
    let drops = AtomicUsize::new(0);
    let count = &drops;
    let cell = Mutex::new(Vec::new());
    block_on(scope!(|s| {
        for _ in 0..200 {
            let handle = s.spawn(async_block! { on_drop(move || { count.fetch_add(1, SeqCst); }) });
            cell.lock().unwrap().push(handle);
        }
    }));
    assert_eq!(drops.load(SeqCst), 0);
    let mut handles = cell.into_inner().unwrap();
    thread::scope(|os| {
        while !handles.is_empty() {
            let chunk = handles.split_off(handles.len().saturating_sub(50));
            os.spawn(move || drop(chunk));
        }
    });
    assert_eq!(drops.load(SeqCst), 200);
}

#[test]
fn cancelled_late_nothing_happens() {
    let runtime = Faulty::by_hand();
    let cell = Mutex::new(None);
    let keep = &cell;
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let done = s.spawn(async { 5 });
        while !done.is_finished() {
            yield_now().await;
        }
        done.cancel();
        done.cancel();
        // Its slot may be another task's soon, which is not asked.
        let other = s.spawn(async_block! {
            yield_now().await;
            why_asked().await
        });
        done.cancel();
        assert_eq!(done.await.unwrap(), 5);
        assert_eq!(other.await.unwrap(), None);
        *keep.lock().unwrap() = Some(s.spawn(async { 6 }));
    }));
    hand.finish(|| runtime.turn());
    let handle: JoinHandle<i32> = cell.into_inner().unwrap().unwrap();
    handle.cancel();
    assert_eq!(block_on(handle).unwrap(), 6);
    assert_eq!(runtime.len(), 0);
}

static FIRST: Cause = Cause::new("first");
static SECOND: Cause = Cause::new("second");

#[test]
fn one_task_is_asked_and_the_first_reason_counts() {
    for world in [World::Pool, World::Threads, World::Inline, World::Hand] {
        world.run(|options| {
            scope!(options, |s| {
                let one = s.spawn(async_block! { asked().await });
                let other = s.spawn(async_block! {
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    why_asked().await
                });
                one.cancel_with(&FIRST);
                one.cancel_with(&SECOND);
                assert_eq!(one.await.unwrap(), Reason::Custom(&FIRST));
                assert_eq!(other.await.unwrap(), None);
                assert!(!s.is_cancelled());
            })
        });
    }
}

#[test]
fn awaited_under_a_request_a_handle_asks_its_task_and_waits() {
    let runtime = Faulty::by_hand();
    let flag = CancelFlag::new();
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let task = s.spawn(async_block! {
            let reason = asked().await;
            yield_now().await;
            (reason, "not lost")
        });
        task.await.unwrap()
    }));
    assert!(hand.poll_under(&flag).is_pending());
    runtime.settle();
    flag.request(Reason::Deadline);
    assert!(hand.poll_under(&flag).is_pending());
    runtime.settle();
    assert_eq!(hand.poll_under(&flag), Poll::Ready((Reason::Deadline, "not lost")));
}

#[test]
fn a_join_future_detaches_and_the_other_asks() {
    let runtime = Faulty::by_hand();
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let log: &Mutex<Vec<Option<Reason>>> = s.own(Mutex::new(Vec::new()), |log| async move {
            assert_eq!(log.into_inner().unwrap(), [None, Some(Reason::Requested)]);
        });
        for asks in [false, true] {
            let task = s.spawn(async_block! { move
                for _ in 0..3 {
                    yield_now().await;
                }
                let reason = why_asked().await;
                log.lock().unwrap().push(reason);
            });
            if asks {
                let mut joining = task.cancel_on_drop();
                assert!(poll_once(&mut joining, Waker::noop()).is_pending());
                drop(joining);
            } else {
                let mut joining = task.into_future();
                assert!(poll_once(&mut joining, Waker::noop()).is_pending());
                drop(joining);
            }
            while log.lock().unwrap().len() <= usize::from(asks) {
                yield_now().await;
            }
        }
        // What is complete is not asked when it goes.
        let mut joining = s.spawn(async { 1 }).cancel_on_drop();
        while poll_once(&mut joining, Waker::noop()).is_pending() {
            yield_now().await;
        }
    }));
    hand.finish(|| runtime.turn());
}

fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut TaskContext::from_waker(waker))
}

#[test]
fn only_the_last_waker_is_woken_and_all_are_dropped() {
    let runtime = Faulty::by_hand();
    let wakes: Vec<_> = (0..4).map(|_| Arc::new(Wakes::default())).collect();
    let seen = &wakes;
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let mut joining = s.spawn(async { 9 }).into_future();
        for wakes in seen {
            let waker = Waker::from(Arc::clone(wakes));
            assert!(poll_once(&mut joining, &waker).is_pending());
            // The same again changes nothing.
            assert!(poll_once(&mut joining, &waker).is_pending());
        }
        pending_once().await;
        assert_eq!(poll_once(&mut joining, Waker::noop()).map(Result::unwrap), Poll::Ready(9));
    }));
    assert!(hand.poll().is_pending());
    runtime.settle();
    assert_eq!(wakes.iter().map(|wakes| wakes.count()).collect::<Vec<_>>(), [0, 0, 0, 1]);
    assert!(hand.poll().is_ready());
    assert!(wakes.iter().all(|wakes| Arc::strong_count(wakes) == 1));
}

#[test]
fn a_handle_polled_after_its_end_panics_and_harms_nobody() {
    let runtime = Faulty::by_hand();
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let mut joining = s.spawn(async { String::from("once") }).into_future();
        pending_once().await;
        assert_eq!(poll_once(&mut joining, Waker::noop()).map(Result::unwrap), Poll::Ready("once".to_owned()));
        outcome(|| poll_once(&mut joining, Waker::noop())).unwrap_err()
    }));
    assert!(hand.poll().is_pending());
    runtime.settle();
    let Poll::Ready(text) = hand.poll() else { panic!() };
    assert!(text.contains("polled after it had completed"), "{text}");
}

/// The wakers that a handle is polled with panic: each call of clone, wake and drop in turn.
#[test]
fn join_wakers_that_panic() {
    for fault in Fault::ALL {
        for nth in 1..6 {
            for bomb in [false, true] {
                let _watch = Watch::new();
                let lent = Lent::new();
                let data = &*lent;
                let runtime = Faulty::by_hand();
                let joiner = Parent::with(fault, nth, false, bomb);
                let by = &joiner;
                let result = outcome(|| {
                    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
                        s.spawn(async_block! {
                            let _held = data.hold();
                            asked().await;
                        });
                        let mut joining = s
                            .spawn(async_block! {
                                let held = data.hold();
                                yield_now().await;
                                on_drop(move || drop(held))
                            })
                            .into_future();
                        let mut output = None;
                        while output.is_none() {
                            // A new waker each time, so that the old one is dropped.
                            let polled = outcome(|| by.lend(|waker| poll_once(&mut joining, waker)));
                            match polled {
                                Ok(Poll::Ready(joined)) => output = joined.ok(),
                                Ok(Poll::Pending) => {}
                                Err(text) => assert_eq!(text, "waker"),
                            }
                            yield_now().await;
                        }
                        drop(output);
                        s.cancel();
                    }));
                    while hand.poll().is_pending() {
                        runtime.turn();
                    }
                });
                assert_eq!(lent.held(), 0, "{fault:?} {nth}");
                assert!(result.is_ok() || joiner.has_struck(), "{fault:?} {nth} {result:?}");
                assert_eq!(joiner.wakers(), 0);
            }
        }
    }
}

#[test]
fn a_handle_is_dropped_while_its_task_completes() {
    let _watch = Watch::new();
    let runtime = Faulty::new(2, |_| Act::Queue);
    for round in 0..300 {
        let drops = AtomicUsize::new(0);
        let (count, lent) = (&drops, Lent::new());
        let data = &*lent;
        let result = outcome(|| {
            block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
                for n in 0..16 {
                    let mut joining = s
                        .spawn(async_block! { move
                            let held = data.hold();
                            if n % 3 == 1 {
                                yield_now().await;
                            }
                            if round % 10 == 9 && n == 15 {
                                raise_bomb("half-way");
                            }
                            on_drop(move || {
                                count.fetch_add(1, SeqCst);
                                drop(held);
                            })
                        })
                        .into_future();
                    if n % 2 == 0 {
                        let _ = poll_once(&mut joining, Waker::noop());
                    }
                    drop(joining);
                }
            }))
        });
        assert_eq!(result.is_err(), round % 10 == 9, "{result:?}");
        assert_eq!(drops.load(SeqCst), 16 - usize::from(result.is_err()));
        assert_eq!(lent.held(), 0);
    }
}

#[test]
fn a_handle_crosses_threads_while_its_task_completes() {
    let _watch = Watch::new();
    for _ in 0..200 {
        let lent = Lent::new();
        let data = &*lent;
        block_on(scope!(|s| {
            let handles: Vec<_> = (0..8_u32)
                .map(|n| {
                    s.spawn(async_block! { move
                        let held = data.hold();
                        yield_now().await;
                        (n, held)
                    })
                })
                .collect();
            let mut joiners = Vec::new();
            for handle in handles {
                joiners.push(s.spawn(async_block! { move
                    let (n, held) = handle.await.unwrap();
                    drop(held);
                    n
                }));
            }
            let mut sum = 0;
            for joiner in joiners {
                sum += joiner.await.unwrap();
            }
            assert_eq!(sum, 28);
        }));
        assert_eq!(lent.held(), 0);
    }
}

#[test]
fn a_panic_in_a_handle_outside_is_dropped_while_the_scope_ends() {
    let _watch = Watch::new();
    for _ in 0..500 {
        let cell = Mutex::new(None);
        let keep = &cell;
        let lent = Lent::new();
        let data = &*lent;
        let result = outcome(|| {
            thread::scope(|os| {
                let dropper = os.spawn(|| {
                    wait_for(|| keep.lock().unwrap().as_ref().is_some_and(JoinHandle::is_finished));
                    drop(keep.lock().unwrap().take());
                });
                let result = outcome(|| {
                    block_on(scope!(|s| {
                        let task: JoinHandle<()> = s.spawn(async_block! {
                            let _held = data.hold();
                            raise("whose?")
                        });
                        *keep.lock().unwrap() = Some(task);
                        s.spawn(async_block! {
                            let _held = data.hold();
                            yield_now().await;
                        });
                    }))
                });
                dropper.join().unwrap();
                result
            })
        });
        assert_eq!(result, Ok(Err("whose?".to_owned())));
        assert_eq!(lent.held(), 0);
    }
}
