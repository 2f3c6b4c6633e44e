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
//! Every await of a plain future (of anything cancel-safe) that is `Pending` leaves two words in the bridge of its poll: so much
//! it costs. Who polls the block looks at them if the context is cancelled, and only then for an `AwaitSite`. The awaits
//! that hold an async block leave nothing, so it is the innermost that is named; of several blocks that are pending in one poll
//! (under a `join`) the last one stays. An `AwaitCancellable` is never held up by a plain future, so it leaves nothing.

use core::{any::type_name, cell::Cell, panic::Location};

use crate::Context;

/// The await of a plain future, as the bridge holds it.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    type_name: fn() -> &'static str,
    location: &'static Location<'static>,
}

impl Site {
    #[inline]
    pub(super) fn of<A>(location: &'static Location<'static>) -> Self {
        Self { type_name: type_name::<A>, location }
    }
}

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
pub(super) fn note(cx: &Context<'_>, site: Site) {
    if let Some(ambient) = cx.get::<AwaitSite>() {
        ambient.found.set(Some(((site.type_name)(), site.location)));
    }
}
