//! The ends of a chain: `for_each`, `try_for_each`, `fold`, `collect`. Each is an `Async` that owns the iterator.
//!
//! The first three alternate between asking for an item and running an `Async` made of it; at most one of the two is
//! started at any moment. Common argument, cited below as *alternates*: *inert*, since nothing is polled on construction;
//! *quiet*, since `Ready` is returned only between items and with nothing running, and a part that unwinds is complete
//! while the other is between items; *honest*, since only `running` can be started if there is one, else only the iterator.

use core::{
    future::IntoFuture,
    pin::Pin,
    task::{Poll, ready},
};

use pin_project_lite::pin_project;

use super::{AsyncIterator, CancelSafeIterator};
use crate::{AsFuture, Async, CancelSafe, Context};

pin_project! {
    /// The iterator, and what was made of its last item; the common part of the types of this file.
    ///
    /// # Invariants
    /// While `running` is `Some` the iterator is between items.
    struct Alternate<I, A> {
        #[pin]
        iter: I,
        #[pin]
        running: Option<A>,
    }
}

/// What a poll of [`Alternate`] came to.
enum Event<T, O> {
    Item(T),
    Output(O),
    End,
}

impl<I: AsyncIterator, A: Async> Alternate<I, A> {
    fn new(iter: I) -> Self {
        Self { iter, running: None }
    }

    /// Polls what runs, else the iterator.
    ///
    /// # Safety
    /// The caller keeps *completed* for the whole value, and *retired*: it polls no more once this has unwound.
    #[inline]
    unsafe fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event<I::Item, A::Output>> {
        let mut this = self.project();
        if let Some(running) = this.running.as_mut().as_pin_mut() {
            // SAFETY: *completed* and, for unwinding, *retired* are promised by the caller; on `Ready` it is removed below.
            let output = ready!(unsafe { running.poll_async(cx) });
            this.running.set(None);
            return Poll::Ready(Event::Output(output));
        }
        // SAFETY: *completed* is promised by the caller for this value, which owns and pins the iterator.
        Poll::Ready(match ready!(unsafe { this.iter.poll_next_async(cx) }) {
            Some(item) => Event::Item(item),
            None => Event::End,
        })
    }

    fn run(self: Pin<&mut Self>, a: A) {
        self.project().running.set(Some(a));
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        match &self.running {
            Some(running) => running.is_cancel_safe(),
            None => self.iter.is_cancel_safe(),
        }
    }
}

pin_project! {
    /// The `Async` of [`Items::for_each`](super::Items::for_each).
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct ForEach<I, F, A> {
        #[pin]
        parts: Alternate<I, A>,
        f: F,
    }
}

impl<I: AsyncIterator, F, A: Async> ForEach<I, F, A> {
    pub(super) fn new(iter: I, f: F) -> Self {
        Self { parts: Alternate::new(iter), f }
    }
}

// SAFETY: *alternates*, see the top of the file.
unsafe impl<I: AsyncIterator, F: FnMut(I::Item) -> A, A: Async<Output = ()>> Async for ForEach<I, F, A> {
    type Output = ();

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            // SAFETY: *completed* and *retired* are promised by the caller for this value, which owns and pins the parts.
            match ready!(unsafe { this.parts.as_mut().poll(cx) }) {
                Event::Item(item) => this.parts.as_mut().run((this.f)(item)),
                Event::Output(()) => {}
                Event::End => return Poll::Ready(()),
            }
        }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.parts.is_cancel_safe()
    }
}

// SAFETY: both parts are always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<I: CancelSafeIterator, F: FnMut(I::Item) -> A, A: CancelSafe<Output = ()>> CancelSafe for ForEach<I, F, A> {}

impl<I: CancelSafeIterator, F: FnMut(I::Item) -> A, A: CancelSafe<Output = ()>> IntoFuture for ForEach<I, F, A> {
    type Output = ();
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}

pin_project! {
    /// The `Async` of [`Items::try_for_each`](super::Items::try_for_each).
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct TryForEach<I, F, A> {
        #[pin]
        parts: Alternate<I, A>,
        f: F,
    }
}

impl<I: AsyncIterator, F, A: Async> TryForEach<I, F, A> {
    pub(super) fn new(iter: I, f: F) -> Self {
        Self { parts: Alternate::new(iter), f }
    }
}

// SAFETY: *alternates*, see the top of the file; an error is returned when `running` is complete and removed.
unsafe impl<E, I, F, A> Async for TryForEach<I, F, A>
where
    I: AsyncIterator,
    F: FnMut(I::Item) -> A,
    A: Async<Output = Result<(), E>>,
{
    type Output = Result<(), E>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let mut this = self.project();
        loop {
            // SAFETY: *completed* and *retired* are promised by the caller for this value, which owns and pins the parts.
            match ready!(unsafe { this.parts.as_mut().poll(cx) }) {
                Event::Item(item) => this.parts.as_mut().run((this.f)(item)),
                Event::Output(Ok(())) => {}
                Event::Output(Err(error)) => return Poll::Ready(Err(error)),
                Event::End => return Poll::Ready(Ok(())),
            }
        }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.parts.is_cancel_safe()
    }
}

// SAFETY: both parts are always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<E, I, F, A> CancelSafe for TryForEach<I, F, A>
where
    I: CancelSafeIterator,
    F: FnMut(I::Item) -> A,
    A: CancelSafe<Output = Result<(), E>>,
{
}

impl<E, I, F, A> IntoFuture for TryForEach<I, F, A>
where
    I: CancelSafeIterator,
    F: FnMut(I::Item) -> A,
    A: CancelSafe<Output = Result<(), E>>,
{
    type Output = Result<(), E>;
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}

pin_project! {
    /// The `Async` of [`Items::fold`](super::Items::fold).
    ///
    /// # Invariants
    /// `folded` is `None` only while something runs, and after completion.
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct Fold<I, T, F, A> {
        #[pin]
        parts: Alternate<I, A>,
        folded: Option<T>,
        f: F,
    }
}

impl<I: AsyncIterator, T, F, A: Async> Fold<I, T, F, A> {
    pub(super) fn new(iter: I, init: T, f: F) -> Self {
        Self { parts: Alternate::new(iter), folded: Some(init), f }
    }
}

// SAFETY: *alternates*, see the top of the file.
unsafe impl<I, T, F, A> Async for Fold<I, T, F, A>
where
    I: AsyncIterator,
    F: FnMut(T, I::Item) -> A,
    A: Async<Output = T>,
{
    type Output = T;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut this = self.project();
        loop {
            // SAFETY: *completed* and *retired* are promised by the caller for this value, which owns and pins the parts.
            match ready!(unsafe { this.parts.as_mut().poll(cx) }) {
                Event::Item(item) => {
                    let folded = this.folded.take().expect(FOLDED);
                    this.parts.as_mut().run((this.f)(folded, item));
                }
                Event::Output(folded) => *this.folded = Some(folded),
                Event::End => return Poll::Ready(this.folded.take().expect(FOLDED)),
            }
        }
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.parts.is_cancel_safe()
    }
}

const FOLDED: &str = "`Fold` was polled after it was complete";

// SAFETY: both parts are always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<I, T, F, A> CancelSafe for Fold<I, T, F, A>
where
    I: CancelSafeIterator,
    F: FnMut(T, I::Item) -> A,
    A: CancelSafe<Output = T>,
{
}

impl<I, T, F, A> IntoFuture for Fold<I, T, F, A>
where
    I: CancelSafeIterator,
    F: FnMut(T, I::Item) -> A,
    A: CancelSafe<Output = T>,
{
    type Output = T;
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}

pin_project! {
    /// The `Async` of [`Items::collect`](super::Items::collect).
    #[derive(Clone, Debug)]
    #[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
    pub struct Collect<I, C> {
        #[pin]
        iter: I,
        gathered: C,
    }
}

impl<I, C: Default> Collect<I, C> {
    pub(super) fn new(iter: I) -> Self {
        Self { iter, gathered: C::default() }
    }
}

// SAFETY: *inert*: nothing is polled on construction. *quiet*: `Ready` is returned between items, and the collection's code runs
// between items. *honest*: only the iterator can be started.
unsafe impl<I: AsyncIterator, C: Default + Extend<I::Item>> Async for Collect<I, C> {
    type Output = C;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C> {
        let mut this = self.project();
        // SAFETY: *completed* is promised by the caller for this value, which owns and pins the iterator.
        while let Some(item) = ready!(unsafe { this.iter.as_mut().poll_next_async(cx) }) {
            this.gathered.extend(Some(item));
        }
        Poll::Ready(core::mem::take(this.gathered))
    }

    #[inline]
    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the iterator is always cancel-safe, so `is_cancel_safe` is always true.
unsafe impl<I: CancelSafeIterator, C: Default + Extend<I::Item>> CancelSafe for Collect<I, C> {}

impl<I: CancelSafeIterator, C: Default + Extend<I::Item>> IntoFuture for Collect<I, C> {
    type Output = C;
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}
