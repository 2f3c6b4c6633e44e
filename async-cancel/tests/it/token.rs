//! Tokens: asking, deriving, waiting, running under one.

use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_cancel::{
    CancellationToken, Cause, OrCancelled as _, Reason, cancelled, checkpoint, is_cancelled, is_stopping, shield,
    stopping, with_token,
};
use async_trait_core::{async_block, yield_now};

use crate::common::{Hand, Wakes, forget, run};

/// Polls a plain future once, counting wakes.
fn poll_once<F: Future>(future: Pin<&mut F>, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(wakes.clone())))
}

#[test]
fn the_first_reason_stays() {
    static CAUSE: Cause = Cause::new("mine");
    let token = CancellationToken::new();
    assert_eq!(token.reason(), None);
    assert!(token.cancel_with(&CAUSE));
    assert!(!token.cancel_with(Reason::Shutdown));
    assert!(!token.cancel());
    assert!(!token.stop());
    assert_eq!(token.reason(), Some(Reason::Custom(&CAUSE)));
    assert_eq!(token.clone().reason(), Some(Reason::Custom(&CAUSE)));
}

#[test]
fn a_request_goes_down_and_not_up() {
    let root = CancellationToken::new();
    let (a, b) = (root.child_token(), root.child_token());
    let (aa, ab) = (a.child_token(), a.child_token());
    a.cancel_with(Reason::SiblingFailed);
    assert!(a.is_cancelled() && aa.is_cancelled() && ab.is_cancelled());
    assert!(!root.is_cancelled() && !b.is_cancelled());
    root.cancel();
    assert_eq!((aa.reason(), b.reason()), (Some(Reason::SiblingFailed), Some(Reason::Requested)));
}

#[test]
fn a_child_of_what_is_cancelled_is_cancelled() {
    let root = CancellationToken::new();
    root.cancel_with(Reason::Shutdown);
    assert_eq!(root.child_token().child_token().reason(), Some(Reason::Shutdown));
}

#[test]
fn a_child_of_what_is_stopping_is_stopping_and_hears_the_rest() {
    let root = CancellationToken::new();
    root.stop();
    let child = root.child_token();
    assert!(child.is_stopping() && !child.is_cancelled());
    root.cancel();
    assert!(child.is_cancelled());
}

#[test]
fn each_waiter_is_woken_once() {
    let token = CancellationToken::new();
    let wakes = Arc::new(Wakes::default());
    let mut futures: Vec<_> = (0..10).map(|_| Box::pin(token.cancelled())).collect();
    for future in &mut futures {
        assert!(poll_once(future.as_mut(), &wakes).is_pending());
        assert!(poll_once(future.as_mut(), &wakes).is_pending(), "again, with the same waker");
    }
    token.cancel();
    token.cancel();
    assert_eq!(wakes.count(), 10);
    for mut future in futures {
        assert_eq!(poll_once(future.as_mut(), &wakes), Poll::Ready(Reason::Requested));
    }
}

#[test]
fn the_waker_of_the_last_poll_is_called() {
    let token = CancellationToken::new();
    let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    let mut future = pin!(token.cancelled());
    assert!(poll_once(future.as_mut(), &first).is_pending());
    assert!(poll_once(future.as_mut(), &second).is_pending());
    assert_eq!(Arc::strong_count(&first), 1, "the older waker is let go");
    token.cancel();
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn who_waits_for_stopping_hears_both_stages_and_others_only_the_second() {
    let token = CancellationToken::new();
    let wakes = Arc::new(Wakes::default());
    let (mut stop, mut cancel) = (pin!(token.stopping()), pin!(token.cancelled()));
    assert!(poll_once(cancel.as_mut(), &wakes).is_pending());
    assert!(poll_once(stop.as_mut(), &wakes).is_pending());
    token.stop();
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll_once(stop.as_mut(), &wakes), Poll::Ready(Reason::Requested));
    assert!(poll_once(cancel.as_mut(), &wakes).is_pending());
    token.cancel_with(Reason::Deadline);
    assert_eq!(wakes.count(), 2);
    assert_eq!(poll_once(cancel.as_mut(), &wakes), Poll::Ready(Reason::Deadline));
}

#[test]
fn a_waiter_that_is_dropped_is_not_woken_and_leaves_the_others() {
    let token = CancellationToken::new();
    let wakes = Arc::new(Wakes::default());
    for dropped in 0..3 {
        let mut futures: Vec<_> = (0..3).map(|_| Box::pin(token.cancelled())).collect();
        for future in &mut futures {
            assert!(poll_once(future.as_mut(), &wakes).is_pending());
        }
        drop(futures.remove(dropped));
        assert_eq!(Arc::strong_count(&wakes), 3);
    }
    assert_eq!(Arc::strong_count(&wakes), 1);
    token.cancel();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn a_waiter_that_is_forgotten_after_a_poll_stays_valid() {
    let token = CancellationToken::new();
    let wakes = Arc::new(Wakes::default());
    let mut kept = Box::pin(token.clone().cancelled_owned());
    {
        // Its borrow of the token ends, and the token's other handles outlive it.
        let borrowed = token.clone();
        let mut forgotten = Box::pin(borrowed.cancelled());
        assert!(poll_once(forgotten.as_mut(), &wakes).is_pending());
        // SAFETY: it is not moved or touched again.
        forget(unsafe { Pin::into_inner_unchecked(forgotten) });
    }
    assert!(poll_once(kept.as_mut(), &wakes).is_pending());
    token.cancel();
    assert_eq!(wakes.count(), 2);
}

#[test]
fn a_token_whose_waiter_was_forgotten_is_freed() {
    let token = CancellationToken::new();
    let wakes = Arc::new(Wakes::default());
    let mut forgotten = Box::pin(token.cancelled());
    assert!(poll_once(forgotten.as_mut(), &wakes).is_pending());
    // SAFETY: it is not moved or touched again.
    forget(unsafe { Pin::into_inner_unchecked(forgotten) });
    drop(token);
}

#[test]
fn owned_futures_keep_the_token() {
    let root = CancellationToken::new();
    let wakes = Arc::new(Wakes::default());
    let mut cancel = Box::pin(root.child_token().cancelled_owned());
    let mut stop = Box::pin(root.child_token().stopping_owned());
    assert!(poll_once(cancel.as_mut(), &wakes).is_pending());
    assert!(poll_once(stop.as_mut(), &wakes).is_pending());
    root.cancel();
    assert_eq!(wakes.count(), 2);
    assert!(poll_once(cancel.as_mut(), &wakes).is_ready());
    assert!(poll_once(stop.as_mut(), &wakes).is_ready());
}

#[test]
fn under_a_token_its_requests_are_ambient() {
    let token = CancellationToken::new();
    let mut hand = Hand::new(with_token(
        &token,
        async_block! {
            assert!(!is_cancelled().await);
            let stop = stopping().await;
            assert!(is_stopping().await && !is_cancelled().await);
            (stop, cancelled().await)
        },
    ));
    hand.step();
    token.stop();
    assert_eq!(hand.wakes.count(), 1);
    hand.step();
    token.cancel_with(Reason::Deadline);
    assert_eq!(hand.wakes.count(), 2);
    assert_eq!(hand.finish(), (Reason::Requested, Reason::Deadline));
}

#[test]
fn both_stages_at_once_wake_once() {
    let token = CancellationToken::new();
    let mut hand = Hand::new(with_token(&token, cancelled()));
    hand.step();
    token.cancel();
    token.stop();
    assert_eq!(hand.wakes.count(), 1);
    assert_eq!(hand.finish(), Reason::Requested);
}

#[test]
fn under_a_token_requests_from_outside_count_too() {
    let token = CancellationToken::new();
    let mut hand = Hand::new(with_token(&token, cancelled()));
    hand.step();
    hand.flag.request(Reason::Shutdown);
    assert_eq!(hand.finish(), Reason::Shutdown);
}

#[test]
fn a_token_inside_a_shield_counts_and_one_outside_does_not() {
    let (inner, outer) = (CancellationToken::new(), CancellationToken::new());
    inner.cancel();
    assert!(run(shield(with_token(&inner, is_cancelled()))));
    outer.cancel();
    assert!(!run(with_token(&outer, shield(is_cancelled()))));
}

#[test]
fn a_request_in_the_poll_that_registers_is_not_missed() {
    let token = CancellationToken::new();
    let asker = token.clone();
    let hand = Hand::new(with_token(
        &token,
        async_block! {
            asker.stop();
            stopping().await;
            asker.cancel();
            cancelled().await
        },
    ));
    assert_eq!(hand.finish(), Reason::Requested);
    // Asked between the child's poll and the registration: polled again in the same poll.
    let token = CancellationToken::new();
    let asker = token.clone();
    let mut polls = 0;
    let late = std::future::poll_fn(move |_| {
        polls += 1;
        asker.cancel();
        if polls == 2 { Poll::Ready(polls) } else { Poll::Pending }
    });
    assert_eq!(Hand::new(with_token(&token, late)).finish(), 2);
}

#[test]
fn a_plain_future_under_a_token_is_never_dropped() {
    let token = CancellationToken::new();
    token.cancel();
    let mut hand = Hand::new(with_token(&token, yield_now()));
    assert!(!hand.is_cancel_safe());
    hand.step();
    hand.finish();
}

#[test]
fn run_until_cancelled_drops_asks_and_keeps() {
    let token = CancellationToken::new();
    assert_eq!(run(token.run_until_cancelled(async { 1 })).unwrap(), 1);
    let mut plain = Hand::new(token.run_until_cancelled(pending::<()>()));
    plain.step();
    let mut block = Hand::new(token.run_until_cancelled(async_block! { cancelled().await; 2 }));
    block.step();
    token.cancel();
    assert_eq!(plain.finish().unwrap_err().into_output(), None);
    assert_eq!(block.finish().unwrap_err().into_output(), Some(2));
    assert_eq!(run(token.run_until_cancelled(async_block! { 3 })).unwrap_err().into_output(), None, "not started");
}

#[test]
fn run_until_cancelled_in_plain_async_code() {
    let token = CancellationToken::new();
    let plain = async { token.run_until_cancelled(async { 1 }).await.unwrap() };
    assert_eq!(run(plain), 1);
}

#[test]
fn a_drop_guard_cancels_unless_it_is_disarmed() {
    let token = CancellationToken::new();
    let guard = token.clone().drop_guard();
    assert!(!guard.disarm().is_cancelled());
    drop(token.clone().drop_guard());
    assert!(token.is_cancelled());
}

#[test]
fn any_is_cancelled_with_the_first_of_its_sources() {
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    let any = CancellationToken::any([&a, &b]);
    let child = any.child_token();
    let wakes = Arc::new(Wakes::default());
    let mut waiter = pin!(child.cancelled());
    assert!(poll_once(waiter.as_mut(), &wakes).is_pending());
    b.stop();
    assert!(any.is_stopping() && child.is_stopping() && !any.is_cancelled());
    b.cancel_with(Reason::Shutdown);
    assert_eq!(wakes.count(), 1);
    assert_eq!(child.reason(), Some(Reason::Shutdown));
    assert!(!a.is_cancelled());
    a.cancel();
    assert_eq!(any.reason(), Some(Reason::Shutdown));
}

#[test]
fn any_of_what_is_cancelled_is_cancelled_and_any_of_nothing_never() {
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    a.cancel_with(Reason::Deadline);
    assert_eq!(CancellationToken::any([&b, &a]).reason(), Some(Reason::Deadline));
    b.stop();
    assert!(CancellationToken::any([&b]).is_stopping());
    assert!(!CancellationToken::any([]).is_cancelled());
}

#[test]
fn any_of_one_tree_and_of_another_any() {
    let root = CancellationToken::new();
    let (a, b) = (root.child_token(), root.child_token());
    let first = CancellationToken::any([&a, &b, &a]);
    let second = CancellationToken::any([&first, &b, &root]);
    let third = CancellationToken::any([&second.child_token(), &first]);
    root.cancel();
    assert!(first.is_cancelled() && second.is_cancelled());
    assert!(third.is_cancelled());
}

#[test]
fn any_keeps_its_sources_and_its_sources_do_not_keep_it() {
    let root = CancellationToken::new();
    let any = CancellationToken::any([&root.child_token(), &root.child_token()]);
    root.cancel();
    assert!(any.is_cancelled());
    let live = CancellationToken::new();
    for _ in 0..100 {
        drop(CancellationToken::any([&live, &live]));
    }
    live.cancel();
}

#[test]
fn or_cancelled_and_checkpoint_notice_a_token() {
    let token = CancellationToken::new();
    let mut hand = Hand::new(with_token(&token, pending::<()>().or_cancelled()));
    hand.step();
    token.cancel();
    assert_eq!(hand.finish().unwrap_err().reason(), Reason::Requested);
    assert!(run(with_token(&token, checkpoint())).is_err());
}
