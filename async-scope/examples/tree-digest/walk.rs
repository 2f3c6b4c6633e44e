//! The walker: hands out the files below a folder one by one, in the order of their paths, to whoever asks.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    vec,
};

use crate::progress::Progress;

/// A file that is to be digested, or a folder that could not be read.
pub(crate) struct Found {
    /// Its place in the order of all.
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
}

/// Walks a tree depth first. Shared by all workers.
///
/// It holds the names in the folders between the root and the current one, so its memory does not grow with the tree. The
/// order is that of the paths as bytes, with no need to have them all: within a folder a subfolder sorts as if its name ended
/// in the separator, for in every path below it it does.
pub(crate) struct Walker {
    root: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// The folder to be read next.
    enter: Option<PathBuf>,
    /// What is left in each folder from the root down.
    levels: Vec<Level>,
    found: u64,
}

struct Level {
    dir: PathBuf,
    entries: vec::IntoIter<Entry>,
}

impl Walker {
    pub(crate) fn new(root: PathBuf) -> Self {
        let state = State { enter: Some(root.clone()), levels: Vec::new(), found: 0 };
        Self { root, state: Mutex::new(state) }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// How many it has handed out.
    pub(crate) fn found(&self) -> u64 {
        self.lock().found
    }

    /// The next in the order, with what is wrong with it. Reads folders: call it where one may block.
    pub(crate) fn next(&self) -> Option<(Found, Option<io::Error>)> {
        let mut state = self.lock();
        let (path, problem) = state.step()?;
        let number = state.found;
        state.found += 1;
        Some((Found { number, path }, problem))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn step(&mut self) -> Option<(PathBuf, Option<io::Error>)> {
        loop {
            if let Some(dir) = self.enter.take() {
                match entries(&dir) {
                    Ok(entries) => self.levels.push(Level { dir, entries: entries.into_iter() }),
                    Err(error) => return Some((dir, Some(error))),
                }
            }
            let level = self.levels.last_mut()?;
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let path = level.dir.join(&entry.name);
            match entry.kind {
                Kind::File => return Some((path, None)),
                Kind::Folder => self.enter = Some(path),
                Kind::Unknown(error) => return Some((path, Some(error))),
            }
        }
    }
}

struct Entry {
    name: OsString,
    kind: Kind,
}

enum Kind {
    File,
    Folder,
    Unknown(io::Error),
}

impl Entry {
    /// `None` for what is neither file nor folder: symlinks, FIFOs, sockets, devices.
    fn new(entry: &fs::DirEntry) -> Option<Self> {
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_file() => Kind::File,
            Ok(kind) if kind.is_dir() => Kind::Folder,
            Ok(_) => return None,
            Err(error) => Kind::Unknown(error),
        };
        Some(Self { name: entry.file_name(), kind })
    }

    /// What this adds to the paths at and below it.
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let separator = matches!(self.kind, Kind::Folder).then_some(b'/');
        self.name.as_encoded_bytes().iter().copied().chain(separator)
    }
}

/// What is in a folder, in the order of the paths.
fn entries(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        entries.extend(Entry::new(&entry?));
    }
    entries.sort_unstable_by(|a, b| a.bytes().cmp(b.bytes()));
    Ok(entries)
}

/// Counts the files below a folder ahead of the walker, for the length of the progress bar.
pub(crate) fn count(dir: &Path, progress: &Progress, stop: impl Fn() -> bool) {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop()
        && !stop()
    {
        // What cannot be read is the walker's to report.
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            match Entry::new(&entry) {
                Some(Entry { kind: Kind::Folder, name }) => dirs.push(dir.join(name)),
                Some(_) => progress.counted(),
                None => {}
            }
        }
    }
}
