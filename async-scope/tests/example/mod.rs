//! Finds the built examples, for the tests that run them as programs.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

/// The program of an example of this package. `cargo test` builds all examples before it runs a test; where only one test was
/// asked for (`--test`), they are built here.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    let test = env::current_exe().expect("the test knows its own program");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in PROFILE/deps");
    let program = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    if !program.is_file() {
        BUILD.call_once(|| build(profile));
    }
    program
}

fn build(profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--examples", "--package", env!("CARGO_PKG_NAME")]);
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    cargo.arg("--target-dir").arg(profile.parent().expect("the profile lies in the target folder"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the examples do not build");
}
