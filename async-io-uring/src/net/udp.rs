//! UDP: `UdpSocket`.

use std::{
    io, net,
    net::SocketAddr,
    os::fd::AsFd,
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::{Async, Context};

use super::{address::RawAddress, connected, conversions};
use crate::{
    op::{Op, socket::Datagram},
    ring::sqe::{RECVMSG, SENDMSG},
};

/// A UDP socket. [`read`](Self::read) and [`write`](Self::write) need it to be connected with [`connect`](Self::connect).
#[derive(Debug)]
pub struct UdpSocket {
    inner: net::UdpSocket,
}

impl UdpSocket {
    /// A socket at `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// Those of `bind(2)`.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { inner: net::UdpSocket::bind(address)? })
    }

    /// Sets the peer; sends nothing.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.inner.connect(peer)
    }

    /// The address of this side.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// Those of `sendmsg(2)`.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it was not sent.
    pub fn send_to<'a>(&'a self, buf: &'a [u8], peer: SocketAddr) -> SendTo<'a> {
        SendTo { op: Op::new(Datagram::send(self.as_fd(), buf, RawAddress::internet(&peer))) }
    }

    /// Waits for a datagram: its length, cut to that of `buf`, and where it is from.
    ///
    /// # Errors
    /// Those of `recvmsg(2)`.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if none was received; none is lost.
    pub fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> RecvFrom<'a> {
        RecvFrom { op: Op::new(Datagram::receive(self.as_fd(), buf)) }
    }
}

connected!(UdpSocket);
conversions!(UdpSocket, net::UdpSocket);

macro_rules! datagram {
    ($(#[$doc:meta])* $name:ident, $opcode:expr => $output:ty, $map:expr) => {
        $(#[$doc])*
        #[must_use = "an operation does nothing unless it is awaited"]
        pub struct $name<'a> {
            op: Op<Datagram<'a, { $opcode }>>,
        }

        // SAFETY: every clause is passed on to the operation inside, which is pinned with `self` and is dropped, forgotten and
        // polled exactly when `self` is.
        unsafe impl Async for $name<'_> {
            type Output = io::Result<$output>;

            unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                // SAFETY: a projection to the one field, which is never moved out.
                let op = unsafe { self.map_unchecked_mut(|this| &mut this.op) };
                // SAFETY: *completed* and *retired* are promised by the caller for `self`, hence for its field.
                let result = ready!(unsafe { op.poll(cx) });
                Poll::Ready(result.map($map))
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

datagram! {
    /// The operation of [`UdpSocket::send_to`].
    SendTo, SENDMSG => usize, |(bytes, _)| bytes
}
datagram! {
    /// The operation of [`UdpSocket::recv_from`].
    RecvFrom, RECVMSG => (usize, SocketAddr), |(bytes, peer): (usize, RawAddress)| (bytes, peer.to_internet())
}
