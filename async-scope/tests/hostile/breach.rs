//! Executors that break *completed*: the future of a started scope is dropped. It blocks until the scope is quiet.

use std::{
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Waker,
};

use async_scope::{Async, ScopeOptions, async_block, scope};
use async_trait_core::{Context, pending, yield_now};
use runtime_glue::block_on;

use crate::{
    kit::{Lent, asked, on_drop, outcome, raise, raise_bomb},
    worlds::{Act, Faulty, Watch},
};

/// Polls a value so often, then drops it, started or not.
fn breach<A: Async>(polls: usize, mut between: impl FnMut(), a: A) {
    let mut a: Pin<Box<A>> = Box::pin(a);
    for _ in 0..polls {
        // SAFETY: none: *completed* is broken below, and the scope's defence is what is tried here. Its memory is not reused before
        // its destructor has returned, which is what that defence relies on.
        if unsafe { a.as_mut().poll_async(&mut Context::from_waker(Waker::noop())) }.is_ready() {
            return;
        }
        between();
    }
}

fn everything<'a>(
    options: ScopeOptions,
    nested: bool,
    lent: &'a Lent,
    log: &'a Mutex<Vec<&'static str>>,
) -> impl Async<Output = ()> + 'a {
    scope!(options, move |s| {
        for _ in 0..5 {
            s.spawn(async_block! { move
                let _held = lent.hold();
                asked().await;
                yield_now().await;
                lent.look();
            });
            s.spawn_background(async_block! { move
                let _held = lent.hold();
                asked().await;
            });
            let held = lent.hold();
            s.spawn(never(held));
            s.spawn_blocking_with(move |cx| {
                let _held = lent.hold();
                cx.block_on(asked());
            });
        }
        if nested {
            s.spawn(scope!(move |inner| {
                inner.spawn(async_block! { move
                    let _held = lent.hold();
                    asked().await;
                });
                asked().await;
            }));
        }
        s.on_exit(async_block! { move
            yield_now().await;
            log.lock().unwrap().push("hook");
            let _held = lent.hold();
        });
        for _ in 0..3 {
            yield_now().await;
        }
        asked().await;
        log.lock().unwrap().push("body");
    })
}

async fn never<T>(value: T) {
    let _value = value;
    pending::<()>().await;
}

#[test]
fn dropped_after_any_number_of_polls_it_blocks_until_it_is_quiet() {
    for act in [Act::Queue, Act::Inline, Act::Drop] {
        for polls in 0..8 {
            let _watch = Watch::new();
            let (lent, log) = (Lent::new(), Mutex::new(Vec::new()));
            let runtime = Faulty::new(1, move |_| act);
            breach(polls, || (), everything(ScopeOptions::new().on(&runtime), true, &lent, &log));
            assert_eq!(lent.held(), 0, "{act:?} {polls}");
            assert_eq!(log.into_inner().unwrap(), if polls == 0 { &[][..] } else { &["body", "hook"] });
        }
    }
}

#[test]
fn dropped_on_the_only_thread_of_its_executor() {
    // Nobody ever runs this queue again. What is idle goes on with the rescue; what is queued there would hang, so it is empty, and
    // so would the tasks of a scope inside a task.
    for polls in 1..8 {
        let _watch = Watch::new();
        let (lent, log) = (Lent::new(), Mutex::new(Vec::new()));
        let runtime = Faulty::by_hand();
        breach(polls, || runtime.settle(), everything(ScopeOptions::new().on(&runtime), false, &lent, &log));
        assert_eq!(lent.held(), 0, "{polls}");
    }
}

#[test]
fn dropped_by_a_task_of_the_pool() {
    let _watch = Watch::new();
    let (lent, log) = (Lent::new(), Mutex::new(Vec::new()));
    let (data, entries) = (&*lent, &log);
    block_on(scope!(|s| {
        for polls in 0..6 {
            s.spawn(async move { breach(polls, || (), everything(ScopeOptions::new(), true, data, entries)) });
        }
    }));
    assert_eq!(lent.held(), 0);
}

#[test]
fn dropped_while_the_thread_unwinds() {
    let _watch = Watch::new();
    let (lent, log) = (Lent::new(), Mutex::new(Vec::new()));
    let runtime = Faulty::new(1, |_| Act::Queue);
    let result =
        outcome(|| breach(2, || raise("executor"), everything(ScopeOptions::new().on(&runtime), true, &lent, &log)));
    assert_eq!(result, Err("executor".to_owned()));
    assert_eq!(lent.held(), 0);
    assert_eq!(log.into_inner().unwrap(), ["body", "hook"]);
}

#[test]
fn dropped_with_panics_inside() {
    for polls in 1..5 {
        let _watch = Watch::new();
        let lent = Lent::new();
        let data = &*lent;
        let runtime = Faulty::new(1, |_| Act::Queue);
        let dropped = AtomicUsize::new(0);
        let result = outcome(|| {
            breach(
                polls,
                || (),
                scope!(ScopeOptions::new().on(&runtime), |s| {
                    drop(s.spawn(async_block! {
                        let _held = data.hold();
                        asked().await;
                        raise_bomb("task");
                    }));
                    s.on_exit(async_block! { raise_bomb("hook") });
                    let _counts = on_drop(|| {
                        dropped.fetch_add(1, SeqCst);
                    });
                    yield_now().await;
                    asked().await;
                    raise_bomb("body");
                }),
            )
        });
        // There is nobody to go on with the panic to: the destructor of a future does not panic.
        assert_eq!(result, Ok(()));
        assert_eq!(dropped.load(SeqCst), 1);
        assert_eq!(lent.held(), 0);
    }
}
