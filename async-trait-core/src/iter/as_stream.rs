//! `AsStream`: a cancel-safe iterator as a plain `Stream`.

use core::{
    pin::Pin,
    task::{self, Poll},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{AsyncIterator, CancelSafeIterator};
use crate::Context;

pin_project! {
    /// A [`CancelSafeIterator`] as a plain [`Stream`], made by [`Items::into_stream`](super::Items::into_stream).
    ///
    /// # Cancellation
    /// A stream has no [`Context`]: what runs inside is never asked to finish, only dropped.
    #[derive(Clone, Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct AsStream<I> {
        #[pin]
        inner: I,
    }
}

impl<I: CancelSafeIterator> AsStream<I> {
    pub(super) fn new(inner: I) -> Self {
        Self { inner }
    }

    /// The iterator inside.
    pub fn into_inner(self) -> I {
        self.inner
    }
}

impl<I: CancelSafeIterator> Stream for AsStream<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<I::Item>> {
        // SAFETY: *completed* does not bind for a `CancelSafeIterator`: whoever drops or forgets this stream may.
        unsafe { self.project().inner.poll_next_async(&mut Context::from_waker(cx.waker())) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        AsyncIterator::size_hint(&self.inner)
    }
}
