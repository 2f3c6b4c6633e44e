//! io_uring straight into borrowed buffers.
//!
//! The kernel reads into and writes from memory that the caller lends: `file.read_at(&mut buf, 0).await`. That is sound because
//! operations are [`Async`](async_trait_core::Async), which must be polled to completion once started, rather than futures,
//! which may be forgotten while the kernel is at work. Nothing is copied, owned by the library or allocated per operation.
//!
//! ```
//! use async_io_uring::{UringRuntime, fs::File};
//! use async_trait_core::async_block;
//!
//! let path = std::env::current_exe()?;
//! let magic = UringRuntime::new()?.block_on(async_block! { move
//!     let file = File::open(path).await?;
//!     let mut buf = [0; 4];
//!     file.read_exact_at(&mut buf, 0).await?;
//!     std::io::Result::Ok(buf)
//! })?;
//! assert_eq!(&magic, b"\x7fELF");
//! # std::io::Result::Ok(())
//! ```
//!
//! # Where operations run
//! On the ring of the thread that first polls them, if it has one: the threads of a [`UringRuntime`], and those in its
//! [`block_on`](UringRuntime::block_on). Everywhere else (tokio, smol, the default pool, any `block_on`) by a system call that
//! does not wait, if that succeeds, else on the ring of the process, which has a thread of its own. Where io_uring is not
//! allowed, or the environment has `ASYNC_IO_URING=off`, on a pool of threads that make ordinary system calls.
//! [`Driver::kind`] tells.
//!
//! # Cancellation
//! An operation that is asked to finish asks the kernel to cancel it, waits for its completion, and returns the real result if
//! the kernel was faster (a byte count, a connection: nothing is lost), else an error that
//! [`Cancelled::from_io`](async_trait_core::Cancelled::from_io) recognizes, and then nothing has happened. When it returns, the
//! buffer is the caller's. Reads and writes of a disk that have begun are not interrupted: asking takes as long as the disk.
//! What consists of several steps says how far it got: [`Incomplete`].
//!
//! # Errors
//! `io::Error` with the operation's name and the path or peer: [`OperationError`].
//!
//! # Limits
//! Reading cached files one at a time is cheaper with `pread`, which is a single system call; io_uring pays off from a few
//! operations in flight on. Blocking a thread of a [`UringRuntime`] other than with `runtime_glue::block_on` stops its ring. After
//! `fork` without `exec` the child has no driver.
//!
//! Read next: `op/lifecycle.rs`, then `op/state.rs`, `driver/local.rs`.

#![cfg(target_os = "linux")]

mod driver;
mod error;
pub mod fs;
pub mod io;
mod misc;
pub mod net;
mod op;
mod ring;
mod runtime;
mod sys;

pub use driver::{Driver, DriverKind};
pub use error::{Incomplete, OperationError};
pub use misc::{pipe, raw, time};
pub use op::transfer::ReadBuf;
pub use runtime::{Builder, UringRuntime};

/// The example in the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
