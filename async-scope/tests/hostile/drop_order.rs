//! What is destroyed when: a task's future, then its output if nobody wants it, then the scope goes on; then hooks, then owned
//! values.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::Waker,
    thread,
};

use async_scope::{Async, Scope, ScopeOptions, async_block, plain, scope};
use async_trait_core::{pending, yield_now};
use runtime_glue::block_on;

use crate::{
    kit::{Hand, Lent, asked, on_drop, outcome, own_waker, pending_once, raise},
    worlds::{Faulty, WORLDS, Watch, World},
};

/// Says its name when it goes.
struct Named<'a>(&'static str, &'a Mutex<Vec<&'static str>>);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// <https://github.com/rust-lang/rust/issues/94644>: the result of a scoped thread was dropped after the scope had been told that
/// the thread was done, so its destructor ran while the scope had already returned.
#[test]
fn rust_94644_an_unwanted_output_is_destroyed_before_the_scope_can_end() {
    let _watch = Watch::new();
    for future in [false, true] {
        let lent = Lent::new();
        let runtime = Faulty::by_hand();
        let (in_destructor, inside) = mpsc::channel();
        let (go_on, going_on) = mpsc::channel::<()>();
        let data = &*lent;
        // Its destructor looks at what was lent when the scope has had every chance to end.
        let last = on_drop(move || {
            in_destructor.send(()).unwrap();
            going_on.recv().unwrap();
            data.look();
        });
        let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
            if future {
                // The destructor of a future that is dropped because it was asked.
                let task = s.spawn(plain! { move
                    let _last = last;
                    pending::<()>().await;
                });
                task.cancel();
            } else {
                drop(s.spawn(async_block! { move last }));
            }
        }));
        assert!(hand.poll().is_pending());
        let work = runtime.take().unwrap();
        let thread = thread::spawn(|| work.run());
        inside.recv().unwrap();
        for _ in 0..3 {
            assert!(hand.poll().is_pending(), "the scope ended while a destructor was running");
        }
        go_on.send(()).unwrap();
        hand.finish(|| false);
        thread.join().unwrap();
    }
}

#[test]
fn the_future_goes_before_the_output_and_both_before_the_scope() {
    for world in WORLDS {
        let entries = Mutex::new(Vec::new());
        let log = &entries;
        world.run(|options| {
            scope!(options, |s| {
                let _body = Named("body", log);
                s.on_exit(async_block! { move log.lock().unwrap().push("hook") });
                let captured = Named("future", log);
                let holding = HoldsTillTheEnd { _captured: captured, output: Some(Named("output", log)) };
                drop(s.spawn(holding));
            })
        });
        entries.lock().unwrap().push("scope");
        let log = std::mem::take(&mut *entries.lock().unwrap());
        let at = |name| log.iter().position(|entry| *entry == name).unwrap_or(usize::MAX);
        assert!(at("output") < at("hook") && at("hook") < at("scope") && at("body") < at("hook"), "{world:?} {log:?}");
        assert!(at("future") < at("hook"), "{world:?} {log:?}");
        if world != World::Dropping {
            assert!(at("future") < at("output"), "{world:?} {log:?}");
        }
    }
}

/// A future that is destroyed as a whole, and not by returning.
struct HoldsTillTheEnd<'a> {
    _captured: Named<'a>,
    output: Option<Named<'a>>,
}

impl<'a> Future for HoldsTillTheEnd<'a> {
    type Output = Named<'a>;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Named<'a>> {
        std::task::Poll::Ready(self.output.take().unwrap())
    }
}

#[test]
fn the_future_is_gone_when_its_handle_yields() {
    for world in [World::Pool, World::Threads, World::Inline, World::Hand] {
        let entries = Mutex::new(Vec::new());
        let log = &entries;
        world.run(|options| {
            scope!(options, |s| {
                for _ in 0..50 {
                    let task = s
                        .spawn(HoldsTillTheEnd { _captured: Named("future", log), output: Some(Named("output", log)) });
                    let output = task.await.unwrap();
                    assert_eq!(*log.lock().unwrap(), ["future"]);
                    drop(output);
                    log.lock().unwrap().clear();
                }
            })
        });
    }
}

#[test]
fn a_finished_result_that_nobody_can_take_is_dropped_at_once() {
    let runtime = Faulty::by_hand();
    let entries = Mutex::new(Vec::new());
    let log = &entries;
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let before = s.spawn(async { Named("dropped before it finished", log) });
        let after = s.spawn(async { Named("dropped after it finished", log) });
        drop(before);
        yield_now().await;
        assert_eq!(*log.lock().unwrap(), ["dropped before it finished"]);
        assert!(after.is_finished());
        drop(after);
        assert_eq!(log.lock().unwrap().len(), 2);
        pending_once().await;
    }));
    assert!(hand.poll().is_pending());
    runtime.settle();
    assert!(hand.poll().is_pending());
    assert_eq!(entries.lock().unwrap().len(), 2);
    assert!(hand.poll().is_ready());
}

#[test]
fn every_output_is_dropped_exactly_once() {
    for world in WORLDS {
        let drops = AtomicUsize::new(0);
        let count = &drops;
        let outside = Mutex::new(Vec::new());
        let keep = &outside;
        world.run(|options| {
            scope!(options, |s| {
                for n in 0..90 {
                    let task = s.spawn(async_block! { move on_drop(move || { count.fetch_add(1, SeqCst); }) });
                    match n % 3 {
                        0 => drop(task),
                        1 => drop(task.await.unwrap()),
                        _ => keep.lock().unwrap().push(task),
                    }
                }
            })
        });
        assert_eq!(drops.load(SeqCst), 60, "{world:?}");
        outside.into_inner().unwrap().clear();
        assert_eq!(drops.load(SeqCst), 90, "{world:?}");
    }
}

/// What spawns `n` more of its kind, one after the other, from destructors of futures and outputs in turn.
fn spawner<'s>(s: &'s Scope<'s>, count: &'s AtomicUsize, lent: &'s Lent, n: u32) -> impl FnOnce() + Send + 's {
    move || {
        lent.look();
        count.fetch_add(1, SeqCst);
        if n == 0 {
            return;
        }
        let next = on_drop(next(s, count, lent, n - 1));
        if n.is_multiple_of(2) {
            // Dropped with the output.
            drop(s.spawn(async move { next }));
        } else {
            // Dropped with the future.
            s.spawn(async move {
                let _next = next;
                yield_now().await;
            });
        }
    }
}

fn next<'s>(s: &'s Scope<'s>, count: &'s AtomicUsize, lent: &'s Lent, n: u32) -> Box<dyn FnOnce() + Send + 's> {
    Box::new(spawner(s, count, lent, n))
}

#[test]
fn tasks_spawned_by_destructors_of_futures_and_outputs_are_waited_for() {
    for world in WORLDS {
        let (count, lent) = (AtomicUsize::new(0), Lent::new());
        world.run(|options| {
            scope!(options, |s| {
                let (count, lent) = (&count, &*lent);
                for _ in 0..4 {
                    drop(on_drop(next(s, count, lent, 25)));
                }
                // By the destructor of a local of the body, of a hook, and of a plain future that is asked.
                let _local = on_drop(next(s, count, lent, 3));
                let in_hook = on_drop(next(s, count, lent, 3));
                s.on_exit(async_block! { move drop(in_hook) });
                s.spawn(dropped_when_asked(on_drop(next(s, count, lent, 3)))).cancel();
                let task = s.spawn(dropped_when_asked(on_drop(next(s, count, lent, 3))));
                yield_now().await;
                task.cancel();
            })
        });
        drop(lent);
        assert_eq!(count.load(SeqCst), 4 * 26 + 4 * 4, "{world:?}");
    }
}

async fn dropped_when_asked<T>(value: T) {
    let _value = value;
    pending::<()>().await;
}

#[test]
fn the_place_of_a_slot_comes_free_after_its_future_is_gone() {
    let runtime = Faulty::by_hand();
    let entries = Mutex::new(Vec::new());
    let log = &entries;
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime).limit(1), |s| {
        let slot = s.reserve().await;
        slot.spawn(HoldsTillTheEnd { _captured: Named("future", log), output: Some(Named("output", log)) });
        let _slot = s.reserve().await;
        assert_eq!(log.lock().unwrap()[0], "future");
    }));
    hand.finish(|| runtime.turn());
}

#[test]
fn locals_of_the_body_go_before_the_scope_waits() {
    let runtime = Faulty::by_hand();
    let gone = AtomicBool::new(false);
    let flag = &gone;
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let _local = on_drop(|| flag.store(true, SeqCst));
        s.spawn(async { yield_now().await });
        yield_now().await;
    }));
    assert!(hand.poll().is_pending());
    assert!(!gone.load(SeqCst));
    assert!(hand.poll().is_pending());
    assert!(gone.load(SeqCst));
    hand.finish(|| runtime.turn());
}

#[test]
fn wakers_outlive_task_and_scope_and_keep_no_frame() {
    let _watch = Watch::new();
    let wakers: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
    for round in 0..20 {
        let lent = Lent::new();
        let data = &*lent;
        let kept = &wakers;
        let result = outcome(|| {
            block_on(scope!(|s| {
                for n in 0..30 {
                    s.spawn(async_block! { move
                        let _held = data.hold();
                        let own = own_waker().await;
                        kept.lock().unwrap().push(own.clone());
                        own.wake();
                        pending_once().await;
                        if round % 5 == 4 && n == 7 {
                            raise("with wakers out");
                        }
                    });
                }
                // What was kept before is woken into other scopes' lives.
                for waker in kept.lock().unwrap().iter().take(100) {
                    waker.wake_by_ref();
                }
            }))
        });
        assert_eq!(result.is_err(), round % 5 == 4);
        assert_eq!(lent.held(), 0);
    }
    let wakers = wakers.into_inner().unwrap();
    assert_eq!(wakers.len(), 600);
    thread::scope(|os| {
        for chunk in wakers.chunks(100) {
            let chunk = chunk.to_vec();
            os.spawn(move || {
                for (n, waker) in chunk.into_iter().enumerate() {
                    match n % 3 {
                        0 => waker.wake(),
                        1 => waker.wake_by_ref(),
                        _ => drop(waker.clone()),
                    }
                }
            });
        }
    });
    drop(wakers);
}

fn forever<'a>(lent: &'a Lent) -> impl Async<Output = ()> + Send + 'a {
    async_block! { move
        let _held = lent.hold();
        asked().await;
    }
}

#[test]
fn a_scope_in_the_destructor_of_another_ones_output() {
    let _watch = Watch::new();
    let lent = Lent::new();
    let data = &*lent;
    block_on(scope!(|s| {
        for _ in 0..10 {
            drop(s.spawn(async_block! {
                on_drop(|| {
                    block_on(scope!(|inner| {
                        inner.spawn(forever(data));
                        inner.spawn(async { data.look() });
                        inner.cancel();
                    }));
                })
            }));
        }
    }));
    assert_eq!(lent.held(), 0);
}
