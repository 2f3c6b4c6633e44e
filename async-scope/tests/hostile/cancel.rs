//! Requests to finish: of the scope, of a task, from outside, from inside, at every moment, with reasons and in stages.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use async_scope::{Async, JoinError, JoinHandle, ScopeOptions, async_block, plain, scope};
use async_trait_core::{CancelFlag, Cause, Context, Reason, pending, poll_fn, yield_now};
use runtime_glue::{Runtime, TimerKey, Work, block_on};

use crate::{
    kit::{Hand, Lent, asked, on_drop, outcome, own_waker, pending_once, raise, wait_for, why_asked},
    worlds::{Act, Faulty, WORLDS, Watch, World},
};

static CAUSE: Cause = Cause::new("because");

/// The reason of a request to stop.
fn stopping() -> impl Async<Output = Reason> + Send {
    // SAFETY: the function lends nothing to anybody.
    unsafe { poll_fn(|cx: &mut Context<'_>| cx.stop_reason().map_or(Poll::Pending, Poll::Ready)) }
}

#[test]
fn a_request_from_outside_reaches_everything_below() {
    for act in [Act::Queue, Act::Inline] {
        let runtime = Faulty::new(0, move |_| act);
        let flag = CancelFlag::new();
        let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
            let task = s.spawn(async_block! { asked().await });
            let nested = s.spawn(scope!(|inner| {
                let task =
                    inner.spawn(scope!(|innermost| { innermost.spawn(async_block! { asked().await }).await.unwrap() }));
                (asked().await, task.await.unwrap())
            }));
            let plain = s.spawn(plain! { pending::<()>().await });
            let body = asked().await;
            let plain = match plain.await {
                Err(JoinError::Cancelled(cancelled)) => cancelled.reason(),
                other => panic!("{other:?}"),
            };
            let (a, b) = nested.await.unwrap();
            [body, task.await.unwrap(), a, b, plain]
        }));
        assert!(hand.poll_under(&flag).is_pending());
        runtime.settle();
        assert!(hand.poll_under(&flag).is_pending());
        flag.request(Reason::Custom(&CAUSE));
        for _ in 0..10 {
            if let Poll::Ready(reasons) = hand.poll_under(&flag) {
                assert_eq!(reasons, [Reason::Custom(&CAUSE); 5]);
                break;
            }
            runtime.settle();
        }
    }
}

#[test]
fn into_a_cancelled_scope_blocks_start_and_plain_futures_do_not() {
    for world in [World::Pool, World::Threads, World::Inline, World::Hand] {
        let (started, data) = (AtomicUsize::new(0), Lent::new());
        world.run(|options| {
            scope!(options, |s| {
                s.cancel_with(&CAUSE);
                let block = s.spawn(async_block! {
                    started.fetch_add(1, SeqCst);
                    asked().await
                });
                let held = data.hold();
                let plain = s.spawn(plain! { move
                    drop(held);
                    unreachable!("a plain future is dropped");
                });
                let job = s.spawn_blocking_with(|cx| cx.cancel_reason());
                assert_eq!(block.await.unwrap(), Reason::Custom(&CAUSE));
                match plain.await {
                    Err(JoinError::Cancelled(cancelled)) => assert_eq!(cancelled.reason(), Reason::Custom(&CAUSE)),
                    other => panic!("{other:?}"),
                }
                assert_eq!(job.await.unwrap(), Some(Reason::Custom(&CAUSE)));
            })
        });
        assert_eq!(started.load(SeqCst), 1);
        assert_eq!(data.held(), 0);
    }
}

#[test]
fn asked_from_the_body_a_task_a_job_a_handle_and_a_destructor() {
    for world in WORLDS {
        for who in 0..6 {
            let lent = Lent::new();
            let data = &*lent;
            world.run(|options| {
                scope!(options, |s| {
                    for _ in 0..4 {
                        s.spawn(async_block! {
                            let _held = data.hold();
                            asked().await;
                        });
                    }
                    match who {
                        0 => s.cancel(),
                        1 => drop(s.spawn(async_block! { s.cancel() })),
                        2 => drop(s.spawn_blocking(|| s.cancel())),
                        3 => drop(s.spawn(async_block! { on_drop(|| s.cancel()) })),
                        4 => {
                            let task = s.spawn(async_block! {
                                let _cancels = on_drop(|| s.cancel());
                                asked().await;
                            });
                            task.cancel();
                        }
                        _ => drop(s.spawn(scope!(|inner| {
                            inner.spawn(async_block! {
                                inner.cancel();
                                s.cancel();
                            });
                        }))),
                    }
                    asked().await;
                })
            });
            assert_eq!(lent.held(), 0, "{world:?} {who}");
        }
    }
}

/// Asked while it is being polled, by another thread: the poll goes on, and the next one sees it.
#[test]
fn asked_during_a_poll() {
    let _watch = Watch::new();
    for plain_future in [false, true] {
        let (inside, is_inside) = mpsc::channel();
        let (go_on, going_on) = mpsc::channel::<()>();
        let destroyed = AtomicBool::new(false);
        let cell: Mutex<Option<JoinHandle<Option<Reason>>>> = Mutex::new(None);
        let (destroyed, cell) = (&destroyed, &cell);
        thread::scope(|os| {
            let canceller = os.spawn(move || {
                is_inside.recv().unwrap();
                cell.lock().unwrap().as_ref().unwrap().cancel_with(&CAUSE);
                assert!(!destroyed.load(SeqCst), "a future is not destroyed while it is being polled");
                go_on.send(()).unwrap();
            });
            let polls = AtomicUsize::new(0);
            let (polls, keep) = (&polls, cell);
            block_on(scope!(|s| {
                let mut ends = Some((inside, going_on));
                let work = std::future::poll_fn(move |_| {
                    polls.fetch_add(1, SeqCst);
                    if let Some((inside, going_on)) = ends.take() {
                        wait_for(|| keep.lock().unwrap().is_some());
                        inside.send(()).unwrap();
                        going_on.recv().unwrap();
                        return Poll::Pending;
                    }
                    Poll::Ready(())
                });
                let guard = on_drop(|| destroyed.store(true, SeqCst));
                let task = if plain_future {
                    s.spawn(plain! { move
                        let _guard = guard;
                        work.await;
                        None
                    })
                } else {
                    s.spawn(async_block! { move
                        let _guard = guard;
                        work.await;
                        why_asked().await
                    })
                };
                *keep.lock().unwrap() = Some(task);
                while !keep.lock().unwrap().as_ref().unwrap().is_finished() {
                    yield_now().await;
                }
                let task = keep.lock().unwrap().take().unwrap();
                match task.await {
                    Ok(reason) => assert!(!plain_future && reason == Some(Reason::Custom(&CAUSE))),
                    Err(error) => assert!(plain_future && error.cancel_reason() == Some(Reason::Custom(&CAUSE))),
                }
            }));
            assert_eq!(polls.load(SeqCst), if plain_future { 1 } else { 2 });
            canceller.join().unwrap();
        });
    }
}

#[test]
fn a_request_races_completion() {
    let _watch = Watch::new();
    let runtime = Faulty::new(2, |_| Act::Queue);
    for round in 0..300 {
        let lent = Lent::new();
        let data = &*lent;
        let sum = block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
            let tasks: Vec<_> = (0..20_usize)
                .map(|n| {
                    s.spawn(async_block! { move
                        let _held = data.hold();
                        for _ in 0..n % 3 {
                            yield_now().await;
                        }
                        n
                    })
                })
                .collect();
            for (n, task) in tasks.iter().enumerate() {
                if n % 2 == round % 2 {
                    task.cancel();
                }
            }
            if round % 3 == 0 {
                s.cancel();
            }
            let mut sum = 0;
            for task in tasks {
                // A block is asked, not dropped: no value is lost.
                sum += task.await.unwrap();
            }
            sum
        }));
        assert_eq!(sum, 190);
        assert_eq!(lent.held(), 0);
    }
}

#[test]
fn a_completed_value_beats_a_pending_request() {
    let runtime = Faulty::by_hand();
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let mut first = true;
        // Ready in the very poll that would have dropped it.
        let task = s.spawn(std::future::poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut first, false) { Poll::Pending } else { Poll::Ready("came") }
        }));
        pending_once().await;
        task.cancel();
        task.await
    }));
    assert!(hand.poll().is_pending());
    runtime.turn();
    assert!(hand.poll().is_pending());
    runtime.turn();
    assert!(matches!(hand.poll(), Poll::Ready(Ok("came"))));
}

#[test]
fn background_tasks_are_asked_when_the_others_are_done() {
    for world in WORLDS {
        let (reasons, ordinary) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        world.run(|options| {
            scope!(options, |s| {
                let (reasons, ordinary) = (&reasons, &ordinary);
                for _ in 0..3 {
                    s.spawn_background(async_block! { move
                        let reason = asked().await;
                        assert!(ordinary.load(SeqCst) == 5 || reason == Reason::Shutdown);
                        // It may still start work, ordinary or not.
                        s.spawn(async_block! { move yield_now().await });
                        s.spawn_background(async_block! { move
                            let reason = asked().await;
                            reasons.lock().unwrap().push(reason);
                        });
                        reasons.lock().unwrap().push(reason);
                    });
                }
                for _ in 0..5 {
                    s.spawn(async_block! { move
                        yield_now().await;
                        ordinary.fetch_add(1, SeqCst);
                    });
                }
            })
        });
        let reasons = reasons.into_inner().unwrap();
        assert_eq!(reasons.len(), 6, "{world:?}");
        if world != World::Dropping {
            assert!(reasons.iter().all(|reason| *reason == Reason::ScopeEnding), "{world:?} {reasons:?}");
        }
    }
}

#[test]
fn stop_then_cancel() {
    let runtime = Faulty::by_hand();
    let (entries, stops) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let (log, stops) = (&entries, &stops);
        for _ in 0..2 {
            s.spawn(async_block! { move
                let stop = stopping().await;
                log.lock().unwrap().push(("stop", stop));
                stops.fetch_add(1, SeqCst);
                let cancel = asked().await;
                log.lock().unwrap().push(("cancel", cancel));
            });
        }
        yield_now().await;
        s.stop();
        while stops.load(SeqCst) < 2 {
            yield_now().await;
        }
        assert!(!s.is_cancelled());
        s.cancel_with(&CAUSE);
    }));
    hand.finish(|| runtime.turn());
    let log = entries.into_inner().unwrap();
    assert_eq!(log.iter().filter(|entry| **entry == ("stop", Reason::Requested)).count(), 2, "{log:?}");
    assert_eq!(log.iter().filter(|entry| **entry == ("cancel", Reason::Custom(&CAUSE))).count(), 2, "{log:?}");
}

/// A clock that is turned by hand.
struct HandClock {
    inner: Arc<Faulty>,
    state: Mutex<(Instant, Vec<(Instant, Waker)>)>,
}

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: Faulty::by_hand(), state: Mutex::new((Instant::now(), Vec::new())) })
    }

    fn advance(&self, by: Duration) {
        let due = {
            let (now, alarms) = &mut *self.state.lock().unwrap();
            *now += by;
            alarms.extract_if(.., |(at, _)| at <= now).collect::<Vec<_>>()
        };
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Runtime for HandClock {
    fn schedule(&self, work: Work) {
        self.inner.schedule(work);
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        self.state.lock().unwrap().1.push((when, waker.clone()));
        self.inner.sleep_until(Instant::now(), Waker::noop())
    }

    fn now(&self) -> Instant {
        self.state.lock().unwrap().0
    }
}

#[test]
fn a_deadline_and_a_grace_period() {
    for within in [false, true] {
        let clock = HandClock::new();
        let mut options = ScopeOptions::new().on(&clock);
        if !within {
            options = options.deadline(clock.now() + Duration::from_secs(10));
        }
        let mut hand = Hand::new(scope!(options, |s| {
            let task = s.spawn(async_block! {
                if within {
                    stopping().await;
                }
                asked().await
            });
            if within {
                s.cancel_within(Duration::from_secs(10));
                // A later one does not put it off.
                s.cancel_within(Duration::from_secs(100));
            }
            task.await.unwrap()
        }));
        for _ in 0..9 {
            assert!(hand.poll().is_pending());
            clock.inner.settle();
            clock.advance(Duration::from_secs(1));
        }
        assert!(hand.poll().is_pending());
        assert!(!hand.is_woken());
        clock.advance(Duration::from_secs(2));
        assert!(hand.is_woken());
        let reason = hand.finish(|| clock.inner.turn());
        assert_eq!(reason, if within { Reason::Requested } else { Reason::Deadline });
    }
}

#[test]
fn a_blocking_job_hears_of_it_while_it_blocks() {
    for world in [World::Pool, World::Threads, World::Inline] {
        for who in 0..3 {
            let (lent, blocked) = (Lent::new(), AtomicUsize::new(0));
            let (data, waiting) = (&*lent, &blocked);
            world.run(|options| {
                scope!(options, |s| {
                    let job = s.spawn_blocking_with(|cx| {
                        let _held = data.hold();
                        // Blocked in it twice over.
                        cx.block_on(async_block! {
                            cx.block_on(async { yield_now().await });
                            waiting.fetch_add(1, SeqCst);
                            let reason = asked().await;
                            assert!(cx.is_cancelled() && cx.checkpoint().is_err());
                            reason
                        })
                    });
                    while waiting.load(SeqCst) == 0 {
                        yield_now().await;
                    }
                    match who {
                        0 => job.cancel(),
                        1 => s.cancel(),
                        _ => drop(s.spawn(async_block! { s.cancel() })),
                    }
                    assert_eq!(job.await.unwrap(), Reason::Requested);
                })
            });
            assert_eq!(lent.held(), 0);
        }
    }
}

#[test]
fn all_are_asked_although_waking_one_panics() {
    let runtime = Faulty::new(0, {
        // The first spawns go well; of the wakes every second panics.
        move |n| if n >= 10 && n % 2 == 0 { Act::PanicAfter } else { Act::Queue }
    });
    let lent = Lent::new();
    let data = &*lent;
    let reasons = Mutex::new(Vec::new());
    let log = &reasons;
    let result = outcome(|| {
        let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
            for _ in 0..10 {
                s.spawn(async_block! {
                    let _held = data.hold();
                    let reason = asked().await;
                    log.lock().unwrap().push(reason);
                });
            }
            pending_once().await;
            let text = outcome(|| s.cancel()).unwrap_err();
            assert_eq!(text, "schedule");
            assert!(s.is_cancelled());
            text
        }));
        assert!(hand.poll().is_pending());
        runtime.settle();
        assert_eq!(hand.poll().map(drop), Poll::Pending);
        hand.finish(|| runtime.turn())
    });
    assert_eq!(result, Ok("schedule".to_owned()));
    assert_eq!(reasons.lock().unwrap().len(), 10);
    assert_eq!(lent.held(), 0);
}

#[test]
fn a_task_that_is_asked_keeps_its_own_waker() {
    let runtime = Faulty::by_hand();
    let cell = Mutex::new(None);
    let keep = &cell;
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        // It lets go of every waker it is given: the request still wakes it.
        let task = s.spawn(async_block! {
            drop(own_waker().await);
            asked().await
        });
        *keep.lock().unwrap() = Some(task);
    }));
    assert!(hand.poll().is_pending());
    runtime.settle();
    assert_eq!(runtime.len(), 0);
    cell.lock().unwrap().as_ref().unwrap().cancel();
    assert_eq!(runtime.len(), 1);
    runtime.settle();
    hand.finish(|| runtime.turn());
}

#[test]
fn a_request_finds_a_task_that_is_being_spawned() {
    let _watch = Watch::new();
    let runtime = Faulty::new(1, |_| Act::Queue);
    for _ in 0..200 {
        let lent = Lent::new();
        let data = &*lent;
        block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
            let spawner = s.spawn_blocking(|| {
                for _ in 0..40 {
                    s.spawn(async_block! {
                        let _held = data.hold();
                        asked().await;
                    });
                }
            });
            let canceller = s.spawn_blocking(|| s.cancel());
            spawner.await.unwrap();
            canceller.await.unwrap();
        }));
        assert_eq!(lent.held(), 0);
    }
}

#[test]
fn shielded_hooks_finish_their_work_in_a_cancelled_scope() {
    for world in WORLDS {
        let entries = Mutex::new(Vec::new());
        let log = &entries;
        world.run(|options| {
            scope!(options, |s| {
                for n in 0..3 {
                    s.on_exit(async_block! { move
                        for _ in 0..3 {
                            yield_now().await;
                            assert_eq!(why_asked().await, None);
                        }
                        log.lock().unwrap().push(n);
                    });
                }
                s.cancel();
                s.spawn(async_block! { raise_quietly() });
            })
        });
        assert_eq!(*entries.lock().unwrap(), [2, 1, 0], "{world:?}");
    }
}

/// A panic that stays where it is.
fn raise_quietly() {
    assert_eq!(outcome(|| raise("caught")), Err::<(), _>("caught".to_owned()));
}
