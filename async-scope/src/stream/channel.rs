//! The channel between a source that runs in a task and whoever takes its items. Nothing is lost: an item is in the queue, or
//! returned to its sender, or handed back by `close`.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll, Waker},
};

use async_trait_core::{Async, Cancelled, Context, Reason};
use futures_core::Stream;

pub(super) fn new<'s, T>(cap: usize) -> (Sender<'s, T>, Received<'s, T>) {
    assert!(cap > 0, "a channel with room for 0 items would never pass one on");
    let channel = Arc::new(Channel {
        inner: Mutex::new(Inner {
            items: VecDeque::new(),
            cap,
            senders: 1,
            closed: false,
            receiver: None,
            on_close: None,
            waiting: VecDeque::new(),
            next: 0,
        }),
    });
    (Sender { channel: Arc::clone(&channel), marker: PhantomData }, Received { channel, marker: PhantomData })
}

struct Channel<T> {
    inner: Mutex<Inner<T>>,
}

/// What is under the lock. Nothing foreign is called while it is held.
struct Inner<T> {
    items: VecDeque<T>,
    cap: usize,
    senders: usize,
    closed: bool,
    receiver: Option<Waker>,
    on_close: Option<Waker>,
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

impl<T> Channel<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more items are taken: those in the queue are returned.
    fn close(&self) -> VecDeque<T> {
        let mut inner = self.lock();
        inner.closed = true;
        let waiting = std::mem::take(&mut inner.waiting);
        let receiver = inner.receiver.take();
        let on_close = inner.on_close.take();
        let items = std::mem::take(&mut inner.items);
        drop(inner);
        drop(receiver);
        if let Some(waker) = on_close {
            waker.wake();
        }
        for (_, waker) in waiting {
            waker.wake();
        }
        items
    }
}

/// The end of [`Scope::produce`](crate::Scope::produce)'s channel that the source holds.
pub struct Sender<'s, T> {
    channel: Arc<Channel<T>>,
    marker: PhantomData<&'s ()>,
}

impl<'s, T> Sender<'s, T> {
    /// Waits for room, and passes the item on.
    ///
    /// # Errors
    /// [`SendError`] with the item, if nobody will take it any more, or if it was asked to finish while there was no room.
    ///
    /// # Cancellation
    /// Where there is room it sends, asked or not.
    pub fn send(&self, item: T) -> SendItem<'_, 's, T> {
        SendItem { sender: self, item: Some(item), key: None }
    }

    /// Passes the item on although there is no room: for the last one of a source that is asked to finish.
    pub(super) fn force(&self, item: T) {
        let mut inner = self.channel.lock();
        if inner.closed {
            drop(inner);
            drop(item);
            return;
        }
        inner.items.push_back(item);
        let receiver = inner.receiver.take();
        drop(inner);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Has `waker` woken when nobody will take an item any more. False if that is so now.
    pub(super) fn wake_on_close(&self, waker: &Waker) -> bool {
        // The waker's clone and drop are foreign code: not under the lock.
        let waker = waker.clone();
        let mut inner = self.channel.lock();
        let open = !inner.closed;
        let old = if open { inner.on_close.replace(waker) } else { Some(waker) };
        drop(inner);
        drop(old);
        open
    }

    /// Whether nobody will take an item any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.channel.lock().closed
    }

    pub(super) fn poll_send(&self, item: &mut Option<T>, key: &mut Option<u64>, waker: &Waker) -> Poll<Result<(), ()>> {
        // The waker's clone and drop are foreign code: not under the lock.
        let mut waker = waker.clone();
        let mut inner = self.channel.lock();
        if inner.closed {
            return Poll::Ready(Err(()));
        }
        if inner.items.len() < inner.cap {
            if let Some(item) = item.take() {
                inner.items.push_back(item);
            }
            let receiver = inner.receiver.take();
            drop(inner);
            if let Some(receiver) = receiver {
                receiver.wake();
            }
            return Poll::Ready(Ok(()));
        }
        let mine = *key.get_or_insert_with(|| {
            inner.next += 1;
            inner.next
        });
        match inner.waiting.iter_mut().find(|(key, _)| *key == mine) {
            Some((_, place)) => std::mem::swap(place, &mut waker),
            None => {
                inner.waiting.push_back((mine, waker));
                return Poll::Pending;
            }
        }
        drop(inner);
        drop(waker);
        Poll::Pending
    }
}

impl<T> Clone for Sender<'_, T> {
    fn clone(&self) -> Self {
        self.channel.lock().senders += 1;
        Self { channel: Arc::clone(&self.channel), marker: PhantomData }
    }
}

impl<T> Drop for Sender<'_, T> {
    fn drop(&mut self) {
        let mut inner = self.channel.lock();
        inner.senders -= 1;
        let receiver = if inner.senders == 0 { inner.receiver.take() } else { None };
        drop(inner);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl<T> fmt::Debug for Sender<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// What [`Sender::send`] returns.
#[must_use = "an `Async` does nothing unless it is awaited"]
pub struct SendItem<'a, 's, T> {
    sender: &'a Sender<'s, T>,
    item: Option<T>,
    key: Option<u64>,
}

// The item is never pinned.
impl<T> Unpin for SendItem<'_, '_, T> {}

// SAFETY: it starts nothing and lends nothing. `is_cancel_safe` stays false: dropping would be sound, but would lose the item.
unsafe impl<T> Async for SendItem<'_, '_, T> {
    type Output = Result<(), SendError<T>>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let refused = match this.sender.poll_send(&mut this.item, &mut this.key, cx.waker()) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(())) => cx.cancel_reason().unwrap_or(Reason::Requested),
            Poll::Pending => match cx.cancel_reason() {
                Some(reason) => reason,
                None => return Poll::Pending,
            },
        };
        let item = this.item.take().expect("polled after completion");
        Poll::Ready(Err(SendError(item, Cancelled::from_reason(refused))))
    }
}

impl<T> Drop for SendItem<'_, '_, T> {
    fn drop(&mut self) {
        if let Some(mine) = self.key {
            let mut inner = self.sender.channel.lock();
            let at = inner.waiting.iter().position(|(key, _)| *key == mine);
            let gone = at.and_then(|at| inner.waiting.remove(at));
            drop(inner);
            drop(gone);
        }
    }
}

impl<T> fmt::Debug for SendItem<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendItem").finish_non_exhaustive()
    }
}

/// An item that was not sent, and why.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T, pub Cancelled);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").field(&format_args!("..")).field(&self.1).finish()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the item was not sent: {}", self.1)
    }
}

impl<T> Error for SendError<T> {}

/// The items of a source that runs in a background task. A plain stream: it may be dropped between, and while waiting for,
/// items.
///
/// # Cancellation
/// Dropping it drops the items that nobody took and closes the channel. [`close`](Self::close) hands them back.
pub struct Received<'s, T> {
    channel: Arc<Channel<T>>,
    marker: PhantomData<&'s ()>,
}

impl<T> Received<'_, T> {
    /// Takes no more items, and hands back those that were sent and nobody took. A `send` that waits gets its item back.
    ///
    /// Behind an adaptor or `Items` it is reached by `into_inner`.
    pub fn close(self) -> impl Async<Output = Vec<T>> {
        std::future::ready(Vec::from(self.channel.close()))
    }
}

impl<T> Stream for Received<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<T>> {
        // The waker's clone and drop are foreign code: not under the lock.
        let waker = cx.waker().clone();
        let mut inner = self.channel.lock();
        if let Some(item) = inner.items.pop_front() {
            let sender = inner.waiting.pop_front();
            drop(inner);
            if let Some((_, sender)) = sender {
                sender.wake();
            }
            return Poll::Ready(Some(item));
        }
        if inner.senders == 0 {
            return Poll::Ready(None);
        }
        let old = inner.receiver.replace(waker);
        drop(inner);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Received<'_, T> {
    fn drop(&mut self) {
        drop(self.channel.close());
    }
}

impl<T> fmt::Debug for Received<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.channel.lock();
        f.debug_struct("Received").field("items", &inner.items.len()).field("closed", &inner.closed).finish()
    }
}
