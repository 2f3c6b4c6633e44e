//! `bracket!`: the release runs on success, error, request and panic; the forms that the macro takes.

use std::{
    cell::RefCell,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
};

use async_cancel::{Cancelled, Reason, bracket, cancel_when, checkpoint, is_cancelled};
use async_trait_core::{Async, async_fn, yield_now};

use crate::common::{Hand, drops, run};

#[derive(Debug, PartialEq)]
enum Error {
    Refused,
    Cancelled(Reason),
}

impl From<Cancelled> for Error {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled.reason())
    }
}

type Log = RefCell<Vec<String>>;

/// Not `Clone`, so that the release must have been given the one that was acquired.
struct Resource<'a> {
    log: &'a Log,
    uses: u32,
}

impl<'a> Resource<'a> {
    #[async_fn]
    async fn open(log: &'a Log) -> Result<Self, Error> {
        checkpoint().await?;
        log.borrow_mut().push("open".into());
        Ok(Self { log, uses: 0 })
    }

    #[async_fn]
    async fn work(&mut self) -> Result<u32, Error> {
        checkpoint().await?;
        self.uses += 1;
        Ok(self.uses)
    }

    #[async_fn]
    async fn close<T: std::fmt::Debug>(self, result: &Result<T, Error>) {
        let is_cancelled = is_cancelled().await;
        checkpoint().await.expect("shielded");
        self.log.borrow_mut().push(format!("close {} {result:?} {is_cancelled}", self.uses));
    }
}

fn lines(log: &Log) -> Vec<String> {
    log.take()
}

#[test]
fn release_on_success() {
    let log = Log::default();
    let hand = bracket!(
        Resource::open(&log),
        |r| {
            r.work().await?;
            r.work().await
        },
        |r, result| r.close(result).await
    );
    assert_eq!(run(hand), Ok(2));
    assert_eq!(lines(&log), ["open", "close 2 Ok(2) false"]);
}

#[test]
fn release_on_error() {
    let log = Log::default();
    let result = run(bracket!(
        Resource::open(&log),
        |r| -> Result<(), Error> {
            r.work().await?;
            Err(Error::Refused)
        },
        |r, result| r.close(result).await,
    ));
    assert_eq!(result, Err(Error::Refused));
    assert_eq!(lines(&log), ["open", "close 1 Err(Refused) false"]);
}

#[test]
fn release_on_a_request_and_shielded_from_it() {
    let log = Log::default();
    let mut hand = Hand::new(bracket!(
        Resource::open(&log),
        |r| -> Result<(), Error> {
            loop {
                r.work().await?;
            }
        },
        |r, result| r.close(result).await
    ));
    hand.step();
    hand.step();
    hand.step();
    hand.ask();
    hand.step();
    assert_eq!(hand.finish(), Err(Error::Cancelled(Reason::Requested)));
    assert_eq!(lines(&log), ["open", "close 1 Err(Cancelled(Requested)) false"]);
}

#[test]
fn release_on_panic_which_then_goes_on() {
    let log = Log::default();
    let mut hand = Hand::new(bracket!(
        Resource::open(&log),
        |r| -> Result<(), Error> {
            r.work().await?;
            panic!("the body breaks")
        },
        |r, result| r.close(result).await
    ));
    hand.step();
    hand.step();
    hand.step();
    let panic = catch_unwind(AssertUnwindSafe(|| hand.poll())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the body breaks"));
    assert_eq!(lines(&log), ["open", "close 1 Err(Cancelled(SiblingFailed)) false"]);
}

#[test]
fn what_was_not_acquired_is_not_released() {
    let log = Log::default();
    let hand = Hand::new(bracket!(
        Resource::open(&log),
        |_| -> Result<(), Error> { panic!("nothing to use") },
        |_, _| panic!("nothing to release")
    ));
    hand.ask();
    assert_eq!(hand.finish(), Err(Error::Cancelled(Reason::Requested)));
    assert!(lines(&log).is_empty());
}

#[test]
fn of_two_panics_that_of_the_body_goes_on() {
    let log = Log::default();
    let mut hand =
        Hand::new(bracket!(Resource::open(&log), |_| -> Result<(), Error> { panic!("body") }, |r, result| {
            r.close(result).await;
            panic!("release")
        }));
    hand.step();
    hand.step();
    let panic = catch_unwind(AssertUnwindSafe(|| hand.poll())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"body"));
    assert_eq!(lines(&log).len(), 2);
}

#[test]
fn a_panic_of_the_release_alone_goes_on() {
    let mut hand = Hand::new(bracket!(async { Ok::<_, Error>(1) }, |r| { Ok(*r) }, |_, _| panic!("release")));
    let panic = catch_unwind(AssertUnwindSafe(|| hand.poll())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"release"));
}

#[test]
fn a_panic_with_an_error_type_of_no_cancellation() {
    // A release that does not look at the result runs;
    let (released, on_release) = drops();
    let mut unseen =
        Hand::new(bracket!(async { Ok::<_, &str>(1) }, |_| -> Result<(), &str> { panic!("body") }, |_, _| drop(
            on_release
        )));
    assert!(catch_unwind(AssertUnwindSafe(|| unseen.poll())).is_err());
    assert_eq!(released.count(), 1);
    // for one that looks there is nothing to show, and the resource is dropped.
    let (dropped, resource) = drops();
    let mut seen = Hand::new(bracket!(
        async { Ok::<_, Infallible>(resource) },
        |_| -> Result<(), Infallible> { panic!("body") },
        |_, result| panic!("there is no {result:?}")
    ));
    let panic = catch_unwind(AssertUnwindSafe(|| seen.poll())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"body"));
    assert_eq!(dropped.count(), 1);
}

#[test]
fn the_value_may_move_to_another_thread_and_own_what_it_uses() {
    fn spawn(words: Vec<String>) -> impl Async<Output = Result<usize, Error>> + Send + 'static {
        bracket!(
            async { Ok::<_, Error>(Vec::new()) },
            move |bytes| -> Result<usize, Error> {
                for word in &words {
                    yield_now().await;
                    bytes.extend_from_slice(word.as_bytes());
                }
                Ok(bytes.len())
            },
            |mut bytes, result| {
                bytes.clear();
                assert!(result.is_ok() && bytes.is_empty());
            }
        )
    }
    let words = vec!["one".to_owned(), "three".to_owned()];
    assert_eq!(std::thread::spawn(|| run(spawn(words))).join().unwrap(), Ok(8));
}

#[test]
fn brackets_nest_and_release_in_reverse() {
    let log = Log::default();
    let nested = bracket!(
        Resource::open(&log),
        |outer| -> Result<u32, Error> {
            outer.work().await?;
            let inner = bracket!(
                Resource::open(&log),
                |inner| { Ok(inner.work().await? + outer.work().await?) },
                |inner, result| inner.close(result).await
            );
            inner.await
        },
        |outer, result| outer.close(result).await
    );
    assert_eq!(run(nested), Ok(3));
    assert_eq!(lines(&log), ["open", "open", "close 1 Ok(3) false", "close 2 Ok(3) false"]);
}

#[test]
fn acquire_may_be_an_expression_that_awaits() {
    #[async_fn]
    async fn pool(log: &Log) -> Result<&Log, Error> {
        yield_now().await;
        Ok(log)
    }
    let log = Log::default();
    #[async_fn]
    async fn outer(log: &Log) -> Result<u32, Error> {
        bracket!(Resource::open(pool(log).await?), |r| r.work().await, |r, done| r.close(done).await).await
    }
    assert_eq!(run(outer(&log)), Ok(1));
    assert_eq!(lines(&log), ["open", "close 1 Ok(1) false"]);
}

#[test]
fn a_timeout_inside_the_release_works_under_a_request() {
    let mut hand = Hand::new(bracket!(
        async { Ok::<_, Error>(()) },
        |_| -> Result<(), Error> {
            loop {
                checkpoint().await?;
            }
        },
        |_, _| {
            let late = cancel_when(yield_now(), std::future::pending::<()>()).await;
            assert!(late.is_err(), "by its own signal");
        }
    ));
    hand.step();
    hand.ask();
    hand.step();
    assert_eq!(hand.finish(), Err(Error::Cancelled(Reason::Requested)));
}

#[test]
fn dropped_fresh_it_acquires_nothing() {
    let log = Log::default();
    drop(bracket!(Resource::open(&log), |r| r.work().await, |r, done| r.close(done).await));
    assert!(lines(&log).is_empty());
}
