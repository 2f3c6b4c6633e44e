//! TCP: `TcpListener` and `TcpStream`.

use std::{
    io, net,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::{Async, Context, Items, items};

use super::{Incoming, SendZeroCopy, address::RawAddress, connected, conversions};
use crate::op::{
    Op, operation,
    socket::{AcceptOn, Accepted, ConnectTo, MSG_NOSIGNAL, PeerText},
    transfer::Transfer,
};

/// A socket that accepts TCP connections.
#[derive(Debug)]
pub struct TcpListener {
    inner: net::TcpListener,
}

impl TcpListener {
    /// Listens at `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// Those of `bind(2)` and `listen(2)`.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { inner: net::TcpListener::bind(address)? })
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// Those of `accept(2)`, with the local address.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if none was accepted. A connection that was accepted is returned, also after a request: none is lost.
    pub fn accept(&self) -> Accept<'_> {
        Accept::from_kind(AcceptOn::new(self.as_fd()))
    }

    /// The connections, one after the other, without end; accepted ahead by one operation that completes many times.
    ///
    /// # Cancellation
    /// An item is `Err(Cancelled)` once it was asked and nothing accepted is left.
    pub fn incoming(&self) -> Items<Incoming<'_>> {
        items(Incoming::new(self))
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A TCP connection.
///
/// # Examples
/// ```
/// use async_io_uring::{UringRuntime, net::{TcpListener, TcpStream}};
/// let runtime = UringRuntime::new()?;
/// let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
/// let client = runtime.block_on(TcpStream::connect(listener.local_addr()?))?;
/// let (server, peer) = runtime.block_on(listener.accept())?;
/// assert_eq!(peer, client.local_addr()?);
/// runtime.block_on(client.write_all(b"hello"))?;
/// let mut buf = [0; 5];
/// runtime.block_on(server.read_exact(&mut buf))?;
/// assert_eq!(&buf, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpStream {
    inner: net::TcpStream,
}

impl TcpStream {
    /// Connects to `address`.
    ///
    /// # Errors
    /// Those of `socket(2)` and `connect(2)`, with the peer.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if there is no connection yet; the attempt is given up.
    pub fn connect(address: SocketAddr) -> Connect {
        Connect { op: Op::new(ConnectTo::new(RawAddress::internet(&address), PeerText::Internet(address))) }
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// Those of `getpeername(2)`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Writes from `buf` without copying it; worth it from about 10 KiB on. Completes when the kernel has let go of the
    /// buffer, which for a peer that does not acknowledge may take long. Needs Linux 6.0.
    ///
    /// # Errors
    /// Those of `send(2)`, with the peer; `Unsupported` on older kernels.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if nothing was written; a count otherwise.
    pub fn write_zero_copy<'a>(&'a self, buf: &'a [u8]) -> SendZeroCopy<'a> {
        SendZeroCopy::from_kind(Transfer::from_buffer(self.as_fd(), buf, 0, MSG_NOSIGNAL))
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_nodelay(nodelay)
    }
}

connected!(TcpStream);
conversions!(TcpListener, net::TcpListener);
conversions!(TcpStream, net::TcpStream);

operation! {
    /// The operation of [`TcpListener::accept`].
    Accept<'a>, AcceptOn<'a, Tcp> => io::Result<(TcpStream, SocketAddr)>
}

/// The operation of [`TcpStream::connect`].
#[must_use = "an operation does nothing unless it is awaited"]
pub struct Connect {
    op: Op<ConnectTo>,
}

// SAFETY: every clause is passed on to the operation inside, which is pinned with `self` and is dropped, forgotten and polled
// exactly when `self` is.
unsafe impl Async for Connect {
    type Output = io::Result<TcpStream>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: a projection to the one field, which is never moved out.
        let op = unsafe { self.map_unchecked_mut(|this| &mut this.op) };
        // SAFETY: *completed* and *retired* are promised by the caller for `self`, hence for its field.
        let fd = ready!(unsafe { op.poll(cx) });
        Poll::Ready(fd.map(|fd| TcpStream { inner: fd.into() }))
    }
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("connect").finish_non_exhaustive()
    }
}

/// Makes a `TcpStream` of what was accepted.
pub(crate) struct Tcp;

impl Accepted for Tcp {
    type Output = (TcpStream, SocketAddr);

    fn make(fd: OwnedFd, peer: &RawAddress) -> Self::Output {
        (TcpStream { inner: fd.into() }, peer.to_internet())
    }
}
