//! Entries carried out by ordinary system calls, for machines where io_uring is not allowed.
//!
//! An [`attempt`] never waits: it says for what, and the caller tries again then; or it says that the call belongs onto a
//! thread that may block ([`block`]). Results are those that a completion would carry.

use std::{
    ffi::{CStr, c_char},
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{BorrowedFd, IntoRawFd, OwnedFd},
    ptr, slice,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, StatxFlags},
    io::{Errno as RawErrno, ReadWriteFlags},
    net::{RecvFlags, SendFlags, Shutdown, SocketAddrAny, SocketAddrUnix, SocketFlags},
};

use crate::{
    net::address::{AF_UNIX, RawAddress},
    op::socket::{IoVec, MsgHdr},
    ring::{
        Sqe,
        sqe::{
            ACCEPT, CLOSE, CONNECT, CURRENT_POSITION, FALLOCATE, FSYNC, FTRUNCATE, LINKAT, MKDIRAT, NOP, OPENAT,
            POLL_ADD, READ, READV, RECV, RECVMSG, RENAMEAT, SEND, SEND_ZC, SENDMSG, SHUTDOWN, SPLICE, STATX, SYMLINKAT,
            TIMEOUT, UNLINKAT, WRITE, WRITEV,
        },
    },
};

/// What came of an attempt.
pub(crate) enum Attempt {
    /// It is done: what a completion would carry.
    Done(i32),
    /// Try again when this descriptor has one of these events.
    Wait(i32, u16),
    /// Try again after this time: it will be over.
    Sleep(Duration),
    /// It belongs onto a thread that may block.
    Block,
}

const IN: u16 = PollFlags::IN.bits();
const OUT: u16 = PollFlags::OUT.bits();

/// Tries to carry out an entry without waiting; `again` if it was tried before.
///
/// # Safety
/// The entry obeys the rules of its opcode, as for `sys::enter`, until this returns something other than `Wait`; or, for `Block`,
/// until `block` has returned.
pub(crate) unsafe fn attempt(sqe: &Sqe, again: bool) -> Attempt {
    // SAFETY: promised by the caller: the descriptor is borrowed by the operation. (-1, where there is none, is used by none.)
    let fd = if sqe.fd >= 0 { unsafe { BorrowedFd::borrow_raw(sqe.fd) } } else { CWD };
    let result = match sqe.opcode {
        NOP => Ok(0),
        TIMEOUT => {
            // SAFETY: promised by the caller: two 64-bit numbers.
            let [seconds, nanos] = unsafe { ptr::with_exposed_provenance::<[i64; 2]>(sqe.addr as usize).read() };
            return Attempt::Sleep(Duration::new(seconds.unsigned_abs(), nanos as u32));
        }
        READ | READV | WRITE | WRITEV if is_regular(fd) => return Attempt::Block,
        // SAFETY: promised by the caller.
        READ | READV | WRITE | WRITEV => match unsafe { transfer(fd, sqe, ReadWriteFlags::NOWAIT) } {
            // This kind of file cannot say: ask it with `poll`.
            Err(RawErrno::OPNOTSUPP) if ready(fd, direction(sqe.opcode)) != 0 => return Attempt::Block,
            Err(RawErrno::OPNOTSUPP) => Err(RawErrno::AGAIN),
            result => result,
        },
        RECV => {
            let flags = RecvFlags::from_bits_retain(sqe.op_flags) | RecvFlags::DONTWAIT;
            // SAFETY: promised by the caller.
            rustix::net::recv(fd, unsafe { writable(sqe) }, flags).map(|(_, bytes)| bytes.min(sqe.len as usize))
        }
        SEND | SEND_ZC => {
            let flags = SendFlags::from_bits_retain(sqe.op_flags) | SendFlags::DONTWAIT;
            // SAFETY: promised by the caller.
            rustix::net::send(fd, unsafe { readable(sqe) }, flags)
        }
        // SAFETY: promised by the caller: a header that names one buffer and one address.
        RECVMSG | SENDMSG => unsafe { datagram(fd, sqe) },
        // SAFETY: promised by the caller.
        ACCEPT => unsafe { accept(fd, sqe) },
        // SAFETY: promised by the caller.
        CONNECT => match unsafe { connect(fd, sqe, again) } {
            Err(RawErrno::OPNOTSUPP) => return Attempt::Block,
            result => result,
        },
        POLL_ADD => match ready(fd, sqe.op_flags as u16) {
            0 => Err(RawErrno::AGAIN),
            events => Ok(usize::from(events)),
        },
        SPLICE => {
            // SAFETY: promised by the caller.
            let from = unsafe { BorrowedFd::borrow_raw(sqe.file_index) };
            if ready(from, IN) == 0 {
                return Attempt::Wait(sqe.file_index, IN);
            }
            if ready(fd, OUT) == 0 {
                return Attempt::Wait(sqe.fd, OUT);
            }
            return Attempt::Block;
        }
        _ => return Attempt::Block,
    };
    match result {
        Err(RawErrno::AGAIN) => {
            Attempt::Wait(sqe.fd, if sqe.opcode == POLL_ADD { sqe.op_flags as u16 } else { direction(sqe.opcode) })
        }
        result => Attempt::Done(code(result)),
    }
}

/// Tries to carry out a transfer at once, if it is one that a flag can keep from waiting: the data is in the page cache, the
/// socket or the pipe. `None` if it would wait, or cannot be tried.
///
/// # Safety
/// As for `attempt`, until this returns.
pub(crate) unsafe fn direct(sqe: &Sqe) -> Option<i32> {
    if sqe.fd < 0 {
        return None;
    }
    // SAFETY: promised by the caller: the descriptor is borrowed by the operation.
    let fd = unsafe { BorrowedFd::borrow_raw(sqe.fd) };
    let result = match sqe.opcode {
        // SAFETY: promised by the caller.
        READ | READV | WRITE | WRITEV => unsafe { transfer(fd, sqe, ReadWriteFlags::NOWAIT) },
        // SAFETY: promised by the caller.
        RECV | SEND => match unsafe { attempt(sqe, false) } {
            Attempt::Done(res) => return Some(res),
            _ => return None,
        },
        // SAFETY: promised by the caller.
        RECVMSG | SENDMSG => unsafe { datagram(fd, sqe) },
        _ => return None,
    };
    match result {
        Err(RawErrno::AGAIN | RawErrno::OPNOTSUPP | RawErrno::INTR | RawErrno::NOSYS) => None,
        result => Some(code(result)),
    }
}

/// Carries out an entry on a thread that may block.
///
/// # Safety
/// The entry obeys the rules of its opcode, as for `sys::enter`, until this returns.
pub(crate) unsafe fn block(sqe: &Sqe) -> i32 {
    // SAFETY: promised by the caller: the descriptor is borrowed by the operation.
    let fd = if sqe.fd >= 0 { unsafe { BorrowedFd::borrow_raw(sqe.fd) } } else { CWD };
    code(match sqe.opcode {
        // SAFETY: promised by the caller.
        READ | READV | WRITE | WRITEV => unsafe { transfer(fd, sqe, ReadWriteFlags::empty()) },
        FSYNC if sqe.op_flags != 0 => rustix::fs::fdatasync(fd).map(|()| 0),
        FSYNC => rustix::fs::fsync(fd).map(|()| 0),
        FTRUNCATE => rustix::fs::ftruncate(fd, sqe.off).map(|()| 0),
        FALLOCATE => {
            rustix::fs::fallocate(fd, FallocateFlags::from_bits_retain(sqe.len), sqe.off, sqe.addr).map(|()| 0)
        }
        SHUTDOWN => {
            let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][sqe.len as usize % 3];
            rustix::net::shutdown(fd, how).map(|()| 0)
        }
        // SAFETY: promised by the caller: a socket that is not connected, and an address.
        CONNECT => unsafe { connect_now(fd, sqe) },
        CLOSE => {
            // SAFETY: promised by the caller: the operation owns the descriptor, and counts it as closed after this.
            unsafe { rustix::io::close(sqe.fd) };
            Ok(0)
        }
        SPLICE => {
            // SAFETY: promised by the caller.
            let from = unsafe { BorrowedFd::borrow_raw(sqe.file_index) };
            let (mut from_offset, mut to_offset) = (sqe.addr, sqe.off);
            let from_offset = (from_offset != u64::MAX).then_some(&mut from_offset);
            let to_offset = (to_offset != u64::MAX).then_some(&mut to_offset);
            let flags = rustix::pipe::SpliceFlags::empty();
            rustix::pipe::splice(from, from_offset, fd, to_offset, sqe.len as usize, flags)
        }
        // SAFETY: promised by the caller: `addr`, and where there is a second path `off`, are strings that end in NUL.
        _ => unsafe { on_path(fd, sqe) },
    })
}

/// Waits until one of the descriptors has one of its events, `event` is readable, or the time is over. Says in the second
/// field of each what has happened.
pub(crate) fn wait(event: BorrowedFd<'_>, waits: &mut [(i32, u16)], limit: Option<Duration>) {
    let mut polls = vec![PollFd::from_borrowed_fd(event, PollFlags::IN)];
    for (fd, events) in waits.iter() {
        // SAFETY: borrowed by an operation that is not finished, as the caller has them in its list.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        polls.push(PollFd::from_borrowed_fd(fd, PollFlags::from_bits_retain(*events)));
    }
    let limit = limit
        .map(|limit| Timespec { tv_sec: limit.as_secs().min(1 << 40) as i64, tv_nsec: limit.subsec_nanos().into() });
    let result = rustix::event::poll(&mut polls, limit.as_ref());
    for (index, (_, happened)) in waits.iter_mut().enumerate() {
        // After an error (a signal, no memory) everything is tried again.
        *happened = if result.is_ok() { polls[index + 1].revents().bits() } else { u16::MAX };
    }
    if result.is_ok() && !polls[0].revents().is_empty() {
        super::eventfd_wait(event);
    }
}

fn code(result: Result<usize, RawErrno>) -> i32 {
    match result {
        Ok(value) => i32::try_from(value).unwrap_or(i32::MAX),
        Err(errno) => -errno.raw_os_error(),
    }
}

const fn direction(opcode: u8) -> u16 {
    if matches!(opcode, READ | READV | RECV | RECVMSG | ACCEPT) { IN } else { OUT }
}

/// The events that a descriptor has now, of those asked for and of errors.
fn ready(fd: BorrowedFd<'_>, events: u16) -> u16 {
    let mut polls = [PollFd::from_borrowed_fd(fd, PollFlags::from_bits_retain(events))];
    match rustix::event::poll(&mut polls, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => polls[0].revents().bits(),
        Err(_) => 0,
    }
}

/// Whether reads and writes never wait for somebody else.
fn is_regular(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| {
        matches!(
            FileType::from_raw_mode(stat.st_mode),
            FileType::RegularFile | FileType::BlockDevice | FileType::Directory
        )
    })
}

/// # Safety
/// The entry names a buffer that may be written.
unsafe fn writable<'a>(sqe: &Sqe) -> &'a mut [MaybeUninit<u8>] {
    let start = ptr::with_exposed_provenance_mut(sqe.addr as usize);
    // SAFETY: promised by the caller; the operation holds no reference into it.
    unsafe { slice::from_raw_parts_mut(start, sqe.len as usize) }
}

/// # Safety
/// The entry names a buffer that may be read.
unsafe fn readable<'a>(sqe: &Sqe) -> &'a [u8] {
    let start = ptr::with_exposed_provenance(sqe.addr as usize);
    // SAFETY: promised by the caller.
    unsafe { slice::from_raw_parts(start, sqe.len as usize) }
}

/// # Safety
/// The entry names a buffer or several, which may be read or written.
unsafe fn transfer(fd: BorrowedFd<'_>, sqe: &Sqe, flags: ReadWriteFlags) -> Result<usize, RawErrno> {
    // One buffer as a list of one. `IoSlice` and `IoSliceMut` are laid out as `iovec`: an address and a length.
    let base = ptr::with_exposed_provenance_mut::<u8>(sqe.addr as usize);
    let mut vector = IoVec { base, len: sqe.len as usize };
    let (list, count) = match sqe.opcode {
        READ | WRITE => (&raw mut vector, 1),
        _ => (ptr::with_exposed_provenance_mut(sqe.addr as usize), sqe.len as usize),
    };
    // Files without a position, and the current one, are spoken of by -1.
    let offset = if sqe.off == CURRENT_POSITION { u64::MAX } else { sqe.off };
    if matches!(sqe.opcode, READ | READV) {
        // SAFETY: an `iovec`, or so many; what they name may be written.
        let list = unsafe { slice::from_raw_parts_mut(list.cast::<IoSliceMut<'_>>(), count) };
        rustix::io::preadv2(fd, list, offset, flags)
    } else {
        // SAFETY: an `iovec`, or so many; what they name may be read.
        let list = unsafe { slice::from_raw_parts(list.cast::<IoSlice<'_>>(), count) };
        rustix::io::pwritev2(fd, list, offset, flags)
    }
}

/// # Safety
/// `addr` names a header with one buffer and the room for one address.
unsafe fn datagram(fd: BorrowedFd<'_>, sqe: &Sqe) -> Result<usize, RawErrno> {
    // SAFETY: promised by the caller.
    let header = unsafe { &mut *ptr::with_exposed_provenance_mut::<MsgHdr>(sqe.addr as usize) };
    // SAFETY: promised by the caller.
    let vector = unsafe { *header.vectors };
    if sqe.opcode == SENDMSG {
        // SAFETY: promised by the caller: a whole address.
        let peer = unsafe { header.name.cast::<RawAddress>().read() };
        // SAFETY: promised by the caller.
        let bytes = unsafe { slice::from_raw_parts(vector.base, vector.len) };
        let flags = SendFlags::from_bits_retain(sqe.op_flags) | SendFlags::DONTWAIT;
        return rustix::net::sendto(fd, bytes, flags, &peer.to_internet());
    }
    // SAFETY: promised by the caller.
    let buffer = unsafe { slice::from_raw_parts_mut(vector.base.cast::<MaybeUninit<u8>>(), vector.len) };
    let (_, bytes, peer) = rustix::net::recvfrom(fd, buffer, RecvFlags::DONTWAIT)?;
    let peer = peer.map_or_else(RawAddress::empty, |peer| raw_address(&peer));
    header.name_len = peer.as_bytes().1;
    // SAFETY: promised by the caller: room for a whole address.
    unsafe { header.name.cast::<RawAddress>().write(peer) };
    Ok(bytes.min(vector.len))
}

/// # Safety
/// `addr` names the room for a whole address, or is zero.
unsafe fn accept(fd: BorrowedFd<'_>, sqe: &Sqe) -> Result<usize, RawErrno> {
    // There is no flag for a single call: the listener itself becomes non-blocking.
    rustix::io::ioctl_fionbio(fd, true)?;
    let (accepted, peer) = rustix::net::acceptfrom_with(fd, SocketFlags::CLOEXEC)?;
    if sqe.addr != 0 {
        let peer = peer.map_or_else(RawAddress::empty, |peer| raw_address(&peer));
        // SAFETY: promised by the caller.
        unsafe { ptr::with_exposed_provenance_mut::<RawAddress>(sqe.addr as usize).write(peer) };
    }
    Ok(descriptor(accepted))
}

/// # Safety
/// `addr` names a whole address; the socket is the operation's own.
unsafe fn connect(fd: BorrowedFd<'_>, sqe: &Sqe, again: bool) -> Result<usize, RawErrno> {
    if again {
        if ready(fd, OUT) == 0 {
            return Err(RawErrno::AGAIN);
        }
        rustix::net::sockopt::socket_error(fd)??;
        rustix::io::ioctl_fionbio(fd, false)?;
        return Ok(0);
    }
    // SAFETY: promised by the caller.
    let peer = unsafe { ptr::with_exposed_provenance::<RawAddress>(sqe.addr as usize).read() };
    if peer.family() == AF_UNIX {
        // It is connected or refused at once, unless the listener's queue is full, which `poll` does not tell.
        return Err(RawErrno::OPNOTSUPP);
    }
    rustix::io::ioctl_fionbio(fd, true)?;
    match rustix::net::connect(fd, &peer.to_internet()) {
        Ok(()) => rustix::io::ioctl_fionbio(fd, false).map(|()| 0),
        Err(RawErrno::INPROGRESS) => Err(RawErrno::AGAIN),
        Err(errno) => Err(errno),
    }
}

/// # Safety
/// `addr` names a whole address.
unsafe fn connect_now(fd: BorrowedFd<'_>, sqe: &Sqe) -> Result<usize, RawErrno> {
    // SAFETY: promised by the caller.
    let peer = unsafe { ptr::with_exposed_provenance::<RawAddress>(sqe.addr as usize).read() };
    match peer.to_path() {
        Some(path) => rustix::net::connect(fd, &SocketAddrUnix::new(path)?)?,
        None => rustix::net::connect(fd, &peer.to_internet())?,
    }
    Ok(0)
}

fn raw_address(address: &SocketAddrAny) -> RawAddress {
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return RawAddress::internet(&address);
    }
    let unix = SocketAddrUnix::try_from(address.clone()).ok();
    let path = unix.as_ref().and_then(|unix| unix.path_bytes());
    let path =
        path.map(|bytes| std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)));
    path.and_then(|path| RawAddress::unix(path).ok()).unwrap_or_else(RawAddress::empty)
}

fn descriptor(fd: OwnedFd) -> usize {
    fd.into_raw_fd() as usize
}

/// # Safety
/// `addr`, and `off` where the opcode has a second path, name strings that end in NUL; of `STATX`, `off` names a buffer.
unsafe fn on_path(fd: BorrowedFd<'_>, sqe: &Sqe) -> Result<usize, RawErrno> {
    let string = |address: u64| ptr::with_exposed_provenance::<c_char>(address as usize);
    let first = match sqe.opcode {
        // SAFETY: promised by the caller.
        OPENAT | STATX | MKDIRAT | UNLINKAT | RENAMEAT | SYMLINKAT | LINKAT => unsafe {
            CStr::from_ptr(string(sqe.addr))
        },
        _ => return Err(RawErrno::OPNOTSUPP),
    };
    let second = match sqe.opcode {
        // SAFETY: promised by the caller.
        RENAMEAT | SYMLINKAT | LINKAT => unsafe { CStr::from_ptr(string(sqe.off)) },
        _ => c"",
    };
    match sqe.opcode {
        OPENAT => {
            let (flags, mode) = (OFlags::from_bits_retain(sqe.op_flags), Mode::from_raw_mode(sqe.len));
            rustix::fs::openat(CWD, first, flags, mode).map(descriptor)
        }
        STATX => {
            let (flags, mask) = (AtFlags::from_bits_retain(sqe.op_flags), StatxFlags::from_bits_retain(sqe.len));
            let stat = rustix::fs::statx(fd, first, flags, mask)?;
            const { assert!(size_of::<rustix::fs::Statx>() == size_of::<linux_raw_sys::general::statx>()) };
            // SAFETY: promised by the caller: a buffer for a `statx`, of which rustix's is a copy, field by field.
            unsafe { ptr::with_exposed_provenance_mut::<rustix::fs::Statx>(sqe.off as usize).write(stat) };
            Ok(0)
        }
        MKDIRAT => rustix::fs::mkdirat(CWD, first, Mode::from_raw_mode(sqe.len)).map(|()| 0),
        UNLINKAT => rustix::fs::unlinkat(CWD, first, AtFlags::from_bits_retain(sqe.op_flags)).map(|()| 0),
        RENAMEAT => rustix::fs::renameat(CWD, first, CWD, second).map(|()| 0),
        SYMLINKAT => rustix::fs::symlinkat(first, CWD, second).map(|()| 0),
        _ => rustix::fs::linkat(CWD, first, CWD, second, AtFlags::empty()).map(|()| 0),
    }
}
