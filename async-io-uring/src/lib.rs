//! io_uring straight into borrowed buffers.
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
