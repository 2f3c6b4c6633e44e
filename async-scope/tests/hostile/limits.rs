//! Places in a scope with a limit: waiters that are dropped, forgotten, asked; places that come back after panics and requests.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use async_scope::{Reserve, ScopeOptions, Slot, async_block, scope};
use async_trait_core::{Reason, pending, yield_now};
use runtime_glue::block_on;

use crate::{
    kit::{Hand, Lent, Wakes, asked, on_drop, outcome, raise},
    parent::{Fault, Parent},
    worlds::{Faulty, WORLDS, Watch},
};

fn poll<'s>(reserve: &mut Reserve<'s>, waker: &Waker) -> Poll<Slot<'s>> {
    Pin::new(reserve).poll(&mut Context::from_waker(waker))
}

fn ready<'s>(reserve: &mut Reserve<'s>) -> Slot<'s> {
    match poll(reserve, Waker::noop()) {
        Poll::Ready(slot) => slot,
        Poll::Pending => panic!("no place"),
    }
}

#[test]
fn first_come_first_served_and_nobody_overtakes() {
    let runtime = Faulty::by_hand();
    let wakes: Vec<_> = (0..3).map(|_| Arc::new(Wakes::default())).collect();
    let seen = &wakes;
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime).limit(1), |s| {
        let first = s.try_reserve().unwrap();
        let mut waiters: Vec<_> = seen.iter().map(|_| s.reserve()).collect();
        for (waiter, wakes) in waiters.iter_mut().zip(seen) {
            assert!(poll(waiter, &Waker::from(Arc::clone(wakes))).is_pending());
        }
        drop(first);
        assert_eq!(seen.iter().map(|wakes| wakes.count()).collect::<Vec<_>>(), [1, 0, 0]);
        // The place is the first waiter's, who has not looked yet.
        assert!(s.try_reserve().is_none());
        assert!(poll(&mut s.reserve(), Waker::noop()).is_pending());
        assert!(poll(&mut waiters[1], Waker::noop()).is_pending());
        let slot = ready(&mut waiters[0]);
        // A second poll of one that has its place waits for another.
        assert!(poll(&mut waiters[0], Waker::noop()).is_pending());
        drop(slot);
        drop(ready(&mut waiters[1]));
        drop(ready(&mut waiters[2]));
        drop(ready(&mut waiters[0]));
        assert!(s.try_reserve().is_some());
    }));
    hand.finish(|| runtime.turn());
    // Nobody keeps a waker.
    assert!(wakes.iter().all(|wakes| Arc::strong_count(wakes) == 1));
}

#[test]
fn a_waiter_that_goes_passes_its_place_on() {
    let runtime = Faulty::by_hand();
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime).limit(1), |s| {
        for granted in [false, true] {
            let first = s.try_reserve().unwrap();
            let (mut a, mut b) = (s.reserve(), s.reserve());
            assert!(poll(&mut a, Waker::noop()).is_pending());
            assert!(poll(&mut b, Waker::noop()).is_pending());
            if granted {
                drop(first);
                drop(a);
            } else {
                drop(a);
                drop(first);
            }
            drop(ready(&mut b));
        }
    }));
    hand.finish(|| runtime.turn());
}

#[test]
fn a_forgotten_waiter_costs_a_place_and_harms_nobody() {
    let runtime = Faulty::by_hand();
    let wakes = Arc::new(Wakes::default());
    let seen = &wakes;
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime).limit(2), |s| {
        let (first, second) = (s.try_reserve().unwrap(), s.try_reserve().unwrap());
        let mut forgotten = s.reserve();
        assert!(poll(&mut forgotten, &Waker::from(Arc::clone(seen))).is_pending());
        std::mem::forget(forgotten);
        drop(first);
        assert_eq!(seen.count(), 1);
        let mut waiter = s.reserve();
        assert!(poll(&mut waiter, Waker::noop()).is_pending());
        drop(second);
        drop(ready(&mut waiter));
        // One that is forgotten with its waker in the queue: the scope drops that.
        let held = s.try_reserve();
        let mut forgotten = s.reserve();
        assert!(poll(&mut forgotten, &Waker::from(Arc::clone(seen))).is_pending());
        std::mem::forget(forgotten);
        std::mem::forget(held);
    }));
    hand.finish(|| runtime.turn());
    assert_eq!(Arc::strong_count(&wakes), 1);
}

/// What a task does with its place.
#[derive(Clone, Copy, Debug)]
enum End {
    Returns,
    Panics,
    IsDropped,
    IsAsked,
    FutureDropPanics,
    Blocks,
    BlockingPanics,
    JobWithDrop,
    HandleForgotten,
}

#[test]
fn places_come_back_however_a_task_ends() {
    use End::*;
    for world in WORLDS {
        for end in [
            Returns,
            Panics,
            IsDropped,
            IsAsked,
            FutureDropPanics,
            Blocks,
            BlockingPanics,
            JobWithDrop,
            HandleForgotten,
        ] {
            let (lent, live, most) = (Lent::new(), AtomicUsize::new(0), AtomicUsize::new(0));
            let (data, live, most) = (&*lent, &live, &most);
            let enter = move || {
                most.fetch_max(live.fetch_add(1, SeqCst) + 1, SeqCst);
                on_drop(move || {
                    live.fetch_sub(1, SeqCst);
                    data.look();
                })
            };
            world.run(|options| {
                scope!(options.limit(2), |s| {
                    for _ in 0..20 {
                        let slot = s.reserve().await;
                        let handle = match end {
                            Returns => slot.spawn(async_block! { drop(enter()) }),
                            Panics => slot.spawn(async_block! {
                                let _inside = enter();
                                raise("task")
                            }),
                            IsDropped => slot.spawn(forever(enter())),
                            IsAsked => slot.spawn(async_block! {
                                let _inside = enter();
                                asked().await;
                            }),
                            FutureDropPanics => {
                                let inside = enter();
                                slot.spawn(forever(on_drop(move || {
                                    drop(inside);
                                    raise("future")
                                })))
                            }
                            Blocks => slot.spawn_blocking(|| drop(enter())),
                            BlockingPanics => slot.spawn_blocking(|| {
                                let _inside = enter();
                                raise("job")
                            }),
                            JobWithDrop => {
                                let inside = enter();
                                slot.spawn_blocking_with(move |_| drop(inside))
                            }
                            HandleForgotten => {
                                std::mem::forget(slot.spawn(async_block! { drop(enter()) }));
                                continue;
                            }
                        };
                        yield_now().await;
                        handle.cancel();
                        // Whatever it was: it is the observer's.
                        s.spawn(async_block! { drop(handle.await) });
                    }
                })
            });
            assert!(most.load(SeqCst) <= 2, "{world:?} {end:?}");
            assert_eq!(live.load(SeqCst), 0);
        }
    }
}

async fn forever<T>(value: T) {
    let _value = value;
    pending::<()>().await;
}

#[test]
fn spawn_when_free_gives_the_work_back_when_it_is_asked() {
    let runtime = Faulty::by_hand();
    let lent = Lent::new();
    let data = &*lent;
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime).limit(1), |s| {
        let place = s.try_reserve().unwrap();
        let held = data.hold();
        let waiting = s.spawn_when_free(async move { drop(held) });
        s.spawn(async_block! { s.cancel() });
        match waiting.await {
            Ok(_) => panic!("there was no place"),
            Err((cancelled, work)) => {
                assert_eq!(cancelled.reason(), Reason::Requested);
                drop(work);
            }
        }
        drop(place);
        // A place that is free beats the request.
        let task = s.spawn_when_free(async_block! { 1 }).await.map_err(drop).unwrap();
        task.await.unwrap()
    }));
    assert!(hand.poll().is_pending());
    assert_eq!(hand.finish(|| runtime.turn()), 1);
    assert_eq!(lent.held(), 0);
}

#[test]
fn wakers_of_waiters_that_panic() {
    for fault in Fault::ALL {
        for nth in 1..5 {
            let _watch = Watch::new();
            let runtime = Faulty::by_hand();
            let waiter = Parent::new(fault, nth);
            let by = &waiter;
            let result = outcome(|| {
                let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime).limit(1), |s| {
                    let place = s.try_reserve().unwrap();
                    let mut waiting: Vec<_> = (0..3).map(|_| s.reserve()).collect();
                    for _ in 0..2 {
                        for reserve in &mut waiting {
                            let _ = outcome(|| by.lend(|waker| poll(reserve, waker).is_pending()));
                        }
                    }
                    let _ = outcome(|| drop(place));
                    // Whoever was woken: polled on, each has its turn.
                    let mut served = [false; 3];
                    for _ in 0..3 {
                        for (reserve, served) in waiting.iter_mut().zip(&mut served) {
                            if let (false, Poll::Ready(slot)) = (*served, poll(reserve, Waker::noop())) {
                                *served = true;
                                let _ = outcome(|| drop(slot));
                            }
                        }
                    }
                    assert_eq!(served, [true; 3]);
                    for reserve in waiting {
                        let _ = outcome(|| drop(reserve));
                    }
                }));
                while hand.poll().is_pending() {
                    runtime.turn();
                }
            });
            assert_eq!(result, Ok(()), "{fault:?} {nth}");
            assert_eq!(waiter.wakers(), 0, "{fault:?} {nth}");
        }
    }
}

#[test]
fn without_a_limit_there_is_always_a_place() {
    let log = Mutex::new(0);
    block_on(scope!(|s| {
        for _ in 0..100 {
            s.reserve().await.spawn(async { *log.lock().unwrap() += 1 });
        }
        assert!(s.try_reserve().is_some());
    }));
    assert_eq!(*log.lock().unwrap(), 100);
}
