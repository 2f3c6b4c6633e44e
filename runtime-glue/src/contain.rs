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

/// Lets go of a payload. Its destructor is foreign code, too: if it panics, that panic's own payload is leaked.
pub(crate) fn forget(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{panic::panic_any, sync::Arc};

    #[test]
    fn a_payload_is_dropped_and_its_destructor_may_panic() {
        /// Panics when it is dropped, if it is told to.
        struct Bad {
            panics: bool,
            _alive: Arc<()>,
        }
        impl Drop for Bad {
            fn drop(&mut self) {
                if self.panics {
                    panic_any(()); // leaked, and of no size
                }
            }
        }
        let alive = Arc::new(());
        for panics in [false, true] {
            let payload = Bad { panics, _alive: Arc::clone(&alive) };
            assert!(contain(|| panic_any(payload)).is_none());
            assert_eq!(Arc::strong_count(&alive), 1);
        }
        assert_eq!(contain(|| 7), Some(7));
    }
}
