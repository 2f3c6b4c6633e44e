//! The submission entry as the kernel lays it out, with its opcode as a plain `u8`, and the numbers that go into it.
//!
//! rustix models opcodes as a Rust enum that ends before the kernel's list does; numbers read from a kernel must not be
//! forced into it, so layouts and probe are our own.

use linux_raw_sys::io_uring::io_uring_op as op;

/// A submission queue entry: 64 bytes, zero where an operation does not use a field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sqe {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) ioprio: u16,
    pub(crate) fd: i32,
    /// Offset, or a second address.
    pub(crate) off: u64,
    /// Address of the buffer or path.
    pub(crate) addr: u64,
    pub(crate) len: u32,
    /// The flags that belong to the opcode.
    pub(crate) op_flags: u32,
    pub(crate) user_data: u64,
    /// Index or group of a registered buffer.
    pub(crate) buf_index: u16,
    pub(crate) personality: u16,
    /// Source of a splice, or slot of a registered file.
    pub(crate) file_index: i32,
    pub(crate) addr3: u64,
    pub(crate) pad: u64,
}

const _: () = assert!(size_of::<Sqe>() == 64);

impl Sqe {
    /// An entry with an opcode and a descriptor.
    pub(crate) const fn new(opcode: u8, fd: i32) -> Self {
        Self {
            opcode,
            flags: 0,
            ioprio: 0,
            fd,
            off: 0,
            addr: 0,
            len: 0,
            op_flags: 0,
            user_data: 0,
            buf_index: 0,
            personality: 0,
            file_index: 0,
            addr3: 0,
            pad: 0,
        }
    }

    /// With address, length and offset.
    pub(crate) fn memory<T: ?Sized>(mut self, addr: *const T, len: u32, off: u64) -> Self {
        self.addr = address(addr);
        self.len = len;
        self.off = off;
        self
    }

    /// With the flags of the opcode.
    pub(crate) const fn op_flags(mut self, flags: u32) -> Self {
        self.op_flags = flags;
        self
    }
}

/// The largest transfer that Linux makes in one call, and a multiple of every page size.
const LARGEST: usize = 0x7fff_0000;

/// The length of a buffer as an entry holds it: cut where the kernel would cut it.
pub(crate) fn length(len: usize) -> u32 {
    len.min(LARGEST) as u32
}

/// The number that the kernel is given for an address. The provenance is exposed: the kernel accesses the memory through it.
pub(crate) fn address<T: ?Sized>(pointer: *const T) -> u64 {
    pointer.cast::<u8>().expose_provenance() as u64
}

/// The offset that means "at the current position", and what reads of pipes and sockets use.
pub(crate) const CURRENT_POSITION: u64 = u64::MAX;

/// The directory descriptor that means "relative to the working directory".
pub(crate) const AT_FDCWD: i32 = -100;

macro_rules! opcodes {
    ($($name:ident = $raw:ident,)*) => {
        $(pub(crate) const $name: u8 = op::$raw as u8;)*

        /// The name of an opcode, for error messages.
        pub(crate) const fn opcode_name(opcode: u8) -> &'static str {
            match opcode {
                $($name => stringify!($raw),)*
                _ => "unknown opcode",
            }
        }
    };
}

opcodes! {
    NOP = IORING_OP_NOP,
    READV = IORING_OP_READV,
    WRITEV = IORING_OP_WRITEV,
    FSYNC = IORING_OP_FSYNC,
    POLL_ADD = IORING_OP_POLL_ADD,
    SENDMSG = IORING_OP_SENDMSG,
    RECVMSG = IORING_OP_RECVMSG,
    TIMEOUT = IORING_OP_TIMEOUT,
    ACCEPT = IORING_OP_ACCEPT,
    ASYNC_CANCEL = IORING_OP_ASYNC_CANCEL,
    CONNECT = IORING_OP_CONNECT,
    FALLOCATE = IORING_OP_FALLOCATE,
    OPENAT = IORING_OP_OPENAT,
    CLOSE = IORING_OP_CLOSE,
    STATX = IORING_OP_STATX,
    READ = IORING_OP_READ,
    WRITE = IORING_OP_WRITE,
    SEND = IORING_OP_SEND,
    RECV = IORING_OP_RECV,
    SPLICE = IORING_OP_SPLICE,
    SHUTDOWN = IORING_OP_SHUTDOWN,
    RENAMEAT = IORING_OP_RENAMEAT,
    UNLINKAT = IORING_OP_UNLINKAT,
    MKDIRAT = IORING_OP_MKDIRAT,
    SYMLINKAT = IORING_OP_SYMLINKAT,
    LINKAT = IORING_OP_LINKAT,
    SEND_ZC = IORING_OP_SEND_ZC,
    FTRUNCATE = IORING_OP_FTRUNCATE,
}

/// The errors that completions are compared with, positive.
pub(crate) mod errno {
    use linux_raw_sys::errno as raw;

    pub(crate) const ENOENT: i32 = raw::ENOENT as i32;
    pub(crate) const EINTR: i32 = raw::EINTR as i32;
    pub(crate) const EAGAIN: i32 = raw::EAGAIN as i32;
    pub(crate) const EBUSY: i32 = raw::EBUSY as i32;
    pub(crate) const EINVAL: i32 = raw::EINVAL as i32;
    pub(crate) const ENOMEM: i32 = raw::ENOMEM as i32;
    pub(crate) const ETIME: i32 = raw::ETIME as i32;
    pub(crate) const ECANCELED: i32 = raw::ECANCELED as i32;
}
