//! Without `std` a panic cannot be contained: it goes out if that is sound, and aborts the process otherwise.
#![cfg(not(feature = "std"))]

mod common;

use std::{
    env,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, Stdio},
    task::{Poll, Waker},
};

use async_combinators::join;
use common::{gates, poll};

/// Pending once, then panics.
fn trouble() -> impl Future<Output = ()> {
    let mut polled = false;
    poll_fn(move |_| {
        assert!(!std::mem::replace(&mut polled, true), "trouble");
        Poll::Pending
    })
}

#[test]
fn a_panic_goes_out_if_every_started_sibling_is_cancel_safe() {
    let mut all = Box::pin(join((std::future::pending::<()>(), trouble(), std::future::pending::<()>())));
    assert!(poll(&mut all, Waker::noop()).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut all, Waker::noop()))).is_err());
}

#[test]
fn a_panic_goes_out_if_the_siblings_are_fresh() {
    let (gates, mut children) = gates(1);
    let first = async { panic!("at once") };
    let mut all = Box::pin(join((first, children.pop().expect("one"))));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut all, Waker::noop()))).is_err());
    assert_eq!(gates[0].polls.get(), 0);
}

#[test]
fn a_panic_aborts_if_a_started_sibling_must_be_completed() {
    if env::var_os("ABORT_CHILD").is_none() {
        let output = Command::new(env::current_exe().expect("this test's path"))
            .args(["a_panic_aborts_if_a_started_sibling_must_be_completed", "--exact", "--nocapture"])
            .env("ABORT_CHILD", "1")
            .stdout(Stdio::piped())
            .output()
            .expect("the test runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && !stderr.contains("went out"), "{stderr}");
        assert!(stderr.contains("started sibling unfinished"), "{stderr}");
        return;
    }
    let (_gates, mut children) = gates(1);
    let mut all = Box::pin(join((children.pop().expect("one"), trouble())));
    assert!(poll(&mut all, Waker::noop()).is_pending());
    let _ = catch_unwind(AssertUnwindSafe(|| poll(&mut all, Waker::noop())));
    eprintln!("the panic went out");
}
