//! Every system call of the crate, and nothing else: only this file, and `sys/emulate.rs`, name rustix.
//!
//! Descriptors that travel in SQEs are plain numbers; whoever builds an SQE holds a `BorrowedFd` for as long as the kernel
//! may use it. Errors come back as positive `errno` numbers ([`Errno`]), for that is what completions carry, too.

pub(crate) mod emulate;

use std::{
    ffi::c_void,
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    time::Duration,
};

use rustix::{
    io_uring as uring,
    mm::{MapFlags, ProtFlags},
};

/// A positive `errno`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Errno(pub(crate) i32);

impl From<rustix::io::Errno> for Errno {
    fn from(errno: rustix::io::Errno) -> Self {
        Self(errno.raw_os_error())
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// What the kernel tells about a ring that it has set up: sizes, features, and where the fields lie in the mappings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) sq_entries: u32,
    pub(crate) cq_entries: u32,
    pub(crate) features: u32,
    pub(crate) sq_head: u32,
    pub(crate) sq_tail: u32,
    pub(crate) sq_flags: u32,
    pub(crate) sq_array: u32,
    pub(crate) cq_head: u32,
    pub(crate) cq_tail: u32,
    pub(crate) cq_cqes: u32,
}

/// `io_uring_setup`. With `IORING_SETUP_CQSIZE` in `flags`, `cq_entries` is the size of the CQ.
pub(crate) fn setup(entries: u32, cq_entries: u32, flags: u32) -> Result<(OwnedFd, Geometry), Errno> {
    let mut params = uring::io_uring_params::default();
    params.flags = uring::IoringSetupFlags::from_bits_retain(flags);
    params.cq_entries = cq_entries;
    // SAFETY: `ATTACH_WQ`, of which the function speaks, is not used by this crate; without `NO_MMAP` the kernel writes to
    // nothing but `params`.
    let fd = unsafe { uring::io_uring_setup(entries, &mut params) }?;
    let geometry = Geometry {
        sq_entries: params.sq_entries,
        cq_entries: params.cq_entries,
        features: params.features.bits(),
        sq_head: params.sq_off.head,
        sq_tail: params.sq_off.tail,
        sq_flags: params.sq_off.flags,
        sq_array: params.sq_off.array,
        cq_head: params.cq_off.head,
        cq_tail: params.cq_off.tail,
        cq_cqes: params.cq_off.cqes,
    };
    Ok((fd, geometry))
}

/// `io_uring_enter` with an optional time limit for the wait.
///
/// # Safety
/// Every SQE between the head and the tail of the ring's SQ obeys the rules of its opcode: memory and descriptors that it
/// names stay valid until its CQE.
pub(crate) unsafe fn enter(
    ring: BorrowedFd<'_>,
    submit: u32,
    complete: u32,
    flags: u32,
    limit: Option<Duration>,
) -> Result<u32, Errno> {
    let flags = uring::IoringEnterFlags::from_bits_retain(flags);
    let Some(limit) = limit else {
        // SAFETY: of the SQEs by the caller's promise; `EXT_ARG` is not among the flags that this crate passes.
        return Ok(unsafe { uring::io_uring_enter(ring, submit, complete, flags) }?);
    };
    let time = [i64::try_from(limit.as_secs()).unwrap_or(i64::MAX), i64::from(limit.subsec_nanos())];
    let ts = uring::io_uring_ptr::new(ptr::from_ref(&time).cast_mut().cast::<c_void>());
    let arg = uring::io_uring_getevents_arg { ts, ..Default::default() };
    let flags = flags | uring::IoringEnterFlags::EXT_ARG;
    // SAFETY: of the SQEs by the caller's promise; `EXT_ARG` is set, there is no signal mask, and `ts` points to a
    // `__kernel_timespec` (two 64-bit numbers), which the kernel reads before the call returns.
    Ok(unsafe { uring::io_uring_enter_arg(ring, submit, complete, flags, Some(&arg)) }?)
}

/// Asks which opcodes the kernel knows: `table` receives 16 bytes of header and 8 bytes for each opcode.
pub(crate) fn probe(ring: BorrowedFd<'_>, table: &mut [u64; 2 + 256]) -> Result<(), Errno> {
    let op = uring::IoringRegisterOp::RegisterProbe;
    // SAFETY: the kernel writes 16 bytes and 8 for each of the 256 entries announced, which is the size of `table`; every bit
    // pattern is a `u64`.
    unsafe { uring::io_uring_register(ring, op, table.as_mut_ptr().cast::<c_void>(), 256) }?;
    Ok(())
}

/// A shared mapping of a part of a ring; unmapped when dropped.
pub(crate) struct Mapping {
    address: ptr::NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes of the ring at `offset`, one of the `IORING_OFF_*` numbers.
    pub(crate) fn new(ring: BorrowedFd<'_>, len: usize, offset: u32) -> Result<Self, Errno> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
        // SAFETY: without an address of ours (null, no `FIXED`) the kernel picks unused space, so no memory changes under anybody.
        let address = unsafe { rustix::mm::mmap(ptr::null_mut(), len, prot, flags, ring, u64::from(offset)) }?;
        let address = ptr::NonNull::new(address.cast()).expect("mmap without an address of ours never returns null");
        Ok(Self { address, len })
    }

    /// The address `offset` bytes into the mapping.
    pub(crate) fn at<T>(&self, offset: usize) -> ptr::NonNull<T> {
        assert!(offset + size_of::<T>() <= self.len, "the kernel named an offset outside of its mapping");
        let address = self.address.as_ptr().wrapping_add(offset).cast::<T>();
        assert!(address.is_aligned(), "the kernel named a misaligned offset");
        ptr::NonNull::new(address).expect("inside of a mapping")
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one that `new` mapped; whoever owns the `Mapping` (a `Ring`) hands out no reference into it
        // that outlives itself.
        let unmapped = unsafe { rustix::mm::munmap(self.address.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "munmap of a range of our own");
    }
}

/// A new eventfd; reads of an empty one block.
pub(crate) fn eventfd() -> Result<OwnedFd, Errno> {
    Ok(rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?)
}

/// Makes `event` readable. Only a counter at its limit could refuse, and then it is readable already.
pub(crate) fn eventfd_notify(event: impl AsFd) {
    while rustix::io::write(&event, &1u64.to_ne_bytes()) == Err(rustix::io::Errno::INTR) {}
}

/// Waits until `event` was made readable, and empties it; or until a signal comes.
pub(crate) fn eventfd_wait(event: impl AsFd) {
    let _ = rustix::io::read(event, &mut [0; 8]);
}

/// The release of the running kernel.
pub(crate) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// What a descriptor stands for, for messages: a path, or the address of a peer.
pub(crate) fn describe(fd: BorrowedFd<'_>) -> Option<String> {
    if let Ok(Some(peer)) = rustix::net::getpeername(fd) {
        return Some(address_text(&peer));
    }
    if let Ok(local) = rustix::net::getsockname(fd) {
        return Some(address_text(&local));
    }
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
    Some(link.to_string_lossy().into_owned())
}

fn address_text(address: &rustix::net::SocketAddrAny) -> String {
    SocketAddr::try_from(address.clone()).map_or_else(|_| "a local socket".into(), |address| address.to_string())
}

/// A new stream, datagram or other socket; closed on exec.
pub(crate) fn socket(family: u16, kind: u32) -> Result<OwnedFd, Errno> {
    let (family, kind) = (rustix::net::AddressFamily::from_raw(family), rustix::net::SocketType::from_raw(kind));
    Ok(rustix::net::socket_with(family, kind, rustix::net::SocketFlags::CLOEXEC, None)?)
}
