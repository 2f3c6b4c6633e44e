//! Operations on directories and paths, as functions with std's names.

use std::{io, path::Path};

use super::{FileMetadata, file::Stat};
use crate::op::{
    operation,
    path::{CREATE_DIR, HARD_LINK, KernelPath, OnPath, REMOVE_DIR, REMOVE_FILE, RENAME, SYMLINK, Statx, Target},
};

/// Makes a directory.
///
/// # Errors
/// Those of `mkdir(2)`, with the path.
///
/// # Cancellation
/// `Err(Cancelled)` if it had not begun, as for all functions here.
pub fn create_dir(path: impl AsRef<Path>) -> CreateDir {
    CreateDir::from_kind(OnPath::one(path.as_ref()))
}

/// Removes an empty directory.
///
/// # Errors
/// Those of `rmdir(2)`, with the path.
pub fn remove_dir(path: impl AsRef<Path>) -> RemoveDir {
    RemoveDir::from_kind(OnPath::one(path.as_ref()))
}

/// Removes a file.
///
/// # Errors
/// Those of `unlink(2)`, with the path.
pub fn remove_file(path: impl AsRef<Path>) -> RemoveFile {
    RemoveFile::from_kind(OnPath::one(path.as_ref()))
}

/// Renames a file or directory; what was at `to` is replaced.
///
/// # Errors
/// Those of `rename(2)`, with both paths.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Rename {
    Rename::from_kind(OnPath::two(from.as_ref(), to.as_ref()))
}

/// Makes a symbolic link at `link` that says `original`.
///
/// # Errors
/// Those of `symlink(2)`, with both paths.
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Symlink {
    Symlink::from_kind(OnPath::two(original.as_ref(), link.as_ref()))
}

/// Makes another name, `link`, for the file `original`.
///
/// # Errors
/// Those of `link(2)`, with both paths.
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> HardLink {
    HardLink::from_kind(OnPath::two(original.as_ref(), link.as_ref()))
}

/// What is known about the file at `path`, through symbolic links.
///
/// # Errors
/// Those of `statx(2)`, with the path.
pub fn metadata(path: impl AsRef<Path>) -> FileMetadata<'static> {
    FileMetadata::from_kind(Stat(Statx::new(Target::Path(KernelPath::new(path.as_ref()), true))))
}

/// What is known about the file at `path`, itself a symbolic link perhaps.
///
/// # Errors
/// Those of `statx(2)`, with the path.
pub fn symlink_metadata(path: impl AsRef<Path>) -> FileMetadata<'static> {
    FileMetadata::from_kind(Stat(Statx::new(Target::Path(KernelPath::new(path.as_ref()), false))))
}

operation! {
    /// The operation of [`create_dir`].
    CreateDir, OnPath<CREATE_DIR> => io::Result<()>
}
operation! {
    /// The operation of [`remove_dir`].
    RemoveDir, OnPath<REMOVE_DIR> => io::Result<()>
}
operation! {
    /// The operation of [`remove_file`].
    RemoveFile, OnPath<REMOVE_FILE> => io::Result<()>
}
operation! {
    /// The operation of [`rename`].
    Rename, OnPath<RENAME> => io::Result<()>
}
operation! {
    /// The operation of [`symlink`].
    Symlink, OnPath<SYMLINK> => io::Result<()>
}
operation! {
    /// The operation of [`hard_link`].
    HardLink, OnPath<HARD_LINK> => io::Result<()>
}
