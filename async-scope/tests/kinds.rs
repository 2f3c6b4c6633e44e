//! `try_scope!` and `policy_scope!`: whose error comes out, who is asked, what comes late.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_scope::{
    Cancelled, Reason, async_block, async_fn,
    policy::{Collect, FirstOk, Outcome, Policy, Quorum, Verdict},
    policy_scope, try_scope,
};
use async_trait_core::{pending, yield_now};
use runtime_glue::block_on;

#[derive(Debug, PartialEq)]
enum Error {
    Named(&'static str),
    Cancelled(Reason),
}

impl From<Cancelled> for Error {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled.reason())
    }
}

#[test]
fn the_bodys_error_wins() {
    let result = block_on(try_scope!(|s| -> Result<(), Error> {
        let failing = s.spawn(async { Err::<(), _>(Error::Named("task")) });
        while !failing.is_finished() {
            yield_now().await;
        }
        Err(Error::Named("body"))
    }));
    assert_eq!(result, Err(Error::Named("body")));
}

#[test]
fn an_untaken_error_beats_the_bodys_output() {
    let result = block_on(try_scope!(|s| -> Result<u8, Error> {
        s.spawn(async { Err::<(), _>(Error::Named("task")) });
        Ok(1)
    }));
    assert_eq!(result, Err(Error::Named("task")));
}

#[test]
fn an_awaited_error_is_the_observers() {
    let result = block_on(try_scope!(|s| -> Result<u8, Error> {
        let error = s.spawn(async { Err::<(), _>(Error::Named("task")) }).await.unwrap_err();
        assert_eq!(error, Error::Named("task"));
        Ok(1)
    }));
    assert_eq!(result, Ok(1));
}

#[test]
fn the_first_error_asks_the_siblings_and_no_echo_beats_it() {
    let asked = AtomicUsize::new(0);
    let result = block_on(try_scope!(|s| -> Result<(), Error> {
        for _ in 0..10 {
            s.spawn(async {
                async_cancel_like_wait().await?;
                Ok(())
            });
            s.spawn(async {
                let cancelled = async_cancel_like_wait().await.unwrap_err();
                asked.fetch_add(1, SeqCst);
                Err::<(), _>(cancelled.into())
            });
            // A plain future is dropped.
            s.spawn(pending::<Result<(), Error>>());
        }
        s.spawn(async { Err::<(), _>(Error::Named("cause")) });
        Ok(())
    }));
    assert_eq!(result, Err(Error::Named("cause")));
    assert_eq!(asked.load(SeqCst), 10);
}

/// Waits until asked, as `async_cancel::cancelled` does.
#[async_fn(send)]
async fn async_cancel_like_wait() -> Result<(), Cancelled> {
    // SAFETY: the function lends nothing to anybody.
    let reason = unsafe {
        async_trait_core::poll_fn(|cx: &mut async_trait_core::Context<'_>| match cx.cancel_reason() {
            Some(reason) => std::task::Poll::Ready(reason),
            None => std::task::Poll::Pending,
        })
    }
    .await;
    Err(Cancelled::from_reason(reason))
}

#[test]
fn a_blocking_error_is_an_error_and_a_question_mark_converts() {
    #[derive(Debug)]
    struct Outer(String);
    impl From<std::num::ParseIntError> for Outer {
        fn from(error: std::num::ParseIntError) -> Self {
            Self(error.to_string())
        }
    }
    impl From<Cancelled> for Outer {
        fn from(cancelled: Cancelled) -> Self {
            Self(cancelled.to_string())
        }
    }
    let text = String::from("x");
    let result = block_on(try_scope!(|s| -> Result<i32, Outer> {
        let parsed = s.spawn_blocking(|| Ok(text.parse::<i32>()?));
        Ok(parsed.await? + 1)
    }));
    assert_eq!(result.unwrap_err().0, "invalid digit found in string");
}

#[test]
fn a_handle_that_outlives_its_scope_has_lost_its_error_to_it() {
    let kept = Mutex::new(None);
    let result = block_on(try_scope!(|s| -> Result<(), Error> {
        *kept.lock().unwrap() = Some(s.spawn(async { Err::<u8, _>(Error::Named("task")) }));
        Ok(())
    }));
    assert_eq!(result, Err(Error::Named("task")));
    let handle = kept.into_inner().unwrap().unwrap();
    assert_eq!(block_on(handle), Err(Error::Cancelled(Reason::SiblingFailed)));
}

#[test]
fn a_tasks_panic_goes_on_in_the_awaiter() {
    let panic = std::panic::catch_unwind(|| {
        block_on(try_scope!(|s| -> Result<(), Error> { s.spawn(async { panic!("task") }).await }))
    });
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"task"));
}

#[test]
fn every_outcome_is_collected_in_order_of_completion() {
    let outcomes = block_on(policy_scope!(Collect::new(), |s| {
        s.spawn(async { 1 });
        let dropped = s.spawn(pending());
        dropped.cancel();
    }));
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.contains(&Outcome::Done(1)));
    assert!(outcomes.contains(&Outcome::Cancelled(Cancelled::from_reason(Reason::Requested))));
}

#[test]
fn the_first_success_asks_the_others() {
    let result = block_on(policy_scope!(FirstOk::<u32, &str>::new(), |s| {
        s.spawn(async { Err("down") });
        s.spawn(pending());
        s.spawn(async_block! { async_cancel_like_wait().await.map(|()| 0).map_err(|_| "asked") });
        s.spawn(async { Ok(7) });
    }));
    assert_eq!(result, Ok(7));
}

#[test]
fn a_quorum_keeps_what_comes_late() {
    let outcome = block_on(policy_scope!(Quorum::<u32, ()>::of(2), |s| {
        for i in 0..5 {
            s.spawn(async_block! { move
                yield_now().await;
                Ok(i)
            });
        }
    }));
    assert!(outcome.reached);
    assert_eq!((outcome.ok.len(), outcome.late.len(), outcome.errors.len()), (2, 3, 0));
}

#[test]
fn a_policy_of_ones_own_borrows_and_may_panic() {
    struct Sum<'a>(&'a AtomicUsize);
    impl Policy<usize> for Sum<'_> {
        type Output = usize;
        fn on_complete(&mut self, task: Outcome<usize>) -> Verdict {
            let Outcome::Done(n) = task else { return Verdict::Continue };
            assert!(n < 100, "too much");
            self.0.fetch_add(n, SeqCst);
            Verdict::Continue
        }
        fn finish(self) -> usize {
            self.0.load(SeqCst)
        }
    }
    let sum = AtomicUsize::new(0);
    let result = block_on(policy_scope!(Sum(&sum), |s| {
        for n in 0..10 {
            s.spawn(async move { n });
        }
    }));
    assert_eq!(result, 45);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(policy_scope!(Sum(&sum), |s| {
            s.spawn(async { 100 });
            s.spawn(async_block! { async_cancel_like_wait().await.map_or(0, |()| 1) });
        }))
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"too much"));
}

#[test]
fn owned_values_outlive_the_policys_last_call() {
    struct Last<'a>(Option<&'a String>, &'a Mutex<String>);
    impl<'a> Policy<&'a String> for Last<'a> {
        type Output = ();
        fn on_complete(&mut self, task: Outcome<&'a String>) -> Verdict {
            if let Outcome::Done(text) = task {
                self.0 = Some(text);
            }
            Verdict::Continue
        }
        fn finish(self) {
            self.1.lock().unwrap().push_str(self.0.unwrap());
        }
    }
    let log = Mutex::new(String::new());
    block_on(policy_scope!(Last(None, &log), |s| {
        let text = s.own(String::from("still there"), |text| async move { drop(text) });
        s.spawn(async move { text });
    }));
    assert_eq!(log.into_inner().unwrap(), "still there");
}
