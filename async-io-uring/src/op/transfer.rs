//! Transfers of bytes between a descriptor and memory: read, write, receive, send, and their vectored forms.

use std::{
    io,
    io::{IoSlice, IoSliceMut},
    marker::PhantomData,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd},
    pin::Pin,
};

use super::{Failure, Kind, whole::Step};
use crate::{
    ring::{
        Sqe,
        sqe::{CURRENT_POSITION, READ, READV, RECV, SEND, SEND_ZC, WRITE, WRITEV, length},
    },
    sys,
};

/// The most buffers that Linux takes in one call.
const IOV_MAX: usize = 1024;

/// Memory that an operation may read into: `[u8]`, `[MaybeUninit<u8>]`, arrays and vectors of them.
///
/// Of a vector it is the elements that are there (`len`, not `capacity`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a buffer to read into",
    note = "pass `&mut` of a `[u8]`, a `[MaybeUninit<u8>]`, an array or a `Vec` of them"
)]
pub trait ReadBuf: sealed::Sealed {}

mod sealed {
    /// # Safety
    /// The returned range is writable, initialized or not, for as long as the `&mut` lives, whatever bytes are written.
    pub unsafe trait Sealed {
        fn range(&mut self) -> (*mut u8, usize);
    }
}

macro_rules! read_buf {
    ($($(#[$doc:meta])* [$($generics:tt)*] $name:ty;)*) => {$(
        // SAFETY: the range is that of a slice that is borrowed for writing; every bit pattern is allowed in its elements.
        unsafe impl<$($generics)*> sealed::Sealed for $name {
            fn range(&mut self) -> (*mut u8, usize) {
                (self.as_mut_ptr().cast(), self.len())
            }
        }
        impl<$($generics)*> ReadBuf for $name {}
    )*};
}

read_buf! {
    [] [u8];
    [] [MaybeUninit<u8>];
    [] Vec<u8>;
    [] Vec<MaybeUninit<u8>>;
    [const N: usize] [u8; N];
    [const N: usize] [MaybeUninit<u8>; N];
}

/// A borrowed range of bytes without its reference, which must not exist while the kernel writes there.
struct Range<'a> {
    start: *mut u8,
    len: usize,
    _borrow: PhantomData<&'a mut [u8]>,
}

// SAFETY: stands for a `&mut [u8]` (or a `&[u8]` that is only read), which are `Send`.
unsafe impl Send for Range<'_> {}
// SAFETY: `&Range` gives no access.
unsafe impl Sync for Range<'_> {}

/// One transfer between a descriptor and a contiguous buffer; `OPCODE` says which.
pub(crate) struct Transfer<'a, const OPCODE: u8> {
    fd: BorrowedFd<'a>,
    range: Range<'a>,
    offset: u64,
    op_flags: u32,
}

impl<'a, const OPCODE: u8> Transfer<'a, OPCODE> {
    /// A transfer into memory.
    pub(crate) fn into_buffer(fd: BorrowedFd<'a>, buf: &'a mut (impl ReadBuf + ?Sized), offset: u64) -> Self {
        const { assert!(OPCODE == READ || OPCODE == RECV) };
        let (start, len) = sealed::Sealed::range(buf);
        Self { fd, range: Range { start, len, _borrow: PhantomData }, offset, op_flags: 0 }
    }

    /// A transfer out of memory.
    pub(crate) fn from_buffer(fd: BorrowedFd<'a>, buf: &'a [u8], offset: u64, op_flags: u32) -> Self {
        const { assert!(OPCODE == WRITE || OPCODE == SEND || OPCODE == SEND_ZC) };
        // The kernel only reads there, so the pointer may come from a shared reference.
        let range = Range { start: buf.as_ptr().cast_mut(), len: buf.len(), _borrow: PhantomData };
        Self { fd, range, offset, op_flags }
    }
}

// SAFETY: the entry names a buffer that is borrowed for `'a`, exclusively where the kernel writes, and a descriptor that is
// borrowed as long; by *completed*, `'a` does not end while the operation is started.
unsafe impl<const OPCODE: u8> Kind for Transfer<'_, OPCODE> {
    type Output = io::Result<usize>;

    const NAME: &'static str = match OPCODE {
        READ | RECV => "read",
        WRITE | SEND => "write",
        _ => "write_zero_copy",
    };

    #[inline]
    fn prepare(self: Pin<&mut Self>) -> Sqe {
        let sqe = Sqe::new(OPCODE, self.fd.as_raw_fd());
        sqe.memory(self.range.start.cast_const(), length(self.range.len), self.offset).op_flags(self.op_flags)
    }

    #[inline]
    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<usize> {
        match result {
            Ok(bytes) => Ok(bytes as usize),
            Err(failure) => Err(failure.into_io(Self::NAME, || sys::describe(self.fd))),
        }
    }
}

impl<const OPCODE: u8> Step for Transfer<'_, OPCODE> {
    const END: io::ErrorKind =
        if OPCODE == READ || OPCODE == RECV { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::WriteZero };

    fn remaining(&self) -> usize {
        self.range.len
    }

    fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.range.len, "the kernel moved more than it was asked to");
        self.range.start = self.range.start.wrapping_add(bytes);
        self.range.len -= bytes;
        // Only files have one; the kernel refuses entries of others that are not zero there.
        if (OPCODE == READ || OPCODE == WRITE) && self.offset != CURRENT_POSITION {
            self.offset = self.offset.wrapping_add(bytes as u64);
        }
    }
}

/// One transfer between a file and several buffers.
pub(crate) struct Vectored<'a, const OPCODE: u8> {
    fd: BorrowedFd<'a>,
    slices: *const u8,
    count: u32,
    offset: u64,
    _borrow: PhantomData<&'a mut [IoSliceMut<'a>]>,
}

// SAFETY: stands for a `&mut [IoSliceMut]` or a `&[IoSlice]`, which are `Send`.
unsafe impl<const OPCODE: u8> Send for Vectored<'_, OPCODE> {}
// SAFETY: `&Vectored` gives no access.
unsafe impl<const OPCODE: u8> Sync for Vectored<'_, OPCODE> {}

impl<'a> Vectored<'a, READV> {
    pub(crate) fn into_buffers(fd: BorrowedFd<'a>, bufs: &'a mut [IoSliceMut<'a>], offset: u64) -> Self {
        let count = bufs.len().min(IOV_MAX) as u32;
        Self { fd, slices: bufs.as_mut_ptr().cast_const().cast(), count, offset, _borrow: PhantomData }
    }
}

impl<'a> Vectored<'a, WRITEV> {
    pub(crate) fn from_buffers(fd: BorrowedFd<'a>, bufs: &'a [IoSlice<'a>], offset: u64) -> Self {
        let count = bufs.len().min(IOV_MAX) as u32;
        Self { fd, slices: bufs.as_ptr().cast(), count, offset, _borrow: PhantomData }
    }
}

// SAFETY: as for `Transfer`; `IoSlice` and `IoSliceMut` are guaranteed to be laid out as `iovec`.
unsafe impl<const OPCODE: u8> Kind for Vectored<'_, OPCODE> {
    type Output = io::Result<usize>;

    const NAME: &'static str = if OPCODE == READV { "read_vectored" } else { "write_vectored" };

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        Sqe::new(OPCODE, self.fd.as_raw_fd()).memory(self.slices, self.count, self.offset)
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> io::Result<usize> {
        match result {
            Ok(bytes) => Ok(bytes as usize),
            Err(failure) => Err(failure.into_io(Self::NAME, || sys::describe(self.fd))),
        }
    }
}
