//! `Slot`: one child, then its output in the same place.

use core::{pin::Pin, task::Poll};

use async_trait_core::{Async, Context};
use pin_project_lite::pin_project;

pin_project! {
    /// One child of an operation: `Child` until it is complete or dropped, `Done` until its output is taken.
    ///
    /// The child is pinned, its output is not.
    #[project = SlotProj]
    #[project_replace = SlotOwned]
    pub enum Slot<A: Async> {
        Child {
            #[pin]
            child: A,
        },
        Done {
            output: A::Output,
        },
        Gone,
    }
}

impl<A: Async> Slot<A> {
    pub(crate) fn new(child: A) -> Self {
        Self::Child { child }
    }

    /// Whether a child is here: fresh, started, or complete by a panic that was caught just now.
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Child { .. })
    }

    /// Whether what is here may be dropped now.
    #[inline]
    pub(crate) fn is_cancel_safe(&self) -> bool {
        match self {
            Self::Child { child } => child.is_cancel_safe(),
            Self::Done { .. } | Self::Gone => true,
        }
    }

    /// Polls the child. A complete one stays here until [`finish`](Self::finish) or [`discard`](Self::discard).
    ///
    /// # Safety
    /// The caller keeps *completed* and *retired* for the child.
    ///
    /// # Panics
    /// If there is no child.
    #[inline]
    pub(crate) unsafe fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        match self.project() {
            // SAFETY: the caller promises both for the child.
            SlotProj::Child { child } => unsafe { child.poll_async(cx) },
            SlotProj::Done { .. } | SlotProj::Gone => unreachable!("a slot without a child was polled"),
        }
    }

    /// Drops the complete child and puts its output in its place, which happens also if the child's destructor unwinds.
    #[inline]
    pub(crate) fn finish(mut self: Pin<&mut Self>, output: A::Output) {
        self.set(Self::Done { output });
    }

    /// Drops what is here. Nothing is here afterwards, also if the destructor unwinds.
    #[inline]
    pub(crate) fn discard(mut self: Pin<&mut Self>) {
        self.set(Self::Gone);
    }

    /// The output, if there is one; a child stays.
    #[inline]
    pub(crate) fn take(self: Pin<&mut Self>) -> Option<A::Output> {
        if !matches!(*self, Self::Done { .. }) {
            return None;
        }
        match self.project_replace(Self::Gone) {
            SlotOwned::Done { output } => Some(output),
            SlotOwned::Child { .. } | SlotOwned::Gone => unreachable!("checked above"),
        }
    }

    /// The output of a child that has completed.
    ///
    /// # Panics
    /// If it was taken: the operation was polled after it was complete.
    #[inline]
    pub(crate) fn output(self: Pin<&mut Self>) -> A::Output {
        self.take().expect("an operation was polled after it was complete")
    }
}
