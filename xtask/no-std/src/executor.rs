//! An executor as an embedded system has one: a flag that wakers set, and a loop.

use core::{
    hint::spin_loop,
    pin::pin,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    task::{Poll, RawWaker, RawWakerVTable, Waker},
};

use async_trait_core::{Async, CancelFlag, Context};

/// Set by every waker. A waker may outlive the frame that it was made in, so it points to nothing but this.
static WOKEN: AtomicBool = AtomicBool::new(true);

static VTABLE: RawWakerVTable = RawWakerVTable::new(|_| raw(), wake, wake, |_| {});

const fn raw() -> RawWaker {
    RawWaker::new(ptr::null(), &VTABLE)
}

fn wake(_: *const ()) {
    // Release pairs with the Acquire in `run_under`: the poll sees what was written before the wake.
    WOKEN.store(true, Ordering::Release);
}

/// Runs `a` to its end.
pub(crate) fn run<A: Async>(a: A) -> A::Output {
    run_under(&CancelFlag::new(), a)
}

/// Runs `a` to its end; setting `flag` asks it to come to one soon.
pub(crate) fn run_under<A: Async>(flag: &CancelFlag, a: A) -> A::Output {
    // SAFETY: the functions ignore their argument and touch an atomic static only, so they are thread-safe and there is
    // nothing to count or free.
    let waker = unsafe { Waker::from_raw(raw()) };
    let mut a = pin!(a);
    loop {
        let mut cx = Context::from_waker(&waker);
        // SAFETY: *completed*: `a` is pinned on this frame, which is left only with its output; a panic ends the program.
        // *retired*: this returns on `Ready`.
        let poll = unsafe { a.as_mut().poll_async(&mut cx.with_cancel(flag)) };
        if let Poll::Ready(output) = poll {
            return output;
        }
        while !WOKEN.swap(false, Ordering::Acquire) {
            // A board would wait for an interrupt here.
            spin_loop();
        }
    }
}
