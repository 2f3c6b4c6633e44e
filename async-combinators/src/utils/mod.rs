//! What the operations share. `engine.rs` is where to begin.

#[cfg(feature = "alloc")]
pub(crate) mod bits;
pub mod engine;
pub mod operation;
pub(crate) mod panics;
#[cfg(feature = "alloc")]
pub(crate) mod parent;
pub mod pinned;
pub mod policy;
pub mod set;
pub mod slot;
#[cfg(feature = "alloc")]
pub(crate) mod sync;
pub mod tuple;
pub mod turns;
pub mod wakers;
#[cfg(feature = "alloc")]
pub(crate) mod woken;
