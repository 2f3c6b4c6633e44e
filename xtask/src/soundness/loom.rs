//! Runs the loom models: the packages that depend on `loom`, built with `--cfg loom`.
//!
//! Under that cfg a crate's atomics are loom's, which work inside a model only, so just the models are run: the tests of the
//! library with `loom` or `model` in their path, and the integration tests with `loom` in their file's name.

use std::{env, time::Duration};

use crate::{
    Result,
    run::Run,
    tally::Tally,
    workspace::{Package, Workspace},
};

pub(super) fn run(workspace: &Workspace, budget: Duration) -> Result {
    let mut tally = Tally::default();
    for package in workspace.libraries().filter(|p| p.dependencies.iter().any(|d| d.name == "loom")) {
        let name = format!("loom: {}", package.name);
        let mut models = Tally::default();
        for selection in selections(package) {
            models.add(cargo_test(workspace, package, &selection, budget).tests(&name)?);
        }
        if models == Tally::default() {
            models = Tally::failure(&name, "no model was run: a model has `loom` or `model` in its path");
        }
        tally.add(models);
    }
    if tally == Tally::default() {
        println!("no package has a loom model");
    }
    Ok(tally)
}

/// The arguments that choose the models of a package, one list for each call of cargo.
fn selections(package: &Package) -> Vec<Vec<String>> {
    let mut selections = Vec::new();
    if package.has_library() {
        selections.push(["--lib", "--", "loom", "model"].map(str::to_owned).to_vec());
    }
    let tests = package.targets.iter().filter(|target| target.kind == "test" && target.name.contains("loom"));
    selections.extend(tests.map(|target| vec!["--test".to_owned(), target.name.clone()]));
    selections
}

fn cargo_test(workspace: &Workspace, package: &Package, selection: &[String], budget: Duration) -> Run {
    // Without optional features: executors from outside do not build under loom's cfg. Optimised, for models run through thousands of executions; with its assertions, which are what they check.
    let mut run = Run::cargo(["test", "--release", "-p", &package.name, "--no-fail-fast"])
        .env("RUSTFLAGS", "--cfg loom -C debug-assertions=on")
        .env("CARGO_TARGET_DIR", workspace.target.join("loom"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .limit(budget);
    // A model may set its own bound; without one, three preemptions find nearly every defect and end in our lifetime.
    if env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        run = run.env("LOOM_MAX_PREEMPTIONS", "3");
    }
    for arg in selection {
        run = run.arg(arg);
    }
    run
}
