//! `until_end`: an item for the end of an iterator.

use core::{
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::{AsyncIterator, CancelSafeIterator, Context, Items, items};
use pin_project_lite::pin_project;

/// The items of `iter`, and then `last`: so that the end of one source is an event among those of [`merge`](crate::merge()).
///
/// # Examples
/// ```
/// use async_combinators::until_end;
/// use async_trait_core::block_on_with;
/// use futures::stream;
///
/// let lines = until_end(stream::iter(["a", "b"]), "hangup");
/// assert_eq!(block_on_with(lines.collect::<Vec<_>>(), || {}), ["a", "b", "hangup"]);
/// ```
///
/// # Cancellation
/// The request is passed on. Cancel-safe if `iter` is.
pub fn until_end<I: AsyncIterator>(iter: I, last: I::Item) -> Items<UntilEnd<I>> {
    items(UntilEnd { iter, last: Some(last) })
}

pin_project! {
    /// The iterator of [`until_end()`].
    #[derive(Clone, Debug)]
    #[must_use = "iterators do nothing unless polled"]
    pub struct UntilEnd<I: AsyncIterator> {
        #[pin]
        iter: I,
        last: Option<I::Item>,
    }
}

// SAFETY: *inert*: nothing is polled on construction. *quiet*: it returns `Pending` only if the iterator inside did, and `Ready` or
// unwinding only when that one's item is complete. *honest*: it asks that one.
unsafe impl<I: AsyncIterator> AsyncIterator for UntilEnd<I> {
    type Item = I::Item;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let this = self.project();
        if this.last.is_none() {
            return Poll::Ready(None);
        }
        // SAFETY: *completed* is promised by the caller for this value, which owns and pins the iterator.
        let item = ready!(unsafe { this.iter.poll_next_async(cx) });
        Poll::Ready(item.or_else(|| this.last.take()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.last.is_none() {
            return (0, Some(0));
        }
        let (low, high) = self.iter.size_hint();
        (low.saturating_add(1), high.and_then(|high| high.checked_add(1)))
    }

    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the iterator inside is always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<I: CancelSafeIterator> CancelSafeIterator for UntilEnd<I> {}
