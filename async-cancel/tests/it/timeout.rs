//! `cancel_when` and what it shares with every timeout: a plain future is dropped, an async block is asked, nothing is lost.

use std::{
    cell::Cell,
    error::Error,
    future::{Future, IntoFuture, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

use crate::common::{Hand, OnDrop, drops};
use async_cancel::{
    CancellationToken, Cancelled, Elapsed, OrCancelled as _, Reason, cancel_when, cancelled, is_cancelled, shield,
};
use async_trait_core::{Async, CancelSafe, async_block, yield_now};

/// Ready when the switch is on.
fn switch<T: Copy>(on: &Cell<Option<T>>) -> impl Future<Output = T> {
    poll_fn(|_| on.get().map_or(Poll::Pending, Poll::Ready))
}

#[test]
fn done_in_time() {
    assert_eq!(Hand::new(cancel_when(pending::<()>(), ready(3))).finish().unwrap(), 3);
    let mut hand = Hand::new(cancel_when(pending::<()>(), async_block! { yield_now().await; 4 }));
    hand.step();
    assert_eq!(hand.finish().unwrap(), 4);
}

#[test]
fn a_plain_future_is_dropped_when_the_signal_comes() {
    let (dropped, on_drop) = drops();
    let signal = Cell::new(None);
    let mut hand = Hand::new(cancel_when(switch(&signal), async move {
        let _on_drop: OnDrop = on_drop;
        pending::<u32>().await
    }));
    hand.step();
    signal.set(Some(()));
    let Poll::Ready(Err(elapsed)) = hand.poll() else { panic!("not elapsed") };
    assert_eq!((elapsed.reason(), elapsed.into_output()), (Reason::Requested, None));
    assert_eq!(dropped.count(), 1);
}

#[test]
fn an_async_block_is_asked_waited_for_and_its_output_handed_back() {
    let signal = Cell::new(None);
    let mut hand = Hand::new(cancel_when(
        switch(&signal),
        async_block! {
            let why = cancelled().await;
            yield_now().await;
            why
        },
    ));
    hand.step();
    signal.set(Some(()));
    hand.step();
    let elapsed = hand.finish().unwrap_err();
    assert_eq!(elapsed.into_output(), Some(Reason::Requested));
}

#[test]
fn asked_from_outside_it_ends_with_the_reason_from_outside() {
    let mut plain = Hand::new(cancel_when(pending::<()>(), pending::<u32>()));
    let mut block = Hand::new(cancel_when(pending::<()>(), async_block! { cancelled().await; 5 }));
    plain.step();
    block.step();
    plain.flag.request(Reason::Shutdown);
    block.flag.request(Reason::Shutdown);
    let plain = plain.finish().unwrap_err();
    assert_eq!((plain.reason(), plain.into_output()), (Reason::Shutdown, None));
    let block = block.finish().unwrap_err();
    assert_eq!((block.reason(), block.into_output()), (Reason::Shutdown, Some(5)));
}

#[test]
fn a_fresh_child_is_dropped_and_not_started_in_order_to_be_cancelled() {
    let started = Cell::new(false);
    let outside = Hand::new(cancel_when(pending::<()>(), async_block! { started.set(true) }));
    outside.ask();
    assert_eq!(outside.finish().unwrap_err().into_output(), None);
    let signal = Hand::new(cancel_when(ready(()), async_block! { started.set(true) }));
    assert_eq!(signal.finish().unwrap_err().into_output(), None);
    assert!(!started.get());
}

#[test]
fn a_value_that_a_plain_future_has_beats_a_request() {
    let (value, signal) = (Cell::new(None), Cell::new(None));
    let mut hand = Hand::new(cancel_when(switch(&signal), switch(&value)));
    hand.step();
    value.set(Some(9));
    signal.set(Some(()));
    hand.ask();
    assert_eq!(hand.finish().unwrap(), 9);
}

#[test]
fn a_value_behind_or_cancelled_beats_a_request_too() {
    let value = Cell::new(None);
    let mut hand = Hand::new(cancel_when(pending::<()>(), switch(&value).or_cancelled()));
    hand.step();
    value.set(Some(9));
    hand.ask();
    assert_eq!(hand.finish().unwrap(), Ok(9));
}

#[test]
fn a_block_that_ends_by_itself_in_the_poll_of_the_signal_is_done_in_time() {
    let (value, signal) = (Cell::new(None), Cell::new(None));
    let mut hand =
        Hand::new(cancel_when(switch(&signal), async_block! { (switch(&value).await, is_cancelled().await) }));
    hand.step();
    value.set(Some(1));
    signal.set(Some(()));
    assert_eq!(hand.finish().unwrap(), (1, false));
}

#[test]
fn the_signal_inside_a_shield_still_counts() {
    let hand = Hand::new(shield(cancel_when(ready(()), pending::<()>())));
    hand.ask();
    assert_eq!(hand.finish().unwrap_err().reason(), Reason::Requested);
}

#[test]
fn a_shield_inside_is_waited_for() {
    let (value, signal) = (Cell::new(None), Cell::new(None));
    let mut hand = Hand::new(cancel_when(switch(&signal), shield(switch(&value))));
    hand.step();
    signal.set(Some(()));
    hand.step();
    hand.ask();
    hand.step();
    value.set(Some(2));
    assert_eq!(hand.finish().unwrap_err().into_output(), Some(2));
}

#[test]
fn the_first_reason_stays() {
    let (value, signal) = (Cell::new(None), Cell::new(None));
    let mut hand = Hand::new(cancel_when(switch(&signal), shield(switch(&value))));
    hand.step();
    hand.flag.request(Reason::Shutdown);
    hand.step();
    signal.set(Some(()));
    hand.step();
    value.set(Some(2));
    assert_eq!(hand.finish().unwrap_err().reason(), Reason::Shutdown);
}

#[test]
fn a_child_that_becomes_cancel_safe_after_it_was_told_is_dropped() {
    /// Must be completed until it is told.
    struct Reluctant {
        told: bool,
    }
    // SAFETY: it lends nothing to anybody, so it may be dropped at any time.
    unsafe impl Async for Reluctant {
        type Output = ();

        unsafe fn poll_async(mut self: std::pin::Pin<&mut Self>, cx: &mut async_trait_core::Context<'_>) -> Poll<()> {
            self.told = cx.is_cancelled();
            Poll::Pending
        }

        fn is_cancel_safe(&self) -> bool {
            self.told
        }
    }
    let mut hand = Hand::new(cancel_when(pending::<()>(), Reluctant { told: false }));
    hand.step();
    hand.ask();
    assert_eq!(hand.finish().unwrap_err().into_output(), None);
}

#[test]
fn it_is_cancel_safe_as_its_child_is() {
    assert!(Hand::new(cancel_when(pending::<()>(), pending::<()>())).is_cancel_safe());
    assert!(!Hand::new(cancel_when(pending::<()>(), async_block! {})).is_cancel_safe());
    fn cancel_safe(_: &impl CancelSafe) {}
    cancel_safe(&cancel_when(pending::<()>(), cancel_when(ready(()), ready(()))));
}

#[test]
fn plain_async_code_can_await_it_around_a_plain_future() {
    let plain = async { cancel_when(yield_now(), pending::<()>()).await.is_err() };
    assert!(crate::common::run(plain));
    let future = cancel_when(pending::<()>(), ready(1)).into_future();
    assert_eq!(crate::common::run(future).unwrap(), 1);
}

#[test]
fn a_panic_of_the_signal_waits_for_a_block_that_is_started() {
    let (asked, finished) = (Cell::new(None), Cell::new(false));
    let mut polls = 0;
    let signal = poll_fn(|_| {
        polls += 1;
        assert!(polls < 2, "the signal breaks");
        Poll::<()>::Pending
    });
    let mut hand = Hand::new(cancel_when(
        signal,
        async_block! {
            asked.set(Some(cancelled().await));
            yield_now().await;
            finished.set(true);
        },
    ));
    hand.step();
    hand.step();
    assert_eq!(asked.get(), Some(Reason::SiblingFailed));
    let panic = catch_unwind(AssertUnwindSafe(|| hand.poll())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the signal breaks"));
    assert!(finished.get());
}

#[test]
fn a_panic_of_the_signal_goes_on_at_once_beside_a_plain_future() {
    let mut hand = Hand::new(cancel_when(poll_fn(|_| -> Poll<()> { panic!("the signal breaks") }), pending::<()>()));
    assert!(catch_unwind(AssertUnwindSafe(|| hand.poll())).is_err());
}

#[test]
fn of_two_panics_the_first_goes_on() {
    let mut polls = 0;
    let signal = poll_fn(|_| {
        polls += 1;
        assert!(polls < 2, "first");
        Poll::<()>::Pending
    });
    let mut hand = Hand::new(cancel_when(
        signal,
        async_block! {
            cancelled().await;
            panic!("second");
        },
    ));
    hand.step();
    let panic = catch_unwind(AssertUnwindSafe(|| hand.poll())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"first"));
}

#[test]
fn a_token_is_a_signal_with_its_own_reason() {
    static MAINTENANCE: async_cancel::Cause = async_cancel::Cause::new("maintenance window");
    let token = CancellationToken::new();
    let mut hand = Hand::new(token.run_until_cancelled(async_block! { cancelled().await }));
    hand.step();
    token.cancel_with(&MAINTENANCE);
    assert_eq!(hand.wakes.count(), 1);
    let elapsed = hand.finish().unwrap_err();
    assert_eq!(elapsed.reason(), Reason::from(&MAINTENANCE));
    assert_eq!(elapsed.into_output(), Some(Reason::from(&MAINTENANCE)));
}

#[test]
fn elapsed_is_an_error_whatever_it_carries() {
    struct NotDebug;
    fn is_error<E: Error>(_: &E) {}
    let elapsed = Hand::new(cancel_when(ready(()), async { NotDebug })).finish().map(|_| ()).unwrap_err();
    is_error(&elapsed);
    assert_eq!(elapsed.to_string(), "not done in time: requested");
    let without: Elapsed<()> = elapsed.without_output();
    assert_eq!(format!("{without:?}"), "Elapsed { reason: Requested, has_output: false }");
    let _ = Cancelled::from_reason(without.reason());
}
