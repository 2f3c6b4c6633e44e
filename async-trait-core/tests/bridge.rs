//! The bridge between std's context and ours, attacked: run under AddressSanitizer and in release as well.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::{self, Future},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{self, Poll, Wake, Waker},
    thread,
};

use async_trait_core::{Async, CancelFlag, Context, Reason, async_block, async_fn, block_on_with, yield_now};

mod common;
use common::run;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// An `Async` of our own, made of a function.
fn must_finish<T>(f: impl FnMut(&mut Context<'_>) -> Poll<T>) -> impl Async<Output = T> {
    // SAFETY: none of the functions in this file lends anything to anybody.
    unsafe { async_trait_core::poll_fn(f) }
}

/// What an await in five blocks, each in the next, sees of its surroundings.
#[test]
fn flags_values_and_the_waker_reach_the_innermost_await() {
    #[async_fn]
    async fn deep(n: u32) -> (Option<Reason>, Option<u32>, bool) {
        if n == 0 {
            let waker = future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            return must_finish(|cx| {
                Poll::Ready((cx.cancel_reason(), cx.get::<u32>().copied(), cx.waker().will_wake(&waker)))
            })
            .await;
        }
        async { async_block! { deeper(n).await }.await }.await
    }
    #[async_fn(boxed, local)]
    async fn deeper(n: u32) -> (Option<Reason>, Option<u32>, bool) {
        deep(n - 1).await
    }
    let waker = Waker::from(Arc::new(Count::default()));
    let flag = CancelFlag::new();
    flag.request(Reason::Deadline);
    let mut cx = Context::from_waker(&waker);
    let mut cx = cx.with_cancel(&flag);
    let mut cx = cx.with_value(&7u32);
    // SAFETY: this poll completes it.
    let polled = unsafe { pin!(deep(5)).poll_async(&mut cx) };
    assert_eq!(polled, Poll::Ready((Some(Reason::Deadline), Some(7), true)));
}

#[test]
fn a_waker_may_be_kept_for_ever_and_woken_from_anywhere() {
    static KEPT: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    {
        macro_rules! as_written {
            ($e:expr) => {
                $e
            };
        }
        let keep = || {
            let mut first = true;
            future::poll_fn(move |cx| {
                let waker = cx.waker();
                KEPT.lock().unwrap().extend([waker.clone(), waker.clone()]);
                thread::scope(|s| {
                    s.spawn(|| waker.wake_by_ref());
                    s.spawn(|| KEPT.lock().unwrap().push(waker.clone()));
                });
                if std::mem::replace(&mut first, false) { Poll::Pending } else { Poll::Ready(()) }
            })
        };
        // One await with the real waker, one that was left as written and sees the bridge.
        let mut block = Box::pin(async_block! { keep().await; as_written!(keep().await); });
        // SAFETY: it is polled until it is complete.
        while unsafe { block.as_mut().poll_async(&mut Context::from_waker(&waker)) }.is_pending() {}
    }
    assert_eq!(count.0.load(SeqCst), 4);
    thread::spawn(|| KEPT.lock().unwrap().drain(..).for_each(Waker::wake)).join().unwrap();
    assert_eq!(count.0.load(SeqCst), 4 + 12);
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn a_block_may_be_polled_under_another_context_each_time() {
    let seen = RefCell::new(Vec::new());
    let block = async_block! {
        for _ in 0..3 {
            let mut polls = 0;
            must_finish(|cx| {
                seen.borrow_mut().push((cx.is_cancelled(), cx.get::<&str>().copied()));
                polls += 1;
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    };
    let mut block = pin!(block);
    let flag = CancelFlag::new();
    flag.request(Reason::Requested);
    let mut flagged = false;
    loop {
        flagged = !flagged;
        let waker = Waker::from(Arc::new(Count::default()));
        let mut cx = Context::from_waker(&waker);
        let polled = if flagged {
            // SAFETY: it is polled until it is complete.
            unsafe { block.as_mut().poll_async(&mut cx.with_cancel(&flag)) }
        } else {
            // SAFETY: it is polled until it is complete.
            unsafe { block.as_mut().poll_async(&mut cx.with_value(&"value")) }
        };
        if polled.is_ready() {
            break;
        }
    }
    let (a, b) = ((true, None), (false, Some("value")));
    assert_eq!(*seen.borrow(), [a, b, b, a, a, b]);
}

#[test]
fn a_block_may_move_between_threads_between_polls() {
    let mut block = Box::pin(async_block! {
        let local = [1; 100];
        for _ in 0..10 {
            yield_now().await;
        }
        local.iter().sum::<u32>()
    });
    let output = loop {
        let (back, polled) = thread::spawn(move || {
            // SAFETY: it is polled until it is complete, wherever it is.
            let polled = unsafe { block.as_mut().poll_async(&mut Context::from_waker(Waker::noop())) };
            (block, polled)
        })
        .join()
        .unwrap();
        block = back;
        if let Poll::Ready(output) = polled {
            break output;
        }
    };
    assert_eq!(output, 100);
}

#[test]
fn executors_may_be_nested_in_a_poll() {
    #[async_fn]
    async fn inner(n: u32) -> u32 {
        yield_now().await;
        if n == 0 {
            must_finish(|cx| Poll::Ready(u32::from(cx.get::<u8>().is_some()))).await
        } else {
            block_on_with(boxed(n - 1), || {})
        }
    }
    #[async_fn(boxed, local)]
    async fn boxed(n: u32) -> u32 {
        inner(n).await + 1
    }
    let outer = async_block! {
        let a = future::poll_fn(|_| Poll::Ready(run(inner(3)))).await;
        let outside = must_finish(|cx| Poll::Ready(cx.get::<u8>().is_some())).await;
        (a, outside)
    };
    // SAFETY: this poll completes it.
    let polled = unsafe { pin!(outer).poll_async(&mut Context::from_waker(Waker::noop()).with_value(&1u8)) };
    assert_eq!(polled, Poll::Ready((3, true)));
}

#[test]
fn what_is_awaited_may_replace_its_context() {
    let block = async_block! {
        must_finish(|cx| {
            *cx = Context::from_waker(Waker::noop());
            Poll::Ready(())
        })
        .await;
        yield_now().await;
        1
    };
    let mut block = pin!(block);
    let waker = Waker::from(Arc::new(Count::default()));
    // SAFETY: it is polled until it is complete.
    while unsafe { block.as_mut().poll_async(&mut Context::from_waker(&waker)) }.is_pending() {}
}

#[test]
fn a_panic_passes_through_and_drops_what_the_body_holds() {
    struct Dropped<'a>(&'a Cell<u32>);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Cell::new(0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        run(async_block! {
            let _a = Dropped(&dropped);
            async {
                let _b = Dropped(&dropped);
                let _fresh = must_finish(|_| Poll::<()>::Pending);
                must_finish(|_| -> Poll<()> { resume_unwind(Box::new(7u32)) }).await;
            }
            .await;
        });
    }));
    assert_eq!((caught.unwrap_err().downcast_ref(), dropped.get()), (Some(&7u32), 2));
}

/// Safe code that would be a use after free if an `Async` could be left half-way: the block writes to the buffer that a
/// queue of other work has a pointer to.
#[test]
fn what_borrows_ends_before_what_it_borrows() {
    type Job<'a> = Box<dyn FnOnce() + 'a>;
    #[async_fn]
    async fn lend<'a>(buffer: &'a mut [u32], jobs: &RefCell<VecDeque<Job<'a>>>) {
        let (first, rest) = buffer.split_at_mut(1);
        jobs.borrow_mut().push_back(Box::new(|| first[0] += 1));
        yield_now().await;
        rest[0] += 1;
        loop {
            let Some(job) = jobs.borrow_mut().pop_front() else { break };
            job();
            yield_now().await;
        }
    }
    let mut buffer = vec![1, 2];
    {
        let jobs = RefCell::new(VecDeque::new());
        run(lend(&mut buffer, &jobs));
    }
    assert_eq!(buffer, [2, 3]);
}

mod thieves_by_name {
    use super::*;

    /// Its methods have the names of what an expansion might call.
    struct Thief;

    impl Thief {
        #[expect(dead_code, reason = "a trap")]
        fn awaited(self, _: impl Sized) -> future::Ready<u32> {
            unreachable!("called by a macro")
        }
        #[expect(dead_code, reason = "a trap")]
        fn into_future(self) -> future::Ready<u32> {
            unreachable!("called by a macro")
        }
        #[expect(dead_code, reason = "a trap")]
        fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<u32> {
            unreachable!("called by a macro")
        }
        #[expect(dead_code, reason = "a trap")]
        unsafe fn poll_async(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
            unreachable!("called by a macro")
        }
    }

    impl Future for Thief {
        type Output = u32;
        fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<u32> {
            Poll::Ready(1)
        }
    }

    #[expect(dead_code, reason = "a trap")]
    trait Everywhere: Sized {
        fn awaited(self, _: impl Sized) -> future::Ready<u32> {
            unreachable!("called by a macro")
        }
        fn new() -> Self {
            unreachable!("called by a macro")
        }
    }
    impl<T> Everywhere for T {}

    #[test]
    fn methods_are_not_called() {
        assert_eq!(run(async_block! { Thief.await + async { Thief.await }.await }), 2);
    }
}

/// Nothing in scope but what is written here, and all of it misleading.
#[no_implicit_prelude]
mod nothing_in_scope {
    #![expect(non_camel_case_types, dead_code, reason = "traps")]

    struct Token;
    struct Send;
    struct Async;
    struct BoxAsync;
    struct Future;
    enum Result {
        Ok,
        Err,
    }
    struct u32;
    struct bool;
    mod core {}
    mod std {}
    mod alloc {}
    mod async_trait_core {}
    mod __private {}
    fn awaited() {}
    fn block() {}
    fn never() {}

    #[::async_trait_core::async_fn(send)]
    pub async fn function(a: ::core::primitive::u32, (b, _): (::core::primitive::u32, ())) -> ::core::primitive::u32 {
        ::std::assert!(::std::future::ready(true).await);
        ::std::debug_assert_eq!(::std::future::ready(1).await, 1);
        ::std::println!("{}", ::std::future::ready(b).await);
        ::std::dbg!(::std::future::ready(b).await);
        ::std::future::ready(a).await + async { ::std::future::ready(b).await }.await
    }

    #[::async_trait_core::async_fn(boxed, cancellable)]
    pub async fn boxed(
        _: &str_,
        n: ::core::primitive::u32,
    ) -> ::core::result::Result<::core::primitive::u32, ::async_trait_core::Cancelled> {
        if ::std::matches!(::std::future::ready(n).await, 0) {
            return ::core::result::Result::Ok(0);
        }
        let before = boxed(&str_, n - 1).await?;
        ::async_trait_core::async_block! { ::core::result::Result::Ok(before + 1) }.await
    }

    pub struct str_;
}

#[test]
fn expansions_name_nothing_that_a_user_can_redefine() {
    assert_eq!(run(nothing_in_scope::function(1, (2, ()))), 3);
    assert_eq!(run(nothing_in_scope::boxed(&nothing_in_scope::str_, 3)), Ok(3));
}
