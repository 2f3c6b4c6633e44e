//! `cargo xtask test`: unit and integration tests of the workspace, all features on.

use crate::{Result, run::Run, workspace::Workspace};

/// Arguments go to `cargo test`: `-p async-scope`, `-- name_of_a_test`.
pub(crate) fn task(_: &Workspace, args: &[String]) -> Result {
    let mut command = vec!["test", "--all-features", "--no-fail-fast"];
    // Doctests are the task `docs`'s: said twice they would run twice in `ci`. Examples are built by `cargo clippy --all-targets`.
    if !selects_targets(args) {
        command.extend(["--lib", "--bins", "--tests"]);
    }
    if !args.iter().any(|arg| arg == "-p" || arg.starts_with("--package")) {
        command.push("--workspace");
    }
    command.extend(args.iter().map(String::as_str));
    Run::cargo(command).tests("test")
}

/// Whether the caller says which targets to test.
fn selects_targets(args: &[String]) -> bool {
    let own = args.iter().take_while(|arg| *arg != "--");
    own.into_iter().any(|arg| {
        matches!(
            arg.split('=').next().unwrap_or(arg),
            "--lib"
                | "--bin"
                | "--bins"
                | "--test"
                | "--tests"
                | "--example"
                | "--examples"
                | "--doc"
                | "--all-targets"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_behind_the_dashes_are_the_tests_own() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(selects_targets(&args("-p x --test=ui")));
        assert!(!selects_targets(&args("-p x -- --test")));
    }
}
