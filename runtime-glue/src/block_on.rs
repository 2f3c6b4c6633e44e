//! `block_on`: the door from sync code into async code that must finish. Polls one computation to its end on this thread.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    task::{Poll, Waker},
};

use async_trait_core::{Async, Context};

use crate::{
    Runtime as _, RuntimeHandle,
    contain::{contain, forget},
    current,
    waiting::{Frame, Root},
};

/// Runs `a` to its end on the calling thread and returns its output. The ambient runtime is the current one: that of the task
/// that this thread is polling, else the default pool.
///
/// While it waits the thread works for the runtime: on the default pool a task that `a` spawns runs right here, unless an idle
/// thread of the pool takes it. So spawning one task and awaiting it does not involve another thread.
///
/// ```
/// let answer = runtime_glue::block_on(async { runtime_glue::spawn(async { 6 * 7 }).await.unwrap() });
/// assert_eq!(answer, 42);
/// ```
///
/// It may be called anywhere, also inside a task. That stalls what shares the task's thread; a pool starts another thread
/// meanwhile. An outer `block_on` of the same thread is polled on by the inner one.
///
/// # Panics
/// With the panic of `a`.
///
/// # Cancellation
/// There is none from outside; `a` can bring its own.
pub fn block_on<A: Async>(a: A) -> A::Output {
    block_on_with(&RuntimeHandle::current(), a)
}

/// Runs `a` to its end on the calling thread, with `runtime` as the ambient one.
pub(crate) fn block_on_with<A: Async>(runtime: &RuntimeHandle, a: A) -> A::Output {
    let a = pin!(a);
    // From here on `a` is pinned and may be started. *completed*: this function is left below, where it is complete; what
    // could unwind before is contained.
    let mut stray = None;
    let result = Frame::with_waker(|signal, waker| {
        let root = Blocked { a: RefCell::new(a), result: Cell::new(None), waker, runtime };
        Frame::enter(&root, signal, |waiting| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| runtime.drive(waiting))) {
                stray = Some(payload);
            }
            // Also if the runtime gave up half-way.
            while !waiting.poll() {
                contain(|| waiting.park());
            }
        });
        root.result.take().expect("a complete root has a result")
    });
    match (result, stray) {
        (Ok(output), None) => output,
        // The panic of `Runtime::drive`. The output is foreign too, and dropped last.
        (Ok(output), Some(payload)) => {
            contain(|| drop(output));
            resume_unwind(payload)
        }
        (Err(payload), stray) => {
            stray.into_iter().for_each(forget);
            resume_unwind(payload)
        }
    }
}

type Outcome<T> = Result<T, Box<dyn Any + Send>>;

/// A computation whose thread waits for it.
struct Blocked<'a, A: Async> {
    /// Borrowed while it is polled: a nested `block_on` that finds it borrowed knows that it is below itself on the stack.
    a: RefCell<Pin<&'a mut A>>,
    result: Cell<Option<Outcome<A::Output>>>,
    waker: &'a Waker,
    runtime: &'a RuntimeHandle,
}

impl<A: Async> Root for Blocked<'_, A> {
    fn poll(&self) -> Option<bool> {
        let mut a = self.a.try_borrow_mut().ok()?;
        let poll = catch_unwind(AssertUnwindSafe(|| {
            current::enter(self.runtime, || {
                let mut cx = Context::from_waker(self.waker);
                // SAFETY: *completed*: `a` is pinned in the frame of `block_on_with`, which is left only when a result is set;
                // nothing unwinds through it before. *retired*: `Frame` does not poll a root again that was complete.
                unsafe { a.as_mut().poll_async(&mut cx.with_value(self.runtime)) }
            })
        }));
        let result = match poll {
            Ok(Poll::Pending) => return Some(false),
            Ok(Poll::Ready(output)) => Ok(output),
            // A panic is a completion.
            Err(payload) => Err(payload),
        };
        self.result.set(Some(result));
        Some(true)
    }
}
