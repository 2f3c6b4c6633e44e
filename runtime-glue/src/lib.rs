//! The hook between async code that must finish and the executors that run it.
//!
//! Any executor becomes the home of borrowing, parallel tasks by implementing [`Runtime`], a safe trait with one required
//! method: take a [`Work`], run it soon. The rest of the crate is for those who have no executor, or want parts: a
//! work-stealing [`Pool`], a [`CurrentThread`] executor, [`Sequential`] for tests, [`block_on()`], [`spawn()`] and [`run()`] from
//! plain async code, a blocking pool, and timers.
//!
//! ```
//! assert_eq!(runtime_glue::block_on(async { runtime_glue::spawn(async { 6 * 7 }).await.unwrap() }), 42);
//! ```
//!
//! # Which runtime
//! An explicit handle; else the ambient one of the [`Context`](async_trait_core::Context), which is that of the task that is
//! being polled; else the default pool, started by its first use.
//!
//! # Features
//! - `macros` (default): `#[runtime_glue::main]`, `#[runtime_glue::test]`, and those of `async-trait-core`.
//! - `tokio`, `smol`: adapters for these executors.
//!
//! Read next: `runtime.rs`, then `task/mod.rs`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapters;
mod block_on;
mod blocking;
#[cfg(not(loom))]
pub mod conformance;
mod contain;
mod current;
mod current_thread;
mod deadline;
#[cfg(feature = "macros")]
mod entry;
mod join_handle;
mod lane;
mod local_tasks;
mod parker;
mod pool;
mod rescue;
mod runtime;
mod sequential;
mod spawn;
mod sync;
#[doc(hidden)]
pub mod task;
#[cfg(not(loom))]
pub mod testing;
mod timer;
mod waiting;
mod work;

#[cfg(feature = "smol")]
pub use adapters::smol;
#[cfg(feature = "tokio")]
pub use adapters::tokio;
#[doc(hidden)]
pub use async_trait_core as __core;
#[cfg(feature = "macros")]
pub use async_trait_macros::{main, test};
pub use block_on::block_on;
pub use current_thread::CurrentThread;
pub use deadline::AmbientDeadline;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use entry::__entry_success;
pub use join_handle::{CancelOnDrop, JoinFuture, JoinHandle};
pub use local_tasks::LocalTasks;
pub use pool::{Pool, PoolBuilder};
pub use runtime::{Runtime, RuntimeHandle};
pub use sequential::Sequential;
pub use spawn::{Running, run, spawn};
pub use task::{BlockingCx, JoinError, Panic};
pub use timer::{Interval, Now, Sleep, TimerKey, interval, now, sleep, sleep_until};
pub use waiting::Waiting;
pub use work::{BlockingJob, Work};

/// The listings of the pages beside this crate, which must compile and run.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../RFC.md")]
    struct Rfc;
}
