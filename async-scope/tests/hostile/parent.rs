//! A parent executor whose waker panics: when it is cloned, woken or dropped.

use std::{
    mem::ManuallyDrop,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, RawWaker, RawWakerVTable, Waker},
    time::Duration,
};

use async_scope::{async_block, scope};
use async_trait_core::{Async, Context, yield_now};

use crate::{
    kit::{HANG, Lent, asked, die, on_drop, outcome, raise, raise_bomb, wait_for},
    worlds::{Act, Faulty, Watch},
};

/// What of the waker panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Clone,
    /// Wakes, then panics.
    Wake,
    /// Panics instead of waking.
    WakeLost,
    Drop,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Clone, Self::Wake, Self::WakeLost, Self::Drop];
}

/// An executor of one computation, whose waker panics at one call, or at every call from one on.
pub struct Parent {
    inner: Arc<Inner>,
}

struct Inner {
    fault: Fault,
    /// Which call panics, from 1.
    first: usize,
    /// How many do.
    calls: AtomicUsize,
    always: bool,
    bomb: bool,
    woken: Mutex<bool>,
    some: Condvar,
    /// Wakers that exist.
    wakers: AtomicUsize,
}

impl Parent {
    /// The `nth` call panics, counted from 1.
    pub fn new(fault: Fault, nth: usize) -> Self {
        Self::with(fault, nth, false, false)
    }

    pub fn with(fault: Fault, first: usize, always: bool, bomb: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                fault,
                first,
                calls: AtomicUsize::new(0),
                always,
                bomb,
                woken: Mutex::new(false),
                some: Condvar::new(),
                wakers: AtomicUsize::new(0),
            }),
        }
    }

    /// Whether the panic has come.
    pub fn has_struck(&self) -> bool {
        self.inner.calls.load(SeqCst) >= self.inner.first
    }

    /// How many wakers exist that nobody has dropped.
    pub fn wakers(&self) -> usize {
        self.inner.wakers.load(SeqCst)
    }

    /// Calls `f` with a waker of its own.
    pub fn lend<R>(&self, f: impl FnOnce(&Waker) -> R) -> R {
        let own = Own(ManuallyDrop::new(waker(&self.inner)));
        f(&own.0)
    }

    /// Polls `a` to its end. Where wakes get lost it polls again for no reason, as executors may.
    pub fn run<A: Async>(&self, a: A) -> A::Output {
        let mut a = Box::pin(a);
        let restless = self.inner.fault == Fault::WakeLost;
        let own = Own(ManuallyDrop::new(waker(&self.inner)));
        loop {
            // SAFETY: *completed*: polled until `Ready` or an unwinding, which is a completion; `die` does not return. *retired*:
            // this returns on `Ready`.
            let poll = unsafe { a.as_mut().poll_async(&mut Context::from_waker(&own.0)) };
            if let Poll::Ready(output) = poll {
                return output;
            }
            let mut woken = self.inner.woken.lock().unwrap();
            let mut waited = Duration::ZERO;
            while !(*woken || restless && waited > Duration::ZERO) {
                let patience = if restless { Duration::from_millis(1) } else { HANG };
                woken = self.inner.some.wait_timeout(woken, patience).unwrap().0;
                waited += patience;
                if waited >= HANG && !*woken {
                    die("the parent is not woken");
                }
            }
            *woken = false;
        }
    }
}

/// The executor's own waker, whose drop is no fault.
struct Own(ManuallyDrop<Waker>);

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: `waker` made it of an `Arc`; the count is taken over, since the waker is not dropped.
        let inner = unsafe { Arc::from_raw(self.0.data().cast::<Inner>()) };
        inner.wakers.fetch_sub(1, SeqCst);
    }
}

impl Inner {
    fn strike(&self, fault: Fault) {
        if fault != self.fault {
            return;
        }
        let call = self.calls.fetch_add(1, SeqCst) + 1;
        if call == self.first || (self.always && call > self.first) {
            if self.bomb {
                raise_bomb("waker");
            }
            raise("waker");
        }
    }

    fn wake(&self) {
        self.strike(Fault::WakeLost);
        *self.woken.lock().unwrap() = true;
        self.some.notify_one();
        self.strike(Fault::Wake);
    }
}

fn waker(inner: &Arc<Inner>) -> Waker {
    inner.wakers.fetch_add(1, SeqCst);
    let data = Arc::into_raw(Arc::clone(inner)).cast();
    // SAFETY: the functions of `VTABLE` are thread-safe and count references as `RawWaker` asks.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: the waker's own count keeps it alive.
        let inner = unsafe { &*data.cast::<Inner>() };
        inner.strike(Fault::Clone);
        inner.wakers.fetch_add(1, SeqCst);
        // SAFETY: made by `Arc::into_raw`, and alive.
        unsafe { Arc::increment_strong_count(data.cast::<Inner>()) };
        RawWaker::new(data, &VTABLE)
    },
    |data| {
        // SAFETY: made by `Arc::into_raw`; the waker's count is taken over.
        let inner = unsafe { Arc::from_raw(data.cast::<Inner>()) };
        inner.wakers.fetch_sub(1, SeqCst);
        inner.wake();
    },
    |data| {
        // SAFETY: the waker's own count keeps it alive.
        unsafe { &*data.cast::<Inner>() }.wake();
    },
    |data| {
        // SAFETY: made by `Arc::into_raw`; the waker's count is taken over.
        let inner = unsafe { Arc::from_raw(data.cast::<Inner>()) };
        inner.wakers.fetch_sub(1, SeqCst);
        inner.strike(Fault::Drop);
    },
);

/// Something of everything that uses the parent's waker.
async fn plain(n: u32) {
    for _ in 0..n {
        yield_now().await;
    }
}

fn busy<'a>(
    options: async_scope::ScopeOptions,
    lent: &'a Lent,
    cancel: bool,
) -> impl Async<Output = usize> + Send + 'a {
    scope!(options, move |s| {
        let mut handles = Vec::new();
        for n in 0..3 {
            handles.push(s.spawn(async move {
                let _held = lent.hold();
                plain(n).await;
            }));
            s.spawn_background(async_block! { move
                let _held = lent.hold();
                asked().await;
            });
            s.spawn_blocking(move || drop(lent.hold()));
        }
        let forgotten = s.spawn(async move { on_drop(move || lent.look()) });
        drop(forgotten);
        s.on_exit(async_block! { move
            let _held = lent.hold();
            s.spawn(plain(2));
            yield_now().await;
        });
        let mut done = 0;
        for handle in handles {
            done += usize::from(handle.await.is_ok());
        }
        if cancel {
            s.cancel();
        }
        done
    })
}

#[test]
fn each_call_of_the_waker_panics_once() {
    for (fault, nth, cancel, bomb) in faults() {
        let _watch = Watch::new();
        let lent = Lent::new();
        let runtime = Faulty::new(1, |_| Act::Queue);
        let parent = Parent::with(fault, nth, false, bomb);
        let result = outcome(|| parent.run(busy(async_scope::ScopeOptions::new().on(&runtime), &lent, cancel)));
        assert_eq!(lent.held(), 0, "{fault:?} {nth}");
        match result {
            Ok(done) => assert_eq!(done, 3),
            Err(text) => {
                assert!(parent.has_struck(), "{fault:?} {nth}");
                assert_eq!(text, "waker");
            }
        }
    }
}

#[test]
fn every_call_of_the_waker_panics() {
    for (fault, nth, cancel, bomb) in faults() {
        let _watch = Watch::new();
        let lent = Lent::new();
        let runtime = Faulty::new(1, |_| Act::Queue);
        let parent = Parent::with(fault, nth, true, bomb);
        let result = outcome(|| parent.run(busy(async_scope::ScopeOptions::new().on(&runtime), &lent, cancel)));
        assert_eq!(lent.held(), 0, "{fault:?} {nth}");
        assert!(result.is_ok() || parent.has_struck());
    }
}

fn faults() -> impl Iterator<Item = (Fault, usize, bool, bool)> {
    Fault::ALL.into_iter().flat_map(|fault| {
        (1..12).flat_map(move |nth| {
            [false, true].into_iter().flat_map(move |cancel| [(fault, nth, cancel, false), (fault, nth, cancel, true)])
        })
    })
}

#[test]
fn no_waker_of_the_parent_is_left_behind() {
    let runtime = Faulty::new(2, |_| Act::Queue);
    for nth in 1..20 {
        let lent = Lent::new();
        let parent = Parent::new(Fault::Drop, usize::MAX - nth);
        assert_eq!(parent.run(busy(async_scope::ScopeOptions::new().on(&runtime), &lent, true)), 3);
        // The last task's thread may still be waking.
        wait_for(|| parent.wakers() == 0);
    }
}
