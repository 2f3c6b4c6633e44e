//! `now`: the time by the clock of the ambient runtime.

use std::{pin::Pin, task::Poll, time::Instant};

use async_trait_core::{Async, CancelSafe, Context};

use crate::{Runtime as _, RuntimeHandle, current};

/// The time that the timers of the ambient runtime go by. Under virtual time it is not that of [`Instant::now`].
///
/// ```
/// use runtime_glue::{block_on, now};
/// let before = std::time::Instant::now();
/// assert!(block_on(now()) >= before);
/// ```
///
/// # Cancellation
/// It is ready at once.
pub const fn now() -> Now {
    Now { _private: () }
}

/// The operation of [`now()`].
#[derive(Debug)]
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
pub struct Now {
    _private: (),
}

// SAFETY: *inert*, *quiet*: it starts nothing. *honest*: it holds nothing.
unsafe impl Async for Now {
    type Output = Instant;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        Poll::Ready(match cx.get::<RuntimeHandle>() {
            Some(runtime) => runtime.now(),
            None => current::with(|runtime| runtime.now()),
        })
    }

    fn is_cancel_safe(&self) -> bool {
        true
    }
}

// SAFETY: it starts nothing and holds nothing.
unsafe impl CancelSafe for Now {}
