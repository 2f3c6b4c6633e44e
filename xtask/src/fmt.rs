//! `cargo xtask fmt`: formats every file as `cargo fmt --all` would, but for the acceptance programs. Those came from outside and are
//! kept to the letter, for what they show is that they compile unchanged.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    Result,
    run::Run,
    tally::Tally,
    workspace::{Target, Workspace},
};

/// With `--check` nothing is written, and a file that would change is a failure.
pub(crate) fn task(workspace: &Workspace, args: &[String]) -> Result {
    let mut by_edition: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for target in workspace.members().flat_map(|package| &package.targets).filter(|target| !came_from_outside(target)) {
        by_edition.entry(&target.edition).or_default().push(target.source.clone());
    }
    let no_std = workspace.root.join("xtask").join("no-std");
    by_edition.entry("2024").or_default().extend([no_std.join("src").join("main.rs"), no_std.join("build.rs")]);
    let mut ok = true;
    for (edition, files) in by_edition {
        // It finds the modules of each file by itself.
        let mut run = Run::new("rustfmt", ["--edition", edition]).quiet();
        for arg in args.iter().map(PathBuf::from).chain(files) {
            run = run.arg(arg);
        }
        ok &= run.status()?;
    }
    Ok(Tally::one(ok, "cargo xtask fmt would change files"))
}

/// Whether it is an acceptance program: an example called `p` and two digits.
fn came_from_outside(target: &Target) -> bool {
    let number = target.name.strip_prefix('p').and_then(|rest| rest.split_once('_'));
    target.kind == "example" && number.is_some_and(|(n, _)| n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acceptance_programs_are_known_by_their_names() {
        let target = |name: &str, kind: &str| {
            let (name, kind) = (name.to_owned(), kind.to_owned());
            came_from_outside(&Target { name, kind, edition: "2024".to_owned(), source: PathBuf::new() })
        };
        assert!(target("p01_seed_foo", "example"));
        assert!(!target("p01_seed_foo", "test") && !target("pool_1", "example") && !target("tree-digest", "example"));
    }
}
