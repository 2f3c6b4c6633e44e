//! Unix sockets: `UnixListener` and `UnixStream`.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net,
    },
    path::{Path, PathBuf},
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::{Async, Context};

use super::{address::RawAddress, connected, conversions};
use crate::op::{
    Op, operation,
    socket::{AcceptOn, Accepted, ConnectTo, PeerText},
};

/// A Unix socket that accepts connections.
#[derive(Debug)]
pub struct UnixListener {
    inner: net::UnixListener,
}

impl UnixListener {
    /// Listens at `path`, where nothing may be yet.
    ///
    /// # Errors
    /// Those of `bind(2)` and `listen(2)`.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { inner: net::UnixListener::bind(path)? })
    }

    /// Waits for a connection; the path is the peer's, if it has one.
    ///
    /// # Errors
    /// Those of `accept(2)`.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if none was accepted. A connection that was accepted is returned, also after a request.
    pub fn accept(&self) -> UnixAccept<'_> {
        UnixAccept::from_kind(AcceptOn::new(self.as_fd()))
    }
}

/// A connection between Unix sockets.
#[derive(Debug)]
pub struct UnixStream {
    inner: net::UnixStream,
}

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// Those of `socket(2)` and `connect(2)`, with the path; `InvalidInput` for a path of more than 107 bytes.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if there is no connection yet.
    pub fn connect(path: impl AsRef<Path>) -> UnixConnect {
        let path = path.as_ref();
        match RawAddress::unix(path) {
            Ok(raw) => UnixConnect { op: Op::new(ConnectTo::new(raw, PeerText::Unix(path.into()))), invalid: None },
            Err(error) => {
                let unused = ConnectTo::new(RawAddress::empty(), PeerText::Unix(path.into()));
                UnixConnect { op: Op::new(unused), invalid: Some(error) }
            }
        }
    }

    /// Two sockets that are connected with each other.
    ///
    /// # Errors
    /// Those of `socketpair(2)`.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = net::UnixStream::pair()?;
        Ok((Self { inner: a }, Self { inner: b }))
    }
}

connected!(UnixStream);
conversions!(UnixListener, net::UnixListener);
conversions!(UnixStream, net::UnixStream);

operation! {
    /// The operation of [`UnixListener::accept`].
    UnixAccept<'a>, AcceptOn<'a, Unix> => io::Result<(UnixStream, Option<PathBuf>)>
}

/// The operation of [`UnixStream::connect`].
#[must_use = "an operation does nothing unless it is awaited"]
pub struct UnixConnect {
    op: Op<ConnectTo>,
    invalid: Option<io::Error>,
}

// SAFETY: every clause is passed on to the operation inside, which is pinned with `self` and is dropped, forgotten and polled
// exactly when `self` is.
unsafe impl Async for UnixConnect {
    type Output = io::Result<UnixStream>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `op` is pinned again at once, and `invalid` is never pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if let Some(error) = this.invalid.take() {
            return Poll::Ready(Err(error));
        }
        // SAFETY: a projection to a field that is pinned with `self` and never moved out.
        let op = unsafe { Pin::new_unchecked(&mut this.op) };
        // SAFETY: *completed* and *retired* are promised by the caller for `self`, hence for its field.
        let fd = ready!(unsafe { op.poll(cx) });
        Poll::Ready(fd.map(|fd| UnixStream { inner: fd.into() }))
    }
}

impl std::fmt::Debug for UnixConnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("connect").finish_non_exhaustive()
    }
}

/// Makes a `UnixStream` of what was accepted.
pub(crate) struct Unix;

impl Accepted for Unix {
    type Output = (UnixStream, Option<PathBuf>);

    fn make(fd: OwnedFd, peer: &RawAddress) -> Self::Output {
        (UnixStream { inner: fd.into() }, peer.to_path())
    }
}
