//! What becomes of panics: `contain`, and `FirstPanic`, which keeps the first and reports the others.
//!
//! A panic is a completion (see [the contract](async_trait_core::Async#the-contract)), so an operation brings its other
//! children to completion before it lets one out. With `std` panics are caught and kept meanwhile. Without it nothing can
//! catch them, and [`abort`] ends the process where unwinding on would leave a child behind that must not be left.

#[cfg(feature = "std")]
pub(crate) use with_std::{FirstPanic, Payload, contain};
#[cfg(not(feature = "std"))]
pub(crate) use without_std::{FirstPanic, Payload, contain};

#[cfg(feature = "std")]
mod with_std {
    use std::{
        any::Any,
        boxed::Box,
        io::Write as _,
        mem,
        panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
        string::String,
    };

    pub(crate) type Payload = Box<dyn Any + Send>;

    /// Runs foreign code; an error is the payload of its panic.
    #[inline]
    pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
        // Unwind safety: what `f` leaves half done is either marked as such by the engine before it calls, or belongs to the child,
        // which is not looked at again.
        catch_unwind(AssertUnwindSafe(f))
    }

    /// The first panic of an operation, until it can go on.
    pub(crate) struct FirstPanic {
        payload: Option<Payload>,
    }

    // SAFETY: a shared reference to this gives no access to the payload, so it does not matter that the payload is not `Sync`.
    unsafe impl Sync for FirstPanic {}

    impl FirstPanic {
        pub(crate) const fn new() -> Self {
            Self { payload: None }
        }

        /// Keeps the payload if it is the first; reports it otherwise. Does not unwind.
        #[cold]
        pub(crate) fn note(&mut self, payload: Payload) {
            match self.payload {
                None => self.payload = Some(payload),
                Some(_) => report(payload),
            }
        }

        #[inline]
        pub(crate) fn is_some(&self) -> bool {
            self.payload.is_some()
        }

        /// Lets the panic go on, if there is one.
        #[inline]
        pub(crate) fn go_on(&mut self) {
            if let Some(payload) = self.payload.take() {
                resume_unwind(payload);
            }
        }
    }

    impl Drop for FirstPanic {
        fn drop(&mut self) {
            // An operation that became cancel-safe was dropped before its panic could go on.
            if let Some(payload) = self.payload.take() {
                report(payload);
            }
        }
    }

    /// Writes a panic that is not passed on to standard error, so that none is swallowed. The panic hook has already run.
    #[cold]
    fn report(payload: Payload) {
        write(&payload);
        // The destructor of a payload may panic, and the destructor of that panic's payload: there it ends, with a leak.
        if let Err(second) = contain(|| drop(payload)) {
            write(&second);
            mem::forget(second);
        }
    }

    fn write(payload: &Payload) {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a value that is no text");
        // A closed standard error must not turn into a panic here.
        let _ = writeln!(std::io::stderr(), "async-combinators: a further panic, not passed on: {text}");
    }
}

#[cfg(not(feature = "std"))]
mod without_std {
    use core::convert::Infallible;

    pub(crate) type Payload = Infallible;

    /// Runs foreign code. A panic passes through here: `Pass` in `engine.rs` decides what happens to it.
    #[inline]
    pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
        Ok(f())
    }

    /// Nothing: without `std` no panic can be kept.
    pub(crate) struct FirstPanic;

    impl FirstPanic {
        pub(crate) const fn new() -> Self {
            Self
        }

        pub(crate) fn note(&mut self, payload: Payload) {
            match payload {}
        }

        #[inline]
        pub(crate) fn is_some(&self) -> bool {
            false
        }

        #[inline]
        pub(crate) fn go_on(&mut self) {}
    }
}

/// Ends the process, naming why. A panic in an `extern "C"` function cannot unwind, with `std` or without.
#[cold]
pub(crate) extern "C" fn abort() -> ! {
    panic!(
        "a panic would leave a started sibling unfinished that must be completed (feature `std` contains such panics)"
    )
}
