//! Every developer task of the workspace: `cargo xtask TASK`. This file is the table of contents; each task has a file.

mod bench;
mod ci;
mod docs;
mod features;
mod main_job;
mod markdown;
mod no_std;
mod run;
mod soundness;
mod table;
mod tally;
mod test;
mod tidy;
mod workspace;

use std::{env, process::ExitCode};

use tally::Tally;
use workspace::Workspace;

/// What a task returns: what passed and failed, or why it could not be run at all.
type Result<T = Tally> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A task: its name, its arguments, what it does, and the function that does it.
type Task = (&'static str, &'static str, &'static str, fn(&Workspace, &[String]) -> Result);

const TASKS: &[Task] = &[
    ("ci", "[STEP ..]", "everything below but `bench`, as the project's CI runs it", ci::task),
    ("test", "[CARGO TEST ARGS]", "unit and integration tests of the workspace", test::task),
    ("main-job", "", "the README's first command, checked by sha256sum", main_job::task),
    ("docs", "", "rustdoc with warnings denied, doctests, the listings of all Markdown", docs::task),
    ("tidy", "[RULE ..]", "the tree's own rules: imports, unsafe, paths, clauses, licences", tidy::task),
    ("no-std", "", "builds, links and runs a freestanding binary without std and alloc", no_std::task),
    (
        "features",
        "[PACKAGE ..]",
        "every combination of features of each crate builds without a warning",
        features::task,
    ),
    (
        "soundness",
        "[loom|asan|fuzz ..]",
        "loom models, all tests under AddressSanitizer, fuzz targets",
        soundness::task,
    ),
    ("bench", "[BENCH ARGS]", "the benchmarks against the peers", bench::task),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        return usage("");
    };
    let Some((.., task)) = TASKS.iter().find(|(task, ..)| task == name) else {
        return usage(if matches!(name.as_str(), "help" | "-h" | "--help") { "" } else { name });
    };
    match run(*task, rest) {
        Ok(tally) => {
            // Alone on a line and last: what reads the output of `.ci/run` looks for it.
            println!("{tally}");
            if tally.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("cargo xtask {name}: {error}");
            println!("{}", Tally::failure(name, ""));
            ExitCode::FAILURE
        }
    }
}

/// From anywhere in the tree, as from its root.
fn run(task: fn(&Workspace, &[String]) -> Result, args: &[String]) -> Result {
    let workspace = Workspace::load()?;
    env::set_current_dir(&workspace.root)?;
    task(&workspace, args)
}

fn usage(unknown: &str) -> ExitCode {
    if !unknown.is_empty() {
        eprintln!("cargo xtask: there is no task `{unknown}`\n");
    }
    eprintln!("usage: cargo xtask TASK\n");
    for (name, args, about, _) in TASKS {
        eprintln!("  {:<30} {about}", format!("{name} {args}"));
    }
    if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
