//! Local scopes, and those of plain futures, when things go wrong.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use async_scope::{JoinHandle, async_block, local_scope, scope};
use async_trait_core::{pending, yield_now};
use runtime_glue::block_on;

use crate::{
    kit::{Hand, Lent, Wakes, asked, on_drop, outcome, own_waker, raise, raise_bomb},
    parent::{Fault, Parent},
    worlds::Watch,
};

#[test]
fn a_hook_waits_for_the_task_that_it_has_spawned() {
    let _watch = Watch::new();
    let log = RefCell::new(Vec::new());
    block_on(local_scope!(|s| {
        let log = &log;
        s.on_exit(async_block! { move
            let n = s.spawn(async move {
                yield_now().await;
                log.borrow_mut().push("task");
                3
            });
            assert_eq!(n.await.unwrap(), 3);
            log.borrow_mut().push("hook");
        });
    }));
    assert_eq!(*log.borrow(), ["task", "hook"]);
}

#[test]
fn a_panic_of_a_task_ends_a_body_that_is_a_plain_future() {
    let _watch = Watch::new();
    let lent = Lent::new();
    let data = &*lent;
    let result = outcome(|| {
        block_on(local_scope!(futures, |s| {
            let _held = data.hold();
            s.spawn(async {
                let _held = data.hold();
                pending::<()>().await;
            });
            drop(s.spawn(async {
                yield_now().await;
                raise("task")
            }));
            pending::<()>().await;
        }))
    });
    assert_eq!(result, Err("task".to_owned()));
    assert_eq!(lent.held(), 0);
}

#[test]
fn a_panic_of_a_task_asks_a_body_that_is_a_block() {
    let _watch = Watch::new();
    let lent = Lent::new();
    let data = &*lent;
    let result = outcome(|| {
        block_on(local_scope!(|s| {
            let _held = data.hold();
            drop(s.spawn(async_block! { raise_bomb("task") }));
            asked().await;
            raise_bomb("body");
        }))
    });
    assert_eq!(result, Err("task".to_owned()));
    assert_eq!(lent.held(), 0);
}

/// How far a scope of plain futures gets before it is dropped.
#[test]
fn a_scope_of_futures_is_dropped_at_every_moment_with_destructors_that_do_things() {
    for polls in 0..6 {
        for bombs in [false, true] {
            let lent = Lent::new();
            let log = Cell::new(0);
            let outside: Mutex<Vec<JoinHandle<u32>>> = Mutex::new(Vec::new());
            let result = outcome(|| {
                let (data, log, outside) = (&*lent, &log, &outside);
                let mut scope = Box::pin(local_scope!(futures, |s| {
                    for turn in 0..4 {
                        let handle = s.spawn(async move {
                            // Its destructor spawns, and that one's, too.
                            let _spawns = on_drop(move || {
                                log.set(log.get() + 1);
                                s.spawn(async move {
                                    let _held = data.hold();
                                    pending::<()>().await;
                                });
                                if bombs && !std::thread::panicking() {
                                    raise_bomb("destructor");
                                }
                            });
                            let _held = data.hold();
                            for _ in 0..turn {
                                yield_now().await;
                            }
                            turn
                        });
                        outside.lock().unwrap().push(handle);
                    }
                    let _held = data.hold();
                    for _ in 0..3 {
                        yield_now().await;
                    }
                }));
                let wakes = Arc::new(Wakes::default());
                let waker = Waker::from(wakes);
                for _ in 0..polls {
                    if Future::poll(scope.as_mut(), &mut Context::from_waker(&waker)).is_ready() {
                        break;
                    }
                }
            });
            assert!(result.is_ok() || bombs, "{result:?}");
            assert_eq!(lent.held(), 0, "{polls}");
            assert!(polls == 0 || log.get() > 0);
            // Handles that outlive their scope, some with a panic inside.
            outside.into_inner().unwrap().into_iter().for_each(drop);
        }
    }
}

#[test]
fn a_forgotten_scope_of_futures_is_woken_later() {
    static KEPT: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
    static FORGOTTEN: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>> = Mutex::new(Vec::new());

    struct Mine<F>(F);
    // SAFETY: it is never polled again, and never dropped: it only keeps the memory reachable.
    unsafe impl<F> Send for Mine<F> {}
    impl<F> Future for Mine<F> {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            unreachable!("never polled");
        }
    }

    let kept: JoinHandle<u32>;
    {
        let cell = Mutex::new(None);
        let sell = &*Box::leak(Box::new(cell));
        let mut scope = Box::pin(local_scope!(futures, move |s| {
            for _ in 0..3 {
                s.spawn(async {
                    let waker = own_waker().await;
                    KEPT.lock().unwrap().push(waker);
                    pending::<()>().await;
                });
            }
            *sell.lock().unwrap() = Some(s.spawn(async { raise("kept in the handle") }));
            pending::<()>().await;
        }));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes);
        assert!(Future::poll(scope.as_mut(), &mut Context::from_waker(&waker)).is_pending());
        kept = sell.lock().unwrap().take().unwrap();
        let keep: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            let mut scope = scope;
            scope.as_mut().await;
        });
        FORGOTTEN.lock().unwrap().push(Box::pin(Mine(keep)));
    }
    assert!(kept.is_finished());
    drop(kept);
    let wakers = std::mem::take(&mut *KEPT.lock().unwrap());
    assert_eq!(wakers.len(), 3);
    std::thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
}

#[test]
fn a_parents_faults_end_scopes_of_futures_promptly() {
    for fault in Fault::ALL {
        for nth in 1..8 {
            let _watch = Watch::new();
            let lent = Lent::new();
            let data = &*lent;
            let parent = Parent::new(fault, nth);
            let result = outcome(|| {
                parent.run(local_scope!(futures, |s| {
                    let handles: Vec<_> = (0..3)
                        .map(|turn| {
                            s.spawn(async move {
                                let _held = data.hold();
                                for _ in 0..turn {
                                    yield_now().await;
                                }
                            })
                        })
                        .collect();
                    for handle in handles {
                        handle.await.unwrap();
                    }
                }))
            });
            assert_eq!(lent.held(), 0, "{fault:?} {nth}");
            assert!(result.is_ok() || parent.has_struck(), "{fault:?} {nth} {result:?}");
        }
    }
}

#[test]
fn a_local_scope_inside_a_parallel_task() {
    let lent = Lent::new();
    let data = &*lent;
    let result = outcome(|| {
        block_on(scope!(|s| {
            let tasks: Vec<_> = (0..4)
                .map(|n| {
                    s.spawn_blocking(move || {
                        block_on(local_scope!(|l| {
                            let _held = data.hold();
                            l.spawn(async { asked().await });
                            l.spawn(async move {
                                let _held = data.hold();
                                yield_now().await;
                                if n == 3 {
                                    raise("local");
                                }
                            });
                            yield_now().await;
                            l.cancel();
                        }))
                    })
                })
                .collect();
            for task in tasks {
                if let Err(error) = task.await {
                    error.resume_panic();
                }
            }
        }))
    });
    assert_eq!(result, Err("local".to_owned()));
    assert_eq!(lent.held(), 0);
}

#[test]
fn dropped_by_hand_before_the_first_poll() {
    let lent = Lent::new();
    let data = &*lent;
    let held = data.hold();
    drop(Hand::new(local_scope!(move |_| drop(held))));
    let held = data.hold();
    drop(Hand::new(scope!(move |_| drop(held))));
    assert_eq!(lent.held(), 0);
}
