//! Small values: `ready`, `pending`, `yield_now`, `poll_fn`, and `block_on_with`, the executor that needs nothing.

use core::{
    fmt,
    future::{Future, Pending, Ready},
    pin::{Pin, pin},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    task::{self, Poll, RawWaker, RawWakerVTable, Waker},
};

use crate::{Async, Context};

/// A future that is ready with `value` at once.
pub fn ready<T>(value: T) -> Ready<T> {
    core::future::ready(value)
}

/// A future that never completes. It is cancel-safe: asked to finish, it is dropped.
pub fn pending<T>() -> Pending<T> {
    core::future::pending()
}

/// Lets others run: pending once, and woken at once.
///
/// # Cancellation
/// It does not notice a request; see `async_cancel::checkpoint`.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        if core::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// An `Async` made of a function that is called on each poll with the [`Context`].
///
/// # Safety
/// The function keeps what an implementer of [`Async`] promises: *inert*, *quiet* and *last touch* of
/// [the contract](Async#the-contract). The value is never cancel-safe, so it may rely on *completed*. A function that
/// lends nothing to anybody keeps them trivially.
pub unsafe fn poll_fn<T, F: FnMut(&mut Context<'_>) -> Poll<T>>(f: F) -> PollFn<F> {
    PollFn { f }
}

/// The `Async` of [`poll_fn`].
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
pub struct PollFn<F> {
    f: F,
}

// The closure is never pinned: it is called by `&mut`.
impl<F> Unpin for PollFn<F> {}

// SAFETY: who called `poll_fn` promised *inert*, *quiet* and *last touch* of the function; `is_cancel_safe` is false.
unsafe impl<T, F: FnMut(&mut Context<'_>) -> Poll<T>> Async for PollFn<F> {
    type Output = T;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        (self.f)(cx)
    }
}

impl<F> fmt::Debug for PollFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollFn").finish_non_exhaustive()
    }
}

/// Runs `a` to its end on the calling thread, calling `idle` whenever it is pending and nothing woke it.
///
/// For systems without threads: `idle` waits for an interrupt (`wfe`, `hlt`) and returns when a waker may have been
/// called; `a` is polled again whenever it returns. A wake that comes between the last look and `idle` is not lost if
/// `idle` is an instruction like `wfe`, which an earlier event passes through. With `std`, use `runtime_glue::block_on`.
///
/// ```
/// use async_trait_core::{block_on_with, yield_now};
/// block_on_with(yield_now(), || unreachable!("it woke itself"));
/// ```
///
/// # Panics
/// With the panic of `a`, which is complete then. A panic in `idle` aborts the process (without `std`: halts in a panic
/// while panicking), because `a` could not be completed.
///
/// # Cancellation
/// There is none from outside; `a` can bring its own.
pub fn block_on_with<A: Async>(a: A, mut idle: impl FnMut()) -> A::Output {
    let mut a = pin!(a);
    let waker = global_waker();
    loop {
        // Acquire pairs with the Release of `wake`: what happened before a wake that is seen here is seen by the poll.
        let seen = WAKES.load(Ordering::Acquire);
        // SAFETY: *completed*: `a` is pinned on this stack frame, which is left only when it is complete: by returning its output,
        // by its own unwinding (a completion), or not at all, as `AbortOnUnwind` guards the rest of the loop. *retired*: this
        // returns on `Ready`.
        if let Poll::Ready(output) = unsafe { a.as_mut().poll_async(&mut Context::from_waker(&waker)) } {
            return output;
        }
        let guard = AbortOnUnwind;
        if WAKES.load(Ordering::Acquire) == seen {
            idle();
        }
        core::mem::forget(guard);
    }
}

/// How often any waker of [`block_on_with`] was called. One counter for all: a waker may outlive the frame it was made in, so
/// it must not point there, and without an allocator there is nowhere else. A wake that was meant for another
/// `block_on_with` costs one more poll.
static WAKES: AtomicUsize = AtomicUsize::new(0);

fn global_waker() -> Waker {
    const fn raw() -> RawWaker {
        RawWaker::new(ptr::null(), &VTABLE)
    }
    fn wake(_: *const ()) {
        // Release pairs with the Acquire loads of `block_on_with`.
        WAKES.fetch_add(1, Ordering::Release);
    }
    static VTABLE: RawWakerVTable = RawWakerVTable::new(|_| raw(), wake, wake, |_| {});
    // SAFETY: the functions ignore their argument and touch only an atomic static, so they are thread-safe and there is
    // nothing to count or free.
    unsafe { Waker::from_raw(raw()) }
}

/// Aborts when it is dropped by unwinding: a panic in a destructor during a panic ends the program.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        panic!("`idle` panicked while an `Async` that must be completed was running");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_called_when_nothing_woke() {
        let mut polls = 0;
        let mut idles = 0;
        // SAFETY: the function lends nothing to anybody.
        let a = unsafe {
            poll_fn(|_| {
                polls += 1;
                if polls == 3 { Poll::Ready(polls) } else { Poll::Pending }
            })
        };
        assert_eq!(block_on_with(a, || idles += 1), 3);
    }
}
