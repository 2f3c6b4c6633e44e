//! `finally`: the cleanup runs however the work ended, and nothing reaches it.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
};

use async_cancel::{cancelled, checkpoint, finally, is_cancelled};
use async_trait_core::{async_block, yield_now};

use crate::common::{Hand, OnDrop, drops, run};

#[test]
fn after_success() {
    let cleaned = Cell::new(false);
    assert_eq!(run(finally(async_block! { yield_now().await; 1 }, async { cleaned.set(true) })), 1);
    assert!(cleaned.get());
}

#[test]
fn after_a_request_and_shielded_from_it() {
    let log = RefCell::new(vec![]);
    let mut hand = Hand::new(finally(
        async_block! {
            cancelled().await;
            log.borrow_mut().push("asked");
            "output"
        },
        async_block! {
            yield_now().await;
            assert!(!is_cancelled().await);
            checkpoint().await.unwrap();
            log.borrow_mut().push("cleaned");
        },
    ));
    hand.step();
    hand.ask();
    hand.step();
    hand.step();
    assert_eq!(hand.finish(), "output");
    assert_eq!(log.into_inner(), ["asked", "cleaned"]);
}

#[test]
fn after_a_panic_which_then_goes_on() {
    let cleaned = Cell::new(false);
    let mut hand = Hand::new(finally(
        async_block! {
            yield_now().await;
            panic!("the work breaks");
        },
        async_block! {
            yield_now().await;
            cleaned.set(true);
        },
    ));
    hand.step();
    hand.step();
    let panic = catch_unwind(AssertUnwindSafe(|| -> () {
        let _ = hand.poll();
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the work breaks"));
    assert!(cleaned.get());
}

#[test]
fn of_two_panics_that_of_the_work_goes_on() {
    let mut hand = Hand::new(finally(async_block! { panic!("work") }, async_block! { panic!("cleanup") }));
    let panic = catch_unwind(AssertUnwindSafe(|| -> () {
        let _ = hand.poll();
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"work"));
}

#[test]
fn a_panic_of_the_cleanup_alone_goes_on() {
    let mut hand = Hand::new(finally(async_block! { 1 }, async_block! { panic!("cleanup") }));
    let panic = catch_unwind(AssertUnwindSafe(|| hand.poll())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"cleanup"));
}

#[test]
fn what_the_work_holds_is_let_go_before_the_cleanup() {
    struct Plain(OnDrop);
    impl Future for Plain {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            let _ = &self.0;
            std::task::Poll::Ready(())
        }
    }
    let (dropped, on_drop) = drops();
    run(finally(Plain(on_drop), async { assert_eq!(dropped.count(), 1) }));
}

#[test]
fn never_started_neither_runs() {
    drop(finally(async_block! { panic!("work") }, async_block! { panic!("cleanup") }));
}

#[test]
fn it_is_not_cancel_safe_around_a_plain_future() {
    assert!(!Hand::new(finally(async {}, async {})).is_cancel_safe());
}

#[test]
fn inside_another_cleanup() {
    let log = RefCell::new(vec![]);
    let hand = Hand::new(finally(
        finally(async_block! { log.borrow_mut().push(1) }, async_block! { log.borrow_mut().push(2) }),
        finally(async_block! { log.borrow_mut().push(3) }, async_block! { log.borrow_mut().push(4) }),
    ));
    hand.ask();
    hand.finish();
    assert_eq!(log.into_inner(), [1, 2, 3, 4]);
}
