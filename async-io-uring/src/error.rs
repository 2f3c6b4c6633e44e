//! Errors: what failed, and on what.

use std::{error::Error, fmt, io};

/// What stands in the [`io::Error`] of a failed operation: its name, what it worked on, and the system's error.
///
/// Found through [`io::Error::get_ref`]. A cancelled operation yields an error that carries
/// [`Cancelled`](async_trait_core::Cancelled) instead.
#[derive(Debug)]
pub struct OperationError {
    operation: &'static str,
    subject: Option<String>,
    source: io::Error,
}

impl OperationError {
    /// The name of the operation.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The path or peer, where it is known.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The number of the system's error.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{} of {subject}: {}", self.operation, self.source),
            None => write!(f, "{}: {}", self.operation, self.source),
        }
    }
}

impl Error for OperationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// An error that names the operation and its subject, of the kind of `source`.
#[cold]
pub(crate) fn failed(operation: &'static str, subject: Option<String>, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), OperationError { operation, subject, source })
}

/// An operation of several steps that has not reached its end, and how far it got.
///
/// The bytes up to `done` were moved: a copy that is stopped can say, and continue, where it stands.
#[derive(Debug)]
pub struct Incomplete {
    /// How many bytes were moved.
    pub done: usize,
    /// Why it ended.
    pub source: io::Error,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended after {} bytes: {}", self.done, self.source)
    }
}

impl Error for Incomplete {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl From<Incomplete> for io::Error {
    fn from(incomplete: Incomplete) -> Self {
        incomplete.source
    }
}
