//! Containment: running foreign code where a panic of its must not get out.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs `f`; a panic ends here. The panic hook has printed it, and who has to hear of a task's panic has heard otherwise.
///
/// For what is polled or woken besides a started computation, which must not be left by unwinding (clause *completed*).
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Some(value),
        Err(payload) => {
            forget(payload);
            None
        }
    }
}

/// Lets go of a payload. It is leaked, since its destructor is foreign code that might panic again.
pub(crate) fn forget(payload: Box<dyn Any + Send>) {
    mem::forget(payload);
}
