//! Panics where one does not expect them: wakers, `is_cancel_safe`, payloads. Started children are always complete before a
//! panic comes out. The product tests have the panics of children and outputs.
#![cfg(feature = "std")]

mod common;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    rc::Rc,
    task::{Poll, RawWaker, RawWakerVTable, Waker},
};

use async_combinators::{Group, join, merge, race, select, try_join};
use async_trait_core::{Async, CancelFlag, Context, Reason};
use common::{Task, gates, poll};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Site {
    Nowhere,
    Clone,
    Wake,
    Drop,
}

thread_local! {
    /// Where wakers of this thread's tests panic, after how many calls of that kind.
    static SITE: Cell<(Site, usize)> = const { Cell::new((Site::Nowhere, 0)) };
}

fn reach(site: Site) {
    let (at, left) = SITE.get();
    if at == site {
        if left == 0 {
            SITE.set((Site::Nowhere, 0));
            panic!("waker {site:?}");
        }
        SITE.set((at, left - 1));
    }
}

/// A waker that panics where `SITE` says. It owns nothing.
fn hostile_waker() -> Waker {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |_| {
            reach(Site::Clone);
            RawWaker::new(std::ptr::null(), &VTABLE)
        },
        |_| reach(Site::Wake),
        |_| reach(Site::Wake),
        |_| reach(Site::Drop),
    );
    // SAFETY: there is no data to count or free, and the functions are thread-safe.
    unsafe { Waker::new(std::ptr::null(), &VTABLE) }
}

/// Not cancel-safe; ready after some polls, or one poll after it is asked. Wakes itself. Dropped unfinished it aborts.
struct Worker {
    left: usize,
    asked: bool,
    started: bool,
    panics_when_asked_whether_safe: bool,
}

fn worker(left: usize) -> Worker {
    Worker { left, asked: false, started: false, panics_when_asked_whether_safe: false }
}

// SAFETY: nothing is lent to anybody.
unsafe impl Async for Worker {
    type Output = Result<usize, usize>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.started = true;
        if self.asked || self.left == 0 {
            self.started = false;
            return Poll::Ready(if self.asked { Err(self.left) } else { Ok(self.left) });
        }
        self.asked = cx.is_cancelled();
        self.left -= 1;
        // The poll may unwind out of these, which completes it.
        let armed = std::mem::replace(&mut self.started, false);
        let kept = cx.waker().clone();
        cx.waker().wake_by_ref();
        drop(kept);
        self.started = armed;
        Poll::Pending
    }

    fn is_cancel_safe(&self) -> bool {
        assert!(!self.panics_when_asked_whether_safe, "is_cancel_safe");
        false
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.started {
            eprintln!("a started worker was dropped unfinished");
            std::process::abort();
        }
    }
}

fn run<A: Async>(a: A, waker: &Waker) -> Result<A::Output, String> {
    let mut a = Box::pin(a);
    for _ in 0..1000 {
        match catch_unwind(AssertUnwindSafe(|| poll(&mut a, waker))) {
            Ok(Poll::Ready(output)) => {
                // By itself: what a function returns leaks if a local's destructor panics after that (rust-lang/rust#47949).
                drop(a);
                return Ok(output);
            }
            Ok(Poll::Pending) => {}
            Err(payload) => {
                return Err(match payload.downcast::<String>() {
                    Ok(text) => *text,
                    Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or("?").to_owned(),
                });
            }
        }
    }
    panic!("it does not end");
}

#[test]
fn wakers_of_the_task_panic_at_every_call() {
    for site in [Site::Clone, Site::Wake, Site::Drop] {
        for nth in 0..40 {
            type Op<'a> = &'a dyn Fn(&Waker) -> Result<(), String>;
            let ops: [Op<'_>; 6] = [
                &|w| run(join((worker(3), worker(1), worker(2))), w).map(drop),
                &|w| run(join([3, 1, 2, 4, 0, 2].map(worker)), w).map(drop),
                &|w| run(try_join((0..9).map(worker).collect::<Vec<_>>()), w).map(drop),
                &|w| run(race((3..99).map(worker).collect::<Vec<_>>()), w).map(drop),
                &|w| run(select((2..9).map(worker).collect::<Vec<_>>()), w).map(|s| assert_eq!(s.first, (0, Ok(0)))),
                &|w| run(join([const { None::<()> }; 5].map(|_| join([2, 2, 2, 2, 2].map(worker)))), w).map(drop),
            ];
            for (i, op) in ops.iter().enumerate() {
                let waker = hostile_waker();
                SITE.set((site, nth));
                // The drop of the operation may be the call that panics.
                let result = catch_unwind(AssertUnwindSafe(|| op(&waker)));
                let fired = SITE.replace((Site::Nowhere, 0)).0 == Site::Nowhere;
                match result {
                    Ok(Ok(())) => assert!(!fired, "a panic was swallowed: {site:?} {nth} {i}"),
                    Ok(Err(text)) => assert_eq!(text, format!("waker {site:?}")),
                    Err(_) => assert!(fired && site == Site::Drop, "{site:?} {nth} {i}"),
                }
            }
        }
    }
}

#[test]
fn who_panics_when_asked_whether_it_may_be_dropped_has_said_no() {
    let waker = hostile_waker();
    let bad = Worker { panics_when_asked_whether_safe: true, ..worker(5) };
    assert_eq!(run(race((bad, worker(0))), &waker).unwrap_err(), "is_cancel_safe");
    let bad = Worker { panics_when_asked_whether_safe: true, ..worker(5) };
    assert_eq!(run(race((worker(1), bad, worker(7), worker(9))), &waker).unwrap_err(), "is_cancel_safe");
}

#[test]
fn payloads_whose_destructors_panic() {
    struct Bomb(Rc<Cell<usize>>, bool);
    // SAFETY: it never leaves its thread in this test; `panic_any` asks for `Send`.
    unsafe impl Send for Bomb {}
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            if self.1 {
                panic_any(Bomb(self.0.clone(), false));
            }
        }
    }
    struct Thrower(Rc<Cell<usize>>);
    // SAFETY: nothing is lent to anybody.
    unsafe impl Async for Thrower {
        type Output = Result<usize, usize>;
        unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            if cx.is_cancelled() {
                panic_any(Bomb(self.0.clone(), true));
            }
            Poll::Pending
        }
    }
    let drops = Rc::new(Cell::new(0));
    let all = join((Thrower(drops.clone()), Thrower(drops.clone()), worker(2), async { panic!("first") }));
    assert_eq!(run(all, Waker::noop()).unwrap_err(), "first");
    assert_eq!(drops.get(), 2, "both later payloads were dropped, the panics of their destructors kept in");
}

#[test]
fn a_panic_waits_for_started_siblings_and_asks_them() {
    let (gates, mut children) = gates(2);
    let (_, waker) = Task::new();
    let (slow, b) = (children.pop().expect("two"), children.pop().expect("two"));
    let flag = Rc::new(Cell::new(false));
    let set = flag.clone();
    let trigger =
        std::future::poll_fn(move |_| if set.get() { panic!("boom") } else { Poll::<Result<(), ()>>::Pending });
    let mut all = Box::pin(join((slow, trigger, b)));
    assert!(poll(&mut all, &waker).is_pending());
    flag.set(true);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut all, &waker))).is_err());
    assert!(gates.iter().all(|gate| gate.asked.get() == 1));
}

/// The panic is reported on standard error then, since it cannot go on.
#[test]
fn an_operation_that_became_cancel_safe_may_be_dropped_with_a_panic_inside() {
    struct Pending(Rc<Cell<bool>>);
    // SAFETY: nothing is lent to anybody.
    unsafe impl Async for Pending {
        type Output = ();
        unsafe fn poll_async(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
        fn is_cancel_safe(&self) -> bool {
            self.0.get()
        }
    }
    let safe = Rc::new(Cell::new(false));
    let mut all = Box::pin(join((Pending(safe.clone()), async { panic!("kept") })));
    assert!(all.is_cancel_safe(), "it is fresh");
    assert!(poll(&mut all, Waker::noop()).is_pending(), "the sibling must be completed first");
    assert!(!all.is_cancel_safe());
    safe.set(true);
    assert!(all.is_cancel_safe());
    drop(all);
}

/// rust-lang/futures-rs#2863: a member whose destructor panics made `FuturesUnordered` free it twice.
#[test]
fn a_group_survives_members_that_panic_in_poll_and_drop() {
    struct Panics(&'static str, usize);
    impl Future for Panics {
        type Output = usize;
        fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<usize> {
            assert!(self.0 != "poll", "poll");
            if self.0 == "pending" { Poll::Pending } else { Poll::Ready(self.1) }
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            assert!(self.0 != "drop", "drop");
        }
    }
    for n in [3, 30] {
        let mut group: Group<_> = (0..n).map(|i| Panics(["fine", "poll", "drop"][i % 3], i)).collect();
        let pending = group.insert(Panics("pending", 0));
        let (mut fine, mut panics) = (vec![], 0);
        while group.len() > 1 {
            match catch_unwind(AssertUnwindSafe(|| run(group.next(), Waker::noop()))) {
                Ok(Ok(output)) => fine.push(output.expect("members are left")),
                Ok(Err(_)) | Err(_) => panics += 1,
            }
        }
        assert_eq!(fine, (0..n).step_by(3).collect::<Vec<_>>());
        assert_eq!(panics, n / 3 * 2);
        assert!(group.contains(pending) && group.discard(pending) && !group.discard(pending));
        assert_eq!(run(group.next(), Waker::noop()), Ok(None));
    }
}

#[test]
fn a_merge_goes_on_without_a_source_that_panicked() {
    for n in [3, 9] {
        let sources: Vec<_> = (0..n)
            .map(|i| futures::stream::iter(0..3_usize).inspect(move |x| assert!((i, *x) != (1, 1), "source")))
            .collect();
        use futures::StreamExt as _;
        let mut merged = merge(sources);
        let (mut items, mut panics) = (0, 0);
        loop {
            match run(merged.next(), Waker::noop()) {
                Ok(Some(_)) => items += 1,
                Ok(None) => break,
                Err(_) => panics += 1,
            }
        }
        assert_eq!((items, panics), (3 * n - 2, 1));
    }
}

#[test]
fn reasons_are_those_of_the_documentation() {
    struct Why(Rc<Cell<Option<Reason>>>);
    // SAFETY: nothing is lent to anybody.
    unsafe impl Async for Why {
        type Output = Result<(), ()>;
        unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            self.0.set(cx.cancel_reason());
            if cx.is_cancelled() { Poll::Ready(Ok(())) } else { Poll::Pending }
        }
    }
    fn reason<A: Async>(op: impl FnOnce(Why) -> A, outer: bool) -> Option<Reason> {
        let seen = Rc::new(Cell::new(None));
        let flag = CancelFlag::new();
        if outer {
            flag.request(Reason::Deadline);
        }
        let mut op = Box::pin(op(Why(seen.clone())));
        let _ = catch_unwind(AssertUnwindSafe(|| common::poll_under(&mut op, Waker::noop(), &flag)));
        seen.get()
    }
    let err = || std::future::ready(Err::<(), ()>(()));
    assert_eq!(reason(|why| try_join((why, err())), false), Some(Reason::SiblingFailed));
    assert_eq!(reason(|why| race((why, err())), false), Some(Reason::LostRace));
    assert_eq!(reason(|why| select((why, err())), false), Some(Reason::LostRace));
    assert_eq!(reason(|why| join((why, async { panic!("boom") })), false), Some(Reason::SiblingFailed));
    assert_eq!(reason(|why| join((why, err())), true), Some(Reason::Deadline));
    assert_eq!(reason(|why| join((why, err())), false), None);
}
