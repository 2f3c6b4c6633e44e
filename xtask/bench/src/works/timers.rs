//! Timers: set and taken back, as a timeout is that does not come; and many that fire, by the CPU time that they cost.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};

use crate::{
    clock::Clock,
    marks::{Mark, Of},
    work::{Doing, Peer, Work, repeat, repeat_part},
};

const TIMERS: u64 = 1000;

/// Sets timers that are far away, and takes each back.
fn set<F: Future>(sleep: impl Fn(Duration) -> F) {
    let mut cx = Context::from_waker(Waker::noop());
    for i in 0..TIMERS {
        assert!(pin!(sleep(Duration::from_millis(60_000 + i))).poll(&mut cx).is_pending());
    }
}

pub(crate) fn taken_back() -> Work {
    Work {
        name: "timer-taken-back",
        title: "A timer set and taken back",
        unit: "timer",
        units: TIMERS,
        marks: vec![Mark::land(Of::Time("tokio"), 1.0), Mark::goal(Of::Instructions, 300.0)],
        peers: vec![
            Peer::one_thread("runtime-glue", || repeat(|| set(runtime_glue::sleep))),
            Peer::one_thread("tokio", || {
                let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("tokio starts");
                repeat(move || tokio.block_on(async { set(tokio::time::sleep) }))
            }),
            Peer::one_thread("async-io", || repeat(|| set(async_io::Timer::after))),
        ],
    }
}

/// How many timers fire.
const FIRING: u64 = 20_000;

/// Late enough that all are set before the first fires, then spread over some milliseconds, in no order.
fn deadlines() -> impl Iterator<Item = Duration> {
    (0..FIRING).map(|i| Duration::from_micros(60_000 + i * 7919 % 20_000))
}

/// The CPU time that the process spends on it.
fn costs(wait: impl Fn() + 'static) -> Doing {
    repeat_part(move || {
        let clock = Clock::start_cpu();
        wait();
        clock.elapsed()
    })
}

pub(crate) fn fired() -> Work {
    Work {
        name: "timers-fired",
        title: "20,000 timers that fire within 20 ms (CPU time)",
        unit: "timer",
        units: FIRING,
        marks: vec![Mark::land(Of::Time("tokio"), 1.0), Mark::goal(Of::Nanoseconds, 1150.0)],
        peers: vec![
            Peer::threads("runtime-glue", || {
                costs(|| {
                    let all: FuturesUnordered<_> = deadlines().map(runtime_glue::sleep).collect();
                    runtime_glue::block_on(async { all.count().await });
                })
            }),
            Peer::threads("tokio", || {
                let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("tokio starts");
                costs(move || {
                    tokio.block_on(async {
                        let all: FuturesUnordered<_> = deadlines().map(tokio::time::sleep).collect();
                        all.count().await
                    });
                })
            }),
            Peer::threads("async-io", || {
                costs(|| {
                    let all: FuturesUnordered<_> = deadlines().map(async_io::Timer::after).collect();
                    async_io::block_on(all.count());
                })
            }),
        ],
    }
}
