//! `buffer_unordered_in` and `for_each_in`: items run in tasks, outputs come as they are completed.

use std::{
    any::Any,
    collections::VecDeque,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    thread,
};

use async_trait_core::{Async, AsyncIterator, CancelFlag, CancelSafeIterator, Context, Reason};
use pin_project_lite::pin_project;

use crate::{Scope, asked::Asked};

type Payload = Box<dyn Any + Send>;

/// What the tasks have left for who takes the outputs.
struct Done<T> {
    inner: Mutex<Inner<T>>,
    /// Asks the tasks of one iterator to finish, and not the rest of the scope.
    flag: CancelFlag,
}

struct Inner<T> {
    /// `None`: a task that ended without output.
    outputs: VecDeque<Option<T>>,
    taker: Option<Waker>,
    /// Wakers of the tasks that are pending, by number: whoever sets the flag wakes them (clause *wake*).
    pending: Vec<(u64, Waker)>,
}

impl<T> Done<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, output: Option<T>) {
        let mut inner = self.lock();
        inner.outputs.push_back(output);
        let taker = inner.taker.take();
        drop(inner);
        if let Some(taker) = taker {
            taker.wake();
        }
    }

    /// Asks every task, whatever a runtime does when one is woken; its first panic is returned.
    fn ask(&self, reason: Reason) -> Option<Payload> {
        let mut first = None;
        if self.flag.request(reason) {
            let pending = std::mem::take(&mut self.lock().pending);
            for (_, waker) in pending {
                match catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                    Err(panic) if first.is_none() => first = Some(panic),
                    // The panic hook has printed it. Its payload's destructor might panic, too.
                    Err(panic) => mem::forget(panic),
                    Ok(()) => {}
                }
            }
        }
        first
    }

    fn register(&self, number: u64, waker: &Waker) {
        let waker = waker.clone();
        let mut inner = self.lock();
        let old = match inner.pending.iter_mut().find(|(other, _)| *other == number) {
            Some((_, place)) => Some(std::mem::replace(place, waker)),
            None => {
                inner.pending.push((number, waker));
                None
            }
        };
        drop(inner);
        drop(old);
    }

    fn leave(&self, number: u64) {
        let mut inner = self.lock();
        let at = inner.pending.iter().position(|(other, _)| *other == number);
        let gone = at.map(|at| inner.pending.swap_remove(at));
        drop(inner);
        drop(gone);
    }
}

pin_project! {
    /// A task, which leaves its output, or that it has none, whatever becomes of it.
    struct Leaving<A>
    where
        A: Async,
    {
        #[pin]
        a: Asked<A>,
        done: Leave<A::Output>,
    }
}

/// Leaves "no output" if it is dropped with nothing left.
struct Leave<T> {
    done: Arc<Done<T>>,
    number: u64,
    left: bool,
}

impl<T> Drop for Leave<T> {
    fn drop(&mut self) {
        self.done.leave(self.number);
        if !self.left {
            self.done.put(None);
        }
    }
}

// SAFETY: every clause is passed on to `a`, which is pinned inside, polled exactly when this is, and dropped when this is.
unsafe impl<A: Async> Async for Leaving<A> {
    type Output = ();

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.done.done.register(this.done.number, cx.waker());
        // SAFETY: promised by the caller for the whole, hence for `a`.
        let polled = unsafe { this.a.poll_async(&mut cx.with_cancel(&this.done.done.flag)) };
        polled.map(|output| {
            this.done.left = true;
            // A plain future that was dropped because it was asked to finish has no output.
            this.done.done.put(output.ok());
        })
    }
}

pin_project! {
    /// The iterator of [`buffer_unordered_in`](super::StreamInScope::buffer_unordered_in).
    #[must_use = "iterators do nothing unless polled"]
    pub struct BufferUnorderedIn<'s, I>
    where
        I: AsyncIterator,
        I::Item: Async,
    {
        #[pin]
        iter: I,
        ended: bool,
        n: usize,
        live: usize,
        next: u64,
        scope: &'s Scope<'s>,
        asking: AskOnDrop<<I::Item as Async>::Output>,
    }
}

/// Asks the tasks when the iterator is dropped: nobody will take what they return.
struct AskOnDrop<T>(Arc<Done<T>>);

impl<T> Drop for AskOnDrop<T> {
    fn drop(&mut self) {
        match self.0.ask(Reason::Requested) {
            // A second panic during a panic would abort.
            Some(panic) if thread::panicking() => mem::forget(panic),
            Some(panic) => resume_unwind(panic),
            None => {}
        }
    }
}

impl<'s, I: AsyncIterator<Item: Async>> BufferUnorderedIn<'s, I> {
    pub(super) fn new(iter: I, n: usize, scope: &'s Scope<'s>) -> Self {
        assert!(n > 0, "with 0 tasks at once nothing would ever run");
        let inner = Mutex::new(Inner { outputs: VecDeque::new(), taker: None, pending: Vec::new() });
        let asking = AskOnDrop(Arc::new(Done { inner, flag: CancelFlag::new() }));
        Self { iter, ended: false, n, live: 0, next: 0, scope, asking }
    }
}

// SAFETY: as for `BufferedIn`.
unsafe impl<'s, I> AsyncIterator for BufferUnorderedIn<'s, I>
where
    I: AsyncIterator,
    I::Item: Async + Send + 's,
    <I::Item as Async>::Output: Send + 's,
{
    type Item = <I::Item as Async>::Output;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let done = &this.asking.0;
        let asked = cx.cancel_reason();
        // The runtime may panic, and an item of the iterator may be under way, which nothing may unwind through.
        if let Some(panic) = asked.and_then(|reason| done.ask(reason)) {
            this.scope.tasks.unobserved_panic(panic);
        }
        loop {
            let mut waiting = false;
            while !*this.ended && *this.live < *this.n {
                if asked.is_some() && this.iter.is_cancel_safe() {
                    *this.ended = true;
                    break;
                }
                // SAFETY: *completed* per item: promised by the caller for the whole, which yields nothing while an item of a
                // non-cancel-safe iterator is started.
                match unsafe { this.iter.as_mut().poll_next_async(cx) } {
                    Poll::Ready(Some(a)) => {
                        *this.live += 1;
                        *this.next += 1;
                        let leave = Leave { done: Arc::clone(done), number: *this.next, left: false };
                        drop(this.scope.spawn(Leaving { a: Asked::new(a), done: leave }));
                    }
                    Poll::Ready(None) => *this.ended = true,
                    Poll::Pending => {
                        waiting = !this.iter.is_cancel_safe();
                        break;
                    }
                }
                if asked.is_some() {
                    *this.ended = true;
                }
            }
            if waiting {
                return Poll::Pending;
            }
            // The waker's clone and drop are foreign code: not under the lock.
            let waker = cx.waker().clone();
            let mut inner = done.lock();
            match inner.outputs.pop_front() {
                Some(output) => {
                    drop(inner);
                    *this.live -= 1;
                    if let Some(output) = output {
                        return Poll::Ready(Some(output));
                    }
                }
                None if *this.ended && *this.live == 0 => return Poll::Ready(None),
                None => {
                    let old = inner.taker.replace(waker);
                    drop(inner);
                    drop(old);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: as for `BufferedIn`.
unsafe impl<'s, I> CancelSafeIterator for BufferUnorderedIn<'s, I>
where
    I: CancelSafeIterator,
    I::Item: Async + Send + 's,
    <I::Item as Async>::Output: Send + 's,
{
}

impl<I: AsyncIterator<Item: Async>> fmt::Debug for BufferUnorderedIn<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferUnorderedIn").field("n", &self.n).field("live", &self.live).finish_non_exhaustive()
    }
}

pin_project! {
    /// The computation of [`for_each_in`](super::StreamInScope::for_each_in).
    #[must_use = "an `Async` does nothing unless it is awaited"]
    pub struct ForEachIn<I> {
        #[pin]
        iter: I,
    }
}

impl<I> ForEachIn<I> {
    pub(super) fn new(iter: I) -> Self {
        Self { iter }
    }
}

// SAFETY: every clause is the iterator's, which is pinned inside and polled to its end. `is_cancel_safe` stays false: whoever
// awaits this wants the tasks to have ended.
unsafe impl<I: AsyncIterator<Item = ()>> Async for ForEachIn<I> {
    type Output = ();

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut iter = self.project().iter;
        // SAFETY: *completed* per item: promised by the caller for the whole.
        while let Some(()) = std::task::ready!(unsafe { iter.as_mut().poll_next_async(cx) }) {}
        Poll::Ready(())
    }
}

impl<I> fmt::Debug for ForEachIn<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEachIn").finish_non_exhaustive()
    }
}
