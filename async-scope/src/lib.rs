//! Scopes whose tasks run in parallel, borrow from their parent, and have all ended when the scope does.
//!
//! ```
//! use async_scope::scope;
//!
//! let text = String::from("lent, not cloned");
//! let n = runtime_glue::block_on(scope!(|s| {
//!     let words = s.spawn(async { text.split(' ').count() });
//!     let bytes = s.spawn_blocking(|| text.len());
//!     words.await.unwrap() + bytes.await.unwrap()
//! }));
//! assert_eq!(n, 3 + 16);
//! ```
//!
//! Sound also when a future is forgotten: a scope is an [`Async`], which safe code cannot start and then walk away from.
//!
//! Read next: `macros.rs`, `run.rs`, `scope.rs`; then `runtime_glue`'s `task/mod.rs`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod asked;
mod limit;
mod local;
#[cfg(feature = "macros")]
mod macros;
mod options;
pub mod policy;
mod run;
mod scope;
pub mod stream;
mod stuck;
mod tree;
mod try_scope;

pub use async_trait_core::{Async, BoxAsync, CancelSafe, Cancelled, Reason};
#[cfg(feature = "macros")]
pub use async_trait_core::{async_block, plain};
#[cfg(feature = "macros")]
pub use async_trait_macros::async_fn_in_scope as async_fn;
pub use limit::{Reserve, Slot, SpawnWhenFree};
pub use local::{FutureScope, LocalScope};
pub use options::ScopeOptions;
pub use policy::PolicyScope;
pub use runtime_glue::{BlockingCx, JoinError, JoinHandle, task::StuckTask};
pub use scope::{Builder, Scope};
pub use stream::StreamInScope;
pub use tree::TaskTree;
pub use try_scope::{TryJoinFuture, TryJoinHandle, TryReserve, TryScope, TrySlot};

/// What a program with scopes imports: macros, and the extension traits by their methods only. No types, so that it can be
/// globbed beside any other prelude.
pub mod prelude {
    pub use async_cancel::OrCancelled as _;

    pub use crate::StreamInScope as _;
    #[cfg(feature = "macros")]
    pub use crate::{async_block, async_fn, local_scope, policy_scope, scope, try_scope};
}

/// The core crate, for macros: what `async_scope::async_fn` expands to names it through here.
#[doc(hidden)]
pub use async_trait_core as __core;

/// What the macros of this crate need; no part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        local::{FuturesFuture, OnOneThread},
        run::ScopeFuture,
        try_scope::TryBody,
    };
}
