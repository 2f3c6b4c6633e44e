//! `Pump`: runs an iterator in a task and sends its items on.

use std::{pin::Pin, task::Poll};

use async_trait_core::{Async, AsyncIterator, Context};
use pin_project_lite::pin_project;

use super::channel::Sender;

pin_project! {
    /// The task of [`spawn_in`](super::StreamInScope::spawn_in).
    pub(super) struct Pump<'s, I>
    where
        I: AsyncIterator,
    {
        #[pin]
        iter: I,
        sender: Sender<'s, I::Item>,
        item: Option<I::Item>,
        key: Option<u64>,
        // The iterator holds an item that was started.
        under_way: bool,
    }
}

impl<'s, I: AsyncIterator> Pump<'s, I> {
    pub(super) fn new(iter: I, sender: Sender<'s, I::Item>) -> Self {
        Self { iter, sender, item: None, key: None, under_way: false }
    }
}

// SAFETY: *inert* and *quiet* are those of the iterator, which is pinned inside: this completes only between two items, or where
// the iterator is cancel-safe at that moment. `is_cancel_safe` stays false: an item would be lost.
unsafe impl<I: AsyncIterator> Async for Pump<'_, I> {
    type Output = ();

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            if this.item.is_some() {
                match this.sender.poll_send(this.item, this.key, cx.waker()) {
                    Poll::Ready(Ok(())) => *this.key = None,
                    // Nobody takes it.
                    Poll::Ready(Err(())) => return Poll::Ready(()),
                    Poll::Pending if cx.is_cancelled() => {
                        // Nothing waits for room any more; who closes the channel gets it.
                        if let Some(item) = this.item.take() {
                            this.sender.force(item);
                        }
                        return Poll::Ready(());
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            if (cx.is_cancelled() || this.sender.is_closed()) && (!*this.under_way || this.iter.is_cancel_safe()) {
                // Between two items, or dropped while one is under way, which a cancel-safe iterator allows.
                return Poll::Ready(());
            }
            // SAFETY: *completed* per item: the task is polled until this returns `Ready`, which it does only between two items or
            // where the iterator is cancel-safe.
            match unsafe { this.iter.as_mut().poll_next_async(cx) } {
                Poll::Ready(Some(item)) => {
                    *this.item = Some(item);
                    *this.under_way = false;
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {
                    *this.under_way = true;
                    // Whoever takes the items may go away meanwhile; if that was before, this looks again.
                    if this.sender.wake_on_close(cx.waker()) || !this.iter.is_cancel_safe() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
