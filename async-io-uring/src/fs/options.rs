//! `OpenOptions`, and the operation that opens a file.

use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Poll, ready},
};

use async_trait_core::{Async, Context};
use linux_raw_sys::general::{
    O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_EXCL, O_LARGEFILE, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};

use super::File;
use crate::op::{
    Op,
    path::{KernelPath, OpenAt},
};

/// How a file is opened: std's options, with the same rules.
///
/// # Examples
/// ```no_run
/// # use async_trait_core::{Async};
/// use async_io_uring::fs::OpenOptions;
/// let open = OpenOptions::new().read(true).write(true).create(true).open("notes.txt");
/// # let _: &dyn Async<Output = std::io::Result<async_io_uring::fs::File>> = &open;
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    custom: u32,
    mode: Option<u32>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        pub const fn $name(&mut self, $name: $type) -> &mut Self {
            self.$name = $name;
            self
        }
    )*};
}

impl OpenOptions {
    /// Everything off.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// For reading.
        read: bool;
        /// For writing.
        write: bool;
        /// Every write goes to the end of the file.
        append: bool;
        /// An existing file is emptied.
        truncate: bool;
        /// The file is made if there is none.
        create: bool;
        /// The file is made, and it is an error if there is one.
        create_new: bool;
    }

    /// Bypasses the page cache: buffers, offsets and lengths must then be aligned as the file system demands.
    pub const fn direct(&mut self, direct: bool) -> &mut Self {
        if direct {
            self.custom |= O_DIRECT;
        } else {
            self.custom &= !O_DIRECT;
        }
        self
    }

    /// Further `O_*` flags.
    pub const fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom = flags as u32;
        self
    }

    /// The permissions of a file that is made; 0o666 unless said otherwise, less the umask.
    pub const fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Opens `path`.
    ///
    /// # Errors
    /// Those of `open(2)`, and `InvalidInput` for options that contradict each other.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if it was asked before the kernel had opened the file; a file that was opened is returned.
    pub fn open(&self, path: impl AsRef<Path>) -> Open {
        let (flags, invalid) = self.flags();
        let (path, mode) = (KernelPath::new(path.as_ref()), self.mode.unwrap_or(0o666));
        Open { op: Op::new(OpenAt { path, flags, mode: if flags & O_CREAT != 0 { mode } else { 0 } }), invalid }
    }

    /// The flags, and what is wrong with them.
    const fn flags(&self) -> (u32, Option<&'static str>) {
        let writes = self.write || self.append;
        let access = match (self.read, writes) {
            (true, false) => O_RDONLY,
            (false, true) => O_WRONLY,
            (true, true) => O_RDWR,
            (false, false) => return (0, Some("neither read, write nor append")),
        };
        if !writes && (self.truncate || self.create || self.create_new) {
            return (0, Some("truncate, create and create_new need write or append"));
        }
        if self.append && self.truncate && !self.create_new {
            return (0, Some("append and truncate contradict each other"));
        }
        let create = match (self.create_new, self.create, self.truncate) {
            (true, ..) => O_CREAT | O_EXCL,
            (false, true, true) => O_CREAT | O_TRUNC,
            (false, true, false) => O_CREAT,
            (false, false, true) => O_TRUNC,
            (false, false, false) => 0,
        };
        let append = if self.append { O_APPEND } else { 0 };
        (access | create | append | O_CLOEXEC | O_LARGEFILE | self.custom, None)
    }
}

/// The operation of [`OpenOptions::open`] and [`File::open`].
#[must_use = "an operation does nothing unless it is awaited"]
pub struct Open {
    op: Op<OpenAt>,
    invalid: Option<&'static str>,
}

// SAFETY: every clause is passed on to the operation inside, which is pinned with `self` and is dropped, forgotten and polled
// exactly when `self` is.
unsafe impl Async for Open {
    type Output = io::Result<File>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(text) = self.invalid {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        // SAFETY: a projection to a field that is never moved out.
        let op = unsafe { self.map_unchecked_mut(|this| &mut this.op) };
        // SAFETY: *completed* and *retired* are promised by the caller for `self`, hence for its field.
        let fd = ready!(unsafe { op.poll(cx) });
        Poll::Ready(fd.map(File::from))
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("open").finish_non_exhaustive()
    }
}
