//! Gives every fuzz target a short run.
//!
//! A fuzz package is a folder `fuzz` with `fuzz_targets` in it, as `cargo fuzz init` lays it out.

use std::{path::PathBuf, time::Duration};

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

/// What a target gets, unless the budget holds less. Enough to find what broke yesterday; the hunt is somebody else's machine's.
const EACH: Duration = Duration::from_secs(20);

pub(super) fn run(workspace: &Workspace, budget: Duration) -> Result {
    let targets = targets(&workspace.files()?);
    if targets.is_empty() {
        println!("there is no fuzz target");
        return Ok(Tally::default());
    }
    if !Run::cargo(["fuzz", "--version"]).quiet().output()?.ok {
        return Ok(Tally::skip("fuzz", "cargo-fuzz is not installed: cargo install cargo-fuzz, and it needs nightly"));
    }
    let each = EACH.min(budget / u32::try_from(targets.len())?);
    let mut tally = Tally::default();
    for (dir, target) in targets {
        let seconds = format!("-max_total_time={}", each.as_secs());
        let ok = Run::new("rustup", ["run", "nightly", "cargo", "fuzz", "run", &target, "--", &seconds])
            .dir(&workspace.root.join(dir))
            .limit(budget)
            .status()?;
        tally.add(Tally::one(ok, &format!("fuzz: {target}")));
    }
    Ok(tally)
}

/// The folder in which to call `cargo fuzz`, and the target's name.
fn targets(files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    files
        .iter()
        .filter_map(|file| {
            let targets = file.parent().filter(|dir| dir.ends_with("fuzz/fuzz_targets"))?;
            let package = targets.parent()?.parent()?;
            (file.extension()? == "rs").then(|| Some((package.to_owned(), file.file_stem()?.to_str()?.to_owned())))?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_file_in_the_folder_that_cargo_fuzz_lays_out() {
        let files = ["a/fuzz/fuzz_targets/tree.rs", "a/fuzz/Cargo.toml", "fuzz/fuzz_targets/macro.rs", "a/src/lib.rs"];
        let found = targets(&files.map(PathBuf::from));
        assert_eq!(found, [("a".into(), "tree".to_owned()), ("".into(), "macro".to_owned())]);
    }
}
