//! Operations on sockets that involve addresses: accept, connect, send to, receive from.

use std::{
    cell::UnsafeCell,
    io,
    marker::{PhantomData, PhantomPinned},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
    pin::Pin,
};

use linux_raw_sys::general::O_CLOEXEC;

use super::{Failure, Kind, path::own};
use crate::{
    net::address::{RawAddress, SOCK_STREAM},
    ring::{
        Sqe,
        sqe::{ACCEPT, CONNECT, RECVMSG, SENDMSG, address, length},
    },
    sys,
};

/// Do not raise SIGPIPE.
pub(crate) const MSG_NOSIGNAL: u32 = 0x4000;

/// What comes out of `accept`.
pub(crate) trait Accepted: Send + Sync {
    type Output;
    fn make(fd: OwnedFd, peer: &RawAddress) -> Self::Output;
}

/// `accept`.
pub(crate) struct AcceptOn<'a, S> {
    fd: BorrowedFd<'a>,
    /// Written by the kernel.
    peer: UnsafeCell<RawAddress>,
    _stream: PhantomData<S>,
    /// The kernel knows its address: `&mut` of it does not claim to be the only access.
    _pinned: PhantomPinned,
}

// SAFETY: the cell is accessed by whoever has `Pin<&mut Self>`, after the kernel has let go of it; `&Self` gives no access.
unsafe impl<S: Accepted> Sync for AcceptOn<'_, S> {}

impl<'a, S> AcceptOn<'a, S> {
    pub(crate) const fn new(fd: BorrowedFd<'a>) -> Self {
        Self { fd, peer: UnsafeCell::new(RawAddress::empty()), _stream: PhantomData, _pinned: PhantomPinned }
    }
}

// SAFETY: the entry names a descriptor that is borrowed for `'a`, and the kind's own address in an `UnsafeCell`.
unsafe impl<S: Accepted> Kind for AcceptOn<'_, S> {
    type Output = io::Result<S::Output>;
    const NAME: &'static str = "accept";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        let (name, len) = RawAddress::parts(self.peer.get());
        Sqe {
            addr: address(name.cast_const()),
            off: address(len.cast_const()),
            ..Sqe::new(ACCEPT, self.fd.as_raw_fd())
        }
        .op_flags(O_CLOEXEC)
    }

    fn finish(mut self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output {
        let fd = result.map(own).map_err(|failure| failure.into_io(Self::NAME, || sys::describe(self.fd)))?;
        Ok(S::make(fd, self.peer_mut()))
    }

    fn discard(&mut self, result: u32) {
        drop(own(result));
    }
}

impl<S> AcceptOn<'_, S> {
    fn peer_mut<'b>(self: &'b mut Pin<&mut Self>) -> &'b RawAddress {
        // SAFETY: called from `finish`: the kernel has let go of the address, and we hold `&mut`.
        unsafe { &*self.peer.get() }
    }
}

/// `connect`: makes a socket and connects it.
pub(crate) struct ConnectTo {
    peer: RawAddress,
    text: PeerText,
    socket: Option<io::Result<OwnedFd>>,
}

/// The peer, for messages.
pub(crate) enum PeerText {
    Internet(SocketAddr),
    Unix(Box<Path>),
}

impl ConnectTo {
    pub(crate) const fn new(peer: RawAddress, text: PeerText) -> Self {
        Self { peer, text, socket: None }
    }
}

// SAFETY: the entry names the kind's own address, which the kernel copies and does not write, and a socket that it owns.
unsafe impl Kind for ConnectTo {
    type Output = io::Result<OwnedFd>;
    const NAME: &'static str = "connect";

    fn prepare(mut self: Pin<&mut Self>) -> Sqe {
        // A new socket each time: one whose connect was interrupted may be connecting still.
        let socket = sys::socket(self.peer.family(), SOCK_STREAM).map_err(io::Error::from);
        let fd = socket.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        self.socket = Some(socket);
        let (name, len) = self.peer.as_bytes();
        // Without a socket the descriptor is -1: the kernel refuses, and `finish` reports why.
        Sqe { addr: address(name), off: u64::from(len), ..Sqe::new(CONNECT, fd) }
    }

    fn finish(mut self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output {
        let failure = match (result, self.socket.take()) {
            (Ok(_), Some(Ok(socket))) => return Ok(socket),
            (_, Some(Err(error))) => Failure::Unavailable(error),
            (Err(failure), _) => failure,
            (Ok(_), None) => unreachable!("connected without a socket"),
        };
        Err(failure.into_io(Self::NAME, || {
            Some(match &self.text {
                PeerText::Internet(address) => address.to_string(),
                PeerText::Unix(path) => path.display().to_string(),
            })
        }))
    }
}

/// An `iovec`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct IoVec {
    pub(crate) base: *mut u8,
    pub(crate) len: usize,
}

/// A `msghdr`. Its name points to a whole `RawAddress`.
#[repr(C)]
pub(crate) struct MsgHdr {
    pub(crate) name: *mut u8,
    pub(crate) name_len: u32,
    pub(crate) vectors: *mut IoVec,
    count: usize,
    control: *mut u8,
    control_len: usize,
    flags: u32,
}

/// What a datagram's entry points to; it points into itself.
struct Message {
    header: MsgHdr,
    vector: IoVec,
    address: RawAddress,
}

/// `sendmsg` or `recvmsg` of one datagram.
pub(crate) struct Datagram<'a, const OPCODE: u8> {
    fd: BorrowedFd<'a>,
    message: UnsafeCell<Message>,
    _borrow: PhantomData<&'a mut [u8]>,
    _pinned: PhantomPinned,
}

// SAFETY: the pointers stand for a borrowed buffer and for the kind's own fields.
unsafe impl<const OPCODE: u8> Send for Datagram<'_, OPCODE> {}
// SAFETY: the cell is accessed by whoever has `Pin<&mut Self>`, after the kernel has let go of it; `&Self` gives no access.
unsafe impl<const OPCODE: u8> Sync for Datagram<'_, OPCODE> {}

impl<'a> Datagram<'a, RECVMSG> {
    pub(crate) fn receive(fd: BorrowedFd<'a>, buf: &'a mut [u8]) -> Self {
        Self::new(fd, buf.as_mut_ptr(), buf.len(), RawAddress::empty())
    }
}

impl<'a> Datagram<'a, SENDMSG> {
    pub(crate) fn send(fd: BorrowedFd<'a>, buf: &'a [u8], peer: RawAddress) -> Self {
        // The kernel only reads there.
        Self::new(fd, buf.as_ptr().cast_mut(), buf.len(), peer)
    }
}

impl<'a, const OPCODE: u8> Datagram<'a, OPCODE> {
    const fn new(fd: BorrowedFd<'a>, base: *mut u8, len: usize, address: RawAddress) -> Self {
        let null = std::ptr::null_mut();
        let header = MsgHdr {
            name: null,
            name_len: 0,
            vectors: std::ptr::null_mut(),
            count: 1,
            control: null,
            control_len: 0,
            flags: 0,
        };
        let message = Message { header, vector: IoVec { base, len }, address };
        Self { fd, message: UnsafeCell::new(message), _borrow: PhantomData, _pinned: PhantomPinned }
    }
}

// SAFETY: the entry names a descriptor and a buffer that are borrowed for `'a`, the latter exclusively where the kernel writes,
// and the kind's own message in an `UnsafeCell`.
unsafe impl<const OPCODE: u8> Kind for Datagram<'_, OPCODE> {
    type Output = io::Result<(usize, RawAddress)>;
    const NAME: &'static str = if OPCODE == RECVMSG { "recv_from" } else { "send_to" };

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        let message = self.message.get();
        // SAFETY: not in flight, and we hold `&mut`.
        let fields = unsafe { &mut *message };
        let (_, len) = fields.address.as_bytes();
        fields.header.name = RawAddress::parts(&raw mut fields.address).0;
        fields.header.name_len = if OPCODE == RECVMSG { RawAddress::CAPACITY } else { len };
        fields.vector.len = length(fields.vector.len) as usize;
        fields.header.vectors = &raw mut fields.vector;
        let header = address(&raw const fields.header);
        Sqe { addr: header, len: 1, ..Sqe::new(OPCODE, self.fd.as_raw_fd()) }.op_flags(MSG_NOSIGNAL)
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output {
        let bytes = result.map_err(|failure| failure.into_io(Self::NAME, || sys::describe(self.fd.as_fd())))?;
        // SAFETY: the kernel has let go of the message, and we hold `&mut`.
        let message = unsafe { &*self.message.get() };
        let mut peer = message.address;
        peer.set_len(message.header.name_len);
        Ok((bytes as usize, peer))
    }
}
