//! `Metadata`: what `statx` tells about a file.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use linux_raw_sys::general::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, STATX_BTIME, statx, statx_timestamp};

/// What is known about a file.
#[derive(Clone)]
pub struct Metadata {
    raw: statx,
}

impl Metadata {
    pub(crate) const fn new(raw: statx) -> Self {
        Self { raw }
    }

    /// Its length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "named as in std, which has no `is_empty` here either")]
    pub const fn len(&self) -> u64 {
        self.raw.stx_size
    }

    /// Whether it is a regular file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.kind() == S_IFREG
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        self.kind() == S_IFDIR
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub const fn is_symlink(&self) -> bool {
        self.kind() == S_IFLNK
    }

    /// Its type and permissions.
    #[must_use]
    pub const fn mode(&self) -> u32 {
        self.raw.stx_mode as u32
    }

    /// Its number in its file system.
    #[must_use]
    pub const fn ino(&self) -> u64 {
        self.raw.stx_ino
    }

    /// When its contents were changed.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        time(&self.raw.stx_mtime)
    }

    /// When it was read.
    #[must_use]
    pub fn accessed(&self) -> SystemTime {
        time(&self.raw.stx_atime)
    }

    /// When it was made, if the file system knows.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        (self.raw.stx_mask & STATX_BTIME != 0).then(|| time(&self.raw.stx_btime))
    }

    const fn kind(&self) -> u32 {
        self.mode() & S_IFMT
    }
}

fn time(stamp: &statx_timestamp) -> SystemTime {
    let seconds = Duration::from_secs(stamp.tv_sec.unsigned_abs());
    let base = if stamp.tv_sec < 0 { SystemTime::UNIX_EPOCH - seconds } else { SystemTime::UNIX_EPOCH + seconds };
    base + Duration::from_nanos(u64::from(stamp.tv_nsec))
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("len", &self.len())
            .field("mode", &format_args!("{:o}", self.mode()))
            .field("modified", &self.modified())
            .finish_non_exhaustive()
    }
}
