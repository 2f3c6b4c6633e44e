//! Deadlines and scopes: set once at the edge, seen in tasks below, enforced by asking.

use std::time::Duration;

use async_cancel::{OrCancelled as _, Reason, effective_deadline, shield, time_left, timeout, with_timeout};
use async_scope::{ScopeOptions, async_block, async_fn, scope};
use async_trait_core::pending;
use runtime_glue::{sleep, testing};

const SECOND: Duration = Duration::from_secs(1);

#[async_fn(send)]
async fn in_a_nested_task() -> Option<Duration> {
    scope!(|s| { s.spawn(time_left()).await.unwrap() }).await
}

#[test]
fn tasks_see_the_deadline_of_their_scope() {
    testing::for_seeds(0..20, |rt| {
        let left = rt.block_on(with_timeout(SECOND, scope!(|s| { s.spawn(in_a_nested_task()).await.unwrap() })));
        assert_eq!(left, Some(SECOND));
        assert_eq!(rt.block_on(scope!(|s| { s.spawn(in_a_nested_task()).await.unwrap() })), None);
    });
}

#[test]
fn the_scopes_own_deadline_shortens_the_outer_one_and_asks() {
    testing::for_seeds(0..20, |rt| {
        let start = rt.now();
        let options = ScopeOptions::new().deadline(start + SECOND);
        let reason = rt.block_on(async_block! {
            with_timeout(10 * SECOND, scope!(options, |s| {
                let task = s.spawn(async {
                    assert_eq!(time_left().await, Some(SECOND));
                    pending::<()>().or_cancelled().await.unwrap_err().reason()
                });
                assert_eq!(effective_deadline().await, Some(start + SECOND));
                task.await.unwrap()
            }))
            .await
        });
        assert_eq!((reason, rt.now() - start), (Reason::Deadline, SECOND));
    });
}

#[test]
fn an_outer_deadline_reaches_every_task_below() {
    testing::for_seeds(0..50, |rt| {
        let start = rt.now();
        let elapsed = rt.block_on(timeout(
            SECOND,
            scope!(|s| {
                let tasks: Vec<_> = (0..10)
                    .map(|i| {
                        s.spawn(async move {
                            scope!(|inner| {
                                // A third sleep, a third wait for what never comes, a third ignore the request for a while.
                                match i % 3 {
                                    0 => inner
                                        .spawn(async { sleep(60 * SECOND).or_cancelled().await.is_err() })
                                        .await
                                        .unwrap(),
                                    1 => pending::<()>().or_cancelled().await.is_err(),
                                    _ => {
                                        shield(async {
                                            sleep(2 * SECOND).await;
                                            true
                                        })
                                        .await
                                    }
                                }
                            })
                            .await
                        })
                    })
                    .collect();
                let mut asked = 0;
                for task in tasks {
                    asked += usize::from(task.await.unwrap());
                }
                asked
            }),
        ));
        assert_eq!(elapsed.unwrap_err().into_output(), Some(10));
        assert_eq!(rt.now() - start, 2 * SECOND);
    });
}

#[test]
fn two_stages_stop_then_cancel() {
    testing::for_seeds(0..50, |rt| {
        let start = rt.now();
        let log = std::sync::Mutex::new(Vec::new());
        rt.block_on(scope!(|s| {
            s.spawn(async {
                // An accept loop: stops taking new work at once.
                let reason = pending::<()>().or_stopping().await.unwrap_err().reason();
                log.lock().unwrap().push(("stopped", reason, rt.now() - start));
            });
            s.spawn(async {
                // A request that is in flight ends within the grace period.
                sleep(SECOND / 2).or_cancelled().await.unwrap();
                log.lock().unwrap().push(("finished", Reason::Requested, rt.now() - start));
            });
            s.spawn(async {
                let reason = sleep(60 * SECOND).or_cancelled().await.unwrap_err().reason();
                log.lock().unwrap().push(("cancelled", reason, rt.now() - start));
            });
            s.cancel_within(SECOND);
        }));
        let requested = Reason::Requested;
        let expected = [
            ("stopped", requested, Duration::ZERO),
            ("finished", requested, SECOND / 2),
            ("cancelled", requested, SECOND),
        ];
        assert_eq!(*log.lock().unwrap(), expected);
    });
}
