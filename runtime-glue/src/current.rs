//! The runtime of the code that this thread polls, for plain futures, whose context cannot carry it.

use std::{cell::Cell, ptr::NonNull, sync::OnceLock};

use crate::{RuntimeHandle, pool};

thread_local! {
    static CURRENT: Cell<Option<NonNull<RuntimeHandle>>> = const { Cell::new(None) };
}

/// Runs `f` with `runtime` as the thread's current one.
#[inline]
pub(crate) fn enter<R>(runtime: &RuntimeHandle, f: impl FnOnce() -> R) -> R {
    /// Puts the outer runtime back, also when `f` unwinds.
    struct Outer(Option<NonNull<RuntimeHandle>>);

    impl Drop for Outer {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }

    let _outer = Outer(CURRENT.replace(Some(NonNull::from(runtime))));
    f()
}

/// Calls `f` with the thread's current runtime, if there is one.
pub(crate) fn get_with<R>(f: impl FnOnce(&RuntimeHandle) -> R) -> Option<R> {
    // SAFETY: the pointer is that of a reference which `enter` borrows until it has put the outer one back, and `enter` goes on
    // running while this thread is in here.
    CURRENT.get().map(|runtime| f(unsafe { runtime.as_ref() }))
}

/// Calls `f` with the thread's current runtime, else (feature `tokio`) with that of the tokio context, else with the default
/// pool.
pub(crate) fn with<R>(f: impl FnOnce(&RuntimeHandle) -> R) -> R {
    match CURRENT.get() {
        // SAFETY: as in `get_with`.
        Some(runtime) => f(unsafe { runtime.as_ref() }),
        None => {
            #[cfg(feature = "tokio")]
            if let Some(runtime) = crate::tokio::try_current() {
                return f(&runtime);
            }
            f(default_pool())
        }
    }
}

/// The thread's current runtime, else the default pool.
pub(crate) fn handle() -> RuntimeHandle {
    with(Clone::clone)
}

fn default_pool() -> &'static RuntimeHandle {
    static HANDLE: OnceLock<RuntimeHandle> = OnceLock::new();
    HANDLE.get_or_init(|| RuntimeHandle::from_static(pool::default()))
}
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{CurrentThread, Runtime};
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    #[test]
    fn the_innermost_runtime_is_current_and_the_outer_one_comes_back() {
        let name = || with(|runtime| runtime.name().to_owned());
        let (outer, inner) = (RuntimeHandle::new(CurrentThread::new()), RuntimeHandle::new(crate::Sequential::new()));
        let before = name();
        enter(&outer, || {
            assert_eq!(name(), outer.name());
            let unwound = catch_unwind(AssertUnwindSafe(|| enter(&inner, || resume_unwind(Box::new(name())))));
            assert_eq!(*unwound.unwrap_err().downcast::<String>().unwrap(), inner.name());
            assert_eq!(name(), outer.name());
        });
        assert_eq!(name(), before);
    }
}
