//! `Whole`: a transfer repeated until everything was moved, in the state of one operation.

use std::{
    io,
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::Context;

use super::{Kind, Op};
use crate::error::Incomplete;

/// A transfer that can go on where it stopped.
pub(crate) trait Step: Kind<Output = io::Result<usize>> {
    /// What it means if nothing was moved and no error came.
    const END: io::ErrorKind;

    /// How many bytes are left.
    fn remaining(&self) -> usize;

    /// So many bytes were moved.
    fn advance(&mut self, bytes: usize);
}

/// All of a transfer.
pub(crate) struct Whole<K: Step> {
    op: Op<K>,
    done: usize,
}

impl<K: Step> Whole<K> {
    pub(crate) const fn new(kind: K) -> Self {
        Self { op: Op::new(kind), done: 0 }
    }

    /// Polls it.
    ///
    /// # Safety
    /// As [`poll_async`](async_trait_core::Async::poll_async): *completed* and *retired*.
    pub(crate) unsafe fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Incomplete>> {
        // SAFETY: nothing is moved out of the reference: `op` is pinned again at once, `done` is a number.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: a projection: `op` is pinned with `self` and is never moved.
        let mut op = unsafe { Pin::new_unchecked(&mut this.op) };
        loop {
            if op.kind().remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            // SAFETY: *completed* is promised by the caller; *retired*: after a result it is renewed, or this returns `Ready`.
            let source = match ready!(unsafe { op.as_mut().poll(cx) }) {
                Ok(0) => io::Error::new(K::END, format!("{} moved nothing more", K::NAME)),
                Ok(bytes) => {
                    this.done += bytes;
                    op.as_mut().renew(|kind| kind.advance(bytes));
                    continue;
                }
                Err(error) => error,
            };
            return Poll::Ready(Err(Incomplete { done: this.done, source }));
        }
    }
}

/// Declares the public type of a whole transfer.
macro_rules! whole {
    ($(#[$doc:meta])* $name:ident, $opcode:expr) => {
        $(#[$doc])*
        #[must_use = "an operation does nothing unless it is awaited"]
        pub struct $name<'a> {
            whole: $crate::op::whole::Whole<$crate::op::transfer::Transfer<'a, { $opcode }>>,
        }

        impl<'a> $name<'a> {
            pub(crate) const fn from_kind(kind: $crate::op::transfer::Transfer<'a, { $opcode }>) -> Self {
                Self { whole: $crate::op::whole::Whole::new(kind) }
            }
        }

        // SAFETY: every clause is passed on to the field, which is pinned with `self` and is dropped, forgotten and polled exactly
        // when `self` is.
        unsafe impl async_trait_core::Async for $name<'_> {
            type Output = Result<(), $crate::Incomplete>;

            #[inline]
            unsafe fn poll_async(
                self: std::pin::Pin<&mut Self>,
                cx: &mut async_trait_core::Context<'_>,
            ) -> std::task::Poll<Self::Output> {
                // SAFETY: a projection to the one field, which is never moved out.
                let whole = unsafe { self.map_unchecked_mut(|this| &mut this.whole) };
                // SAFETY: *completed* and *retired* are promised by the caller for `self`, hence for its field.
                unsafe { whole.poll(cx) }
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use whole;
