//! `finally`: something that runs after an operation, however that ended.

use core::{pin::Pin, task::Poll};

use async_trait_core::{Async, Context};
use pin_project_lite::pin_project;

use crate::{contain::Held, limit::hidden};

/// Runs `a`, then `cleanup`, and yields what `a` yielded.
///
/// The cleanup runs after success, error, a request to finish and a panic. It is shielded: a request that is pending does
/// not reach it. It may not borrow mutably what `a` borrows, since both values exist at once; where the cleanup needs a
/// resource that the work was using, write [`bracket!`](crate::bracket!).
///
/// # Examples
/// ```
/// use async_cancel::finally;
/// use async_trait_core::{async_block, block_on_with};
/// use std::cell::RefCell;
///
/// let log = RefCell::new(vec![]);
/// let work = async_block! {
///     log.borrow_mut().push("work");
///     7
/// };
/// let cleanup = async { log.borrow_mut().push("cleanup") };
/// assert_eq!(block_on_with(finally(work, cleanup), || {}), 7);
/// assert_eq!(log.into_inner(), ["work", "cleanup"]);
/// ```
///
/// # Panics
/// With the panic of `a`, after the cleanup; else with that of the cleanup. Without the feature `std` a panic of `a` aborts,
/// since the cleanup could not be run.
///
/// # Cancellation
/// The request is passed on to `a`, which is waited for, also if it is a plain future. Never started, neither runs.
pub fn finally<A: Async, C: Async<Output = ()>>(a: A, cleanup: C) -> impl Async<Output = A::Output> {
    Finally { a: Some(a), cleanup, output: None, held: Held::none() }
}

pin_project! {
    struct Finally<A, C>
    where
        A: Async,
    {
        // `None` once it is complete: what it holds is let go before the cleanup begins.
        #[pin]
        a: Option<A>,
        #[pin]
        cleanup: C,
        output: Option<A::Output>,
        held: Held,
    }
}

// SAFETY: *inert*: constructing only stores. *quiet*: at any time only one of the two is started, `a` before it is complete and the
// cleanup after, and each is polled to its end before this returns `Ready`; what unwinds then is the completion of the
// one that was started. *honest*: never cancel-safe. *last touch*: nothing here reports to another thread.
unsafe impl<A: Async, C: Async<Output = ()>> Async for Finally<A, C> {
    type Output = A::Output;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let mut this = self.project();
        if let Some(a) = this.a.as_mut().as_pin_mut() {
            // SAFETY: *completed*, *retired*: promised by the caller for this value, hence for `a`; it is taken away below when it is
            // complete, by returning or by unwinding.
            let polled = this.held.run(true, || unsafe { a.poll_async(cx) });
            match polled {
                Some(Poll::Pending) => return Poll::Pending,
                Some(Poll::Ready(output)) => *this.output = Some(output),
                None => {}
            }
            let mut slot = this.a.as_mut();
            let _ = this.held.run(true, || slot.set(None));
        }
        let cleanup = this.cleanup;
        // SAFETY: as above, for the cleanup, which is begun when `a` is complete; when it is complete this is.
        let polled = hidden(cx, |cx| unsafe { after(cleanup, this.held, cx) });
        polled.map(|()| this.output.take().expect("`finally` was polled after it was complete"))
    }
}

/// Polls the cleanup; if a panic of what went before is held, it goes on when the cleanup is complete.
///
/// # Safety
/// As for [`Async::poll_async`].
unsafe fn after<C: Async<Output = ()>>(cleanup: Pin<&mut C>, held: &mut Held, cx: &mut Context<'_>) -> Poll<()> {
    #[cfg(feature = "std")]
    if held.is_some() {
        // SAFETY: passed on to the caller.
        let polled = crate::contain::catch(|| unsafe { cleanup.poll_async(cx) });
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(second) => held.hold(second),
        }
        held.resume();
        return Poll::Ready(());
    }
    let _ = held;
    // SAFETY: passed on to the caller.
    unsafe { cleanup.poll_async(cx) }
}
