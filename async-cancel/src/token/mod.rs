//! `CancellationToken`: a request that is passed around as a value.
//!
//! A token is a handle to a node of a tree. The parts:
//!
//! | file | what it answers |
//! |---|---|
//! | `node.rs` | what a node is, how it is counted and let go |
//! | `tree.rs` | the shape of the tree, and how a request is pushed down |
//! | `request.rs` | from one tree to those that follow it, and waking |
//! | `list.rs` | who waits at a node |
//! | `special.rs` | tokens that follow others (`any`), or have a timer |
//! | `timer.rs` | deadlines and grace periods |
//! | `wait.rs`, `registration.rs` | the futures, and the handlers |
//!
//! Read next: `node.rs`.

mod list;
mod node;
mod registration;
mod request;
mod special;
#[cfg(feature = "time")]
mod timer;
mod tree;
mod wait;

use core::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    ptr::NonNull,
};

use async_trait_core::{Async, Reason};

pub use registration::Registration;
pub use wait::{TokenCancelled, TokenCancelledOwned, TokenStopping, TokenStoppingOwned};

pub(crate) use wait::Waiting;

use node::Node;
use tree::Stage;

use crate::{
    Under,
    timeout::{First, Timeout},
};

/// A request to finish that can be passed around, waited for, and derived from.
///
/// Clones are the same token. A [`child_token`](Self::child_token) is cancelled with its parent, and can be cancelled alone.
/// Whoever runs under a token ([`with_token`](crate::with_token)) sees its requests as ambient ones, at any depth of calls.
///
/// Asking is level-triggered: a token that was cancelled stays so, and the first reason stays. To look is one load, whatever
/// the depth of the tree. A request reaches the whole tree below the token before anybody is woken, so whoever wakes sees its
/// parent cancelled, and its children.
///
/// # Examples
/// ```
/// use async_cancel::{CancellationToken, Reason, with_token};
/// use async_trait_core::{async_block, block_on_with};
///
/// let server = CancellationToken::new();
/// let request = server.child_token();
/// server.cancel_with(Reason::Shutdown);
/// assert_eq!(request.reason(), Some(Reason::Shutdown));
/// assert_eq!(block_on_with(request.cancelled(), || {}), Reason::Shutdown);
/// ```
///
/// # Implementation notes
/// A token is one allocation, and a waiter none: it is a link in the future that waits. Making and dropping a child takes the
/// lock of its tree for a few instructions, waiting takes a lock of the token alone, and no lock is held when a waker, a handler
/// or a destructor runs.
pub struct CancellationToken {
    /// Counted by this.
    node: NonNull<Node>,
}

// SAFETY: a node may be used and freed by any thread.
unsafe impl Send for CancellationToken {}
// SAFETY: as above.
unsafe impl Sync for CancellationToken {}
// Nothing is ever left half-way: see `sync::lock`.
impl UnwindSafe for CancellationToken {}
impl RefUnwindSafe for CancellationToken {}

impl CancellationToken {
    /// A token that nobody has cancelled, without a parent.
    #[must_use]
    pub fn new() -> Self {
        let node = Node::allocate();
        // SAFETY: fresh.
        unsafe { Node::make_root(node) };
        Self { node }
    }

    /// A token that is cancelled when this one is. Dropped, it leaves nothing behind.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    ///
    /// let parent = CancellationToken::new();
    /// let (a, b) = (parent.child_token(), parent.child_token());
    /// a.cancel();
    /// assert!(!parent.is_cancelled() && !b.is_cancelled());
    /// parent.cancel();
    /// assert!(b.is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        let child = Node::allocate();
        match self.node().cancel_reason() {
            // It would never hear anything from its parent again.
            Some(reason) => {
                // SAFETY: fresh.
                unsafe { Node::make_root(child) };
                let token = Self { node: child };
                token.node().flag.raise().request(reason);
                token
            }
            None => {
                // SAFETY: fresh, and `self` counts the parent.
                unsafe { Node::make_child(child, self.node) };
                Self { node: child }
            }
        }
    }

    /// A token that is cancelled when any of `sources` is, with the reason of the first.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::{CancellationToken, Reason};
    ///
    /// let (shutdown, hangup) = (CancellationToken::new(), CancellationToken::new());
    /// let either = CancellationToken::any([&shutdown, &hangup]);
    /// hangup.cancel();
    /// assert_eq!(either.reason(), Some(Reason::Requested));
    /// ```
    #[must_use]
    pub fn any<'a>(sources: impl IntoIterator<Item = &'a Self>) -> Self {
        let sources: std::vec::Vec<Self> = sources.into_iter().cloned().collect();
        let counted = sources.into_iter().map(|source| core::mem::ManuallyDrop::new(source).node);
        Self { node: special::follow(counted.collect()) }
    }

    /// Asks everything under this token to finish. False if that was asked before.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// assert!(token.cancel());
    /// assert!(!token.cancel());
    /// ```
    ///
    /// # Panics
    /// With the panic of a handler ([`on_cancel`](Self::on_cancel)) or of a waker, when all others have been called; not during
    /// another panic.
    pub fn cancel(&self) -> bool {
        self.cancel_with(Reason::Requested)
    }

    /// Asks everything under this token to finish, for a reason that it can read. False if that was asked before: the first
    /// reason stays.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::{CancellationToken, Cause, Reason};
    ///
    /// static MAINTENANCE: Cause = Cause::new("maintenance window");
    /// let token = CancellationToken::new();
    /// assert!(token.cancel_with(&MAINTENANCE));
    /// assert!(!token.cancel_with(Reason::Shutdown));
    /// assert_eq!(token.reason(), Some(Reason::Custom(&MAINTENANCE)));
    /// ```
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    pub fn cancel_with(&self, reason: impl Into<Reason>) -> bool {
        request::request(self.node, Stage::Cancelled, reason.into())
    }

    /// Asks everything under this token to start nothing new: the first stage alone. False if this or more was asked before.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// assert!(token.stop());
    /// assert!(token.is_stopping() && !token.is_cancelled());
    /// ```
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    pub fn stop(&self) -> bool {
        request::request(self.node, Stage::Stopping, Reason::Requested)
    }

    /// Asks everything under this token to start nothing new, and to finish after `grace`.
    ///
    /// The timer is one of the runtime that is current where this is called.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::{CancellationToken, OrCancelled as _, checkpoint_stopping, with_token};
    /// use async_trait_core::async_block;
    /// use std::time::Duration;
    ///
    /// let token = CancellationToken::new();
    /// let server = async_block! {
    ///     while checkpoint_stopping().await.is_ok() {
    ///         token.cancel_within(Duration::from_millis(1));
    ///     }
    ///     // No new requests are accepted; what is in flight goes on until the grace period is over.
    ///     async_trait_core::pending::<()>().or_cancelled().await
    /// };
    /// assert!(runtime_glue::block_on(with_token(&token, server)).is_err());
    /// ```
    ///
    /// # Panics
    /// As [`cancel`](Self::cancel).
    #[cfg(feature = "time")]
    pub fn cancel_within(&self, grace: std::time::Duration) {
        timer::cancel_within(self, grace);
    }

    /// A token that is cancelled when this one is, or at `when` ([`Reason::Deadline`]).
    ///
    /// The timer is one of the runtime that is current where this is called; handlers and wakers run on its thread. Dropped
    /// early the token leaves no timer behind.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::{CancellationToken, Reason};
    /// use std::time::{Duration, Instant};
    ///
    /// let token = CancellationToken::new().with_deadline(Instant::now() + Duration::from_millis(1));
    /// assert_eq!(runtime_glue::block_on(token.cancelled()), Reason::Deadline);
    /// ```
    #[cfg(feature = "time")]
    #[must_use]
    pub fn with_deadline(&self, when: std::time::Instant) -> Self {
        Self { node: timer::child_with_deadline(self.node, when) }
    }

    /// When this token will be cancelled at the latest: the earliest deadline among those of this token and of all that it
    /// follows. Under [`with_token`](crate::with_token) it is an ambient one.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    /// use std::time::{Duration, Instant};
    ///
    /// let when = Instant::now() + Duration::from_secs(60);
    /// let token = CancellationToken::new().with_deadline(when);
    /// assert_eq!(token.child_token().deadline(), Some(when));
    /// ```
    #[cfg(feature = "time")]
    #[must_use]
    pub fn deadline(&self) -> Option<std::time::Instant> {
        timer::deadline(self)
    }

    /// Whether it is cancelled. One load.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node().flag.look().is_cancelled()
    }

    /// Whether the first stage of a two-stage request has been reached, or more. One load.
    #[inline]
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.node().flag.look().is_stopping()
    }

    /// The reason of the request to stop or to finish; `None` if there was none.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.node().flag.look().reason()
    }

    /// Waits until it is cancelled; yields why.
    ///
    /// # Cancellation
    /// A plain future: it may be dropped at any time.
    pub fn cancelled(&self) -> TokenCancelled<'_> {
        TokenCancelled::new(self)
    }

    /// Waits until it is stopping or cancelled; yields why.
    ///
    /// # Cancellation
    /// A plain future: it may be dropped at any time.
    pub fn stopping(&self) -> TokenStopping<'_> {
        TokenStopping::new(self)
    }

    /// As [`cancelled`](Self::cancelled), for a future that borrows nothing.
    pub fn cancelled_owned(self) -> TokenCancelledOwned {
        TokenCancelledOwned::new(self)
    }

    /// As [`stopping`](Self::stopping), for a future that borrows nothing.
    pub fn stopping_owned(self) -> TokenStoppingOwned {
        TokenStoppingOwned::new(self)
    }

    /// Runs `a`, and asks it to finish when this token is cancelled.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    /// use async_trait_core::{block_on_with, pending, ready};
    ///
    /// let token = CancellationToken::new();
    /// assert_eq!(block_on_with(token.run_until_cancelled(ready(3)), || {}).unwrap(), 3);
    /// token.cancel();
    /// assert!(block_on_with(token.run_until_cancelled(pending::<()>()), || {}).is_err());
    /// ```
    ///
    /// # Errors
    /// [`Elapsed`](crate::Elapsed) with the token's reason, or with the one from outside.
    ///
    /// # Cancellation
    /// As [`cancel_when`](crate::cancel_when) with the token as its signal.
    pub fn run_until_cancelled<A: Async>(&self, a: A) -> Timeout<TokenCancelled<'_>, A> {
        Timeout::new(self.cancelled(), |reason| reason, First::Signal, a)
    }

    /// A guard that cancels this token when it is dropped.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let child = token.child_token();
    /// drop(token.drop_guard());
    /// assert!(child.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }

    /// Calls `f` when this token is cancelled: at once, on the thread that asks, or on this one if it has been cancelled.
    ///
    /// Dropping the [`Registration`] takes `f` back. To run something in the task that is asked, use
    /// [`on_cancel`](crate::on_cancel()).
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    ///
    /// let token = CancellationToken::new();
    /// let called = Arc::new(AtomicBool::new(false));
    /// let registration = token.on_cancel({
    ///     let called = called.clone();
    ///     move |_reason| called.store(true, Ordering::Relaxed)
    /// });
    /// token.cancel();
    /// assert!(called.load(Ordering::Relaxed));
    /// drop(registration);
    /// ```
    ///
    /// # Panics
    /// A panic of `f` goes on in whoever asks, when everybody else has been called.
    pub fn on_cancel(&self, f: impl FnOnce(Reason) + Send + 'static) -> Registration {
        Registration::new(self, f)
    }

    fn node(&self) -> &Node {
        // SAFETY: counted.
        unsafe { self.node.as_ref() }
    }
}

impl Clone for CancellationToken {
    fn clone(&self) -> Self {
        self.node().count();
        Self { node: self.node }
    }
}

impl Drop for CancellationToken {
    fn drop(&mut self) {
        // SAFETY: the count is this handle's.
        unsafe { node::release(self.node) };
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .field("reason", &self.reason())
            .finish()
    }
}

/// Cancels a token when it is dropped.
///
/// Made by [`CancellationToken::drop_guard`].
#[derive(Debug)]
#[must_use = "dropping a `DropGuard` cancels its token"]
pub struct DropGuard {
    token: Option<CancellationToken>,
}

impl DropGuard {
    /// Gives the token back without cancelling it.
    ///
    /// # Examples
    /// ```
    /// use async_cancel::CancellationToken;
    ///
    /// let token = CancellationToken::new().drop_guard().disarm();
    /// assert!(!token.is_cancelled());
    /// ```
    #[must_use]
    pub fn disarm(mut self) -> CancellationToken {
        self.token.take().expect("only `disarm` and `drop` take it")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}

/// Runs `a` under a token: a request to the token is an ambient one for `a`, besides those from outside.
///
/// # Examples
/// ```
/// use async_cancel::{CancellationToken, checkpoint, with_token};
/// use async_trait_core::block_on_with;
///
/// let token = CancellationToken::new();
/// token.cancel();
/// assert!(block_on_with(with_token(&token, checkpoint()), || {}).is_err());
/// ```
///
/// # Cancellation
/// It passes requests on to `a` and waits for it; `a` is never dropped, not even a plain future. To get an answer without it,
/// use [`CancellationToken::run_until_cancelled`].
pub fn with_token<A: Async>(token: &CancellationToken, a: A) -> Under<A> {
    Under::token(token.clone(), a)
}
