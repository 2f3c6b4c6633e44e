//! Deadlines: asked in time, never lengthened from inside, hidden by shields, without timers left behind.

use std::{
    cell::Cell,
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use async_cancel::{
    CancellationToken, Cancelled, OrCancelled as _, Reason, cancelled, checkpoint, checkpoint_stopping,
    effective_deadline, finally, is_cancelled, shield, time_left, timeout, timeout_at, with_deadline, with_timeout,
    with_token,
};
use async_trait_core::{async_block, async_fn, yield_now};

use crate::{
    clock::Clock,
    common::{Hand, Wakes},
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn done_in_time_leaves_no_timer() {
    Clock::run(|clock| {
        assert_eq!(Hand::new(timeout(SECOND, ready(1))).finish().unwrap(), 1);
        assert_eq!(clock.timers(), 0);
        let mut hand = Hand::new(timeout(SECOND, yield_now()));
        hand.step();
        assert_eq!(clock.timers(), 1);
        hand.finish().unwrap();
        assert_eq!(clock.timers(), 0);
    });
}

#[test]
fn at_the_deadline_a_plain_future_is_dropped_and_a_block_asked() {
    Clock::run(|clock| {
        let mut plain = Hand::new(timeout(SECOND, pending::<u32>()));
        let mut block = Hand::new(timeout(SECOND, async_block! { (cancelled().await, 5) }));
        plain.step();
        block.step();
        clock.turn(SECOND / 2);
        plain.step();
        clock.turn(SECOND / 2);
        assert_eq!((plain.wakes.count(), block.wakes.count()), (1, 1));
        let plain = plain.finish().unwrap_err();
        assert_eq!((plain.reason(), plain.into_output()), (Reason::Deadline, None));
        let block = block.finish().unwrap_err();
        assert_eq!((block.reason(), block.into_output()), (Reason::Deadline, Some((Reason::Deadline, 5))));
    });
}

#[test]
fn a_deadline_that_has_passed_leaves_one_poll() {
    Clock::run(|clock| {
        assert_eq!(Hand::new(timeout(Duration::ZERO, ready(1))).finish().unwrap(), 1);
        assert!(Hand::new(timeout_at(clock.now(), pending::<()>())).finish().is_err());
        let hand = Hand::new(timeout(Duration::ZERO, async_block! { checkpoint().await }));
        let late = hand.finish().unwrap_err();
        assert_eq!(late.into_output(), Some(Err(Cancelled::from_reason(Reason::Deadline))));
    });
}

#[test]
fn it_counts_from_where_it_was_made() {
    Clock::run(|clock| {
        let made = timeout(SECOND, pending::<()>());
        clock.turn(SECOND);
        assert!(Hand::new(made).finish().is_err());
    });
}

#[test]
fn an_endless_timeout_has_no_deadline() {
    Clock::run(|clock| {
        let mut hand = Hand::new(timeout(
            Duration::MAX,
            async_block! {
                let at = effective_deadline().await;
                yield_now().await;
                at
            },
        ));
        hand.step();
        assert_eq!(clock.timers(), 0);
        assert_eq!(hand.finish().unwrap(), None);
    });
}

#[test]
fn the_outer_deadline_is_shorter() {
    Clock::run(|clock| {
        let mut hand = Hand::new(timeout(
            SECOND,
            async_block! {
                let left = time_left().await;
                let inner = timeout(2 * SECOND, async {
                    assert_eq!(time_left().await, left, "never lengthened");
                    cancelled().await
                });
                (left, inner.await.unwrap_err())
            },
        ));
        hand.step();
        clock.turn(SECOND);
        let (left, inner) = hand.finish().unwrap_err().into_output().unwrap();
        assert_eq!(left, Some(SECOND));
        assert_eq!((inner.reason(), inner.into_output()), (Reason::Deadline, Some(Reason::Deadline)));
    });
}

#[test]
fn the_outer_deadline_is_longer() {
    Clock::run(|clock| {
        let mut hand = Hand::new(timeout(
            2 * SECOND,
            async_block! {
                let inner = timeout(SECOND, async {
                    let left = time_left().await;
                    cancelled().await;
                    left
                })
                .await
                .unwrap_err()
                .into_output();
                (inner, time_left().await, is_cancelled().await)
            },
        ));
        hand.step();
        clock.turn(SECOND);
        assert_eq!(hand.finish().unwrap(), (Some(Some(SECOND)), Some(SECOND), false));
    });
}

#[test]
fn a_shield_hides_the_deadline_and_one_inside_it_counts() {
    Clock::run(|clock| {
        let mut hand = Hand::new(timeout(
            SECOND,
            async_block! {
                shield(async {
                    assert_eq!(effective_deadline().await, None);
                    assert_eq!(time_left().await, None);
                    let inner = timeout(2 * SECOND, async {
                        assert_eq!(time_left().await, Some(2 * SECOND));
                        cancelled().await;
                    })
                    .await;
                    inner.unwrap_err().reason()
                })
                .await
            },
        ));
        hand.step();
        clock.turn(SECOND);
        hand.step();
        clock.turn(SECOND);
        assert_eq!(hand.finish().unwrap_err().into_output(), Some(Reason::Deadline));
    });
}

#[test]
fn a_cleanup_is_shielded_from_deadlines() {
    Clock::run(|clock| {
        let seen = Cell::new(Some(clock.now()));
        let mut hand = Hand::new(timeout(
            SECOND,
            finally(async_block! { cancelled().await; }, async_block! { seen.set(effective_deadline().await) }),
        ));
        hand.step();
        clock.turn(SECOND);
        hand.finish().unwrap_err();
        assert_eq!(seen.get(), None);
    });
}

#[test]
fn with_timeout_only_asks() {
    #[async_fn]
    async fn query() -> Result<u32, Cancelled> {
        pending::<()>().or_cancelled().await?;
        Ok(1)
    }
    Clock::run(|clock| {
        let mut hand = Hand::new(with_timeout(SECOND, query()));
        assert!(!hand.is_cancel_safe());
        hand.step();
        clock.turn(SECOND);
        assert_eq!(hand.wakes.count(), 1);
        assert_eq!(hand.finish(), Err(Cancelled::from_reason(Reason::Deadline)));

        let mut plain = Hand::new(with_deadline(clock.now() + SECOND, yield_now()));
        plain.step();
        clock.turn(SECOND);
        plain.finish();
        assert_eq!(clock.timers(), 0);
    });
}

#[test]
fn asked_from_outside_before_the_deadline() {
    Clock::run(|clock| {
        let mut inside = Hand::new(with_timeout(SECOND, cancelled()));
        inside.step();
        inside.flag.request(Reason::Shutdown);
        assert_eq!(inside.finish(), Reason::Shutdown);
        let mut hand = Hand::new(timeout(SECOND, async_block! { cancelled().await }));
        hand.step();
        hand.flag.request(Reason::Shutdown);
        assert_eq!(hand.finish().unwrap_err().reason(), Reason::Shutdown);
        assert_eq!(clock.timers(), 0);
    });
}

#[test]
fn time_left_goes_by_the_clock_of_the_runtime() {
    Clock::run(|clock| {
        let mut hand = Hand::new(with_timeout(
            3 * SECOND,
            async_block! {
                let before = time_left().await;
                yield_now().await;
                (before, time_left().await)
            },
        ));
        hand.step();
        clock.turn(SECOND);
        assert_eq!(hand.finish(), (Some(3 * SECOND), Some(2 * SECOND)));
    });
}

#[test]
fn made_outside_of_a_runtime_it_counts_from_the_first_poll() {
    let timeout = timeout(SECOND, effective_deadline());
    let under = with_timeout(SECOND, effective_deadline());
    Clock::run(|clock| {
        assert_eq!(Hand::new(timeout).finish().unwrap(), Some(clock.now() + SECOND));
        assert_eq!(Hand::new(under).finish(), Some(clock.now() + SECOND));
    });
}

#[test]
fn a_token_with_a_deadline() {
    Clock::run(|clock| {
        let root = CancellationToken::new();
        let token = root.with_deadline(clock.now() + SECOND);
        let child = token.child_token();
        let wakes = Arc::new(Wakes::default());
        let mut waiter = pin!(child.cancelled());
        let waker = Waker::from(wakes.clone());
        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        clock.turn(SECOND / 2);
        assert!(!token.is_cancelled());
        clock.turn(SECOND / 2);
        assert_eq!(wakes.count(), 1);
        assert_eq!((token.reason(), child.reason()), (Some(Reason::Deadline), Some(Reason::Deadline)));
        assert!(!root.is_cancelled());
        assert_eq!(clock.timers(), 0);
    });
}

#[test]
fn a_token_with_a_deadline_that_is_dropped_early_leaves_no_timer() {
    Clock::run(|clock| {
        let root = CancellationToken::new();
        let token = root.with_deadline(clock.now() + SECOND);
        let child = token.child_token();
        drop(token);
        assert_eq!(clock.timers(), 1, "its child still wants to know");
        drop(child);
        assert_eq!(clock.timers(), 0);
        clock.turn(SECOND);
    });
}

#[test]
fn a_deadline_reaches_the_child_of_a_token_that_is_gone() {
    Clock::run(|clock| {
        let child = CancellationToken::new().with_deadline(clock.now() + SECOND).child_token().child_token();
        clock.turn(SECOND);
        assert_eq!(child.reason(), Some(Reason::Deadline));
    });
}

#[test]
fn a_deadline_that_has_passed_sets_no_timer() {
    Clock::run(|clock| {
        assert!(CancellationToken::new().with_deadline(clock.now()).is_cancelled());
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        assert_eq!(cancelled.with_deadline(clock.now() + SECOND).reason(), Some(Reason::Requested));
        assert_eq!(clock.timers(), 0);
    });
}

#[test]
fn the_deadlines_of_a_token_are_ambient_under_it() {
    Clock::run(|clock| {
        let at = |seconds| clock.now() + seconds * SECOND;
        let (three, two) =
            (CancellationToken::new().with_deadline(at(3)), CancellationToken::new().with_deadline(at(2)));
        let either = CancellationToken::any([&three.child_token(), &two]);
        assert_eq!(three.with_deadline(at(5)).deadline(), Some(at(3)));
        assert_eq!(either.child_token().deadline(), Some(at(2)));
        assert_eq!(CancellationToken::new().child_token().deadline(), None);
        assert_eq!(Hand::new(with_token(&either, effective_deadline())).finish(), Some(at(2)));
        let outer = with_timeout(SECOND, with_token(&either, effective_deadline()));
        assert_eq!(Hand::new(outer).finish(), Some(at(1)));
    });
}

#[test]
fn two_stages_with_a_grace_period() {
    Clock::run(|clock| {
        let token = CancellationToken::new();
        let served = Cell::new(0);
        let mut hand = Hand::new(with_token(
            &token,
            async_block! {
                // Accepts until it is to stop,
                while checkpoint_stopping().await.is_ok() {
                    served.set(served.get() + 1);
                }
                // and then finishes what is in flight, for as long as it may.
                checkpoint().await?;
                served.set(served.get() + 10);
                pending::<()>().or_cancelled().await
            },
        ));
        hand.step();
        hand.step();
        token.cancel_within(SECOND);
        assert!(token.is_stopping() && !token.is_cancelled());
        hand.step();
        hand.step();
        assert_eq!(served.get(), 11);
        clock.turn(SECOND);
        assert!(token.is_cancelled());
        assert_eq!(hand.finish(), Err(Cancelled::from_reason(Reason::Requested)));
    });
}

#[test]
fn no_grace_at_all_is_cancelled_at_once() {
    Clock::run(|clock| {
        let token = CancellationToken::new();
        token.cancel_within(Duration::ZERO);
        assert!(token.is_cancelled());
        let endless = CancellationToken::new();
        endless.cancel_within(Duration::MAX);
        assert!(endless.is_stopping() && !endless.is_cancelled());
        token.cancel_within(SECOND);
        assert_eq!(clock.timers(), 0);
    });
}

#[test]
fn the_shorter_of_two_grace_periods_counts() {
    Clock::run(|clock| {
        let token = CancellationToken::new();
        token.cancel_within(3 * SECOND);
        token.cancel_within(SECOND);
        clock.turn(SECOND);
        assert!(token.is_cancelled());
        clock.turn(2 * SECOND);
    });
}

#[test]
fn a_runtime_that_breaks_beside_a_started_block() {
    struct Broken;
    impl runtime_glue::Runtime for Broken {
        fn schedule(&self, work: runtime_glue::Work) {
            work.run();
        }
        fn sleep_until(&self, _: Instant, _: &Waker) -> runtime_glue::TimerKey {
            panic!("the runtime breaks")
        }
    }
    let finished = Cell::new(0);
    let block = || {
        async_block! {
            assert_eq!(cancelled().await, Reason::SiblingFailed);
            yield_now().await;
            finished.set(finished.get() + 1);
        }
    };
    let runtime = runtime_glue::RuntimeHandle::new(Broken);
    for asked in [false, true] {
        let panic = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async_block! {
                if asked { with_timeout(SECOND, block()).await } else { timeout(SECOND, block()).await.unwrap() }
            });
        }))
        .unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"the runtime breaks"));
    }
    assert_eq!(finished.get(), 2);
}
