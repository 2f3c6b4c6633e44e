//! Runs all tests under AddressSanitizer.
//!
//! The sanitizer is an unstable flag: on nightly when that is installed, else on the stable compiler that is told to take it,
//! whose sanitizer is the same. Compile-fail tests are left out: there is nothing to run in them, and their expected
//! messages are the stable compiler's.

use std::{env, fs, path::Path, time::Duration};

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

/// Named so that build scripts and proc-macros, which are the host's, are built without the sanitizer.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Forgotten values are the subject of many tests, so leaks are no finding here; a frame that is used after its function has
/// returned is.
const OPTIONS: &str = "detect_leaks=0:detect_stack_use_after_return=1";

pub(super) fn run(workspace: &Workspace, budget: Duration) -> Result {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(Tally::skip("asan", "the sanitizer is set up for Linux on x86-64 only"));
    }
    let tools = workspace.members().filter(|package| package.dir.starts_with(workspace.root.join("xtask")));
    let mut common = vec!["--workspace", "--all-features", "--target", TARGET];
    common.extend(tools.flat_map(|package| ["--exclude", &package.name]));
    // Some tests run the examples as programs.
    let examples = ["build", "--examples"].into_iter().chain(common.iter().copied());
    if !cargo(workspace, examples, budget).status()? {
        return Ok(Tally::failure("asan", "the examples do not build, see above"));
    }
    let mut args: Vec<&str> = ["test", "--no-fail-fast"].into_iter().chain(common).chain(["--lib", "--bins"]).collect();
    let tests = tests(workspace)?;
    for test in &tests {
        args.extend(["--test", test]);
    }
    cargo(workspace, args, budget).tests("asan")
}

/// Cargo of a toolchain that takes unstable flags.
fn cargo<'a>(workspace: &Workspace, args: impl IntoIterator<Item = &'a str>, budget: Duration) -> Run {
    let nightly = Run::new("rustup", ["run", "nightly", "rustc", "--version"]).quiet().output();
    let run = if nightly.is_ok_and(|output| output.ok) {
        Run::new("rustup", ["run", "nightly", "cargo"].into_iter().chain(args))
    } else {
        println!("nightly is not installed: the stable compiler's sanitizer is used");
        Run::cargo(args).env("RUSTC_BOOTSTRAP", "1")
    };
    // What denies warnings means those of the stable compiler.
    run.env("RUSTFLAGS", "-Zsanitizer=address --cap-lints=warn")
        .env("ASAN_OPTIONS", env::var("ASAN_OPTIONS").unwrap_or_else(|_| OPTIONS.to_owned()))
        .env("CARGO_TARGET_DIR", workspace.target.join("asan"))
        .limit(budget)
}

/// The integration tests that run something.
fn tests(workspace: &Workspace) -> Result<Vec<String>> {
    let mut tests = Vec::new();
    for target in workspace.libraries().flat_map(|package| &package.targets).filter(|target| target.kind == "test") {
        if compiles_only(&target.source)? {
            println!("not under the sanitizer, since it only compiles: {}", target.name);
        } else {
            tests.push(target.name.clone());
        }
    }
    tests.sort();
    tests.dedup();
    Ok(tests)
}

fn compiles_only(source: &Path) -> Result<bool> {
    let text = fs::read_to_string(source).map_err(|error| format!("{}: {error}", source.display()))?;
    Ok(text.contains("trybuild::"))
}
