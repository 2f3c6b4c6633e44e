//! `File`, and the operations on it.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd},
    path::Path,
    pin::Pin,
};

use linux_raw_sys::io_uring::IORING_FSYNC_DATASYNC;

use super::{Metadata, Open, OpenOptions};
use crate::{
    op::{
        Failure, Kind, operation,
        path::{Statx, Target},
        transfer::{ReadBuf, Transfer, Vectored},
        whole::whole,
    },
    ring::{
        Sqe,
        sqe::{CLOSE, FALLOCATE, FSYNC, FTRUNCATE, READ, READV, WRITE, WRITEV},
    },
    sys,
};

/// An open file, read and written at offsets.
///
/// All operations take `&self`, so that many can be in flight at once; each borrows its buffer, and gives it back when it
/// returns, also when it was cancelled.
///
/// Dropping it closes the file. Operations borrow it, so that cannot happen below one in flight.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of `open(2)`, with the path.
    ///
    /// # Cancellation
    /// As [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Open {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing: made if there is none, emptied if there is one.
    ///
    /// # Errors
    /// Those of `open(2)`, with the path.
    ///
    /// # Cancellation
    /// As [`OpenOptions::open`].
    pub fn create(path: impl AsRef<Path>) -> Open {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// Reads at `offset` into `buf`: returns the number of bytes, 0 at the end of the file or for an empty buffer.
    ///
    /// # Errors
    /// Those of `read(2)`, with the path.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if nothing was read; a count otherwise. A read of a disk that has begun is not interrupted, so that
    /// asking takes as long as the disk. The buffer is the caller's again in each case.
    pub fn read_at<'a>(&'a self, buf: &'a mut (impl ReadBuf + ?Sized), offset: u64) -> ReadAt<'a> {
        ReadAt::from_kind(Transfer::into_buffer(self.as_fd(), buf, offset))
    }

    /// Writes `buf` at `offset`: returns how many bytes were written.
    ///
    /// # Errors
    /// Those of `write(2)`, with the path.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if nothing was written; a count otherwise.
    pub fn write_at<'a>(&'a self, buf: &'a [u8], offset: u64) -> WriteAt<'a> {
        WriteAt::from_kind(Transfer::from_buffer(self.as_fd(), buf, offset, 0))
    }

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// [`Incomplete`](crate::Incomplete) with the number of bytes that were read: `UnexpectedEof` at the end of the file.
    ///
    /// # Cancellation
    /// [`Incomplete`](crate::Incomplete) with the number of bytes that were read.
    pub fn read_exact_at<'a>(&'a self, buf: &'a mut (impl ReadBuf + ?Sized), offset: u64) -> ReadExactAt<'a> {
        ReadExactAt::from_kind(Transfer::into_buffer(self.as_fd(), buf, offset))
    }

    /// Writes all of `buf` at `offset`.
    ///
    /// # Errors
    /// [`Incomplete`](crate::Incomplete) with the number of bytes that were written.
    ///
    /// # Cancellation
    /// [`Incomplete`](crate::Incomplete) with the number of bytes that were written.
    pub fn write_all_at<'a>(&'a self, buf: &'a [u8], offset: u64) -> WriteAllAt<'a> {
        WriteAllAt::from_kind(Transfer::from_buffer(self.as_fd(), buf, offset, 0))
    }

    /// Reads at `offset` into several buffers, in order; at most 1024 of them in one operation.
    ///
    /// # Errors
    /// Those of `preadv(2)`, with the path.
    ///
    /// # Cancellation
    /// As [`read_at`](Self::read_at).
    pub fn read_vectored_at<'a>(&'a self, bufs: &'a mut [IoSliceMut<'a>], offset: u64) -> ReadVectoredAt<'a> {
        ReadVectoredAt::from_kind(Vectored::into_buffers(self.as_fd(), bufs, offset))
    }

    /// Writes several buffers, in order, at `offset`; at most 1024 of them in one operation.
    ///
    /// # Errors
    /// Those of `pwritev(2)`, with the path.
    ///
    /// # Cancellation
    /// As [`write_at`](Self::write_at).
    pub fn write_vectored_at<'a>(&'a self, bufs: &'a [IoSlice<'a>], offset: u64) -> WriteVectoredAt<'a> {
        WriteVectoredAt::from_kind(Vectored::from_buffers(self.as_fd(), bufs, offset))
    }

    /// Brings contents and metadata to the disk.
    ///
    /// # Errors
    /// Those of `fsync(2)`, with the path.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it had not begun; what has begun is waited for.
    pub fn sync_all(&self) -> Sync<'_> {
        Sync::from_kind(OnFile { fd: self.as_fd(), a: 0, b: 0, op_flags: 0 })
    }

    /// Brings the contents to the disk.
    ///
    /// # Errors
    /// Those of `fdatasync(2)`, with the path.
    ///
    /// # Cancellation
    /// As [`sync_all`](Self::sync_all).
    pub fn sync_data(&self) -> Sync<'_> {
        Sync::from_kind(OnFile { fd: self.as_fd(), a: 0, b: 0, op_flags: IORING_FSYNC_DATASYNC })
    }

    /// Cuts the file to `len` bytes, or fills it up with zeroes. Needs Linux 6.9.
    ///
    /// # Errors
    /// Those of `ftruncate(2)`, with the path; `Unsupported` on older kernels.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it had not begun.
    pub fn set_len(&self, len: u64) -> SetLen<'_> {
        SetLen::from_kind(OnFile { fd: self.as_fd(), a: len, b: 0, op_flags: 0 })
    }

    /// Reserves space on the disk for `len` bytes from `offset` on.
    ///
    /// # Errors
    /// Those of `fallocate(2)`, with the path.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it had not begun.
    pub fn allocate(&self, offset: u64, len: u64) -> Allocate<'_> {
        Allocate::from_kind(OnFile { fd: self.as_fd(), a: offset, b: len, op_flags: 0 })
    }

    /// What is known about the file.
    ///
    /// # Errors
    /// Those of `statx(2)`, with the path.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it had not begun.
    pub fn metadata(&self) -> FileMetadata<'_> {
        FileMetadata::from_kind(Stat(Statx::new(Target::File(self.as_fd()))))
    }

    /// Closes the file, and tells what `close(2)` says.
    ///
    /// # Errors
    /// Those of `close(2)`: the file is closed all the same.
    ///
    /// # Cancellation
    /// The file is closed in each case; `Err(Cancelled)` says that it was closed by dropping it.
    pub fn close(self) -> Close {
        Close::from_kind(CloseFile { fd: Some(self.fd) })
    }
}

operation! {
    /// The operation of [`File::read_at`].
    ReadAt<'a>, Transfer<'a, READ> => io::Result<usize>
}
operation! {
    /// The operation of [`File::write_at`].
    WriteAt<'a>, Transfer<'a, WRITE> => io::Result<usize>
}
operation! {
    /// The operation of [`File::read_vectored_at`].
    ReadVectoredAt<'a>, Vectored<'a, READV> => io::Result<usize>
}
operation! {
    /// The operation of [`File::write_vectored_at`].
    WriteVectoredAt<'a>, Vectored<'a, WRITEV> => io::Result<usize>
}
operation! {
    /// The operation of [`File::sync_all`] and [`File::sync_data`].
    Sync<'a>, OnFile<'a, FSYNC> => io::Result<()>
}
operation! {
    /// The operation of [`File::set_len`].
    SetLen<'a>, OnFile<'a, FTRUNCATE> => io::Result<()>
}
operation! {
    /// The operation of [`File::allocate`].
    Allocate<'a>, OnFile<'a, FALLOCATE> => io::Result<()>
}
operation! {
    /// The operation of [`File::metadata`] and [`fs::metadata`](super::metadata).
    FileMetadata<'a>, Stat<'a> => io::Result<Metadata>
}
operation! {
    /// The operation of [`File::close`].
    Close, CloseFile => io::Result<()>
}
whole! {
    /// The operation of [`File::read_exact_at`].
    ReadExactAt, READ
}
whole! {
    /// The operation of [`File::write_all_at`].
    WriteAllAt, WRITE
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> Self {
        file.fd
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self { fd: file.into() }
    }
}

impl From<File> for std::fs::File {
    fn from(file: File) -> Self {
        file.fd.into()
    }
}

/// An operation on an open file that moves no bytes.
pub(crate) struct OnFile<'a, const OPCODE: u8> {
    fd: BorrowedFd<'a>,
    /// Length or offset.
    a: u64,
    b: u64,
    op_flags: u32,
}

// SAFETY: the entry names a descriptor that is borrowed for `'a`, and no memory: the numbers in `off` and `addr` are lengths.
unsafe impl<const OPCODE: u8> Kind for OnFile<'_, OPCODE> {
    type Output = io::Result<()>;
    const NAME: &'static str = match OPCODE {
        FSYNC => "sync",
        FTRUNCATE => "set_len",
        _ => "allocate",
    };

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        Sqe { off: self.a, addr: self.b, ..Sqe::new(OPCODE, self.fd.as_raw_fd()) }.op_flags(self.op_flags)
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<()> {
        result.map(drop).map_err(|failure| failure.into_io(Self::NAME, || sys::describe(self.fd)))
    }
}

/// `Statx` with the public result.
pub(crate) struct Stat<'a>(pub(super) Statx<'a>);

// SAFETY: as that of the field, to which everything is passed.
unsafe impl Kind for Stat<'_> {
    type Output = io::Result<Metadata>;
    const NAME: &'static str = Statx::NAME;

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        // SAFETY: a projection to the one field, which is never moved out.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.prepare()
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output {
        // SAFETY: as above.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.finish(result).map(Metadata::new)
    }
}

/// `close`.
pub(crate) struct CloseFile {
    fd: Option<OwnedFd>,
}

// SAFETY: the entry names a descriptor that the kind owns.
unsafe impl Kind for CloseFile {
    type Output = io::Result<()>;
    const NAME: &'static str = "close";
    const EINTR_IS_FINAL: bool = true;

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        Sqe::new(CLOSE, self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd))
    }

    fn finish(mut self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<()> {
        let fd = self.fd.take();
        match result {
            // Closed, if with an error: the number is not ours any more.
            Ok(_) | Err(Failure::Errno(_)) => {
                let _closed = fd.map(IntoRawFd::into_raw_fd);
            }
            Err(Failure::Cancelled(_) | Failure::Unavailable(_)) => drop(fd),
        }
        result.map(drop).map_err(|failure| failure.into_io(Self::NAME, || None))
    }

    fn discard(&mut self, _result: u32) {
        let _closed = self.fd.take().map(IntoRawFd::into_raw_fd);
    }
}
