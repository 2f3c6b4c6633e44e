//! Sockets: TCP, UDP and Unix.
//!
//! Operations take `&self`, so both directions of a connection can be used at once without splitting it.

pub(crate) mod address;
mod incoming;
mod tcp;
mod udp;
mod unix;

pub use std::net::Shutdown;

pub use incoming::{CloseIncoming, Incoming};
pub use tcp::{Accept, Connect, TcpListener, TcpStream};
pub use udp::{RecvFrom, SendTo, UdpSocket};
pub use unix::{UnixAccept, UnixConnect, UnixListener, UnixStream};

use crate::op::{misc::ShutDown, operation, transfer::Transfer, whole::whole};
use crate::ring::sqe::{RECV, SEND, SEND_ZC};

operation! {
    /// The operation that reads from a socket.
    Recv<'a>, Transfer<'a, RECV> => std::io::Result<usize>
}
operation! {
    /// The operation that writes to a socket.
    Send<'a>, Transfer<'a, SEND> => std::io::Result<usize>
}
operation! {
    /// The operation that ends a direction of a connection, or both.
    ShutdownSocket<'a>, ShutDown<'a> => std::io::Result<()>
}
operation! {
    /// The operation that sends without copying.
    SendZeroCopy<'a>, Transfer<'a, SEND_ZC> => std::io::Result<usize>
}
whole! {
    /// The operation that fills a buffer from a socket.
    RecvExact, RECV
}
whole! {
    /// The operation that writes a whole buffer to a socket.
    SendAll, SEND
}

/// The methods that all connected sockets share.
macro_rules! connected {
    ($name:ident) => {
        impl $name {
            /// Reads what is there, at least one byte: returns the number of bytes, 0 at the end or for an empty buffer.
            ///
            /// # Errors
            /// Those of `recv(2)`, with the peer.
            ///
            /// # Cancellation
            /// `Err(Cancelled)` if nothing was read; a count otherwise. No byte is lost: it is in `buf`, or still in the socket.
            pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> $crate::net::Recv<'a> {
                $crate::net::Recv::from_kind($crate::op::transfer::Transfer::into_buffer(self.as_fd(), buf, 0))
            }

            /// Writes what the socket takes, at least one byte: returns the number of bytes.
            ///
            /// # Errors
            /// Those of `send(2)`, with the peer. A connection that is gone is `BrokenPipe`; there is no signal.
            ///
            /// # Cancellation
            /// `Err(Cancelled)` if nothing was written; a count otherwise.
            pub fn write<'a>(&'a self, buf: &'a [u8]) -> $crate::net::Send<'a> {
                let flags = $crate::op::socket::MSG_NOSIGNAL;
                $crate::net::Send::from_kind($crate::op::transfer::Transfer::from_buffer(self.as_fd(), buf, 0, flags))
            }

            /// Fills `buf`.
            ///
            /// # Errors
            /// [`Incomplete`](crate::Incomplete) with the number of bytes that were read: `UnexpectedEof` if the peer ended early.
            ///
            /// # Cancellation
            /// [`Incomplete`](crate::Incomplete) with the number of bytes that were read.
            pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> $crate::net::RecvExact<'a> {
                $crate::net::RecvExact::from_kind($crate::op::transfer::Transfer::into_buffer(self.as_fd(), buf, 0))
            }

            /// Writes all of `buf`.
            ///
            /// # Errors
            /// [`Incomplete`](crate::Incomplete) with the number of bytes that were written.
            ///
            /// # Cancellation
            /// [`Incomplete`](crate::Incomplete) with the number of bytes that were written.
            pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> $crate::net::SendAll<'a> {
                let flags = $crate::op::socket::MSG_NOSIGNAL;
                $crate::net::SendAll::from_kind($crate::op::transfer::Transfer::from_buffer(
                    self.as_fd(),
                    buf,
                    0,
                    flags,
                ))
            }

            /// Ends one direction, or both: the peer reads the end, or our reads do.
            ///
            /// # Errors
            /// Those of `shutdown(2)`, with the peer.
            ///
            /// # Cancellation
            /// `Err(Cancelled)` if it had not happened.
            pub fn shutdown(&self, how: std::net::Shutdown) -> $crate::net::ShutdownSocket<'_> {
                $crate::net::ShutdownSocket::from_kind($crate::op::misc::ShutDown { fd: self.as_fd(), how })
            }
        }
    };
}
pub(crate) use connected;

/// Conversions between a socket, std's type inside of it, and a descriptor.
macro_rules! conversions {
    ($name:ident, $std:ty) => {
        impl std::os::fd::AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.inner.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $name {
            fn as_raw_fd(&self) -> i32 {
                self.inner.as_raw_fd()
            }
        }

        /// The socket is set to blocking mode: a non-blocking one would make operations fail instead of wait.
        impl From<$std> for $name {
            fn from(inner: $std) -> Self {
                let _ = inner.set_nonblocking(false);
                Self { inner }
            }
        }

        impl From<$name> for $std {
            fn from(socket: $name) -> Self {
                socket.inner
            }
        }

        impl From<std::os::fd::OwnedFd> for $name {
            fn from(fd: std::os::fd::OwnedFd) -> Self {
                Self::from(<$std>::from(fd))
            }
        }

        impl From<$name> for std::os::fd::OwnedFd {
            fn from(socket: $name) -> Self {
                socket.inner.into()
            }
        }
    };
}
pub(crate) use conversions;
