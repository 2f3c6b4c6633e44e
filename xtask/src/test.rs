//! `cargo xtask test`: unit and integration tests of the workspace, all features on.

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

/// Arguments go to `cargo test`: `-p async-scope`, `-- name_of_a_test`.
pub(crate) fn task(_: &Workspace, args: &[String]) -> Result {
    let mut command = vec!["test", "--all-features", "--no-fail-fast"];
    let all = !args.iter().any(|arg| arg == "-p" || arg.starts_with("--package"));
    if all {
        command.push("--workspace");
    }
    // Doctests are the task `docs`'s: said twice they would run twice in `ci`.
    if !selects_targets(args) {
        command.extend(["--lib", "--bins", "--tests"]);
    }
    // Some tests run the examples as programs, and cargo only builds those by itself when it runs the doctests too.
    if all && !Run::cargo(["build", "--workspace", "--all-features", "--examples"]).status()? {
        return Ok(Tally::failure("test", "the examples do not build, see above"));
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
