//! Small operations on anything: nop, readiness, pipes, splice; and `sleep` of the ring.

/// Time.
pub mod time {
    use std::{io, time::Duration};

    use crate::op::{misc::Timeout, operation};

    /// Waits for a time, in the kernel. Timers of a runtime (`runtime_glue::sleep`) follow its clock, and are plain futures;
    /// this is an operation like the others.
    ///
    /// # Errors
    /// `Cancelled`, or none.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if the time has not passed.
    pub fn sleep(duration: Duration) -> Sleep {
        Sleep::from_kind(Timeout::new(duration))
    }

    operation! {
        /// The operation of [`sleep`].
        Sleep, Timeout => io::Result<()>
    }
}

/// Operations on plain descriptors.
pub mod raw {
    use std::{io, os::fd::AsFd};

    use crate::{
        op::{
            misc::{Nothing, Poll, Splice},
            operation,
        },
        ring::sqe::length,
    };

    /// Does nothing, by way of the kernel.
    ///
    /// # Errors
    /// `Cancelled`, or none.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it was not done.
    pub fn nop() -> Nop {
        Nop::from_kind(Nothing)
    }

    /// Waits until `fd` can be read without waiting, or has failed or ended: returns the events of `poll(2)`.
    ///
    /// # Errors
    /// Those of `poll(2)`.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it is not ready.
    pub fn readable(fd: &impl AsFd) -> Ready<'_> {
        Ready::from_kind(Poll { fd: fd.as_fd(), events: 1 })
    }

    /// Waits until `fd` can be written without waiting, or has failed: returns the events of `poll(2)`.
    ///
    /// # Errors
    /// Those of `poll(2)`.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it is not ready.
    pub fn writable(fd: &impl AsFd) -> Ready<'_> {
        Ready::from_kind(Poll { fd: fd.as_fd(), events: 4 })
    }

    /// Moves up to `len` bytes from one descriptor to another, one of which is a pipe; with an offset where it has one.
    ///
    /// # Errors
    /// Those of `splice(2)`.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if nothing was moved; a count otherwise.
    pub fn splice<'a>(
        from: &'a impl AsFd,
        from_offset: Option<u64>,
        to: &'a impl AsFd,
        to_offset: Option<u64>,
        len: usize,
    ) -> SpliceBytes<'a> {
        SpliceBytes::from_kind(Splice {
            from: from.as_fd(),
            to: to.as_fd(),
            from_offset: from_offset.unwrap_or(u64::MAX),
            to_offset: to_offset.unwrap_or(u64::MAX),
            len: length(len),
        })
    }

    operation! {
        /// The operation of [`nop`].
        Nop, Nothing => io::Result<()>
    }
    operation! {
        /// The operation of [`readable`] and [`writable`].
        Ready<'a>, Poll<'a> => io::Result<u32>
    }
    operation! {
        /// The operation of [`splice`].
        SpliceBytes<'a>, Splice<'a> => io::Result<usize>
    }
}

/// Pipes.
pub mod pipe {
    use std::{
        io,
        os::fd::{AsFd, BorrowedFd, OwnedFd},
    };

    use crate::{
        op::{operation, transfer::Transfer},
        ring::sqe::{CURRENT_POSITION, READ, WRITE},
    };

    /// A new pipe.
    ///
    /// # Errors
    /// Those of `pipe(2)`.
    pub fn pipe() -> io::Result<(Reader, Writer)> {
        let (reader, writer) = io::pipe()?;
        Ok((Reader { fd: reader.into() }, Writer { fd: writer.into() }))
    }

    /// The end of a pipe that is read.
    #[derive(Debug)]
    pub struct Reader {
        fd: OwnedFd,
    }

    impl Reader {
        /// Reads what is there, at least one byte: 0 once all writers are gone.
        ///
        /// # Errors
        /// Those of `read(2)`.
        ///
        /// # Cancellation
        /// `Err(Cancelled)` if nothing was read; a count otherwise. No byte is lost.
        pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a> {
            Read::from_kind(Transfer::into_buffer(self.as_fd(), buf, CURRENT_POSITION))
        }
    }

    /// The end of a pipe that is written.
    #[derive(Debug)]
    pub struct Writer {
        fd: OwnedFd,
    }

    impl Writer {
        /// Writes what the pipe takes, at least one byte.
        ///
        /// # Errors
        /// Those of `write(2)`.
        ///
        /// # Cancellation
        /// `Err(Cancelled)` if nothing was written; a count otherwise.
        pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a> {
            Write::from_kind(Transfer::from_buffer(self.as_fd(), buf, CURRENT_POSITION, 0))
        }
    }

    operation! {
        /// The operation of [`Reader::read`].
        Read<'a>, Transfer<'a, READ> => io::Result<usize>
    }
    operation! {
        /// The operation of [`Writer::write`].
        Write<'a>, Transfer<'a, WRITE> => io::Result<usize>
    }

    macro_rules! ends {
        ($($name:ident)*) => {$(
            impl AsFd for $name {
                fn as_fd(&self) -> BorrowedFd<'_> {
                    self.fd.as_fd()
                }
            }

            impl From<OwnedFd> for $name {
                fn from(fd: OwnedFd) -> Self {
                    Self { fd }
                }
            }

            impl From<$name> for OwnedFd {
                fn from(end: $name) -> Self {
                    end.fd
                }
            }
        )*};
    }
    ends!(Reader Writer);
}
