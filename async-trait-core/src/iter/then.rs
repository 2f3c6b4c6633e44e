//! `Then`: each item turned into an `Async` that is run to its end before the next item is asked for.

use core::{
    pin::Pin,
    task::{Poll, ready},
};

use pin_project_lite::pin_project;

use super::{AsyncIterator, CancelSafeIterator};
use crate::{Async, CancelSafe, Context};

pin_project! {
    /// The iterator of [`Items::then`](super::Items::then).
    ///
    /// # Invariants
    /// While `running` is `Some`, the inner iterator's last item is complete. A complete `running` is removed in the poll
    /// that completes it, also when it unwinds.
    #[must_use = "iterators do nothing unless polled"]
    pub struct Then<I, F, A> {
        #[pin]
        iter: I,
        f: F,
        #[pin]
        running: Option<A>,
    }
}

impl<I, F, A> Then<I, F, A> {
    pub(super) fn new(iter: I, f: F) -> Self {
        Self { iter, f, running: None }
    }
}

// SAFETY: *inert*: nothing is polled when it is made. *quiet*: `Ready(Some)` is returned when `running` is complete and gone,
// `Ready(None)` when the iterator's item is complete and nothing runs; if the iterator unwinds nothing runs either, and if `running`
// does, it is complete and `Clear` drops it. *honest*: of the two only `running` is started if there is one, else only the
// iterator can be. Polled again, it goes on from a sound state.
unsafe impl<I: AsyncIterator, A: Async, F: FnMut(I::Item) -> A> AsyncIterator for Then<I, F, A> {
    type Item = A::Output;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A::Output>> {
        let mut this = self.project();
        if this.running.is_none() {
            // SAFETY: *completed* is promised by the caller for this value, which owns the iterator and pins it.
            let Some(item) = ready!(unsafe { this.iter.as_mut().poll_next_async(cx) }) else {
                return Poll::Ready(None);
            };
            let running = (this.f)(item);
            this.running.set(Some(running));
        }
        let mut clear = Clear { slot: this.running, armed: true };
        let Some(running) = clear.slot.as_mut().as_pin_mut() else { unreachable!("set above") };
        // SAFETY: *completed* as above. *retired*: `clear` removes the value when it returns `Ready` or unwinds.
        let polled = unsafe { running.poll_async(cx) };
        clear.armed = polled.is_ready();
        polled.map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = self.iter.size_hint();
        let running = usize::from(self.running.is_some());
        (low.saturating_add(running), high.and_then(|high| high.checked_add(running)))
    }

    fn is_cancel_safe(&self) -> bool {
        match &self.running {
            Some(running) => running.is_cancel_safe(),
            None => self.iter.is_cancel_safe(),
        }
    }
}

// SAFETY: both parts are always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<I: CancelSafeIterator, A: CancelSafe, F: FnMut(I::Item) -> A> CancelSafeIterator for Then<I, F, A> {}

/// Empties the slot when it goes out of scope, also by unwinding, unless it was disarmed.
struct Clear<'a, A> {
    slot: Pin<&'a mut Option<A>>,
    armed: bool,
}

impl<A> Drop for Clear<'_, A> {
    fn drop(&mut self) {
        if self.armed {
            self.slot.set(None);
        }
    }
}
