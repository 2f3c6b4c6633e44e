//! `tree-digest DIR`: the SHA-256 of every file below DIR, as `sha256sum` prints it, sorted by path.
//!
//! A dozen tasks and blocking jobs work on one [`Walker`], one [`Report`] and one [`Progress`]. All three live in the frame of
//! [`main`] and are lent by plain reference: nothing is counted, nothing is cloned, nothing needs to be `'static`. Each
//! [`worker`](pipeline::worker) lends its own local buffers on, to a blocking job that fills one while the task hashes the
//! other.
//!
//! - Symlinks are not followed (DIR itself may be one), and only regular files are opened: a FIFO does not hang it.
//! - What cannot be read is reported with its path on standard error; the rest goes on; the exit code is 1.
//! - Ctrl-C asks everything to finish, waits for the reads in flight, prints what is finished and a summary; the exit code is
//!   130. A second Ctrl-C ends the process at once.
//! - Lines are written as soon as all that come before them are; what a worker holds is bounded by its two buffers.
//!
//! Read next: `pipeline.rs`, then `walk.rs` and `report.rs`.

mod interrupt;
mod pipeline;
mod progress;
mod report;
mod walk;

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::Duration,
};

use async_cancel::OrCancelled as _;
use async_scope::{ScopeOptions, async_fn, try_scope};
use runtime_glue::{block_on, sleep};

use crate::{progress::Progress, report::Report, walk::Walker};

/// Between two looks of the progress bar at the counters.
const FRAME: Duration = Duration::from_millis(100);

/// Digests everything that the walker finds. Returns early, with what is finished, if it is asked to.
///
/// # Errors
/// If standard output cannot be written: the first worker that finds out ends the others.
#[async_fn(send)]
async fn tree_digest(walker: &Walker, report: &Report<'_>, progress: &Progress) -> io::Result<()> {
    try_scope!(ScopeOptions::new().name("tree-digest"), |s| -> io::Result<()> {
        s.builder().name("ctrl-c").background().spawn(async {
            if interrupt::requested().or_cancelled().await.is_ok() {
                progress.stopping();
                s.cancel();
            }
        });
        if progress.is_shown() {
            s.builder().name("bar").background().spawn(async {
                while sleep(FRAME).or_cancelled().await.is_ok() {
                    progress.draw();
                }
            });
            s.builder()
                .name("count")
                .background()
                .spawn_blocking_with(|cx| walk::count(walker.root(), progress, || cx.is_cancelled()));
        }
        // More than there are cores: while some wait for the disk the others hash.
        let workers = 2 * thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..workers {
            s.spawn(pipeline::worker(walker, report, progress));
        }
        Ok(())
    })
    .await
}

fn main() -> ExitCode {
    let dir = match arguments(env::args_os().skip(1)) {
        Ok(Some(dir)) => dir,
        Ok(None) => {
            let written = writeln!(io::stdout(), "{USAGE}\n\n{HELP}");
            return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Err(what) => {
            eprintln!("tree-digest: {what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = interrupt::install() {
        eprintln!("tree-digest: Ctrl-C will not be handled: {error}");
    }
    let progress = Progress::new();
    let (walker, report) = (Walker::new(dir), Report::new(&progress));
    let written = block_on(tree_digest(&walker, &report, &progress));
    // Every task and every blocking job has ended: nobody else looks at the three any more.
    progress.finish();
    report.finish(written, walker.found(), interrupt::was_requested())
}

const USAGE: &str = "usage: tree-digest DIR";
const HELP: &str = "\
Prints the SHA-256 of every regular file below DIR in the format of sha256sum,
sorted by path. Symbolic links are not followed.

Exit code: 0 if every file was read, 1 if one could not be, 2 for wrong
arguments, 130 if Ctrl-C ended it early.";

/// The folder to digest; `None` if help was asked for.
fn arguments(args: impl Iterator<Item = OsString>) -> Result<Option<PathBuf>, String> {
    let (mut dir, mut only_names) = (None, false);
    for arg in args {
        let starts_with_dash = arg.as_encoded_bytes().starts_with(b"-") && arg != "-";
        match arg.to_str() {
            Some("--") if !only_names => only_names = true,
            Some("-h" | "--help") if !only_names => return Ok(None),
            _ if starts_with_dash && !only_names => return Err(format!("there is no option {arg:?}")),
            _ if arg.is_empty() => return Err("DIR is empty".into()),
            _ if dir.is_some() => return Err(format!("one DIR only; {arg:?} is too many")),
            _ => dir = Some(PathBuf::from(arg)),
        }
    }
    dir.map(Some).ok_or_else(|| "DIR is missing".into())
}
