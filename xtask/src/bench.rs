//! `cargo xtask bench`: hands over to the package in `xtask/bench`, on which alone the peers are dependencies.

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

/// Arguments go to the benchmark program.
pub(crate) fn task(workspace: &Workspace, args: &[String]) -> Result {
    let manifest = workspace.root.join("xtask").join("bench").join("Cargo.toml");
    if !manifest.is_file() {
        return Err(format!("there are no benchmarks in this tree: {} does not exist", manifest.display()).into());
    }
    let mut command = vec!["run".to_owned(), "--release".to_owned()];
    command.extend(["--manifest-path".to_owned(), manifest.display().to_string(), "--".to_owned()]);
    command.extend(args.iter().cloned());
    // It may rightly take long.
    let ok = Run::cargo(command).limit(std::time::Duration::from_secs(24 * 3600)).status()?;
    Ok(Tally::one(ok, "bench"))
}
