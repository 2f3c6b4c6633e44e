//! `cargo xtask main-job`: the first command of README.md, as it stands there, on a folder of this tree; what it prints is checked
//! by `sha256sum`.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

/// What the command is run on.
const FOLDER: &str = "async-trait-core";

pub(crate) fn task(workspace: &Workspace, _: &[String]) -> Result {
    let readme = fs::read_to_string(workspace.root.join("README.md"))?;
    let words = command(&readme).ok_or("README.md has no line `cargo run .. DIR`")?;
    let output = Run::cargo(words.iter().map(|word| if *word == "DIR" { FOLDER } else { word })).output()?;
    let mut tally = Tally::one(output.ok, "main-job: the README's first command exits with 0");
    if !output.ok {
        println!("{}", output.stderr);
        return Ok(tally);
    }
    let (lines, files) = (output.stdout.lines().count(), count_files(&workspace.root.join(FOLDER))?);
    println!("{lines} digests for {files} files");
    tally.add(Tally::one(lines == files, "main-job: there is a digest for each file"));
    tally.add(match check(&output.stdout) {
        Ok(ok) => Tally::one(ok, "main-job: sha256sum agrees"),
        Err(error) => Tally::skip("main-job: sha256sum", &error.to_string()),
    });
    Ok(tally)
}

/// The arguments of the first cargo command that ends in a folder of the reader's choice.
fn command(readme: &str) -> Option<Vec<&str>> {
    let line = readme.lines().find(|line| line.starts_with("cargo run ") && line.ends_with(" DIR"))?;
    Some(line.split_whitespace().skip(1).collect())
}

/// The files below a folder, symlinks not followed.
fn count_files(dir: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        count += if kind.is_dir() { count_files(&entry.path())? } else { usize::from(kind.is_file()) };
    }
    Ok(count)
}

/// Whether `sha256sum --check` finds every digest right.
fn check(digests: &str) -> Result<bool> {
    let mut child = Command::new("sha256sum").args(["--check", "--quiet", "--strict"]).stdin(Stdio::piped()).spawn()?;
    // Closed when it goes out of scope, which is the end of the list.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(digests.as_bytes())?;
    }
    Ok(child.wait()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_the_readmes() {
        let readme = "x\n```sh\ncargo xtask ci\ncargo run --release -p a -- DIR\n```\n";
        assert_eq!(command(readme).unwrap(), ["run", "--release", "-p", "a", "--", "DIR"]);
        assert!(command(include_str!("../../README.md")).is_some());
    }
}
