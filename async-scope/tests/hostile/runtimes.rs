//! Runtimes that drop work, keep it, run it inline, panic, shut down, forget. Every scope ends, and all data is right.

use std::{
    cell::RefCell,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use async_scope::{Async, JoinError, ScopeOptions, async_block, plain, scope};
use async_trait_core::{Context, Reason, yield_now};
use runtime_glue::{Runtime, TimerKey, Work, block_on};

use crate::{
    kit::{Hand, Lent, asked, on_drop, outcome, own_waker, pending_once, raise, wait_for, why_asked},
    worlds::{Act, Faulty, Refusing, Watch},
};

/// What is to be right afterwards: each spawned task has written its slot, whatever it was asked.
fn program<'a>(
    options: ScopeOptions,
    slots: &'a mut [usize],
    spawned: &'a AtomicUsize,
    lent: &'a Lent,
) -> impl Async<Output = usize> + Send + 'a {
    scope!(options, move |s| {
        let handles: Vec<_> = slots
            .iter_mut()
            .enumerate()
            .map(|(i, slot)| {
                spawned.fetch_add(1, SeqCst);
                s.spawn(async_block! { move
                    let _held = lent.hold();
                    for _ in 0..i % 4 {
                        yield_now().await;
                    }
                    let nested = scope!(|inner| {
                        let task = inner.spawn(async_block! { lent.look(); i });
                        yield_now().await;
                        joined(task.await)
                    });
                    *slot = nested.await;
                    lent.look();
                    i
                })
            })
            .collect();
        let mut sum = 0;
        for handle in handles {
            sum += joined(handle.await);
        }
        sum
    })
}

/// Goes on with a task's panic.
fn joined<T>(result: Result<T, JoinError>) -> T {
    result.unwrap_or_else(|error| panic!("{}", error.resume_panic()))
}

const N: usize = 40;

fn check(threads: usize, plan: impl Fn(usize) -> Act + Send + Sync + 'static, may_panic: bool, name: &str) {
    let _watch = Watch::new();
    let runtime = Faulty::new(threads, plan);
    let (mut slots, spawned, lent) = (vec![0; N], AtomicUsize::new(0), Lent::new());
    let result = outcome(|| {
        let options = ScopeOptions::new().on(&runtime);
        let program = program(options, &mut slots, &spawned, &lent);
        if threads == 0 {
            // What is kept is dropped some time.
            Hand::new(program).finish(|| {
                runtime.release();
                runtime.turn()
            })
        } else {
            block_on(program)
        }
    });
    assert_eq!(lent.held(), 0, "{name}");
    match result {
        Ok(sum) => {
            assert_eq!(sum, (0..N).sum(), "{name}");
            assert!(slots.iter().enumerate().all(|(i, slot)| *slot == i), "{name}");
        }
        Err(text) => assert!(may_panic && text == "schedule", "{name} {text}"),
    }
}

#[test]
fn the_work_is_dropped() {
    for threads in [0, 2] {
        check(threads, |_| Act::Drop, false, "all");
        check(threads, |n| if n % 3 == 0 { Act::Drop } else { Act::Queue }, false, "some");
    }
}

#[test]
fn the_work_is_kept_for_long() {
    check(0, |_| Act::Keep, false, "all");
    check(0, |n| if n % 2 == 0 { Act::Keep } else { Act::Queue }, false, "some");
}

#[test]
fn the_work_runs_inline() {
    for threads in [0, 2] {
        check(threads, |_| Act::Inline, false, "all");
        check(threads, |n| if n % 2 == 0 { Act::Inline } else { Act::Queue }, false, "some");
        check(threads, |n| [Act::Inline, Act::Drop, Act::Thread, Act::Queue][n % 4], false, "mixed");
    }
}

#[test]
fn schedule_panics() {
    for act in [Act::PanicBefore, Act::BombBefore, Act::PanicAfter, Act::PanicAfterInline] {
        for threads in [0, 2] {
            check(threads, move |_| act, true, "always");
            for nth in 0..60 {
                check(threads, move |n| if n == nth { act } else { Act::Queue }, true, "once");
                check(threads, move |n| if n >= nth { act } else { Act::Inline }, true, "from then on");
            }
        }
    }
}

#[test]
fn schedule_panics_inside_and_drops_the_work() {
    for threads in [0, 2] {
        check(threads, |_| Act::PanicInside, false, "always");
        check(threads, |n| if n % 3 == 0 { Act::PanicInside } else { Act::Inline }, false, "some");
    }
}

#[test]
fn shut_down_while_1000_tasks_of_live_scopes_are_pending() {
    let _watch = Watch::new();
    for threads in [0, 1, 2] {
        let runtime = Faulty::new(threads, |_| Act::Queue);
        let started = AtomicUsize::new(0);
        thread::scope(|os| {
            let scopes: Vec<_> = (0..4)
                .map(|_| {
                    let (runtime, started) = (&runtime, &started);
                    os.spawn(move || {
                        let lent = Lent::new();
                        let data = &*lent;
                        let mut reasons = vec![None; 250];
                        block_on(scope!(ScopeOptions::new().on(runtime), |s| {
                            for reason in &mut reasons {
                                s.spawn(async_block! { move
                                    let _held = data.hold();
                                    started.fetch_add(1, SeqCst);
                                    while reason.is_none() {
                                        yield_now().await;
                                        *reason = why_asked().await;
                                    }
                                    yield_now().await;
                                    data.look();
                                });
                            }
                            // Plain futures are dropped.
                            for _ in 0..10 {
                                let held = data.hold();
                                s.spawn(plain! { move
                                    let _held = held;
                                    loop {
                                        yield_now().await;
                                    }
                                });
                            }
                        }));
                        assert!(reasons.iter().all(|reason| *reason == Some(Reason::Shutdown)));
                        assert_eq!(lent.held(), 0);
                    })
                })
                .collect();
            if threads > 0 {
                wait_for(|| started.load(SeqCst) == 1000);
            } else {
                wait_for(|| runtime.len() == 4 * 260);
            }
            runtime.shut_down();
            for scope in scopes {
                scope.join().unwrap();
            }
        });
        assert_eq!(started.load(SeqCst), 1000);
    }
}

#[test]
fn idle_tasks_of_a_runtime_that_is_gone_go_on_when_they_are_woken() {
    let runtime = Faulty::by_hand();
    let lent = Lent::new();
    let data = &*lent;
    let wakers = Mutex::new(Vec::new());
    let kept = &wakers;
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let tasks: Vec<_> = (0..3)
            .map(|n| {
                s.spawn(async_block! { move
                    let _held = data.hold();
                    let waker = own_waker().await;
                    kept.lock().unwrap().push(waker);
                    pending_once().await;
                    (n, why_asked().await)
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            let (n, reason) = task.await.unwrap();
            assert_eq!(reason, Some(Reason::Shutdown));
            sum += n;
        }
        sum
    }));
    assert!(hand.poll().is_pending());
    runtime.settle();
    runtime.shut_down();
    assert!(hand.poll().is_pending());
    for waker in wakers.lock().unwrap().drain(..) {
        waker.wake();
    }
    assert_eq!(hand.finish(|| false), 3);
    assert_eq!(lent.held(), 0);
}

#[test]
fn forgotten_work_only_hangs_its_scope() {
    static HUNG: Mutex<Vec<Pin<Box<dyn Send>>>> = Mutex::new(Vec::new());

    let lent: &'static Lent = Box::leak(Lent::new());
    let runtime = Faulty::by_hand();
    let wakers: &'static Mutex<Vec<Waker>> = Box::leak(Box::default());
    let mut scope = Box::pin(scope!(ScopeOptions::new().on(&runtime), move |s| {
        for _ in 0..3 {
            s.spawn(async_block! { move
                let _held = lent.hold();
                let waker = own_waker().await;
                wakers.lock().unwrap().push(waker);
                asked().await;
            });
        }
        s.cancel();
    }));
    let mut poll = || {
        // SAFETY: *completed*: the value is kept for ever in `HUNG`. *retired*: it never completes.
        unsafe { scope.as_mut().poll_async(&mut Context::from_waker(Waker::noop())) }
    };
    assert!(poll().is_pending());
    // One that never ran, and one that did; the third ends.
    std::mem::forget(runtime.take());
    runtime.settle();
    assert_eq!(lent.held(), 0);
    for _ in 0..3 {
        assert!(poll().is_pending());
    }
    for waker in wakers.lock().unwrap().drain(..) {
        waker.wake();
    }
    assert!(poll().is_pending());
    HUNG.lock().unwrap().push(scope);
}

#[test]
fn a_runtime_that_refuses_blocking_jobs() {
    for jobs_first in [false, true] {
        let _watch = Watch::new();
        let runtime = Arc::new(Refusing { inner: Faulty::new(1, |_| Act::Queue), jobs_first });
        let (lent, ran) = (Lent::new(), AtomicUsize::new(0));
        let data = &*lent;
        let result = outcome(|| {
            block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
                s.spawn(async_block! {
                    let _held = data.hold();
                    asked().await;
                });
                let held = data.hold();
                s.spawn_blocking(|| {
                    let _held = held;
                    ran.fetch_add(1, SeqCst);
                });
            }))
        });
        assert_eq!(result, Err("spawn_blocking".to_owned()));
        assert_eq!(ran.load(SeqCst), usize::from(jobs_first));
        assert_eq!(lent.held(), 0);
    }
}

#[test]
fn timers_that_panic() {
    let _watch = Watch::new();
    let runtime = Arc::new(Refusing { inner: Faulty::new(1, |_| Act::Queue), jobs_first: true });
    let lent = Lent::new();
    let data = &*lent;
    let options = ScopeOptions::new().on(&runtime).deadline(Instant::now() + Duration::from_secs(3600));
    let result = outcome(|| {
        block_on(scope!(options, |s| {
            s.spawn(async_block! {
                let _held = data.hold();
                asked().await
            });
            asked().await;
        }))
    });
    assert_eq!(result, Err("sleep_until".to_owned()));
    assert_eq!(lent.held(), 0);
}

/// A runtime whose clock panics when it is told to.
struct Clockless {
    inner: Arc<Faulty>,
    broken: AtomicBool,
}

impl Runtime for Clockless {
    fn schedule(&self, work: Work) {
        self.inner.schedule(work);
    }

    fn now(&self) -> Instant {
        if self.broken.load(SeqCst) {
            raise("clock");
        }
        Instant::now()
    }

    fn cancel_sleep(&self, _: TimerKey) {}
}

#[test]
fn a_clock_that_panics_ends_no_task_half_way() {
    let runtime = Arc::new(Clockless { inner: Faulty::by_hand(), broken: AtomicBool::new(true) });
    let (waker, whole) = (Mutex::new(None::<Waker>), AtomicBool::new(false));
    let result = outcome(|| {
        let (waker, whole) = (&waker, &whole);
        let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), move |s| {
            s.spawn(async_block! { move
                let _check = on_drop(move || assert!(whole.load(SeqCst) || std::thread::panicking(), "ended half-way"));
                let own = own_waker().await;
                *waker.lock().unwrap() = Some(own);
                pending_once().await;
                whole.store(true, SeqCst);
            });
            s.cancel();
        }));
        assert!(hand.poll().is_pending());
        for _ in 0..3 {
            runtime.inner.settle();
            assert!(hand.poll().is_pending());
            assert!(!whole.load(SeqCst));
        }
        waker.lock().unwrap().take().unwrap().wake();
        hand.finish(|| runtime.inner.turn());
    });
    assert!(whole.load(SeqCst));
    assert_eq!(result, Err("clock".to_owned()));
}

#[test]
fn a_grace_without_end_is_no_error() {
    let runtime = Faulty::by_hand();
    let waker = Mutex::new(None::<Waker>);
    let kept = &waker;
    let options = ScopeOptions::new().on(&runtime).report_after(Duration::MAX);
    let mut hand = Hand::new(scope!(options, |s| {
        s.spawn(async_block! {
            let own = own_waker().await;
            *kept.lock().unwrap() = Some(own);
            pending_once().await;
        });
        s.cancel();
    }));
    assert!(hand.poll().is_pending());
    runtime.settle();
    assert!(hand.poll().is_pending());
    waker.lock().unwrap().take().unwrap().wake();
    hand.finish(|| runtime.turn());
}

#[test]
fn a_wake_while_the_thread_unwinds_reaches_the_rescue_of_a_runtime_that_is_gone() {
    let _watch = Watch::new();
    let runtime = Faulty::new(1, |_| Act::Queue);
    let (waker, lent) = (Mutex::new(None::<Waker>), Lent::new());
    let (kept, data) = (&waker, &*lent);
    block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
        let task = s.spawn(async_block! {
            let _held = data.hold();
            let own = own_waker().await;
            *kept.lock().unwrap() = Some(own);
            pending_once().await;
            why_asked().await
        });
        while kept.lock().unwrap().is_none() {
            yield_now().await;
        }
        runtime.shut_down();
        let result = outcome(|| {
            let _wakes = on_drop(|| kept.lock().unwrap().take().unwrap().wake());
            raise("unwinding");
        });
        assert_eq!(result, Err("unwinding".to_owned()));
        assert_eq!(task.await.unwrap(), Some(Reason::Shutdown));
    }));
    assert_eq!(lent.held(), 0);
}

#[test]
fn a_wake_from_the_destructors_of_a_thread() {
    struct WakesLate(RefCell<Option<Waker>>);
    impl Drop for WakesLate {
        fn drop(&mut self) {
            if let Some(waker) = self.0.take() {
                waker.wake();
            }
        }
    }
    thread_local!(static LATE: WakesLate = const { WakesLate(RefCell::new(None)) });

    for act in [Act::Queue, Act::Inline, Act::Drop, Act::PanicInside] {
        let _watch = Watch::new();
        let turned = Arc::new(AtomicBool::new(false));
        let plan = Arc::clone(&turned);
        let runtime = Faulty::new(1, move |_| if plan.load(SeqCst) { act } else { Act::Queue });
        let waker = Mutex::new(None::<Waker>);
        let kept = &waker;
        block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
            s.spawn(async {
                let own = own_waker().await;
                *kept.lock().unwrap() = Some(own);
                pending_once().await;
            });
            while kept.lock().unwrap().is_none() {
                yield_now().await;
            }
            turned.store(true, SeqCst);
            thread::scope(|os| {
                os.spawn(|| {
                    // Also the runtime's own calls are no stranger to this thread by then.
                    LATE.with(|late| late.0.replace(kept.lock().unwrap().take()));
                });
            });
        }));
    }
}

#[test]
fn a_long_chain_of_inline_wakes_does_not_overflow_the_stack() {
    let _watch = Watch::new();
    let runtime = Faulty::new(0, |_| Act::Inline);
    let count = AtomicUsize::new(0);
    let done = &count;
    block_on(scope!(ScopeOptions::new().on(&runtime), |s| {
        let mut previous = s.spawn(async { 0_usize });
        for _ in 0..20_000 {
            let wait = previous;
            previous = s.spawn(async_block! { move
                yield_now().await;
                done.fetch_add(1, SeqCst);
                wait.await.unwrap() + 1
            });
        }
        assert_eq!(previous.await.unwrap(), 20_000);
        for _ in 0..20_000 {
            yield_now().await;
        }
    }));
    assert_eq!(count.load(SeqCst), 20_000);
}

#[test]
fn a_blocking_job_that_never_starts_completes_its_handle() {
    struct NoJobs(Arc<Faulty>);
    impl Runtime for NoJobs {
        fn schedule(&self, work: Work) {
            self.0.schedule(work);
        }
        fn spawn_blocking(&self, job: runtime_glue::BlockingJob) {
            drop(job);
        }
    }

    let runtime = Arc::new(NoJobs(Faulty::by_hand()));
    let lent = Lent::new();
    let data = &*lent;
    let held = data.hold();
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        let job = s.spawn_blocking(move || drop(held));
        match job.await {
            Err(JoinError::Cancelled(cancelled)) => cancelled.reason(),
            other => panic!("{other:?}"),
        }
    }));
    assert_eq!(hand.finish(|| runtime.0.turn()), Reason::Shutdown);
    assert_eq!(lent.held(), 0);
}

#[test]
fn a_scope_that_is_polled_for_no_reason_stays_pending() {
    let runtime = Faulty::by_hand();
    let mut hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        s.spawn(async { yield_now().await });
    }));
    for _ in 0..5 {
        assert_eq!(hand.poll(), Poll::Pending);
    }
    assert!(runtime.turn());
    assert_eq!(hand.poll(), Poll::Pending);
    assert!(runtime.turn());
    assert_eq!(hand.poll(), Poll::Ready(()));
}
