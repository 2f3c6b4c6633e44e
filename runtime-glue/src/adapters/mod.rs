//! Adapters for well-known executors, each behind the feature of its name, written against the public hook only.

#[cfg(feature = "smol")]
pub mod smol;
#[cfg(any(feature = "smol", feature = "tokio"))]
mod timers;
#[cfg(feature = "tokio")]
pub mod tokio;
