//! `Incoming`: the connections of a listener, accepted by one operation that completes again and again.

use std::{
    fmt,
    future::Future,
    io,
    os::fd::AsFd,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};

use async_trait_core::{AsyncIterator, CancelSafeIterator, Cancelled, Context};

use super::{TcpListener, TcpStream};
use crate::{
    error::failed,
    op::multishot::Multishot,
    ring::sqe::errno::{ECANCELED, EINTR},
};

/// The iterator of [`TcpListener::incoming`].
///
/// One operation of the kernel accepts connections ahead, and they wait here. It borrows no memory, so the iterator may be
/// dropped at any time; connections that were accepted and not taken are closed then. [`close`](Self::close) hands them out.
///
/// # Cancellation
/// Once asked, it yields what was accepted, then `Err(Cancelled)`.
pub struct Incoming<'a> {
    listener: &'a TcpListener,
    source: Option<Arc<Multishot>>,
}

impl<'a> Incoming<'a> {
    pub(super) const fn new(listener: &'a TcpListener) -> Self {
        Self { listener, source: None }
    }

    /// Stops accepting, and yields the connections that were accepted and not taken: none is lost.
    pub fn close(mut self) -> CloseIncoming {
        let source = self.source.take();
        if let Some(source) = &source {
            source.ask();
        }
        CloseIncoming { source, rest: Vec::new() }
    }

    fn source(&mut self) -> io::Result<&Arc<Multishot>> {
        if self.source.is_none() {
            self.source = Some(Multishot::accept(self.listener.as_fd().try_clone_to_owned()?)?);
        }
        Ok(self.source.as_ref().expect("set just now"))
    }
}

// SAFETY: whatever is started is on the heap, borrows nothing, and is kept by the driver: the iterator may be dropped or
// forgotten at any time, also between and during items.
unsafe impl AsyncIterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    unsafe fn poll_next_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.source.is_none()
                && let Some(reason) = cx.cancel_reason()
            {
                return Poll::Ready(Some(Err(Cancelled::from_reason(reason).into())));
            }
            let source = match self.source() {
                Ok(source) => source,
                Err(error) => return Poll::Ready(Some(Err(failed("accept", None, error)))),
            };
            let result = match (source.poll_next(cx.waker()), cx.cancel_reason()) {
                (Poll::Ready(result), _) => result,
                (Poll::Pending, Some(reason)) => {
                    return Poll::Ready(Some(Err(Cancelled::from_reason(reason).into())));
                }
                (Poll::Pending, None) => return Poll::Pending,
            };
            let error = match result {
                Ok(connection) => return Poll::Ready(Some(Ok(TcpStream::from(connection)))),
                Err(error) => error,
            };
            self.source = None;
            // Its ring was closed, or the kernel gave up although nothing was wrong: once more.
            if error < 0 && -error != ECANCELED && -error != EINTR {
                let (error, local) = (io::Error::from_raw_os_error(-error), self.listener.local_addr().ok());
                return Poll::Ready(Some(Err(failed("accept", local.map(|local| local.to_string()), error))));
            }
        }
    }

    fn is_cancel_safe(&self) -> bool {
        true
    }
}

// SAFETY: `is_cancel_safe` is always true, for the reason given there.
unsafe impl CancelSafeIterator for Incoming<'_> {}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            source.ask();
        }
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("listener", self.listener).finish_non_exhaustive()
    }
}

/// The future of [`Incoming::close`].
#[must_use = "futures do nothing unless awaited"]
pub struct CloseIncoming {
    source: Option<Arc<Multishot>>,
    rest: Vec<TcpStream>,
}

impl Future for CloseIncoming {
    type Output = Vec<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Vec<TcpStream>> {
        while let Some(source) = &self.source {
            match ready!(source.poll_next(cx.waker())) {
                Ok(connection) => self.rest.push(TcpStream::from(connection)),
                Err(_ended) => self.source = None,
            }
        }
        Poll::Ready(std::mem::take(&mut self.rest))
    }
}

impl fmt::Debug for CloseIncoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseIncoming").finish_non_exhaustive()
    }
}
