//! Trees of tokens: large, deep, in the order that is promised, from many threads, and leaving nothing behind.

use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use async_cancel::{CancellationToken, Reason, TokenCancelledOwned};

use crate::common::Wakes;

/// Small stacks find recursion.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(128 * 1024).spawn(f).unwrap().join().unwrap();
}

/// A waiter of the token that has registered.
fn waiter(token: &CancellationToken, waker: &Waker) -> Pin<Box<TokenCancelledOwned>> {
    let mut waiter = Box::pin(token.clone().cancelled_owned());
    assert!(waiter.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    waiter
}

fn chain(length: usize) -> Vec<CancellationToken> {
    let mut tokens = vec![CancellationToken::new()];
    for n in 0..length {
        let child = tokens[n].child_token();
        tokens.push(child);
    }
    tokens
}

#[test]
fn a_hundred_thousand_flat() {
    on_a_small_stack(|| {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let root = CancellationToken::new();
        let children: Vec<_> = (0..100_000).map(|_| root.child_token()).collect();
        let waiters: Vec<_> = children.iter().map(|child| waiter(child, &waker)).collect();
        root.cancel();
        assert_eq!(wakes.count(), 100_000);
        assert!(children.iter().all(CancellationToken::is_cancelled));
        drop((waiters, children));
    });
}

#[test]
fn chains_of_a_thousand_and_of_a_hundred_thousand() {
    on_a_small_stack(|| {
        for length in [1_000, 100_000] {
            let wakes = Arc::new(Wakes::default());
            let waker = Waker::from(wakes.clone());
            let tokens = chain(length);
            let waiters: Vec<_> = tokens.iter().map(|token| waiter(token, &waker)).collect();
            tokens[0].cancel_with(Reason::Shutdown);
            assert_eq!(wakes.count(), length + 1);
            assert_eq!(tokens[length].reason(), Some(Reason::Shutdown));
            drop((waiters, tokens));
        }
    });
}

#[test]
fn a_deep_chain_is_dropped_from_either_end_and_from_the_middle() {
    on_a_small_stack(|| {
        let length = 100_000;
        let tokens = chain(length);
        for token in tokens {
            drop(token);
        }
        let mut tokens = chain(length);
        while let Some(token) = tokens.pop() {
            drop(token);
        }
        let mut tokens: Vec<_> = chain(length).into_iter().map(Some).collect();
        for step in [2, 3, 5, 7, 1] {
            for token in tokens.iter_mut().step_by(step) {
                *token = None;
            }
        }
        // Only the two ends are held; what was between them is gone.
        let mut tokens = chain(length);
        let (first, last) = (tokens.swap_remove(0), tokens.pop().unwrap());
        drop(tokens);
        first.cancel();
        assert!(last.is_cancelled());
    });
}

#[test]
fn a_deep_chain_of_any_is_cancelled_and_dropped() {
    on_a_small_stack(|| {
        let first = CancellationToken::new();
        let mut last = first.clone();
        for _ in 0..10_000 {
            last = CancellationToken::any([&last.child_token()]);
        }
        first.cancel();
        assert!(last.is_cancelled());
    });
}

/// On waking, checks that the parent is cancelled, and every other token too.
struct Checks {
    tokens: Vec<CancellationToken>,
    seen: AtomicUsize,
}

impl Wake for Checks {
    fn wake(self: Arc<Self>) {
        assert!(self.tokens.iter().all(CancellationToken::is_cancelled));
        self.seen.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn whoever_wakes_sees_the_whole_tree_cancelled() {
    let root = CancellationToken::new();
    let mut tokens = vec![root.clone()];
    for n in 0..200 {
        let child = tokens[n / 3].child_token();
        tokens.push(child);
    }
    let any = CancellationToken::any([&tokens[150], &tokens[20]]);
    tokens.extend([any.child_token(), any]);
    let checks = Arc::new(Checks { tokens: tokens.clone(), seen: AtomicUsize::new(0) });
    let waker = Waker::from(checks.clone());
    let waiters: Vec<_> = tokens.iter().map(|token| waiter(token, &waker)).collect();
    root.cancel();
    assert_eq!(checks.seen.load(Ordering::Relaxed), tokens.len());
    drop(waiters);
}

#[test]
fn waiters_wake_in_pre_order() {
    struct Says(&'static str, Arc<std::sync::Mutex<Vec<&'static str>>>);
    impl Wake for Says {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let log = Arc::default();
    let root = CancellationToken::new();
    let (old, young) = (root.child_token(), root.child_token());
    let grandchild = old.child_token();
    let named = [(&grandchild, "old's child"), (&old, "old"), (&young, "young"), (&root, "root")];
    let waiters = named.map(|(token, name)| waiter(token, &Waker::from(Arc::new(Says(name, Arc::clone(&log))))));
    root.cancel();
    assert_eq!(*log.lock().unwrap(), ["root", "young", "old", "old's child"]);
    drop(waiters);
}

#[test]
fn wakers_that_panic_do_not_keep_others_from_waking() {
    struct Breaks;
    impl Wake for Breaks {
        fn wake(self: Arc<Self>) {
            panic!("a waker breaks");
        }
    }
    let wakes = Arc::new(Wakes::default());
    let (good, bad) = (Waker::from(wakes.clone()), Waker::from(Arc::new(Breaks)));
    let root = CancellationToken::new();
    let children: Vec<_> = (0..10).map(|_| root.child_token()).collect();
    let waiters: Vec<_> =
        children.iter().flat_map(|child| [waiter(child, &bad), waiter(child, &good), waiter(child, &bad)]).collect();
    let panic = catch_unwind(AssertUnwindSafe(|| root.cancel())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a waker breaks"));
    assert_eq!(wakes.count(), 10);
    assert!(!root.cancel(), "it is done");
    drop(waiters);
}

#[test]
fn a_panicking_waker_under_a_drop_guard_that_unwinds_does_not_abort() {
    struct Breaks;
    impl Wake for Breaks {
        fn wake(self: Arc<Self>) {
            panic!("a waker breaks");
        }
    }
    let token = CancellationToken::new();
    let waiting = waiter(&token, &Waker::from(Arc::new(Breaks)));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _guard = token.clone().drop_guard();
        panic!("the work breaks");
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the work breaks"));
    assert!(token.is_cancelled());
    drop(waiting);
}

#[test]
fn no_lock_is_held_over_a_waker() {
    /// Does everything to the tree that it is woken from.
    struct Busy(CancellationToken);
    impl Wake for Busy {
        fn wake(self: Arc<Self>) {
            let child = self.0.child_token();
            assert!(child.is_cancelled());
            self.0.cancel();
            drop(CancellationToken::any([&self.0, &child]));
            drop(waiter_pending(&CancellationToken::new()));
            drop(self.0.on_cancel(|_| ()));
        }
    }
    fn waiter_pending(token: &CancellationToken) -> Pin<Box<TokenCancelledOwned>> {
        waiter(token, Waker::noop())
    }
    let root = CancellationToken::new();
    let child = root.child_token();
    let waiters = [
        waiter(&root, &Waker::from(Arc::new(Busy(root.clone())))),
        waiter(&child, &Waker::from(Arc::new(Busy(child.clone())))),
    ];
    root.cancel();
    drop(waiters);
}

#[test]
fn a_waker_may_drop_the_last_handles_and_waiters() {
    struct Holds(std::sync::Mutex<Vec<(CancellationToken, Pin<Box<TokenCancelledOwned>>)>>);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {
            let held = std::mem::take(&mut *self.0.lock().unwrap());
            drop(held);
        }
    }
    let root = CancellationToken::new();
    let holds = Arc::new(Holds(std::sync::Mutex::default()));
    let waker = Waker::from(holds.clone());
    for _ in 0..100 {
        let child = root.child_token();
        let waiter = waiter(&child, &waker);
        holds.0.lock().unwrap().push((child, waiter));
    }
    root.cancel();
    assert!(holds.0.lock().unwrap().is_empty());
}

#[test]
fn cancel_has_reached_everything_when_it_returns_on_any_thread() {
    for round in 0..200 {
        let tokens = chain(20);
        let any = CancellationToken::any([&tokens[10], &tokens[15]]);
        let barrier = Barrier::new(2);
        thread::scope(|s| {
            for top in [0, 5 + round % 10] {
                let (tokens, any, barrier) = (&tokens, &any, &barrier);
                s.spawn(move || {
                    barrier.wait();
                    tokens[top].cancel();
                    assert!(tokens[top..].iter().all(CancellationToken::is_cancelled));
                    if top <= 15 {
                        assert!(any.is_cancelled());
                    }
                });
            }
        });
    }
}

#[test]
fn trees_are_made_cancelled_and_dropped_by_many_threads() {
    let root = CancellationToken::new();
    let over = AtomicBool::new(false);
    thread::scope(|s| {
        for seed in 0..4_u64 {
            let (root, over) = (&root, &over);
            s.spawn(move || {
                let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
                let mut tokens = vec![root.child_token()];
                for _ in 0..20_000 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let at = usize::try_from(random % 1024).unwrap() % tokens.len();
                    match random >> 40 & 7 {
                        0..=2 => tokens.push(tokens[at].child_token()),
                        3 => tokens.push(tokens[at].clone()),
                        4 | 5 if tokens.len() > 1 => drop(tokens.swap_remove(at)),
                        6 if tokens.len() > 1 => {
                            let token = tokens.swap_remove(at);
                            token.cancel();
                        }
                        _ => {
                            let mut waiter = Box::pin(tokens[at].cancelled());
                            let _ = waiter.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                        }
                    }
                    if tokens.len() > 500 {
                        tokens.truncate(250);
                    }
                }
                over.store(true, Ordering::Relaxed);
                assert!(!root.is_cancelled());
            });
        }
    });
    root.cancel();
}

#[test]
fn any_tokens_of_two_trees_are_locked_in_one_order() {
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    for _ in 0..300 {
        let (left, right) = (a.child_token(), b.child_token());
        let one = CancellationToken::any([&left, &right]);
        let two = CancellationToken::any([&right, &left]);
        let three = CancellationToken::any([&two, &one]);
        thread::scope(|s| {
            s.spawn(|| left.cancel());
            s.spawn(|| right.cancel());
            s.spawn(|| one.cancel());
            s.spawn(|| drop(two));
        });
        assert!(three.is_cancelled());
    }
}

#[test]
fn a_waiter_races_with_cancel() {
    for _ in 0..2_000 {
        let token = CancellationToken::new();
        let child = token.child_token();
        let wakes = Arc::new(Wakes::default());
        thread::scope(|s| {
            let (child, wakes) = (&child, &wakes);
            s.spawn(move || {
                let mut waiter = Box::pin(child.cancelled());
                let waker = Waker::from(wakes.clone());
                match waiter.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(reason) => assert_eq!(reason, Reason::Requested),
                    Poll::Pending => {
                        while wakes.count() == 0 {
                            thread::yield_now();
                        }
                        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
                    }
                }
            });
            token.cancel();
        });
    }
}
