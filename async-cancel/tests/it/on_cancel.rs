//! `on_cancel`: a handler in the task that is asked.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

use async_cancel::{Reason, cancelled, is_cancelled, on_cancel, shield};
use async_trait_core::{async_block, yield_now};

use crate::common::{Hand, drops};

#[test]
fn it_runs_in_the_next_poll_before_what_it_guards() {
    let log = RefCell::new(vec![]);
    let mut hand = Hand::new(on_cancel(
        async_block! {
            cancelled().await;
            log.borrow_mut().push("body");
        },
        |reason| {
            assert_eq!(reason, Reason::Requested);
            log.borrow_mut().push("handler");
        },
    ));
    hand.step();
    hand.ask();
    assert!(log.borrow().is_empty(), "not on the thread that asks");
    hand.finish();
    assert_eq!(log.into_inner(), ["handler", "body"]);
}

#[test]
fn it_runs_once() {
    let calls = Cell::new(0);
    let mut hand = Hand::new(on_cancel(
        async_block! {
            for _ in 0..3 {
                yield_now().await;
            }
        },
        |_| calls.set(calls.get() + 1),
    ));
    hand.ask();
    hand.step();
    hand.step();
    hand.step();
    hand.finish();
    assert_eq!(calls.get(), 1);
}

#[test]
fn it_does_not_run_when_nobody_asks() {
    let hand = Hand::new(on_cancel(async_block! { 1 }, |_| panic!("nobody asked")));
    assert_eq!(hand.finish(), 1);
}

#[test]
fn asked_before_the_start_the_handler_runs_and_the_block_starts() {
    let called = Cell::new(false);
    let hand = Hand::new(on_cancel(async_block! { is_cancelled().await }, |_| called.set(true)));
    hand.ask();
    assert!(hand.finish());
    assert!(called.get());
}

#[test]
fn the_handler_can_end_a_plain_future() {
    let stop = Cell::new(false);
    let plain = poll_fn(|_| if stop.get() { Poll::Ready("stopped") } else { Poll::Pending });
    let mut hand = Hand::new(on_cancel(plain, |_| stop.set(true)));
    assert!(!hand.is_cancel_safe());
    hand.step();
    hand.ask();
    assert_eq!(hand.finish(), "stopped");
}

#[test]
fn a_shield_hides_the_request_from_the_handler() {
    let hand = Hand::new(shield(on_cancel(async_block! { 2 }, |_| panic!("shielded"))));
    hand.ask();
    assert_eq!(hand.finish(), 2);
}

#[test]
fn a_panic_in_the_handler_brings_the_block_to_its_end_first() {
    let finished = Cell::new(false);
    let (dropped, on_drop) = drops();
    let mut hand = Hand::new(on_cancel(
        async_block! {
            cancelled().await;
            yield_now().await;
            finished.set(true);
            on_drop
        },
        |_| panic!("the handler breaks"),
    ));
    hand.step();
    hand.ask();
    hand.step();
    assert!(!finished.get());
    let panic = catch_unwind(AssertUnwindSafe(|| hand.poll().is_ready())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the handler breaks"));
    assert!(finished.get());
    assert_eq!(dropped.count(), 1, "the output that nobody takes is dropped");
}

#[test]
fn a_panic_in_the_handler_of_a_fresh_block_does_not_start_it() {
    let started = Cell::new(false);
    let mut hand = Hand::new(on_cancel(async_block! { started.set(true) }, |_| panic!("the handler breaks")));
    hand.ask();
    assert!(catch_unwind(AssertUnwindSafe(|| hand.poll())).is_err());
    assert!(!started.get());
}

#[test]
fn a_panic_in_the_handler_beside_a_plain_future_goes_on_at_once() {
    let mut hand = Hand::new(on_cancel(pending::<()>(), |_| panic!("the handler breaks")));
    hand.step();
    hand.ask();
    assert!(catch_unwind(AssertUnwindSafe(|| hand.poll())).is_err());
}
