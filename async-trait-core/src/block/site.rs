//! `AwaitSite`: which await holds up a task that was asked to finish.
//!
//! An async block that awaits a plain future does not notice a request until that future is done. Whoever polls a task and
//! wants to report that (async-cancel's report of a stuck task) puts an `AwaitSite` among the ambient values of its poll:
//!
//! ```
//! use async_trait_core::{Async, Context, CancelFlag, Reason, async_block, pending, __private::AwaitSite};
//! use core::{pin::pin, task::Waker};
//!
//! let flag = CancelFlag::new();
//! flag.request(Reason::Requested);
//! let site = AwaitSite::new();
//! let mut outer = Context::from_waker(Waker::noop());
//! let mut cx = outer.with_cancel(&flag);
//! let mut cx = cx.with_value(&site);
//!
//! let task = pin!(async_block! { pending::<()>().await });
//! // SAFETY: a block that waits for a plain future lends nothing, so leaving it started harms nobody.
//! assert!(unsafe { task.poll_async(&mut cx) }.is_pending());
//! let (type_name, location) = site.take().unwrap();
//! assert!(type_name.contains("Pending<()>"), "{type_name} at {location}");
//! ```
//!
//! An await writes itself there when what it awaits is `Pending` and cancel-safe while the context is cancelled; the blocks
//! around it, whose awaits hold an async block, do not. So it costs nothing before a request, and nothing at an await of
//! an async block; of several plain futures that are pending in one poll (under a `join`) the last one stays. An
//! `AwaitCancellable` is never held up by a plain future, so it writes nothing.

use core::{any::type_name, cell::Cell, panic::Location};

use crate::Context;

/// Where a poll under a request ended: the type of what is awaited, and the await's file and line.
#[derive(Debug, Default)]
pub struct AwaitSite {
    found: Cell<Option<(&'static str, &'static Location<'static>)>>,
}

impl AwaitSite {
    /// Nothing found yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { found: Cell::new(None) }
    }

    /// What the last poll left here, for a task that is still pending.
    #[must_use]
    pub fn take(&self) -> Option<(&'static str, &'static Location<'static>)> {
        self.found.take()
    }
}

#[cold]
#[inline(never)]
pub(super) fn note<A>(cx: &Context<'_>, location: &'static Location<'static>) {
    if let Some(site) = cx.get::<AwaitSite>() {
        site.found.set(Some((type_name::<A>(), location)));
    }
}
