//! `or_cancelled`: a plain future is dropped when its surroundings are asked.

use std::{
    future::{Future, pending, poll_fn, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use crate::common::{Hand, OnDrop, drops};
use async_cancel::{CancelFlag, Cancelled, OrCancelled as _, Reason, or_cancelled, shield};
use async_trait_core::{async_block, async_fn};

/// Ready when the switch is on.
fn switch(on: &AtomicBool) -> impl Future<Output = u32> {
    poll_fn(|_| if on.load(Ordering::Relaxed) { Poll::Ready(7) } else { Poll::Pending })
}

#[test]
fn a_pending_future_is_dropped_when_the_error_comes() {
    let (dropped, on_drop) = drops();
    let mut hand = Hand::new(or_cancelled(async move {
        let _on_drop: OnDrop = on_drop;
        pending::<()>().await;
    }));
    hand.step();
    hand.ask();
    assert_eq!(hand.poll(), Poll::Ready(Err(Cancelled::from_reason(Reason::Requested))));
    assert_eq!(dropped.count(), 1, "before the adaptor itself is dropped");
}

#[test]
fn a_value_that_is_there_beats_a_request() {
    let on = AtomicBool::new(false);
    let mut hand = Hand::new(switch(&on).or_cancelled());
    hand.step();
    on.store(true, Ordering::Relaxed);
    hand.ask();
    assert_eq!(hand.finish(), Ok(7));
}

#[test]
fn asked_before_the_start_it_is_not_polled() {
    let polled = Arc::new(AtomicBool::new(false));
    let hand = Hand::new(or_cancelled({
        let polled = polled.clone();
        async move { polled.store(true, Ordering::Relaxed) }
    }));
    hand.ask();
    assert!(hand.finish().is_err());
    assert!(!polled.load(Ordering::Relaxed));
}

#[test]
fn a_loop_over_a_source_that_is_always_ready_ends() {
    let hand = Hand::new(async_block! {
        let mut taken = 0;
        while let Ok(n) = ready(1).or_cancelled().await {
            taken += n;
        }
        taken
    });
    hand.ask();
    assert_eq!(hand.finish(), 0);
}

#[test]
fn asked_during_the_poll_it_is_dropped_in_that_poll() {
    let flag = Arc::new(CancelFlag::new());
    let asker = flag.clone();
    let mut hand = Hand::new(
        poll_fn(move |_| {
            asker.request(Reason::Deadline);
            Poll::<()>::Pending
        })
        .or_cancelled(),
    );
    hand.flag = flag;
    assert_eq!(hand.finish(), Err(Cancelled::from_reason(Reason::Deadline)));
}

#[test]
fn or_stopping_ends_at_the_first_stage_and_or_cancelled_does_not() {
    let mut accept = Hand::new(pending::<()>().or_stopping());
    let mut work = Hand::new(pending::<()>().or_cancelled());
    accept.step();
    work.step();
    accept.flag.request_stop(Reason::Shutdown);
    work.flag.request_stop(Reason::Shutdown);
    assert_eq!(accept.finish(), Err(Cancelled::from_reason(Reason::Shutdown)));
    work.step();
    work.ask();
    assert!(work.finish().is_err());
}

#[test]
fn a_shield_hides_the_request_from_it() {
    let hand = Hand::new(shield(async { 3 }.or_cancelled()));
    hand.ask();
    assert_eq!(hand.finish(), Ok(3));
}

#[test]
fn the_error_travels_with_the_question_mark() {
    #[derive(Debug, PartialEq)]
    enum Error {
        Cancelled(Reason),
    }
    impl From<Cancelled> for Error {
        fn from(cancelled: Cancelled) -> Self {
            Self::Cancelled(cancelled.reason())
        }
    }
    #[async_fn]
    async fn receive() -> Result<u32, Error> {
        Ok(pending::<u32>().or_cancelled().await?)
    }
    let mut hand = Hand::new(receive());
    hand.step();
    hand.ask();
    assert_eq!(hand.finish(), Err(Error::Cancelled(Reason::Requested)));
}
