//! The contract: `Async`, which must be polled to completion once started, and its marker `CancelSafe`.

use core::{
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use crate::{Context, block::bridge};

/// An asynchronous computation that must be polled to completion once started.
///
/// It differs from [`Future`] in what a caller of the poll method owes: a future may be dropped or forgotten at any
/// time, an `Async` that was started may not. That debt is why [`poll_async`](Async::poll_async) is `unsafe` to call,
/// and it is what lets an implementation lend borrowed data to another thread or to the kernel.
///
/// Every future is an `Async` (the blanket impl below): it is the cancel-safe form of one.
///
/// # The contract
///
/// This is the source of truth for the whole workspace; other places cite these clauses by name. Who only writes
/// `#[async_fn]` and uses executors and combinators need not read it.
///
/// A value is *fresh* (never polled), *started* (some poll returned `Pending`, none ended it) or *complete* (a poll
/// returned `Ready` or unwound).
///
/// ## Who polls promises
/// - **completed**: until it is complete, a started value is not dropped, not forgotten, its memory is not reused, and
///   no lifetime in its type ends; unless [`is_cancel_safe()`](Async::is_cancel_safe) is true at that moment.
/// - **retired**: a complete value is not polled again (an implementation may panic then, no more).
///
/// ## Who implements promises
/// - **inert**: a fresh value may be dropped or forgotten; constructing starts nothing. A combinator's fresh child that
///   is not needed any more is dropped, never started in order to be cancelled.
/// - **quiet**: on `Ready`, and equally when `poll_async` unwinds, nothing that it started (task, thread, kernel
///   operation) can touch anything borrowed through it any more, destructors of outputs included. So no foreign code (a
///   child, a waker's clone, wake or drop, a destructor, a panic payload's destructor, a runtime hook) may unwind
///   through it while such work is live.
/// - **honest**: `is_cancel_safe()` is true only if the value may be dropped now and until it is next polled. It is
///   asked at the moment of the drop, never cached.
/// - **last touch**: whoever reports completion to another thread takes the waker out first, then publishes with one
///   atomic store, then wakes the waker it owns. Nothing shared is touched after that store. A waiter that catches the
///   report half-way wakes itself.
///
/// A panic is a completion. So whatever polls several children, or has work elsewhere, brings the others to completion
/// before it lets a panic out: ask them, poll them on, resume the first panic, report the others.
///
/// ## Liveness, promised by all, relied on for progress but never for safety
/// - **wake**: whoever sets a [`CancelFlag`](crate::CancelFlag) wakes the task that polls under it.
/// - **forward**: whoever holds back polls polls every unfinished child once more after
///   [`Context::is_cancelled`] first turns true.
///
/// ## What may be relied on
/// A lifetime in the type of a started, unfinished value does not end; its memory stays where it is; a value that
/// returned `Ready` or unwound has left nothing behind that could touch what it borrowed.
///
/// ## What is not promised
/// That it is polled again soon, or ever (progress is liveness, not safety); on which thread a `Send` value is polled;
/// that the waker of one poll is the waker of the next.
///
/// ## What can never be made safe
/// Calling `poll_async` by hand on a value whose owner may forget it. An executor that drops a started value meets a
/// destructor that blocks or aborts where that is possible; one that forgets it and reuses the memory has broken
/// *completed*, and nothing can help.
///
/// # Writing an implementation
///
/// Wrong: the operation is announced as complete before the other thread has let go of the buffer (*quiet*), and the
/// flag is a plain decrement after which the waker is read (*last touch*).
///
/// ```text
/// // other thread                        // poll_async
/// state.remaining -= 1;                  if state.remaining == 0 { return Ready(()) }   // frees the frame ...
/// state.waker.take().wake();             // ... which this line reads
/// ```
///
/// Right: take, publish, wake; touch nothing after the store.
///
/// ```text
/// let waker = state.waker.take();
/// state.done.store(true, Release);       // last touch
/// waker.wake();
/// ```
///
/// # Guide to error messages
///
/// **"`X` is not a future"** (E0277) at an `.await`: the `.await` stands in plain async code (an `async fn` or `async`
/// block that no macro of this crate rewrote, or inside a macro that is not one of std's), and `X` is an `Async`. Make
/// the function `#[async_fn]`, make the block `async_block! { .. }`, or, inside a foreign macro, bind it first:
/// `let value = x.await; the_macro!(value)`.
///
/// **"future cannot be sent between threads safely"** where a task is spawned: something that is not `Send` lives across
/// an `.await`; rustc names the value and the await. In traits, write `#[async_fn(send)]` so that generic callers know
/// that the method's `Async` is `Send`; a method without it gives "`impl Async` cannot be sent between threads safely".
///
/// **"`break` inside of an `async` block"** (E0267) or **"use of unreachable label"** (E0767) in an `#[async_fn]`: an
/// `.await` was moved into a plain async block, a closure or a nested item. Bind the value outside, or write
/// `async_block!` there.
///
/// **"`X` is not an `Async`"**: the value only implements `IntoFuture`; write `x.into_future().await`.
///
/// **"type annotations needed"** with `?` in an async block: give the block's last expression a type, for example
/// `Ok::<_, io::Error>(value)`, or name the return type in the scope macro: `scope!(|s| -> io::Result<()> { .. })`.
/// # Safety
/// An implementation keeps what [the contract](Async#the-contract) says of those who implement: *inert*, *quiet*, *honest*
/// and *last touch*.
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Async`",
    label = "this can neither be awaited nor polled to completion",
    note = "every `Future` is an `Async`, and so is what `#[async_fn]`, `async_block!` and the operations of these crates return",
    note = "of a value that is only `IntoFuture`, await `value.into_future()`"
)]
pub unsafe trait Async {
    /// What the computation yields.
    type Output;

    /// Polls the computation.
    ///
    /// # Safety
    /// The caller keeps *completed* and *retired* of [the contract](Async#the-contract).
    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// Whether the value may be dropped or forgotten now, and until it is next polled, although it may be started
    /// (clause *honest*).
    fn is_cancel_safe(&self) -> bool {
        false
    }

    /// Polls the computation as an await in an async block does: what `poll_async` does, without another bridge where there
    /// is one already. A detail of the macros, which std would not need; nobody else calls or implements it.
    ///
    /// # Safety
    /// The caller is an await in the body of the `AsyncBlock` that is being polled with `cx`, and keeps *completed* and
    /// *retired*.
    #[doc(hidden)]
    #[inline]
    unsafe fn __poll_in_block(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the caller is such an await, and the context goes to what it awaits.
        let cx = unsafe { bridge::cross(cx) };
        // SAFETY: the caller keeps *completed* and *retired*.
        unsafe { self.poll_async(cx) }
    }
}

/// An [`Async`] that may soundly be dropped or forgotten at any time.
///
/// Not tokio's term: *cancel safe* here says that dropping is sound, not that dropping loses nothing.
///
/// A plain future is `CancelSafe`; a combinator is if all of its children are. Such a value can be made a [`Future`]
/// with [`AsFuture`](crate::AsFuture), and the combinators implement `IntoFuture` for it.
///
/// # Safety
/// [`Async::is_cancel_safe`] is true at every moment of the value's life, and dropping or forgetting it then is sound:
/// the *completed* duty never binds those who poll it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not be dropped once started",
    label = "this must be polled to completion",
    note = "only plain futures and combinators of plain futures are `CancelSafe`; spawn others into a scope"
)]
pub unsafe trait CancelSafe: Async {}

// SAFETY: *completed* is never relied on: a `Future` may be dropped or forgotten at any time by the rules of std. *inert* and
// *quiet* follow from it being safe code, or from its own unsafe code keeping the rules of std's `Future`.
// *honest*: always true for the same reason.
#[diagnostic::do_not_recommend]
unsafe impl<F: Future + ?Sized> Async for F {
    type Output = F::Output;

    #[inline]
    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll(&mut task::Context::from_waker(cx.waker()))
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        true
    }

    #[inline]
    unsafe fn __poll_in_block(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.poll(&mut task::Context::from_waker(bridge::real_waker(cx)))
    }
}

// SAFETY: a future may be dropped or forgotten at any time; `is_cancel_safe` above is always true.
#[diagnostic::do_not_recommend]
unsafe impl<F: Future + ?Sized> CancelSafe for F {}
