//! Timers: never early, in order, by the runtime's clock, and nothing is left of one that was dropped.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::join_all};
use runtime_glue::{
    CurrentThread, Runtime, RuntimeHandle, Sleep, TimerKey, Work, block_on, interval, now, sleep, sleep_until, spawn,
};

const MS: Duration = Duration::from_millis(1);

/// Counts how often it was called.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll_with(sleep: &mut Sleep, waker: &Waker) -> Poll<()> {
    Pin::new(sleep).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_sleep_is_not_over_early() {
    block_on(async {
        for wait in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(80), MS, 7 * MS] {
            let start = Instant::now();
            sleep(wait).await;
            assert!(start.elapsed() >= wait);
            sleep_until(start).await;
        }
    });
}

#[test]
fn many_end_in_the_order_of_their_deadlines() {
    let start = Instant::now() + 20 * MS;
    let ended = Arc::new(Mutex::new(Vec::new()));
    block_on(async {
        let tasks: Vec<_> = (0..300u32)
            .map(|n| {
                let ended = Arc::clone(&ended);
                // Two milliseconds apart, more than they may be late.
                let place = (n * 7919) % 30;
                spawn(async move {
                    sleep_until(start + 2 * MS * place).await;
                    ended.lock().unwrap().push((place, Instant::now()));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let ended = ended.lock().unwrap();
    assert_eq!(ended.len(), 300);
    assert!(ended.iter().all(|&(place, at)| at >= start + 2 * MS * place));
}

#[test]
fn a_dropped_sleep_leaves_nothing_behind() {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut sleeps: Vec<_> = (0..1000u32).map(|n| sleep(n * Duration::from_secs(3600))).collect();
    let pending = sleeps.iter_mut().map(|sleep| poll_with(sleep, &waker)).filter(Poll::is_pending).count();
    // Each has a clone, and so has its timer.
    assert_eq!((pending, Arc::strong_count(&count)), (999, 2 + 2 * 999));
    drop(sleeps);
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn another_waker_takes_the_place_of_the_first() {
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let mut sleep = sleep(5 * MS);
    assert!(poll_with(&mut sleep, &Waker::from(Arc::clone(&first))).is_pending());
    assert!(poll_with(&mut sleep, &Waker::from(Arc::clone(&second))).is_pending());
    assert_eq!(Arc::strong_count(&first), 1);
    block_on(sleep_until(sleep.deadline().unwrap() + 5 * MS));
    assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
    assert!(poll_with(&mut sleep, Waker::noop()).is_ready());
    assert!(poll_with(&mut sleep, Waker::noop()).is_ready());
}

#[test]
fn the_longest_durations_do_not_overflow() {
    for mut sleep in
        [sleep(Duration::MAX), sleep(Duration::from_secs(u64::MAX / 4)), sleep(Duration::from_secs(1 << 35))]
    {
        assert!(poll_with(&mut sleep, Waker::noop()).is_pending());
        block_on(async { assert!(futures::poll!(&mut sleep).is_pending()) });
    }
    let mut never = interval(Duration::MAX).into_stream();
    block_on(async { assert!(futures::poll!(never.next()).is_pending()) });
}

#[test]
fn a_waker_that_panics_does_not_stop_the_timer() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    let mut bad = sleep(MS);
    assert!(poll_with(&mut bad, &Waker::from(Arc::new(Bad))).is_pending());
    block_on(sleep(10 * MS));
}

#[test]
fn set_and_dropped_from_many_threads() {
    thread::scope(|s| {
        for t in 0..4u64 {
            s.spawn(move || {
                let ends = (0..500u64).map(|n| {
                    let mut sleep = Box::pin(sleep(Duration::from_micros((n * 7919 + t) % 3000)));
                    let kept = poll_with(&mut sleep, Waker::noop()).is_pending() && n % 3 != 0;
                    kept.then_some(sleep)
                });
                block_on(join_all(ends.flatten()));
            });
        }
    });
}

#[test]
fn a_timer_may_move_to_another_thread_and_runtime() {
    let mut moved = sleep(2 * MS);
    block_on(async { assert!(futures::poll!(&mut moved).is_pending()) });
    thread::spawn(move || CurrentThread::new().block_on(moved)).join().unwrap();
}

#[test]
fn ticks_come_in_phase() {
    let ticks: Vec<_> = block_on(interval(MS).into_stream().take(5).collect());
    assert!(ticks.windows(2).all(|two| {
        let apart = (two[1] - two[0]).as_nanos();
        apart >= MS.as_nanos() && apart % MS.as_nanos() == 0
    }));
}

#[test]
#[should_panic(expected = "period that is not zero")]
fn an_interval_needs_a_period() {
    drop(interval(Duration::ZERO));
}

/// A runtime whose time stands still until it is told otherwise.
#[derive(Clone)]
struct Virtual(Arc<VirtualInner>);

struct VirtualInner {
    runtime: CurrentThread,
    now: Mutex<Instant>,
    timers: Mutex<Vec<(Instant, u64, Waker)>>,
    set: AtomicUsize,
}

impl Virtual {
    fn new() -> Self {
        Self(Arc::new(VirtualInner {
            runtime: CurrentThread::new(),
            // Far from the real time.
            now: Mutex::new(Instant::now() + Duration::from_secs(1_000_000)),
            timers: Mutex::default(),
            set: AtomicUsize::new(0),
        }))
    }

    fn advance(&self, by: Duration) {
        let now = {
            let mut now = self.0.now.lock().unwrap();
            *now += by;
            *now
        };
        let due: Vec<_> = self.0.timers.lock().unwrap().extract_if(.., |timer| timer.0 <= now).collect();
        due.into_iter().for_each(|(.., waker)| waker.wake());
    }
}

impl Runtime for Virtual {
    fn schedule(&self, work: Work) {
        self.0.runtime.schedule(work);
    }

    fn drive(&self, waiting: &mut runtime_glue::Waiting<'_>) {
        self.0.runtime.drive(waiting);
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        let key = self.0.set.fetch_add(1, SeqCst) as u64;
        self.0.timers.lock().unwrap().push((when, key, waker.clone()));
        TimerKey::new(key)
    }

    fn cancel_sleep(&self, key: TimerKey) {
        self.0.timers.lock().unwrap().retain(|timer| timer.1 != key.get());
    }

    fn now(&self) -> Instant {
        *self.0.now.lock().unwrap()
    }
}

#[test]
fn a_sleep_goes_by_the_clock_of_its_runtime() {
    let time = Virtual::new();
    let runtime = RuntimeHandle::new(time.clone());
    let day = Duration::from_secs(24 * 3600);
    // Made where no runtime is known: it counts from its first poll.
    let made_outside = sleep(day);
    runtime.block_on(async {
        let start = now_here().await;
        let (mut outside, mut inside) = (pin!(made_outside), pin!(sleep(day)));
        let task = spawn(sleep(2 * day));
        assert!(futures::poll!(outside.as_mut()).is_pending() && futures::poll!(inside.as_mut()).is_pending());
        time.advance(day - Duration::from_nanos(1));
        assert!(futures::poll!(outside.as_mut()).is_pending() && futures::poll!(inside.as_mut()).is_pending());
        time.advance(Duration::from_nanos(1));
        outside.await;
        inside.await;
        assert_eq!(now_here().await - start, day);
        assert!(!task.is_finished());
        time.advance(day);
        task.await.unwrap();
    });
    assert!(time.0.timers.lock().unwrap().is_empty());
}

/// The ambient time, in plain async code.
async fn now_here() -> Instant {
    RuntimeHandle::current().now()
}

#[test]
fn now_is_that_of_the_runtime() {
    let time = Virtual::new();
    assert_eq!(RuntimeHandle::new(time.clone()).block_on(now()), time.now());
    assert!(block_on(now()) < time.now());
}

#[test]
fn a_dropped_sleep_is_taken_back_from_the_runtime_it_was_set_on() {
    let time = Virtual::new();
    let mut sleep = sleep(MS);
    RuntimeHandle::new(time.clone()).block_on(async { assert!(futures::poll!(&mut sleep).is_pending()) });
    assert_eq!(time.0.timers.lock().unwrap().len(), 1);
    // On another runtime, by another clock, which has not got there.
    block_on(async { assert!(futures::poll!(&mut sleep).is_pending()) });
    assert_eq!(time.0.timers.lock().unwrap().len(), 0);
}
