//! What went wrong elsewhere, each with its source.
#![cfg(feature = "std")]

mod common;

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    marker::PhantomPinned,
    pin::Pin,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
};

use async_combinators::{Group, OneOf2, Selected, join, race, race_ok, select, try_join};
use async_trait_core::{Async, Context, block_on_with, yield_now};
use common::{Task, gates, poll};

/// Pending once, then `value`.
async fn later<T>(value: T) -> T {
    yield_now().await;
    value
}

fn run<A: Async>(a: A) -> A::Output {
    block_on_with(a, || panic!("pending and not woken"))
}

/// yoshuawuyts/futures-concurrency#155: a `try_join` whose error came before an output was written dropped that output's
/// uninitialised memory.
#[test]
fn an_error_drops_only_outputs_that_exist() {
    struct Counted(Rc<Cell<i32>>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let live = Rc::new(Cell::new(0));
    let make = |live: &Rc<Cell<i32>>| {
        live.set(live.get() + 1);
        Counted(live.clone())
    };
    let child = |fails: bool, waits: bool| {
        let live = live.clone();
        async move {
            if waits {
                yield_now().await;
            }
            if fails { Err(vec![make(&live)]) } else { Ok(vec![make(&live)]) }
        }
    };
    for bits in 0..64 {
        let c = |i: u32| child(bits >> (2 * i) & 1 != 0, bits >> (2 * i + 1) & 1 != 0);
        drop(run(try_join((c(0), c(1), c(2)))));
        drop(run(try_join([c(0), c(1), c(2)])));
        drop(run(try_join(vec![c(0), c(1), c(2)])));
        drop(run(try_join([c(0), c(1), c(2), c(0), c(1), c(2)])));
        drop(run(race_ok((c(0), c(1), c(2)))));
        drop(run(race_ok(vec![c(0), c(1), c(2), c(0), c(1), c(2)])));
        assert_eq!(live.get(), 0);
    }
}

/// yoshuawuyts/futures-concurrency#135: a completed child of `try_join` was polled again.
#[test]
fn a_completed_child_is_not_polled_again() {
    assert_eq!(run(try_join((async { Ok::<_, ()>(1) }, later(Ok(2))))), Ok((1, 2)));
    assert_eq!(run(race_ok((async { Err::<(), _>(1) }, later(Err(2))))), Err([1, 2]));
}

/// Panics if it is moved between its first poll and its drop.
#[derive(Default)]
struct Pinned {
    at: Cell<usize>,
    polls: usize,
    _pinned: PhantomPinned,
}

impl Pinned {
    fn check(&self) {
        let here = std::ptr::from_ref(self).addr();
        assert!([0, here].contains(&self.at.get()), "a pinned child was moved");
        self.at.set(here);
    }
}

impl Future for Pinned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.check();
        // SAFETY: the field is not pinned.
        let polls = unsafe { &mut self.get_unchecked_mut().polls };
        *polls += 1;
        if *polls == 3 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.polls > 0 {
            self.check();
        }
    }
}

/// yoshuawuyts/futures-concurrency#188 (and #182): a group that grew moved its pinned members; #222: they were dropped elsewhere
/// than where they had been polled.
#[test]
fn a_group_does_not_move_its_members_when_it_grows_or_shrinks() {
    let mut group = Group::new();
    let mut done = 0;
    let mut keys = vec![];
    for round in 0..40 {
        keys.extend((0..round).map(|_| group.insert(Pinned::default())));
        if round % 3 == 0 && !keys.is_empty() {
            done += usize::from(group.discard(keys[keys.len() / 2]));
        }
        if round % 2 == 0 {
            done += usize::from(run(group.next()).is_some());
        }
        let mut moved = group;
        std::hint::black_box(&mut moved);
        group = moved;
    }
    while run(group.next()).is_some() {
        done += 1;
    }
    assert_eq!(done, keys.len());
}

#[test]
fn no_operation_moves_its_children() {
    run(join((Pinned::default(), Pinned::default(), Pinned::default())));
    run(join([0; 9].map(|_| Pinned::default())));
    run(join((0..70).map(|_| Pinned::default()).collect::<Vec<_>>()));
    run(race((Pinned::default(), Pinned::default())));
    _ = run(select((0..7).map(|_| Pinned::default()).collect::<Vec<_>>()));
}

/// embassy-rs/embassy#3328 (fixing #3320): `select_slice` took unpinned children by reference, so a started one could be
/// swapped out and moved. Here children are owned; by reference they must be pinned or `Unpin`, or it does not compile (see
/// the compile-fail example of `select`).
#[test]
fn select_by_reference_needs_pinned_futures() {
    let mut slow = Box::pin(later(1));
    let Selected { first, .. } = run(select((&mut slow, async { 2 })));
    assert_eq!(first, OneOf2::B(2));
    assert_eq!(run(slow), 1, "it is where it was");
}

/// tokio-rs/tokio#4612: a busy branch of `join!` kept the others from being polled. Every round polls every woken child.
#[test]
fn a_child_that_always_wakes_itself_starves_nobody() {
    let (gates, mut children) = gates(5);
    let busy = Rc::new(Cell::new(0_usize));
    let polls = busy.clone();
    let always = poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        cx.waker().wake_by_ref();
        if polls.get() < 100 { Poll::Pending } else { Poll::Ready(()) }
    });
    let (task, waker) = Task::new();
    let last = children.pop().expect("five");
    let mut both = Box::pin(join((always, last)));
    for round in 1..100 {
        assert!(poll(&mut both, &waker).is_pending());
        assert_eq!((busy.get(), gates[4].polls.get()), (round, round));
    }
    gates[4].open();
    assert!(task.wakes() >= 100);
    assert!(poll(&mut both, &waker).is_ready());
}

/// Oxide RFD 609, futurelock: a branch that holds a lock is started by reference, another branch wins, its handler waits for
/// the lock. With an owned branch the loser is asked and completed, so the lock is free when `select` returns. (Plain
/// futures are dropped, which frees it too.)
#[test]
fn a_losing_branch_does_not_keep_its_lock() {
    struct Holder(Rc<Cell<bool>>);
    // SAFETY: nothing is lent to anybody.
    unsafe impl Async for Holder {
        type Output = &'static str;
        unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
            self.0.set(!cx.is_cancelled());
            if cx.is_cancelled() { Poll::Ready("unlocked") } else { Poll::Pending }
        }
    }
    let locked = Rc::new(Cell::new(false));
    let Selected { first, late } = run(select((Holder(locked.clone()), later("timer"))));
    assert_eq!(first, OneOf2::B("timer"));
    assert_eq!(late, (Some("unlocked"), None));
    assert!(!locked.get());
}

/// *Barbara gets burned by select* (rust-lang/wg-async): a packet that was read while another branch won was lost.
#[test]
fn over_100_000_packets_none_is_lost_by_select() {
    /// Reads a packet in three steps; once it has taken the first byte off the wire it goes on although it is asked.
    struct Read<'a> {
        wire: &'a Cell<u32>,
        taken: Option<u32>,
        steps: u32,
    }
    // SAFETY: nothing is lent to anybody else.
    unsafe impl Async for Read<'_> {
        type Output = Option<u32>;
        unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
            if self.taken.is_none() {
                if cx.is_cancelled() {
                    return Poll::Ready(None);
                }
                if self.steps > 0 {
                    self.steps -= 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.taken = Some(self.wire.replace(self.wire.get() + 1));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.taken)
        }
    }
    let wire = Cell::new(0);
    let mut got = vec![];
    let mut seed = 1_u32;
    while wire.get() < 100_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let read = Read { wire: &wire, taken: None, steps: seed >> 30 };
        let ticks = seed >> 28 & 3;
        let tick = async move {
            for _ in 0..ticks {
                yield_now().await;
            }
        };
        let Selected { first, late: (late, _) } = run(select((read, tick)));
        got.extend(match first {
            OneOf2::A(packet) => packet,
            OneOf2::B(()) => late.flatten(),
        });
    }
    assert!(got.into_iter().eq(0..100_000), "each packet once, in order");
}

/// A wake that comes while the children are being polled belongs to the next round and is not lost in this one.
#[test]
fn a_sibling_woken_during_a_round_is_polled_in_the_next() {
    let waker_of_first: Rc<Cell<Option<Waker>>> = Rc::default();
    let open = Rc::new(Cell::new(false));
    let (w, o) = (waker_of_first.clone(), open.clone());
    let first = poll_fn(move |cx| {
        w.set(Some(cx.waker().clone()));
        if o.get() { Poll::Ready(0) } else { Poll::Pending }
    });
    let opener = poll_fn(move |_| {
        open.set(true);
        waker_of_first.take().expect("polled before").wake();
        Poll::Ready(1)
    });
    let mut children: Vec<Pin<Box<dyn Future<Output = i32>>>> = vec![Box::pin(first), Box::pin(opener)];
    children.extend((2..9).map(|i| Box::pin(async move { i }) as Pin<Box<dyn Future<Output = i32>>>));
    let (task, waker) = Task::new();
    let mut all = Box::pin(join(children));
    assert!(poll(&mut all, &waker).is_pending());
    assert_eq!(task.wakes(), 1);
    assert_eq!(poll(&mut all, &waker), Poll::Ready((0..9).collect()));
}
