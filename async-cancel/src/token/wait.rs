//! Waiting for a token: the futures `cancelled()` and `stopping()`, borrowed and owned.

use core::{
    borrow::Borrow,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use async_trait_core::{CancelFlag, Reason};

use super::{
    CancellationToken,
    list::{Waiter, Wants},
    tree::Stage,
};

/// A token and a slot in its list.
pub(crate) struct Waiting<T: Borrow<CancellationToken>> {
    token: T,
    waiter: Waiter,
}

impl<T: Borrow<CancellationToken>> Waiting<T> {
    pub(crate) fn new(token: T) -> Self {
        Self { token, waiter: Waiter::new() }
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        self.token.borrow()
    }

    pub(crate) fn flag(&self) -> &CancelFlag {
        self.token().node().flag.look()
    }

    /// The stage that has been reached.
    pub(crate) fn stage(&self) -> Option<Stage> {
        let flag = self.flag();
        if flag.is_cancelled() { Some(Stage::Cancelled) } else { flag.is_stopping().then_some(Stage::Stopping) }
    }

    /// True if a later stage than `seen` has been reached; else `waker` will be called when it is.
    pub(crate) fn wait_beyond(self: Pin<&mut Self>, seen: Option<Stage>, waker: &Waker) -> bool {
        match seen {
            None => self.wait(true, waker),
            Some(Stage::Stopping) => self.wait(false, waker),
            Some(Stage::Cancelled) => false,
        }
    }

    /// True if it is cancelled (or `stopping`, and it is stopping); else `waker` will be called when it is.
    pub(crate) fn wait(self: Pin<&mut Self>, stopping: bool, waker: &Waker) -> bool {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        let wants = if stopping { Wants::Stopping } else { Wants::Cancelled };
        // SAFETY: `waiter` is pinned with `self`; `token` does not change, so it is used with that node only; the destructor leaves.
        unsafe { this.waiter.wait(this.token.borrow().node(), wants, waker) }
    }

    fn poll(self: Pin<&mut Self>, stopping: bool, cx: &Context<'_>) -> Poll<Reason> {
        let mut this = self;
        if !this.as_mut().wait(stopping, cx.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(this.token().node().flag.look().reason().expect("what is cancelled or stopping has a reason"))
    }
}

impl<T: Borrow<CancellationToken>> Drop for Waiting<T> {
    fn drop(&mut self) {
        // SAFETY: `token` has not changed.
        unsafe { self.waiter.leave(self.token.borrow().node()) };
    }
}

macro_rules! futures {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)?, $token:ty, $stopping:literal;)*) => {$(
        $(#[$doc])*
        #[must_use = "futures do nothing unless awaited"]
        pub struct $name$(<$lt>)? {
            waiting: Waiting<$token>,
        }

        impl$(<$lt>)? $name$(<$lt>)? {
            pub(super) fn new(token: $token) -> Self {
                Self { waiting: Waiting::new(token) }
            }
        }

        impl$(<$lt>)? Future for $name$(<$lt>)? {
            type Output = Reason;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
                // SAFETY: the field is pinned with its struct: nothing moves out of it, the struct has no destructor of its own and
                // is not `Unpin`, since the field is not.
                let waiting = unsafe { self.map_unchecked_mut(|this| &mut this.waiting) };
                waiting.poll($stopping, cx)
            }
        }

        impl$(<$lt>)? fmt::Debug for $name$(<$lt>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("token", self.waiting.token()).finish()
            }
        }
    )*};
}

futures! {
    /// The future of [`CancellationToken::cancelled`].
    TokenCancelled<'a>, &'a CancellationToken, false;
    /// The future of [`CancellationToken::stopping`].
    TokenStopping<'a>, &'a CancellationToken, true;
    /// The future of [`CancellationToken::cancelled_owned`].
    TokenCancelledOwned, CancellationToken, false;
    /// The future of [`CancellationToken::stopping_owned`].
    TokenStoppingOwned, CancellationToken, true;
}
