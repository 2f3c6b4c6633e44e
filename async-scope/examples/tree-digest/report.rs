//! The report: digests come in any order and leave in the order of the paths.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{self, ErrorKind, Write as _},
    mem,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

use crate::{progress::Progress, walk::Found};

/// Shared by all workers.
pub(crate) struct Report<'p> {
    progress: &'p Progress,
    lines: Mutex<Lines>,
    /// Held by whoever writes.
    output: Mutex<io::Stdout>,
}

#[derive(Default)]
struct Lines {
    /// The number of the next file in the order.
    next: u64,
    /// What is done before its turn has come: a digest, or nothing for what could not be read.
    early: BTreeMap<u64, Option<(PathBuf, [u8; 32])>>,
    /// What is to be written, in order.
    text: Vec<u8>,
    digested: u64,
    failed: u64,
}

impl<'p> Report<'p> {
    pub(crate) fn new(progress: &'p Progress) -> Self {
        Self { progress, lines: Mutex::default(), output: Mutex::new(io::stdout()) }
    }

    /// A file is done.
    pub(crate) fn digested(&self, file: Found, digest: [u8; 32]) {
        let mut lines = lock(&self.lines);
        lines.digested += 1;
        lines.add(file.number, Some((file.path, digest)));
        drop(lines);
        self.progress.done();
    }

    /// A file or a folder cannot be read.
    pub(crate) fn failed(&self, file: Found, error: &io::Error) {
        let mut message = b"tree-digest: ".to_vec();
        escape_for_reading(&file.path, &mut message);
        message.extend(format!(": {error}\n").bytes());
        self.progress.message(&message);
        let mut lines = lock(&self.lines);
        lines.failed += 1;
        lines.add(file.number, None);
        drop(lines);
        self.progress.done();
    }

    /// Writes what is done and has its turn. Call it where one may block.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut output = match self.output.try_lock() {
            Ok(output) => output,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whoever writes now, or comes next, writes ours too.
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        loop {
            let text = mem::take(&mut lock(&self.lines).text);
            if text.is_empty() {
                return Ok(());
            }
            self.progress.suspend(|| output.write_all(&text).and_then(|()| output.flush()))?;
        }
    }

    /// Writes the rest and the summary, when all work has ended. `written` tells whether standard output could be written so far.
    pub(crate) fn finish(self, written: io::Result<()>, found: u64, interrupted: bool) -> ExitCode {
        // Where the work ended early there are holes; what is done is in order all the same.
        lock(&self.lines).flush();
        let written = written.and_then(|()| self.print());
        let Lines { digested, failed, .. } = self.lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        match &written {
            // Whoever reads this has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => eprintln!("tree-digest: standard output: {error}"),
            Ok(()) => {}
        }
        let cannot_be_read = if failed > 0 { format!(", {failed} could not be read") } else { String::new() };
        let files = if digested == 1 { "1 file".to_owned() } else { format!("{digested} files") };
        if interrupted {
            let unfinished = found - digested - failed;
            eprintln!("tree-digest: interrupted: {files} digested{cannot_be_read}, {unfinished} left unfinished");
            return ExitCode::from(130);
        }
        if failed > 0 {
            eprintln!("tree-digest: {files} digested{cannot_be_read}");
        }
        if written.is_ok() && failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Lines {
    fn add(&mut self, number: u64, line: Option<(PathBuf, [u8; 32])>) {
        self.early.insert(number, line);
        while let Some(line) = self.early.remove(&self.next) {
            self.next += 1;
            self.write(line);
        }
    }

    fn flush(&mut self) {
        for line in mem::take(&mut self.early).into_values() {
            self.write(line);
        }
    }

    fn write(&mut self, line: Option<(PathBuf, [u8; 32])>) {
        if let Some((path, digest)) = line {
            write_line(&path, &digest, &mut self.text);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line as `sha256sum` writes it. One whose name has a backslash or the end of a line in it begins with a backslash, and in
/// that name they are escaped; all other bytes stay as they are, whatever they mean.
fn write_line(path: &Path, digest: &[u8; 32], text: &mut Vec<u8>) {
    let name = path.as_os_str().as_encoded_bytes();
    if name.iter().any(|byte| escaped(*byte).is_some()) {
        text.push(b'\\');
    }
    for byte in digest {
        let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        text.extend([hex(byte >> 4), hex(byte & 15)]);
    }
    text.extend(b"  ");
    for byte in name {
        match escaped(*byte) {
            Some(escaped) => text.extend(escaped),
            None => text.push(*byte),
        }
    }
    text.push(b'\n');
}

fn escaped(byte: u8) -> Option<&'static [u8; 2]> {
    match byte {
        b'\\' => Some(br"\\"),
        b'\n' => Some(br"\n"),
        b'\r' => Some(br"\r"),
        _ => None,
    }
}

/// A name for a person at a terminal: what would move the cursor is written out.
fn escape_for_reading(path: &Path, text: &mut Vec<u8>) {
    let name: &OsStr = path.as_os_str();
    for byte in name.as_encoded_bytes() {
        match (escaped(*byte), *byte) {
            (Some(escaped), _) => text.extend(escaped),
            (None, control @ (..0x20 | 0x7f)) => text.extend(format!("\\x{control:02x}").bytes()),
            (None, byte) => text.push(byte),
        }
    }
}
