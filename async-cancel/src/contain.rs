//! Foreign code next to a started child: how a panic is held back until the child is complete.
//!
//! Clause *quiet* of [the contract](async_trait_core::Async#the-contract): nothing foreign (a signal, a timer hook, a
//! waker's clone, a user's handler) may unwind through a combinator while a child of it is started and not cancel-safe.
//! With `std` the panic is caught and held, the child is asked and polled to its end, and then the panic goes on. Without
//! `std` a panic cannot be caught, so a guard aborts; if the child could be dropped, it unwinds as usual.
//!
//! Of several panics the first goes on. The others were reported by the panic hook when they began; their payloads are
//! dropped, and a panic in such a destructor ends there.

use core::{pin::Pin, task::Poll};

use async_trait_core::{Async, Context};

/// A panic that is held back, if there is one.
pub(crate) struct Held {
    #[cfg(feature = "std")]
    panic: Option<std::boxed::Box<Panic>>,
}

/// On the heap, since there hardly ever is one.
#[cfg(feature = "std")]
struct Panic {
    /// What the child is asked with: its result is not wanted any more.
    flag: async_trait_core::CancelFlag,
    /// Only reached through `&mut` or by value; the mutex makes it `Sync`.
    payload: std::sync::Mutex<Payload>,
}

#[cfg(feature = "std")]
pub(crate) type Payload = std::boxed::Box<dyn core::any::Any + Send>;

impl Held {
    pub(crate) const fn none() -> Self {
        Self {
            #[cfg(feature = "std")]
            panic: None,
        }
    }

    /// Whether a panic is held.
    pub(crate) fn is_some(&self) -> bool {
        #[cfg(feature = "std")]
        return self.panic.is_some();
        #[cfg(not(feature = "std"))]
        return false;
    }

    /// Runs foreign code. If `live`, a started child stands beside that must be completed: a panic is then held, and this
    /// is `None`. Otherwise a panic goes through.
    pub(crate) fn run<R>(&mut self, live: bool, f: impl FnOnce() -> R) -> Option<R> {
        if !live {
            return Some(f());
        }
        #[cfg(feature = "std")]
        match catch(f) {
            Ok(result) => Some(result),
            Err(payload) => {
                self.hold(payload);
                None
            }
        }
        #[cfg(not(feature = "std"))]
        Some(or_abort(f))
    }

    /// Lets the panic out, if one is held. Nothing started may be left.
    #[cfg(any(feature = "std", feature = "macros"))]
    pub(crate) fn resume(&mut self) {
        #[cfg(feature = "std")]
        if let Some(panic) = self.panic.take() {
            resume(*panic);
        }
    }

    /// Forgets the panic, if one is held: another one goes on.
    #[cfg(feature = "macros")]
    pub(crate) fn discard(self) {
        #[cfg(feature = "std")]
        discard(self.panic);
    }

    /// Polls the child. While a panic is held the child is asked to finish, and when it is complete, or may be dropped, the
    /// panic goes on.
    ///
    /// # Safety
    /// As for [`Async::poll_async`]. If this unwinds, the child is complete or cancel-safe.
    pub(crate) unsafe fn poll<A: Async>(&mut self, child: Pin<&mut A>, cx: &mut Context<'_>) -> Poll<A::Output> {
        #[cfg(feature = "std")]
        if let Some(panic) = self.panic.take() {
            // SAFETY: passed on to the caller.
            self.panic = Some(unsafe { finish(panic, child, cx) });
            return Poll::Pending;
        }
        // SAFETY: passed on to the caller.
        unsafe { child.poll_async(cx) }
    }
}

#[cfg(feature = "std")]
impl Held {
    /// Keeps a panic. The first one stays.
    pub(crate) fn hold(&mut self, payload: Payload) {
        if self.panic.is_some() {
            return discard(payload);
        }
        let flag = async_trait_core::CancelFlag::new();
        flag.request(async_trait_core::Reason::SiblingFailed);
        self.panic = Some(std::boxed::Box::new(Panic { flag, payload: std::sync::Mutex::new(payload) }));
    }
}

#[cfg(feature = "std")]
fn resume(panic: Panic) -> ! {
    let payload = panic.payload.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    std::panic::resume_unwind(payload)
}

/// Polls a child whose result is not wanted any more; unwinds with the panic once the child is complete.
///
/// # Safety
/// As for [`Async::poll_async`].
#[cfg(feature = "std")]
#[cold]
unsafe fn finish<A: Async>(
    panic: std::boxed::Box<Panic>,
    mut child: Pin<&mut A>,
    cx: &mut Context<'_>,
) -> std::boxed::Box<Panic> {
    if child.is_cancel_safe() {
        resume(*panic);
    }
    let polled = catch(|| {
        // SAFETY: passed on to the caller.
        unsafe { child.as_mut().poll_async(&mut cx.with_cancel(&panic.flag)) }
    });
    match polled {
        Ok(Poll::Pending) if child.is_cancel_safe() => resume(*panic),
        Ok(Poll::Pending) => panic,
        Ok(Poll::Ready(output)) => {
            discard(output);
            resume(*panic)
        }
        Err(second) => {
            discard(second);
            resume(*panic)
        }
    }
}

/// Runs `f` and catches its panic.
#[cfg(feature = "std")]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    // What `f` leaves behind half-changed is never looked at again, only completed or dropped.
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(f))
}

/// Drops a value that nobody takes; a panic in its destructor ends here.
#[cfg(feature = "std")]
pub(crate) fn discard<T>(value: T) {
    let mut next = catch(|| drop(value)).err();
    // The payload of that panic may have a destructor that panics, and so on; a chain longer than this is leaked.
    for _ in 0..4 {
        let Some(payload) = next.take() else { return };
        next = catch(|| drop(payload)).err();
    }
    core::mem::forget(next);
}

/// Runs `f`, and aborts if it unwinds: a panic in a destructor during a panic ends the program.
#[cfg(not(feature = "std"))]
pub(crate) fn or_abort<R>(f: impl FnOnce() -> R) -> R {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            panic!("a panic beside an `Async` that must be completed cannot be held back without `std`");
        }
    }
    let guard = Guard;
    let result = f();
    core::mem::forget(guard);
    result
}
