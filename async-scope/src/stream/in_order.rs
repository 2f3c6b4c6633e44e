//! `buffered_in`: items run in tasks, outputs come in the order of the items.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{self, Poll},
};

use async_trait_core::{Async, AsyncIterator, CancelSafeIterator, Context};
use pin_project_lite::pin_project;
use runtime_glue::{CancelOnDrop, JoinError};

use crate::Scope;

pin_project! {
    /// The iterator of [`buffered_in`](super::StreamInScope::buffered_in).
    #[must_use = "iterators do nothing unless polled"]
    pub struct BufferedIn<'s, I>
    where
        I: AsyncIterator,
        I::Item: Async,
    {
        #[pin]
        iter: I,
        ended: bool,
        n: usize,
        scope: &'s Scope<'s>,
        tasks: VecDeque<CancelOnDrop<<I::Item as Async>::Output>>,
    }
}

impl<'s, I: AsyncIterator<Item: Async>> BufferedIn<'s, I> {
    pub(super) fn new(iter: I, n: usize, scope: &'s Scope<'s>) -> Self {
        assert!(n > 0, "with 0 tasks at once nothing would ever run");
        Self { iter, ended: false, n, scope, tasks: VecDeque::new() }
    }
}

// SAFETY: *inert* and *quiet* are those of the iterator inside; the tasks are the scope's. *honest*: passed on; the handles may be
// dropped at any time.
unsafe impl<'s, I> AsyncIterator for BufferedIn<'s, I>
where
    I: AsyncIterator,
    I::Item: Async + Send + 's,
    <I::Item as Async>::Output: Send + 's,
{
    type Item = <I::Item as Async>::Output;

    unsafe fn poll_next_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let asked = cx.cancel_reason();
        // Whether the iterator holds an item that must be completed before this may yield.
        let mut waiting = false;
        while !*this.ended && this.tasks.len() < *this.n {
            if asked.is_some() && this.iter.is_cancel_safe() {
                *this.ended = true;
                break;
            }
            // SAFETY: *completed* per item: promised by the caller for the whole, which yields nothing while an item of a
            // non-cancel-safe iterator is started.
            match unsafe { this.iter.as_mut().poll_next_async(cx) } {
                Poll::Ready(Some(item)) => this.tasks.push_back(this.scope.spawn(item).cancel_on_drop()),
                Poll::Ready(None) => *this.ended = true,
                Poll::Pending => {
                    waiting = !this.iter.is_cancel_safe();
                    break;
                }
            }
            if asked.is_some() {
                // The item that was under way has come; no more are taken.
                *this.ended = true;
            }
        }
        if let Some(reason) = asked {
            for task in &*this.tasks {
                // The runtime may panic, and an item of the iterator may be under way, which nothing may unwind through.
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task.ask(reason))) {
                    this.scope.tasks.unobserved_panic(panic);
                }
            }
        }
        if waiting {
            return Poll::Pending;
        }
        while let Some(task) = this.tasks.front_mut() {
            match Pin::new(task).poll(&mut task::Context::from_waker(cx.waker())) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(output) => {
                    this.tasks.pop_front();
                    match output {
                        Ok(output) => return Poll::Ready(Some(output)),
                        Err(JoinError::Panicked(panic)) => panic.resume(),
                        // A plain future that was dropped because it was asked to finish: there is no output.
                        Err(JoinError::Cancelled(_)) => {}
                    }
                }
            }
        }
        if *this.ended { Poll::Ready(None) } else { Poll::Pending }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = if self.ended { (0, Some(0)) } else { self.iter.size_hint() };
        let tasks = self.tasks.len();
        (low.saturating_add(tasks), high.and_then(|high| high.checked_add(tasks)))
    }

    fn is_cancel_safe(&self) -> bool {
        self.iter.is_cancel_safe()
    }
}

// SAFETY: the iterator inside is cancel-safe at every moment, and the handles may be dropped or forgotten: the tasks are the
// scope's.
unsafe impl<'s, I> CancelSafeIterator for BufferedIn<'s, I>
where
    I: CancelSafeIterator,
    I::Item: Async + Send + 's,
    <I::Item as Async>::Output: Send + 's,
{
}

impl<I: AsyncIterator<Item: Async>> fmt::Debug for BufferedIn<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedIn").field("n", &self.n).field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
