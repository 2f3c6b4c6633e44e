//! `cargo xtask features`: every combination of features of each crate builds on its own, without a warning.
//!
//! Combinations that switch on the same set, because one feature implies another, are built once.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

/// Arguments are the packages to look at; none means all.
pub(crate) fn task(workspace: &Workspace, args: &[String]) -> Result {
    let chosen: Vec<_> = workspace
        .libraries()
        .filter(|package| package.has_library() && (args.is_empty() || args.contains(&package.name)))
        .collect();
    if chosen.len() < args.len() {
        return Err(format!("not every one of {args:?} is a library of this workspace").into());
    }
    let builds: Vec<_> = chosen
        .iter()
        .flat_map(|package| combinations(&package.features).into_iter().map(|features| (&package.name, features)))
        .collect();
    let mut tally = Tally::default();
    for (i, (package, features)) in builds.iter().enumerate() {
        let features = features.join(",");
        let name = format!("{package} [{features}]");
        println!("[{:>3}/{}] {name}", i + 1, builds.len());
        let output =
            Run::cargo(["check", "--quiet", "-p", package, "--lib", "--no-default-features", "--features", &features])
                .quiet()
                .output()?;
        // Not `RUSTFLAGS=-Dwarnings`: that would build all dependencies once more. Cargo repeats the warnings of a crate that it
        // does not need to build again.
        let ok = output.ok && !output.stderr.contains("warning:");
        if !ok {
            println!("{}", output.stderr);
        }
        tally.add(Tally::one(ok, &name));
    }
    Ok(tally)
}

/// Every set of features that can be switched on, closed under implication, smallest first.
fn combinations(features: &BTreeMap<String, Vec<String>>) -> Vec<Vec<String>> {
    // `default` is one of the sets anyway.
    let names: Vec<&String> = features.keys().filter(|name| *name != "default").collect();
    let mut sets: BTreeSet<(usize, Vec<String>)> = BTreeSet::new();
    for bits in 0..1_u64 << names.len() {
        let chosen = names.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, name)| *name);
        let set = closure(features, chosen.cloned().collect());
        sets.insert((set.len(), set.into_iter().collect()));
    }
    sets.into_iter().map(|(_, set)| set).collect()
}

/// The features with all that they imply in their own crate.
fn closure(features: &BTreeMap<String, Vec<String>>, mut set: BTreeSet<String>) -> BTreeSet<String> {
    let mut open: Vec<String> = set.iter().cloned().collect();
    while let Some(feature) = open.pop() {
        for implied in features.get(&feature).into_iter().flatten() {
            // `dep:x`, `x/feature` and `x?/feature` are other crates'.
            if features.contains_key(implied) && set.insert(implied.clone()) {
                open.push(implied.clone());
            }
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implied_features_are_not_combined_twice() {
        let features =
            [("default", vec!["macros"]), ("macros", vec!["dep:m"]), ("alloc", vec![]), ("std", vec!["alloc"])];
        let features =
            features.map(|(name, implied)| (name.to_owned(), implied.into_iter().map(str::to_owned).collect()));
        let sets: Vec<String> = combinations(&features.into()).iter().map(|set| set.join("+")).collect();
        assert_eq!(sets, ["", "alloc", "macros", "alloc+macros", "alloc+std", "alloc+macros+std"]);
    }

    #[test]
    fn a_crate_without_features_is_built_once() {
        assert_eq!(combinations(&BTreeMap::new()), [Vec::<String>::new()]);
    }
}
