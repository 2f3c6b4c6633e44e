//! Operations on paths: open, stat, and those on directories. A path is kept in the operation, ending in NUL.

use std::{
    cell::UnsafeCell,
    ffi::CString,
    io,
    marker::PhantomPinned,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    pin::Pin,
};

use linux_raw_sys::general::{AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, STATX_BTIME, statx};

use super::{Failure, Kind};
use crate::{
    ring::{
        Sqe,
        sqe::{AT_FDCWD, LINKAT, MKDIRAT, OPENAT, RENAMEAT, STATX, SYMLINKAT, UNLINKAT, address},
    },
    sys,
};

/// A path as the kernel reads it, or why there is none.
pub(crate) struct KernelPath(Result<CString, ()>);

impl KernelPath {
    pub(crate) fn new(path: &Path) -> Self {
        Self(CString::new(path.as_os_str().as_bytes()).map_err(|_| ()))
    }

    /// The address. A path with a NUL inside becomes the empty path, which the kernel refuses; `text` tells why.
    fn address(&self) -> u64 {
        address(self.0.as_deref().unwrap_or(c"").as_ptr())
    }

    fn text(&self) -> String {
        match &self.0 {
            Ok(path) => path.to_string_lossy().into_owned(),
            Err(()) => "a path with a NUL byte inside".into(),
        }
    }
}

/// Takes a descriptor that the kernel has just made for us.
pub(crate) fn own(descriptor: u32) -> OwnedFd {
    // SAFETY: the result of an operation that creates a descriptor, delivered once: nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor as i32) }
}

/// `openat`.
pub(crate) struct OpenAt {
    pub(crate) path: KernelPath,
    pub(crate) flags: u32,
    pub(crate) mode: u32,
}

// SAFETY: the entry names the path, on the heap and owned by the kind.
unsafe impl Kind for OpenAt {
    type Output = io::Result<OwnedFd>;
    const NAME: &'static str = "open";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        Sqe { addr: self.path.address(), len: self.mode, ..Sqe::new(OPENAT, AT_FDCWD) }.op_flags(self.flags)
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output {
        match result {
            Ok(descriptor) => Ok(own(descriptor)),
            Err(failure) => Err(failure.into_io(Self::NAME, || Some(self.path.text()))),
        }
    }

    fn discard(&mut self, result: u32) {
        drop(own(result));
    }
}

/// An operation on one or two paths without a result.
pub(crate) struct OnPath<const WHAT: u8> {
    first: KernelPath,
    second: Option<KernelPath>,
    mode: u32,
}

pub(crate) const CREATE_DIR: u8 = 0;
pub(crate) const REMOVE_DIR: u8 = 1;
pub(crate) const REMOVE_FILE: u8 = 2;
pub(crate) const RENAME: u8 = 3;
pub(crate) const SYMLINK: u8 = 4;
pub(crate) const HARD_LINK: u8 = 5;

impl<const WHAT: u8> OnPath<WHAT> {
    pub(crate) fn one(path: &Path) -> Self {
        Self { first: KernelPath::new(path), second: None, mode: 0o777 }
    }

    pub(crate) fn two(first: &Path, second: &Path) -> Self {
        Self { first: KernelPath::new(first), second: Some(KernelPath::new(second)), mode: 0 }
    }
}

// SAFETY: the entry names the paths, on the heap and owned by the kind.
unsafe impl<const WHAT: u8> Kind for OnPath<WHAT> {
    type Output = io::Result<()>;
    const NAME: &'static str = match WHAT {
        CREATE_DIR => "create_dir",
        REMOVE_DIR => "remove_dir",
        REMOVE_FILE => "remove_file",
        RENAME => "rename",
        SYMLINK => "symlink",
        _ => "hard_link",
    };

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        let first = self.first.address();
        let second = self.second.as_ref().map_or(0, KernelPath::address);
        // The directory that the second path is relative to goes into `len`.
        let here = AT_FDCWD as u32;
        match WHAT {
            CREATE_DIR => Sqe { addr: first, len: self.mode, ..Sqe::new(MKDIRAT, AT_FDCWD) },
            REMOVE_DIR => Sqe { addr: first, ..Sqe::new(UNLINKAT, AT_FDCWD) }.op_flags(AT_REMOVEDIR),
            REMOVE_FILE => Sqe { addr: first, ..Sqe::new(UNLINKAT, AT_FDCWD) },
            RENAME => Sqe { addr: first, off: second, len: here, ..Sqe::new(RENAMEAT, AT_FDCWD) },
            SYMLINK => Sqe { addr: first, off: second, ..Sqe::new(SYMLINKAT, AT_FDCWD) },
            _ => Sqe { addr: first, off: second, len: here, ..Sqe::new(LINKAT, AT_FDCWD) },
        }
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output {
        result.map(drop).map_err(|failure| {
            failure.into_io(Self::NAME, || {
                let first = self.first.text();
                Some(
                    self.second
                        .as_ref()
                        .map_or_else(|| first.clone(), |second| format!("{first} and {}", second.text())),
                )
            })
        })
    }
}

/// What `Statx` looks at.
pub(crate) enum Target<'a> {
    File(BorrowedFd<'a>),
    Path(KernelPath, /* follow a symbolic link */ bool),
}

/// `statx`.
pub(crate) struct Statx<'a> {
    target: Target<'a>,
    /// Written by the kernel.
    buffer: UnsafeCell<MaybeUninit<statx>>,
    /// The kernel knows its address: `&mut` of it does not claim to be the only access.
    _pinned: PhantomPinned,
}

// SAFETY: the cell is accessed by whoever has `Pin<&mut Self>`, after the kernel has let go of it; `&Statx` gives no access.
unsafe impl Sync for Statx<'_> {}

impl<'a> Statx<'a> {
    pub(crate) const fn new(target: Target<'a>) -> Self {
        Self { target, buffer: UnsafeCell::new(MaybeUninit::zeroed()), _pinned: PhantomPinned }
    }
}

// SAFETY: the entry names the path, on the heap and owned by the kind, or a static one, a descriptor that is borrowed for `'a`,
// and the kind's own buffer in an `UnsafeCell`.
unsafe impl Kind for Statx<'_> {
    type Output = io::Result<statx>;
    const NAME: &'static str = "metadata";

    fn prepare(self: Pin<&mut Self>) -> Sqe {
        let (fd, path, flags) = match &self.target {
            Target::File(fd) => (fd.as_raw_fd(), address(c"".as_ptr()), AT_EMPTY_PATH),
            Target::Path(path, true) => (AT_FDCWD, path.address(), 0),
            Target::Path(path, false) => (AT_FDCWD, path.address(), AT_SYMLINK_NOFOLLOW),
        };
        let off = address(self.buffer.get().cast_const());
        Sqe { addr: path, len: STATX_BASIC_STATS | STATX_BTIME, off, ..Sqe::new(STATX, fd) }.op_flags(flags)
    }

    fn finish(self: Pin<&mut Self>, result: Result<u32, Failure>) -> Self::Output {
        match result {
            // SAFETY: the kernel has let go of the buffer (`DONE`), which it has filled; any bits, also the zeroes that it began
            // with, are a `statx`.
            Ok(_) => Ok(unsafe { self.buffer.get().cast::<statx>().read() }),
            Err(failure) => Err(failure.into_io(Self::NAME, || match &self.target {
                Target::File(fd) => sys::describe(*fd),
                Target::Path(path, _) => Some(path.text()),
            })),
        }
    }
}
