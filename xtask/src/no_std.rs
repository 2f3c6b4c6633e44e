//! `cargo xtask no-std`: the crates that promise to need neither `std` nor an allocator are linked into a program that has
//! neither, and the program is run.
//!
//! That a library builds with `#![no_std]` proves little: a dependency may still bring `std` along. Here linking fails if
//! anything does (`std` has a panic handler of its own, and `alloc` wants a global allocator). The target is the host's, since
//! that one is always installed; the program has its own `_start` and is linked without libc.

use std::{path::PathBuf, time::Duration};

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What the program prints when everything went as it should.
const EXPECTED: &str = include_str!("../no-std/expected.txt");

pub(crate) fn task(workspace: &Workspace, _: &[String]) -> Result {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(Tally::skip("no-std", "the freestanding program speaks to Linux on x86-64 only"));
    }
    if !cargo(workspace, "build").status()? {
        return Ok(Tally::failure("no-std", "the freestanding program does not link, see above"));
    }
    let program = target(workspace).join(TARGET).join("release").join("no-std");
    let output = Run::new(&program.display().to_string(), [""; 0]).limit(Duration::from_secs(60)).output()?;
    print!("{}", output.stdout);
    let mut tally = Tally::one(true, "it links");
    tally.add(Tally::one(output.ok, "no-std: the freestanding program exits with 0"));
    tally.add(Tally::one(output.stdout == EXPECTED, "no-std: it prints what xtask/no-std/expected.txt says"));
    Ok(tally)
}

/// Whether clippy likes the program, which the workspace's run of clippy does not see.
pub(crate) fn clippy(workspace: &Workspace) -> Result<bool> {
    cargo(workspace, "clippy").arg("--").arg("-Dwarnings").status()
}

fn cargo(workspace: &Workspace, what: &str) -> Run {
    Run::cargo([what, "--release", "--target", TARGET, "--manifest-path", "xtask/no-std/Cargo.toml"])
        .arg("--target-dir")
        .arg(target(workspace))
}

/// Its own: the workspace's would be rebuilt for the other profile.
fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("no-std")
}
