//! Operations without a file of their own: nop, timeout, poll, shutdown, splice.

use std::{
    cell::UnsafeCell,
    io,
    os::fd::{AsRawFd, BorrowedFd},
    pin::Pin,
    time::Duration,
};

use super::{Failure, Kind};
use crate::{
    ring::{
        Sqe,
        sqe::{NOP, POLL_ADD, SHUTDOWN, SPLICE, TIMEOUT, address, errno::ETIME},
    },
    sys,
};

/// `nop`.
pub(crate) struct Nothing;

// SAFETY: the entry names nothing.
unsafe impl Kind for Nothing {
    type Output = io::Result<()>;
    const NAME: &'static str = "nop";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        Sqe::new(NOP, -1)
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<()> {
        result.map(drop).map_err(|failure| failure.into_io(Self::NAME, || None))
    }
}

/// `timeout`: completes after a time.
pub(crate) struct Timeout {
    /// Seconds and nanoseconds, read by the kernel.
    time: UnsafeCell<[i64; 2]>,
}

// SAFETY: the cell is never written after `new`, so sharing it shares two numbers.
unsafe impl Sync for Timeout {}

impl Timeout {
    pub(crate) fn new(duration: Duration) -> Self {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 2);
        Self { time: UnsafeCell::new([seconds, i64::from(duration.subsec_nanos())]) }
    }
}

// SAFETY: the entry names the kind's own field, which the kernel only reads.
unsafe impl Kind for Timeout {
    type Output = io::Result<()>;
    const NAME: &'static str = "sleep";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        Sqe { addr: address(self.time.get().cast_const()), len: 1, ..Sqe::new(TIMEOUT, -1) }
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<()> {
        match result {
            Ok(_) | Err(Failure::Errno(ETIME)) => Ok(()),
            Err(failure) => Err(failure.into_io(Self::NAME, || None)),
        }
    }
}

/// `poll`: completes when a descriptor is ready.
pub(crate) struct Poll<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) events: u32,
}

// SAFETY: the entry names a descriptor that is borrowed for `'a`.
unsafe impl Kind for Poll<'_> {
    type Output = io::Result<u32>;
    const NAME: &'static str = "poll";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        // The kernel reads the events as two halves, the low one first, whatever the byte order of the machine.
        let events = if cfg!(target_endian = "big") { self.events.rotate_left(16) } else { self.events };
        Sqe::new(POLL_ADD, self.fd.as_raw_fd()).op_flags(events)
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<u32> {
        result.map_err(|failure| failure.into_io(Self::NAME, || sys::describe(self.fd)))
    }
}

/// `shutdown` of a connection.
pub(crate) struct ShutDown<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) how: std::net::Shutdown,
}

// SAFETY: the entry names a descriptor that is borrowed for `'a`.
unsafe impl Kind for ShutDown<'_> {
    type Output = io::Result<()>;
    const NAME: &'static str = "shutdown";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        let how = match self.how {
            std::net::Shutdown::Read => 0,
            std::net::Shutdown::Write => 1,
            std::net::Shutdown::Both => 2,
        };
        Sqe { len: how, ..Sqe::new(SHUTDOWN, self.fd.as_raw_fd()) }
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<()> {
        result.map(drop).map_err(|failure| failure.into_io(Self::NAME, || sys::describe(self.fd)))
    }
}

/// `splice`: moves bytes between two descriptors, one of them a pipe, without copying them through memory of ours.
pub(crate) struct Splice<'a> {
    pub(crate) from: BorrowedFd<'a>,
    pub(crate) to: BorrowedFd<'a>,
    /// `u64::MAX` where there is no offset.
    pub(crate) from_offset: u64,
    pub(crate) to_offset: u64,
    pub(crate) len: u32,
}

// SAFETY: the entry names descriptors that are borrowed for `'a`; `off` and `addr` are offsets.
unsafe impl Kind for Splice<'_> {
    type Output = io::Result<usize>;
    const NAME: &'static str = "splice";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        let (from, to) = (self.from.as_raw_fd(), self.to.as_raw_fd());
        Sqe { off: self.to_offset, addr: self.from_offset, len: self.len, file_index: from, ..Sqe::new(SPLICE, to) }
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<usize> {
        result.map(|bytes| bytes as usize).map_err(|failure| failure.into_io(Self::NAME, || sys::describe(self.from)))
    }
}
