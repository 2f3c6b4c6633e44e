//! Files and directories.

mod dir;
mod file;
mod metadata;
mod options;

pub use dir::{
    CreateDir, HardLink, RemoveDir, RemoveFile, Rename, Symlink, create_dir, hard_link, metadata, remove_dir,
    remove_file, rename, symlink, symlink_metadata,
};
pub use file::{
    Allocate, Close, File, FileMetadata, ReadAt, ReadExactAt, ReadVectoredAt, SetLen, Sync, WriteAllAt, WriteAt,
    WriteVectoredAt,
};
pub use metadata::Metadata;
pub use options::{Open, OpenOptions};
