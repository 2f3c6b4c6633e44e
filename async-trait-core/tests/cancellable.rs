//! `cancellable`, and `AwaitSite`: what a block does, or at least says, when it waits for a plain future under a request.

use std::{
    cell::Cell,
    future, io,
    pin::pin,
    task::{Poll, Waker},
};

use async_trait_core::{
    __private::AwaitSite, Async, CancelFlag, Cancelled, Context, Reason, async_block, async_fn, pending, plain, ready,
};

mod common;
use common::run;

#[derive(Debug, PartialEq)]
enum Error {
    Mine,
    Cancelled(Reason),
}

impl From<Cancelled> for Error {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled.reason())
    }
}

/// Polls `a` until it is ready; at poll number `at`, counted from one, it is asked to finish.
fn asked_at<A: Async>(at: u32, a: A) -> (u32, A::Output) {
    let (flag, mut a, mut polls) = (CancelFlag::new(), pin!(a), 0);
    loop {
        polls += 1;
        assert!(polls < 20, "it does not end");
        if polls == at {
            flag.request(Reason::Shutdown);
        }
        let mut cx = Context::from_waker(Waker::noop());
        // SAFETY: this loop ends when it is ready; in these tests nothing lends anything to others.
        if let Poll::Ready(output) = unsafe { a.as_mut().poll_async(&mut cx.with_cancel(&flag)) } {
            return (polls, output);
        }
    }
}

/// An `Async` that needs `polls` polls, and is no future.
#[async_fn]
async fn must_finish(polls: u32) -> u32 {
    for _ in 1..polls {
        async_trait_core::yield_now().await;
    }
    polls
}

#[async_fn(cancellable)]
async fn waits(log: &Cell<u32>) -> Result<u32, Error> {
    log.set(1);
    pending::<()>().await;
    log.set(2);
    Ok(7)
}

#[test]
fn a_pending_plain_future_is_dropped_and_the_function_returns() {
    let log = Cell::new(0);
    assert_eq!(asked_at(3, waits(&log)), (3, Err(Error::Cancelled(Reason::Shutdown))));
    assert_eq!(log.get(), 1);
}

#[test]
fn what_is_ready_beats_the_request() {
    #[async_fn(cancellable)]
    async fn ready_ones() -> Result<u32, Error> {
        let n = ready(1).await + ready(2).await;
        Ok::<u32, Error>(n)
    }
    assert_eq!(asked_at(1, ready_ones()), (1, Ok(3)));
}

#[test]
fn what_must_finish_is_polled_on_and_the_next_await_notices() {
    #[async_fn(cancellable)]
    async fn mixed(finished: &Cell<u32>) -> Result<(), Error> {
        finished.set(must_finish(4).await);
        pending::<()>().await;
        Ok(())
    }
    let finished = Cell::new(0);
    assert_eq!(asked_at(2, mixed(&finished)), (4, Err(Error::Cancelled(Reason::Shutdown))));
    assert_eq!(finished.get(), 4);
}

#[test]
fn without_a_request_nothing_changes() {
    #[async_fn(cancellable)]
    async fn works(fail: bool) -> io::Result<u32> {
        let n = must_finish(2).await;
        if fail {
            Err(io::Error::other("mine"))?;
        }
        Ok(future::ready(n).await)
    }
    assert_eq!(run(works(false)).unwrap(), 2);
    assert_eq!(run(works(true)).unwrap_err().to_string(), "mine");
}

#[test]
fn blocks_in_the_body_are_ordinary() {
    #[async_fn(cancellable)]
    async fn outer() -> Result<u32, Error> {
        let inner = async {
            let mut polls = 0;
            future::poll_fn(|_| {
                polls += 1;
                if polls == 5 { Poll::Ready(polls) } else { Poll::Pending }
            })
            .await
        };
        Ok(inner.await)
    }
    assert_eq!(asked_at(2, outer()), (5, Ok(5)));
}

#[test]
fn with_every_other_option() {
    #[async_fn(boxed, cancellable)]
    async fn boxed() -> Result<(), Error> {
        pending().await
    }
    #[async_fn(send, cancellable)]
    async fn with_question_mark(fail: bool) -> Result<(), Error> {
        let _: u32 = ready(if fail { Err(Error::Mine) } else { Ok(1) }).await?;
        pending::<Result<(), Error>>().await
    }
    trait Waits {
        #[async_fn(cancellable)]
        async fn wait(&self) -> Result<(), Error> {
            pending().await
        }
    }
    impl Waits for () {}
    let asked = Err(Error::Cancelled(Reason::Shutdown));
    assert_eq!(asked_at(1, boxed()), (1, asked));
    assert_eq!(asked_at(2, ().wait()).1, Err(Error::Cancelled(Reason::Shutdown)));
    assert_eq!(run(with_question_mark(true)), Err(Error::Mine));
    assert_eq!(asked_at(1, with_question_mark(false)).1, Err(Error::Cancelled(Reason::Shutdown)));
}

#[test]
fn a_cancellable_block() {
    let untyped = async_block! { cancellable
        pending::<()>().await;
        Ok::<_, Cancelled>(())
    };
    assert_eq!(asked_at(2, untyped), (2, Err(Cancelled::from_reason(Reason::Shutdown))));
    let name = String::from("n");
    let typed = async_block! { move cancellable -> Result<String, Error> { pending::<()>().await; Ok(name) } };
    assert_eq!(asked_at(1, typed), (1, Err(Error::Cancelled(Reason::Shutdown))));
    assert_eq!(
        run(async_block! { cancellable -> Result<u32, Error> { Ok(vec![ready(1).await].len() as u32) } }),
        Ok(1)
    );
}

#[test]
fn under_a_shield_it_does_not_notice() {
    #[async_fn(cancellable)]
    async fn third_poll() -> Result<u32, Error> {
        let mut polls = 0;
        future::poll_fn(|_| {
            polls += 1;
            if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Ok(polls)
    }
    let mut a = pin!(third_poll());
    let flag = CancelFlag::new();
    flag.request(Reason::Requested);
    for _ in 0..2 {
        let mut cx = Context::from_waker(Waker::noop());
        let mut cx = cx.with_cancel(&flag);
        // SAFETY: it is polled until it is complete, below.
        assert!(unsafe { a.as_mut().poll_async(&mut cx.shielded()) }.is_pending());
    }
    // SAFETY: this poll completes it.
    assert_eq!(unsafe { a.poll_async(&mut Context::from_waker(Waker::noop())) }, Poll::Ready(Ok(3)));
}

mod await_site {
    use super::*;

    /// Where a poll of `a` under a request ends.
    fn site<A: Async>(a: A) -> Option<(&'static str, String)> {
        let (flag, site) = (CancelFlag::new(), AwaitSite::new());
        let mut a = pin!(a);
        for _ in 0..2 {
            let mut cx = Context::from_waker(Waker::noop());
            let mut cx = cx.with_cancel(&flag);
            let mut cx = cx.with_value(&site);
            // SAFETY: these wait for plain futures and lend nothing, so leaving them started harms nobody.
            if unsafe { a.as_mut().poll_async(&mut cx) }.is_ready() {
                break;
            }
            if flag.request(Reason::Requested) {
                assert!(site.take().is_none(), "nobody was asked yet");
            }
        }
        site.take().map(|(name, location)| (name, format!("{}:{}", location.file(), location.line())))
    }

    #[async_fn]
    async fn inner() {
        let plain = plain! { pending::<u8>().await };
        println!("{}", plain.await); // this line
    }

    fn this_line() -> String {
        let line = include_str!("cancellable.rs").lines().position(|line| line.ends_with("// this line")).unwrap() + 1;
        format!("{}:{line}", file!())
    }

    #[test]
    fn names_the_innermost_await_of_a_plain_future() {
        #[async_fn(boxed)]
        async fn outer() {
            async { inner().await }.await;
        }
        let (name, location) = site(outer()).unwrap();
        assert!(name.contains("inner"), "{name}");
        assert_eq!(location, this_line());
    }

    #[test]
    fn names_nothing_where_nothing_is_held_up() {
        assert_eq!(site(async_block! { ready(1).await }), None);
        assert_eq!(site(async_block! { cancellable -> Result<(), Cancelled> { pending().await } }), None);
        // SAFETY: the function lends nothing.
        let notices = unsafe { async_trait_core::poll_fn(|_| Poll::<()>::Pending) };
        assert_eq!(site(async_block! { move notices.await }), None);
    }
}
