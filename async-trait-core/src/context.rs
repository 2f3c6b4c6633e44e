//! `Context`: what a poll is told. The waker, whether it is asked to stop, and ambient values.
//!
//! `core::task::Context` can carry neither cancellation nor values, so `Async` has its own, in the shape that one of std
//! would have. Flags and values form linked lists of borrowed frames on the poll stack: a derived context points at the
//! one it was derived from, so there is no allocation and no thread-local, and it works without `std`.

use core::{any::Any, fmt, marker::PhantomData, task::Waker};

use crate::{CancelFlag, Reason};

/// What a poll is told: whom to wake, whether it is asked to stop, and the values of its surroundings.
///
/// Made by executors with [`from_waker`](Context::from_waker); combinators derive contexts for their children with the
/// `with_*` methods, which borrow the outer one, so that a derived context cannot outlive the poll.
///
/// Neither `Send` nor `Sync`, and invariant in `'a`, so that future additions need not be either.
///
/// ```
/// use async_trait_core::{CancelFlag, Context, Reason};
/// use core::task::Waker;
///
/// let mut outer = Context::from_waker(Waker::noop());
/// let flag = CancelFlag::new();
/// let inner = outer.with_cancel(&flag);
/// assert!(!inner.is_cancelled());
/// flag.request(Reason::Deadline);
/// assert_eq!(inner.cancel_reason(), Some(Reason::Deadline));
/// ```
pub struct Context<'a> {
    waker: &'a Waker,
    flags: Option<FlagFrame<'a>>,
    values: Option<ValueFrame<'a>>,
    /// Invariant in `'a`, `!Send`, `!Sync`.
    marker: PhantomData<Marker<'a>>,
}

type Marker<'a> = (fn(&'a ()) -> &'a (), *mut ());

impl<'a> Context<'a> {
    /// A context with a waker, without cancellation and without values.
    #[inline]
    #[must_use]
    pub const fn from_waker(waker: &'a Waker) -> Self {
        Self { waker, flags: None, values: None, marker: PhantomData }
    }

    /// The waker of the current task.
    #[inline]
    #[must_use]
    pub const fn waker(&self) -> &'a Waker {
        self.waker
    }

    /// Whether the first stage of a two-stage request has been reached: start nothing new. True whenever
    /// [`is_cancelled`](Self::is_cancelled) is.
    #[inline]
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.frames().any(|frame| frame.flag.is_stopping())
    }

    /// Whether the computation is asked to finish. Once true it stays true for this computation.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.frames().any(|frame| frame.flag.is_cancelled())
    }

    /// Why the computation is asked to finish; of several requests the innermost. `None` unless
    /// [`is_cancelled`](Self::is_cancelled).
    #[inline]
    #[must_use]
    pub fn cancel_reason(&self) -> Option<Reason> {
        self.frames().find(|frame| frame.flag.is_cancelled()).and_then(|frame| frame.flag.reason())
    }

    /// Why the computation is asked to stop or to finish; of several requests the innermost. `None` unless
    /// [`is_stopping`](Self::is_stopping).
    #[inline]
    #[must_use]
    pub fn stop_reason(&self) -> Option<Reason> {
        self.frames().find_map(|frame| frame.flag.reason())
    }

    /// A context that is also cancelled by `flag`.
    ///
    /// Whoever sets the flag wakes the task that polls under it (clause *wake* of [the contract](crate::Async#the-contract)).
    #[inline]
    #[must_use]
    pub fn with_cancel<'b>(&'b mut self, flag: &'b CancelFlag) -> Context<'b> {
        Context {
            waker: self.waker,
            flags: Some(FlagFrame { flag, outer: self.flags.as_ref() }),
            values: self.values,
            marker: PhantomData,
        }
    }

    /// A context that hides all outer flags: what runs under it is not asked to finish from outside.
    #[inline]
    #[must_use]
    pub fn shielded<'b>(&'b mut self) -> Context<'b> {
        Context { waker: self.waker, flags: None, values: self.values, marker: PhantomData }
    }

    /// A context that carries an ambient value; of several values of one type the innermost wins.
    #[inline]
    #[must_use]
    pub fn with_value<'b, T: Any>(&'b mut self, value: &'b T) -> Context<'b> {
        Context {
            waker: self.waker,
            flags: self.flags,
            values: Some(ValueFrame { value, outer: self.values.as_ref() }),
            marker: PhantomData,
        }
    }

    /// A context with another waker, for combinators that find out which child was woken.
    #[inline]
    #[must_use]
    pub fn with_waker<'b>(&'b mut self, waker: &'b Waker) -> Context<'b> {
        Context { waker, flags: self.flags, values: self.values, marker: PhantomData }
    }

    /// The innermost ambient value of type `T`.
    #[inline]
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        let mut next = self.values.as_ref();
        while let Some(frame) = next {
            if let Some(value) = frame.value.downcast_ref() {
                return Some(value);
            }
            next = frame.outer;
        }
        None
    }

    #[inline]
    fn frames(&self) -> impl Iterator<Item = &FlagFrame<'a>> {
        core::iter::successors(self.flags.as_ref(), |frame| frame.outer)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("waker", &self.waker)
            .field("stop_reason", &self.stop_reason())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// One cancellation flag and the frames outside it.
#[derive(Clone, Copy)]
struct FlagFrame<'a> {
    flag: &'a CancelFlag,
    outer: Option<&'a FlagFrame<'a>>,
}

/// One ambient value and the frames outside it.
#[derive(Clone, Copy)]
struct ValueFrame<'a> {
    value: &'a dyn Any,
    outer: Option<&'a ValueFrame<'a>>,
}
