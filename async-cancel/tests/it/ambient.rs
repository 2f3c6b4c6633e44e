//! What an async block sees of the requests around it: level-triggered, hidden by shields, with its reason.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::common::Hand;
use async_cancel::{
    CancelFlag, Cancelled, Reason, cancelled, checkpoint, checkpoint_stopping, is_cancelled, is_stopping, shield,
    stopping,
};
use async_trait_core::{async_block, async_fn};

#[test]
fn a_request_is_seen_by_every_later_operation() {
    let hand = Hand::new(async_block! {
        let mut seen = 0;
        for _ in 0..5 {
            seen += usize::from(is_cancelled().await);
            seen += usize::from(checkpoint().await.is_err());
            cancelled().await;
        }
        seen
    });
    hand.ask();
    assert_eq!(hand.finish(), 10);
}

#[test]
fn a_request_is_seen_in_the_middle_of_a_poll() {
    let flag = Arc::new(CancelFlag::new());
    let mut hand = Hand::new(async_block! {
        let before = is_cancelled().await;
        flag.request(Reason::Shutdown);
        (before, is_cancelled().await, cancelled().await)
    });
    hand.flag = flag.clone();
    assert_eq!(hand.finish(), (false, true, Reason::Shutdown));
}

#[test]
fn another_thread_asks_during_a_poll_that_never_waits() {
    let began = AtomicBool::new(false);
    let hand = Hand::new(async_block! {
        began.store(true, Ordering::Release);
        while !is_cancelled().await {
            std::hint::spin_loop();
        }
    });
    let flag = hand.flag.clone();
    std::thread::scope(|s| {
        s.spawn(|| {
            while !began.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            flag.request(Reason::Requested);
        });
        hand.finish();
    });
}

#[test]
fn the_reason_is_that_of_the_first_request() {
    let hand = Hand::new(cancelled());
    hand.flag.request(Reason::SiblingFailed);
    hand.flag.request(Reason::Shutdown);
    assert_eq!(hand.finish(), Reason::SiblingFailed);
}

#[test]
fn stopping_comes_before_cancelled() {
    let mut hand = Hand::new(async_block! {
        assert!(!is_stopping().await);
        let why = stopping().await;
        assert!(is_stopping().await && !is_cancelled().await);
        checkpoint().await.expect("work in progress goes on");
        assert_eq!(checkpoint_stopping().await, Err(Cancelled::from_reason(why)));
        (why, cancelled().await)
    });
    hand.step();
    hand.flag.request_stop(Reason::Shutdown);
    hand.step();
    hand.step();
    hand.flag.request(Reason::Deadline);
    assert_eq!(hand.finish(), (Reason::Shutdown, Reason::Deadline));
}

#[test]
fn a_checkpoint_lets_others_run_once() {
    let mut hand = Hand::new(checkpoint());
    hand.step();
    assert_eq!(hand.wakes.count(), 1);
    assert_eq!(hand.finish(), Ok(()));
}

#[test]
fn a_checkpoint_that_is_asked_while_it_yields_fails() {
    let mut hand = Hand::new(checkpoint());
    hand.step();
    hand.ask();
    assert_eq!(hand.finish(), Err(Cancelled::from_reason(Reason::Requested)));
}

#[test]
fn a_shield_inside_what_is_cancelled_hides_it() {
    let mut hand = Hand::new(async_block! {
        let inside = shield(async_block! {
            checkpoint().await.expect("hidden");
            (is_cancelled().await, is_stopping().await)
        })
        .await;
        (inside, is_cancelled().await)
    });
    hand.ask();
    hand.step();
    assert_eq!(hand.finish(), ((false, false), true));
}

#[test]
fn shields_may_be_nested() {
    let hand = Hand::new(shield(shield(async_block! { is_cancelled().await })));
    hand.ask();
    assert!(!hand.finish());
}

#[test]
fn a_shield_around_a_plain_future_is_not_dropped() {
    assert!(!Hand::new(shield(async {})).is_cancel_safe());
}

#[test]
fn the_leaves_may_be_dropped() {
    assert!(Hand::new(cancelled()).is_cancel_safe());
    assert!(Hand::new(checkpoint()).is_cancel_safe());
}

/// Alan misses C# async: no token is passed down five calls, and still the innermost notices, each cleans up, and a value
/// comes back.
#[test]
fn five_calls_deep_without_a_parameter() {
    #[async_fn]
    async fn handler(log: &Cell<u32>) -> String {
        match service(log).await {
            Ok(rows) => format!("{rows} rows"),
            Err(error) => format!("{error} after {} rows", log.get()),
        }
    }
    #[async_fn]
    async fn service(log: &Cell<u32>) -> Result<u32, Cancelled> {
        let result = repository(log).await;
        log.set(log.get() + 100);
        result
    }
    #[async_fn]
    async fn repository(log: &Cell<u32>) -> Result<u32, Cancelled> {
        Ok(query(log).await? * 2)
    }
    #[async_fn]
    async fn query(log: &Cell<u32>) -> Result<u32, Cancelled> {
        fetch(log).await
    }
    #[async_fn]
    async fn fetch(log: &Cell<u32>) -> Result<u32, Cancelled> {
        for _ in 0..1000 {
            checkpoint().await?;
            log.set(log.get() + 1);
        }
        Ok(log.get())
    }

    let log = Cell::new(0);
    let mut hand = Hand::new(handler(&log));
    for _ in 0..4 {
        hand.step();
    }
    hand.ask();
    assert_eq!(hand.finish(), "cancelled: requested after 103 rows");

    let log = Cell::new(0);
    assert_eq!(crate::common::run(handler(&log)), "2000 rows");
}
