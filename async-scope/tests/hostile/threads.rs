//! Random programs on several threads: nested scopes, tasks that spawn, wake, cancel, panic, drop and keep handles, in an order
//! that a seed decides. What must hold for all: everything has ended, every value is dropped once, panics come out.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Waker},
    thread,
};

use async_scope::{Async, BoxAsync, JoinHandle, Scope, ScopeOptions, async_block, scope};
use async_trait_core::yield_now;
use runtime_glue::block_on;

use crate::{
    kit::{Lent, asked, on_drop, outcome, own_waker, pending_once, raise, raise_bomb, why_asked},
    worlds::{Act, Faulty, Watch},
};

/// A small generator: xorshift.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn split(&mut self) -> Self {
        Self(self.below(u64::MAX) | 1)
    }
}

/// What a random program works on.
struct World<'a> {
    lent: &'a Lent,
    made: &'a AtomicUsize,
    dropped: &'a AtomicUsize,
    /// Kept beyond the scopes that they come from.
    wakers: &'a Mutex<Vec<Waker>>,
    handles: &'a Mutex<Vec<JoinHandle<u64>>>,
    may_panic: bool,
}

impl<'a> World<'a> {
    fn value(&'a self) -> impl Send + 'a {
        self.made.fetch_add(1, SeqCst);
        let held = self.lent.hold();
        on_drop(move || {
            self.lent.look();
            self.dropped.fetch_add(1, SeqCst);
            drop(held);
        })
    }
}

/// A task that does a few random things.
fn task<'s>(s: &'s Scope<'s>, world: &'s World<'s>, mut random: Random, depth: u64) -> BoxAsync<'s, u64> {
    BoxAsync::new(async_block! { move
        let _value = world.value();
        for _ in 0..random.below(5) {
            match random.below(13) {
                0 => yield_now().await,
                1 => {
                    let own = own_waker().await;
                    own.wake_by_ref();
                    world.wakers.lock().unwrap().push(own);
                    pending_once().await;
                }
                2 if depth > 0 => drop(s.spawn(task(s, world, random.split(), depth - 1))),
                3 if depth > 0 => {
                    let child = s.spawn(task(s, world, random.split(), depth - 1));
                    if random.below(2) == 0 {
                        child.cancel();
                    }
                    if let Err(error) = child.await {
                        error.resume_panic();
                    }
                }
                4 if depth > 0 => nested(world, random.split(), depth - 1).await,
                5 if depth > 0 => {
                    let child = s.spawn(task(s, world, random.split(), depth - 1));
                    world.handles.lock().unwrap().push(child);
                }
                6 => {
                    let taken = world.handles.lock().unwrap().pop();
                    if let Some(handle) = taken {
                        handle.cancel();
                    }
                }
                7 => {
                    // Others' wakers, old ones among them.
                    let others: Vec<Waker> = world.wakers.lock().unwrap().iter().rev().take(8).cloned().collect();
                    others.into_iter().for_each(Waker::wake);
                }
                8 => {
                    let value = world.value();
                    drop(s.spawn(async move { value }));
                }
                9 => {
                    let value = world.value();
                    s.spawn_blocking_with(move |cx| {
                        let _value = value;
                        cx.block_on(yield_now());
                    });
                }
                10 if random.below(8) == 0 => s.cancel(),
                11 if world.may_panic && random.below(12) == 0 => {
                    if random.below(2) == 0 { raise("random") } else { raise_bomb("random") }
                }
                12 => {
                    let value = world.value();
                    s.spawn_background(async_block! { move
                        asked().await;
                        drop(value);
                    });
                }
                _ => drop(why_asked().await),
            }
        }
        random.below(100)
    })
}

fn nested<'a>(world: &'a World<'a>, mut random: Random, depth: u64) -> impl Async<Output = ()> + Send + 'a {
    scope!(move |s| {
        for _ in 0..random.below(4) {
            s.spawn(task(s, world, random.split(), depth));
        }
        if random.below(4) == 0 {
            let value = world.value();
            s.on_exit(async_block! { move
                yield_now().await;
                drop(value);
            });
        }
        if random.below(6) == 0 {
            s.cancel();
        }
    })
}

fn program(seed: u64, options: ScopeOptions, may_panic: bool) {
    let (lent, made, dropped) = (Lent::new(), AtomicUsize::new(0), AtomicUsize::new(0));
    let (wakers, handles) = (Mutex::default(), Mutex::default());
    let world = World { lent: &lent, made: &made, dropped: &dropped, wakers: &wakers, handles: &handles, may_panic };
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let result = outcome(|| {
        let world = &world;
        block_on(scope!(options, |s| {
            for _ in 0..6 {
                s.spawn(task(s, world, random.split(), 3));
            }
        }))
    });
    assert!(result.is_ok() || may_panic, "{seed}: {result:?}");
    assert_eq!(lent.held(), 0, "{seed}");
    assert_eq!(made.load(SeqCst), dropped.load(SeqCst), "{seed}");
    // What is kept is let go of by other threads.
    thread::scope(|os| {
        os.spawn(|| wakers.lock().unwrap().drain(..).for_each(Waker::wake));
        os.spawn(|| handles.lock().unwrap().clear());
    });
}

fn rounds() -> u64 {
    if cfg!(debug_assertions) { 500 } else { 3000 }
}

#[test]
fn random_programs_on_the_pool() {
    let _watch = Watch::new();
    for seed in 0..rounds() {
        program(seed, ScopeOptions::new(), false);
    }
}

#[test]
fn random_programs_that_panic() {
    let _watch = Watch::new();
    for seed in 0..rounds() {
        program(seed, ScopeOptions::new(), true);
    }
}

#[test]
fn random_programs_on_runtimes_that_misbehave() {
    let _watch = Watch::new();
    for seed in 0..rounds() {
        let runtime = Faulty::new(2, move |n| match (n as u64).wrapping_mul(seed | 1) % 7 {
            0 => Act::Inline,
            1 => Act::Drop,
            2 => Act::PanicInside,
            _ => Act::Queue,
        });
        program(seed, ScopeOptions::new().on(&runtime), seed % 2 == 0);
        runtime.shut_down();
    }
}

#[test]
fn random_programs_whose_runtime_is_shut_down_in_the_middle() {
    let _watch = Watch::new();
    for seed in 0..rounds() {
        let runtime = Faulty::new(1, |_| Act::Queue);
        thread::scope(|os| {
            os.spawn(|| {
                for _ in 0..seed % 50 {
                    thread::yield_now();
                }
                runtime.shut_down();
            });
            program(seed, ScopeOptions::new().on(&runtime), seed % 2 == 0);
        });
    }
}

#[test]
fn many_scopes_on_many_threads_at_once() {
    let _watch = Watch::new();
    thread::scope(|os| {
        for n in 0..4 {
            os.spawn(move || {
                for seed in 0..rounds() / 4 {
                    program(seed * 4 + n, ScopeOptions::new(), n % 2 == 0);
                }
            });
        }
    });
}

/// A task that ran on the stack of a blocking job inside `cx.block_on`, and blocked until that job was done, waited for ever: the
/// job could not return before the task did.
#[test]
fn no_task_runs_on_top_of_a_blocking_job() {
    let _watch = Watch::new();
    for _ in 0..300 {
        let (gone_on, waiting) = (AtomicBool::new(false), Mutex::new(None::<Waker>));
        let (go, waker) = (&gone_on, &waiting);
        block_on(scope!(|s| {
            // Keep the pool busy, so that whoever waits would help.
            for _ in 0..8 {
                s.spawn(async {
                    for _ in 0..20 {
                        yield_now().await;
                    }
                });
            }
            let job = s.spawn_blocking_with(move |cx| {
                cx.block_on(std::future::poll_fn(move |cx| {
                    *waker.lock().unwrap() = Some(cx.waker().clone());
                    if go.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
                }));
                1
            });
            s.spawn(async_block! { move
                while waker.lock().unwrap().is_none() {
                    yield_now().await;
                }
                for _ in 0..10 {
                    yield_now().await;
                }
                go.store(true, SeqCst);
                waker.lock().unwrap().take().unwrap().wake();
                assert_eq!(block_on(job).unwrap(), 1);
            });
        }));
    }
}
