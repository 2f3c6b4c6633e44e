//! Models of the token's protocols, checked in every order of their steps:
//! `RUSTFLAGS="--cfg loom" cargo test -p async-cancel --no-default-features --features std --test loom --release`.
//!
//! Everything is loom's: locks, counts, condition variables; an access to a flag is told to it as one to an atomic of its own.
#![cfg(loom)]

use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use async_cancel::{CancellationToken, Reason, TokenCancelledOwned};
use loom::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn wakes() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    (wakes.clone(), Waker::from(wakes))
}

fn poll(waiter: &mut Pin<Box<TokenCancelledOwned>>, waker: &Waker) -> Poll<Reason> {
    waiter.as_mut().poll(&mut Context::from_waker(waker))
}

#[test]
fn a_waiter_is_ready_or_woken() {
    loom::model(|| {
        let token = CancellationToken::new();
        let child = token.child_token();
        let canceller = thread::spawn(move || token.cancel());
        let (wakes, waker) = wakes();
        let mut waiter = Box::pin(child.cancelled_owned());
        let first = poll(&mut waiter, &waker);
        canceller.join().unwrap();
        if first.is_pending() {
            assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
            assert!(poll(&mut waiter, &waker).is_ready());
        }
    });
}

#[test]
fn a_waiter_that_changes_its_waker_is_woken_through_the_new_one() {
    loom::model(|| {
        let token = CancellationToken::new();
        let mut waiter = Box::pin(token.clone().cancelled_owned());
        let (_, old) = wakes();
        assert!(poll(&mut waiter, &old).is_pending());
        let canceller = thread::spawn(move || token.cancel());
        let (wakes, waker) = wakes();
        let second = poll(&mut waiter, &waker);
        canceller.join().unwrap();
        if second.is_pending() {
            assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        }
        assert!(poll(&mut waiter, &waker).is_ready());
    });
}

#[test]
fn a_waiter_that_goes_while_it_is_cancelled() {
    loom::model(|| {
        let token = CancellationToken::new();
        let (_, waker) = wakes();
        let mut waiters: Vec<_> = (0..2).map(|_| Box::pin(token.clone().cancelled_owned())).collect();
        for waiter in &mut waiters {
            assert!(poll(waiter, &waker).is_pending());
        }
        let canceller = thread::spawn(move || token.cancel());
        drop(waiters);
        canceller.join().unwrap();
    });
}

#[test]
fn both_stages_reach_a_waiter() {
    loom::model(|| {
        let token = CancellationToken::new();
        let (wakes, waker) = wakes();
        let asker = thread::spawn({
            let token = token.clone();
            move || {
                token.stop();
                token.cancel();
            }
        });
        let mut waiter = Box::pin(token.stopping_owned());
        let first = waiter.as_mut().poll(&mut Context::from_waker(&waker));
        asker.join().unwrap();
        if first.is_pending() {
            assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        }
        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    });
}

#[test]
fn a_child_made_while_its_parent_is_cancelled_is_cancelled() {
    loom::model(|| {
        let token = CancellationToken::new();
        let maker = thread::spawn({
            let token = token.clone();
            move || token.child_token()
        });
        token.cancel();
        assert!(maker.join().unwrap().is_cancelled());
    });
}

#[test]
fn of_two_requests_the_first_wins_and_both_reach_everything() {
    loom::model(|| {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let other = thread::spawn({
            let (middle, leaf) = (middle.clone(), leaf.clone());
            move || {
                let is_first = middle.cancel_with(Reason::Deadline);
                assert!(leaf.is_cancelled());
                is_first
            }
        });
        root.cancel_with(Reason::Shutdown);
        assert!(leaf.is_cancelled());
        let is_first = other.join().unwrap();
        let reason = if is_first { Reason::Deadline } else { Reason::Shutdown };
        assert_eq!((middle.reason(), leaf.reason()), (Some(reason), Some(reason)));
    });
}

#[test]
fn a_child_goes_while_its_parent_is_cancelled() {
    loom::model(|| {
        let token = CancellationToken::new();
        let (first, second) = (token.child_token(), token.child_token());
        let dropper = thread::spawn(move || drop(first));
        token.cancel();
        assert!(second.is_cancelled());
        dropper.join().unwrap();
    });
}

#[test]
fn a_node_between_goes_while_both_its_ends_do() {
    loom::model(|| {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaf = middle.child_token();
        let dropper = thread::spawn(move || drop(middle));
        let other = thread::spawn(move || drop(leaf));
        root.cancel();
        drop(root);
        dropper.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_node_that_is_spliced_out_still_passes_the_request() {
    loom::model(|| {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let (leaf, sibling) = (middle.child_token(), middle.child_token());
        let dropper = thread::spawn(move || drop((middle, sibling)));
        root.cancel();
        assert!(leaf.is_cancelled());
        dropper.join().unwrap();
    });
}

#[test]
fn two_sources_race_for_an_any() {
    loom::model(|| {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let any = CancellationToken::any([&a, &b]);
        let other = thread::spawn({
            let any = any.clone();
            move || {
                a.cancel();
                assert!(any.is_cancelled());
            }
        });
        b.cancel();
        assert!(any.is_cancelled());
        other.join().unwrap();
    });
}

#[test]
fn an_any_goes_while_its_source_is_cancelled() {
    loom::model(|| {
        let source = CancellationToken::new();
        let any = CancellationToken::any([&source.child_token()]);
        let dropper = thread::spawn(move || drop(any));
        source.cancel();
        dropper.join().unwrap();
    });
}

#[test]
fn a_handler_has_run_or_never_will_when_its_registration_has_gone() {
    loom::model(|| {
        let token = CancellationToken::new();
        let usable = Arc::new(AtomicUsize::new(1));
        let registration = token.on_cancel({
            let usable = usable.clone();
            move |_| assert_eq!(usable.load(Ordering::SeqCst), 1)
        });
        let canceller = thread::spawn(move || token.cancel());
        drop(registration);
        usable.store(0, Ordering::SeqCst);
        canceller.join().unwrap();
    });
}
