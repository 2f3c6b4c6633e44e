//! Tasks without a scope under load: spawned, joined, asked, detached and woken by several threads at once.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use async_trait_core::{Reason, yield_now};
use runtime_glue::{JoinError, Pool, Runtime, RuntimeHandle, Work, block_on, spawn};

/// Longer than anything here takes.
const HANG: Duration = Duration::from_secs(120);

/// Kills the process if it is not dropped in time.
struct Watch(#[expect(dead_code, reason = "its end is what is waited for")] mpsc::Sender<()>);

fn watch() -> Watch {
    let (end, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        if ended.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("a test hangs; aborting");
            std::process::abort();
        }
    });
    Watch(end)
}

/// Counts what exists of it.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn wait_for(mut done: impl FnMut() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

#[test]
fn every_fate_of_a_handle_on_several_threads() {
    let _watch = watch();
    let alive = Arc::new(AtomicUsize::new(0));
    thread::scope(|os| {
        for _ in 0..3 {
            os.spawn(|| {
                for round in 0..3000_u32 {
                    let (in_future, in_output) = (Counted::new(&alive), Counted::new(&alive));
                    let handle = spawn(async move {
                        let _in_future = in_future;
                        for _ in 0..round % 3 {
                            yield_now().await;
                        }
                        in_output
                    });
                    match round % 7 {
                        0 => drop(handle),
                        1 => drop(block_on(handle).unwrap()),
                        2 => {
                            handle.cancel();
                            drop(block_on(handle));
                        }
                        3 => drop(handle.cancel_on_drop()),
                        4 => {
                            let mut joining = handle.into_future();
                            let _ = Pin::new(&mut joining).poll(&mut Context::from_waker(Waker::noop()));
                            drop(joining);
                        }
                        5 => drop(block_on(spawn(handle.into_future())).unwrap()),
                        _ => {
                            handle.cancel();
                            drop(handle);
                        }
                    }
                }
            });
        }
    });
    wait_for(|| alive.load(SeqCst) == 0);
}

#[test]
fn a_request_races_the_end_and_loses_no_value() {
    let _watch = watch();
    for round in 0..2000 {
        let handle = spawn(async move {
            if round % 2 == 0 {
                yield_now().await;
            }
            round
        });
        let result = thread::scope(|os| {
            os.spawn(|| handle.cancel());
            while !handle.is_finished() {
                thread::yield_now();
            }
            true
        });
        assert!(result);
        match block_on(handle) {
            Ok(value) => assert_eq!(value, round),
            Err(error) => assert_eq!(error.cancel_reason(), Some(Reason::Requested)),
        }
    }
}

#[test]
fn pools_that_are_shut_down_under_load() {
    let _watch = watch();
    for round in 0..40_u32 {
        let pool = Pool::builder().threads(2).build();
        let runtime = RuntimeHandle::new(pool.clone());
        let alive = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..200)
            .map(|_| {
                let counted = Counted::new(&alive);
                runtime.spawn(async move {
                    let _counted = counted;
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..round {
            thread::yield_now();
        }
        pool.shutdown();
        for handle in handles {
            let result: Result<(), JoinError> = block_on(handle);
            assert_eq!(result.unwrap_err().cancel_reason(), Some(Reason::Shutdown));
        }
        wait_for(|| alive.load(SeqCst) == 0);
    }
}

/// A runtime that hands each piece of work to another one, or drops it.
struct Moody {
    inner: Pool,
    count: AtomicUsize,
}

impl Runtime for Moody {
    fn schedule(&self, work: Work) {
        match self.count.fetch_add(1, SeqCst) % 5 {
            0 => drop(work),
            1 => work.run(),
            2 => drop(thread::spawn(|| work.run())),
            _ => self.inner.schedule(work),
        }
    }
}

#[test]
fn a_runtime_that_cannot_make_up_its_mind() {
    let _watch = watch();
    let runtime = RuntimeHandle::new(Moody { inner: Pool::builder().threads(1).build(), count: AtomicUsize::new(0) });
    let alive = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..500_u32)
        .map(|n| {
            let counted = Counted::new(&alive);
            runtime.spawn(async move {
                let _counted = counted;
                for _ in 0..n % 5 {
                    yield_now().await;
                }
                n
            })
        })
        .collect();
    for (n, handle) in handles.into_iter().enumerate() {
        match block_on(handle) {
            Ok(value) => assert_eq!(value as usize, n),
            Err(error) => assert_eq!(error.cancel_reason(), Some(Reason::Shutdown)),
        }
    }
    wait_for(|| alive.load(SeqCst) == 0);
}
