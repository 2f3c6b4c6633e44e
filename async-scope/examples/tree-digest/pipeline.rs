//! A worker: a blocking job fills one buffer while the worker's task hashes the other. Both buffers, the open file and the
//! state of the digest are locals of the task; the job borrows what it needs until it is done.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read as _},
    ops::Range,
    path::Path,
};

use async_scope::{BlockingCx, async_fn, scope};
use sha2::{Digest as _, Sha256};

use crate::{
    progress::Progress,
    report::Report,
    walk::{Found, Walker},
};

/// One buffer: small enough for a core's cache, large enough that handing it over costs nothing.
const BUFFER: usize = 256 << 10;
/// One buffer holds no more than this, so that a million empty files are shared among the workers.
const MOST_EVENTS: usize = 512;

/// Takes files from the walker until there are none, or until it is asked to finish.
///
/// # Errors
/// If standard output cannot be written.
#[async_fn(send)]
pub(crate) async fn worker(walker: &Walker, report: &Report<'_>, progress: &Progress) -> io::Result<()> {
    let (mut reader, mut hasher) = (Reader::default(), Sha256::new());
    let (mut reading, mut hashing) = (Batch::new(), Batch::new());
    loop {
        scope!(|s| -> io::Result<()> {
            let filled = s.spawn_blocking_with(|cx| {
                report.print()?;
                reader.fill(&mut reading, walker, progress, cx);
                Ok(())
            });
            // Meanwhile, here:
            for event in hashing.events.drain(..) {
                match event {
                    Event::Data(range) => hasher.update(&hashing.buffer[range]),
                    Event::End(found) => report.digested(found, hasher.finalize_reset().into()),
                    Event::Failed(found, error) => {
                        hasher.reset();
                        report.failed(found, &error);
                    }
                }
            }
            // If the pool was shut down, which nobody here does, this batch stays empty and the worker ends.
            filled.await.unwrap_or_else(|error| Err(error.resume_panic().into()))
        })
        .await?;
        std::mem::swap(&mut reading, &mut hashing);
        if hashing.events.is_empty() {
            return Ok(());
        }
    }
}

/// What was read and not yet hashed.
struct Batch {
    buffer: Box<[u8]>,
    /// What happened, in order. A file's data may begin in an earlier batch and go on in later ones.
    events: Vec<Event>,
}

enum Event {
    Data(Range<usize>),
    End(Found),
    Failed(Found, io::Error),
}

impl Batch {
    fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into(), events: Vec::new() }
    }
}

/// The file that is being read.
#[derive(Default)]
struct Reader {
    current: Option<(Found, File)>,
}

impl Reader {
    /// Fills the batch, with several small files or a part of a large one. Asked to finish, it stops between two reads. An
    /// empty batch means that there is no more.
    fn fill(&mut self, batch: &mut Batch, walker: &Walker, progress: &Progress, cx: &BlockingCx<'_>) {
        let mut end = 0;
        while end < BUFFER && batch.events.len() < MOST_EVENTS && !cx.is_cancelled() {
            let Some((found, mut file)) = self.current.take() else {
                let Some((found, problem)) = walker.next() else { return };
                match problem.map_or_else(|| open(&found.path), Err) {
                    Ok(file) => self.current = Some((found, file)),
                    Err(error) => batch.events.push(Event::Failed(found, error)),
                }
                continue;
            };
            match file.read(&mut batch.buffer[end..]) {
                Ok(0) => batch.events.push(Event::End(found)),
                Ok(n) => {
                    progress.read(n);
                    batch.events.push(Event::Data(end..end + n));
                    end += n;
                    self.current = Some((found, file));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => self.current = Some((found, file)),
                Err(error) => batch.events.push(Event::Failed(found, error)),
            }
        }
    }
}

/// Opens a regular file. Whatever has taken its place since the walker saw it is not followed, waited for or read.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("no longer a regular file")) }
}
