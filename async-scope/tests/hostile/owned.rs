//! `own` and `on_exit` when things go wrong: every value is released exactly once, after everything that could look at it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use async_scope::{JoinHandle, ScopeOptions, async_block, scope};
use async_trait_core::yield_now;
use runtime_glue::{Runtime, block_on};

use crate::{
    kit::{Hand, asked, on_drop, outcome, raise, raise_bomb},
    worlds::{Act, Faulty, WORLDS, Watch},
};

/// A value that says how often it was released, and dies loudly if it is looked at afterwards.
struct Value {
    released: Arc<AtomicUsize>,
    alive: AtomicBool,
}

impl Value {
    fn new(released: &Arc<AtomicUsize>) -> Self {
        Self { released: Arc::clone(released), alive: AtomicBool::new(true) }
    }

    fn look(&self) {
        if !self.alive.load(SeqCst) {
            crate::kit::die("an owned value was used after its release");
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.look();
        self.alive.store(false, SeqCst);
        self.released.fetch_add(1, SeqCst);
    }
}

/// Where a panic comes from, or none.
const PANICS: usize = 9;

#[test]
fn released_once_after_everything_else_whatever_panics() {
    for world in WORLDS {
        for panic in 0..PANICS {
            for bomb in [false, true] {
                let released = Arc::new(AtomicUsize::new(0));
                let counter = &released;
                let entries = Arc::new(Mutex::new(Vec::new()));
                let throw = move |place: usize| {
                    if place == panic {
                        if bomb { raise_bomb("somewhere") } else { raise("somewhere") }
                    }
                };
                let log = &entries;
                let result = outcome(|| {
                    world.run(|options| {
                        scope!(options, |s| {
                            for n in 0..3 {
                                let entries = Arc::clone(log);
                                let value: &Value = s.own(Value::new(counter), move |value| {
                                    if n == 1 {
                                        throw(1);
                                    }
                                    async move {
                                        value.look();
                                        yield_now().await;
                                        if n == 1 {
                                            throw(2);
                                        }
                                        entries.lock().unwrap().push(format!("release {n}"));
                                    }
                                });
                                // Held by a task, an output nobody wants, a hook, and the destructors of each.
                                s.spawn(async_block! { move
                                    let _late = on_drop(|| value.look());
                                    asked().await;
                                    value.look();
                                    if n == 2 {
                                        throw(3);
                                    }
                                    on_drop(move || {
                                        value.look();
                                        if n == 2 {
                                            throw(4);
                                        }
                                    })
                                });
                                let in_hook = on_drop(move || {
                                    value.look();
                                    if n == 2 && !std::thread::panicking() {
                                        throw(5);
                                    }
                                });
                                s.on_exit(async_block! { move
                                    yield_now().await;
                                    value.look();
                                    if n == 1 {
                                        throw(6);
                                    }
                                    drop(in_hook);
                                    log.lock().unwrap().push(format!("hook {n}"));
                                });
                            }
                            s.cancel();
                            throw(7);
                        })
                    })
                });
                let here = format!("{world:?} {panic} {bomb}");
                assert_eq!(result.is_err(), (1..8).contains(&panic), "{here}");
                assert_eq!(released.load(SeqCst), 3, "{here}");
                let log = entries.lock().unwrap();
                let last_hook = log.iter().rposition(|entry| entry.starts_with("hook"));
                let first_release = log.iter().position(|entry| entry.starts_with("release")).unwrap();
                assert!(last_hook.is_none_or(|hook| hook < first_release), "{here} {log:?}");
                if panic == 0 {
                    assert_eq!(*log, ["hook 2", "hook 1", "hook 0", "release 2", "release 1", "release 0"], "{here}");
                }
            }
        }
    }
}

#[test]
fn a_handle_of_the_scopes_own_task_in_an_owned_value() {
    for world in WORLDS {
        let released = Arc::new(AtomicUsize::new(0));
        let counter = &released;
        let result = outcome(|| {
            world.run(|options| {
                scope!(options, |s| {
                    // Released when the task has ended, its panic is the scope's already.
                    let panicked: JoinHandle<u8> = s.spawn(async_block! { raise("inside the owned handle") });
                    s.own(Mutex::new(Some(panicked)), {
                        let released = Arc::clone(counter);
                        move |handle| async move {
                            let handle = handle.into_inner().unwrap().unwrap();
                            assert!(handle.is_finished());
                            assert!(handle.await.unwrap_err().is_panic());
                            released.fetch_add(1, SeqCst);
                        }
                    });
                    let other = s.spawn(async_block! { String::from("output") });
                    s.own(Mutex::new(other), {
                        let released = Arc::clone(counter);
                        move |handle| {
                            drop(handle);
                            released.fetch_add(1, SeqCst);
                            async {}
                        }
                    });
                })
            })
        });
        assert_eq!(result, Err("inside the owned handle".to_owned()), "{world:?}");
        assert_eq!(released.load(SeqCst), 2);
    }
}

#[test]
fn owned_by_tasks_hooks_and_destructors() {
    for world in WORLDS {
        let released = Arc::new(AtomicUsize::new(0));
        let counter = &released;
        world.run(|options| {
            scope!(options, |s| {
                let own = move || s.own(Value::new(counter), |value| async move { drop(value) }).look();
                own();
                s.spawn(async_block! { move own() });
                s.spawn_blocking(own);
                s.spawn(async_block! { move on_drop(own) });
                s.on_exit(async_block! { move
                    own();
                    s.on_exit(async_block! { move own() });
                    s.spawn(async_block! { move own() });
                });
            })
        });
        assert_eq!(released.load(SeqCst), 7, "{world:?}");
    }
}

#[test]
fn the_scope_is_pending_while_a_release_waits() {
    let runtime = Faulty::by_hand();
    let released = Arc::new(AtomicUsize::new(0));
    let counter = &released;
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        s.own(Value::new(counter), |value| async move {
            for _ in 0..3 {
                yield_now().await;
                value.look();
            }
        });
    }));
    for _ in 0..3 {
        assert!(hand.poll().is_pending());
        assert_eq!(released.load(SeqCst), 0);
    }
    assert!(hand.poll().is_ready());
    assert_eq!(released.load(SeqCst), 1);
}

#[test]
fn a_release_runs_tasks_of_its_own_on_the_same_runtime() {
    let _watch = Watch::new();
    let runtime = Faulty::new(1, |_| Act::Queue);
    let released = Arc::new(AtomicUsize::new(0));
    let counter = &released;
    block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
        let released = Arc::clone(counter);
        let name = s.runtime().name().to_owned();
        s.own(name, move |name| {
            async_block! { move
                scope!(|inner| {
                    assert_eq!(inner.runtime().name(), name);
                    for _ in 0..5 {
                        inner.spawn(async { released.fetch_add(1, SeqCst) });
                    }
                })
                .await;
            }
        });
        s.cancel();
    }));
    assert_eq!(released.load(SeqCst), 5);
}
