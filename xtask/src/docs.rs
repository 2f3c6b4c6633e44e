//! `cargo xtask docs`: rustdoc without a warning, every doctest, every Rust listing in Markdown, and the book if there is one.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::{
    Result, markdown,
    run::Run,
    tally::Tally,
    workspace::{Workspace, array, text},
};

pub(crate) fn task(workspace: &Workspace, _: &[String]) -> Result {
    let mut tally = Tally::default();
    let rustdoc = Run::cargo(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-Dwarnings");
    tally.add(Tally::one(rustdoc.status()?, "rustdoc has no warning"));
    let doctests = ["test", "--doc", "--workspace", "--all-features", "--no-fail-fast"];
    tally.add(Run::cargo(doctests).tests("doctests")?);
    tally.add(listings(workspace)?);
    tally.add(book(workspace)?);
    Ok(tally)
}

/// Runs the Rust listings of all Markdown files. They may use every crate of the workspace and whatever its tests depend on.
fn listings(workspace: &Workspace) -> Result {
    let mut files = Vec::new();
    for file in workspace.files()? {
        if file.extension().is_some_and(|x| x == "md") && workspace.read(&file)?.is_some_and(|x| markdown::has_rust(&x))
        {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Ok(Tally::default());
    }
    let libraries = libraries(workspace)?;
    let mut tally = Tally::default();
    for file in files {
        let name = file.display().to_string();
        let mut args = vec!["--test".to_owned(), name.clone(), "--edition=2024".to_owned()];
        args.extend(["-L".to_owned(), format!("dependency={}", workspace.target.join("debug").join("deps").display())]);
        for (library, path) in &libraries {
            args.extend(["--extern".to_owned(), format!("{library}={}", path.display())]);
        }
        println!("listings of {name}");
        tally.add(Run::new("rustdoc", args).dir(&workspace.root).quiet().tests(&name)?);
    }
    Ok(tally)
}

/// The compiled libraries that listings may name: those that `cargo test` has made, so that nothing is built twice.
fn libraries(workspace: &Workspace) -> Result<BTreeMap<String, PathBuf>> {
    let build =
        ["test", "--workspace", "--all-features", "--lib", "--bins", "--tests", "--no-run", "--message-format=json"];
    let output = Run::cargo(build).dir(&workspace.root).quiet().output()?;
    if !output.ok {
        return Err(format!("the tests do not compile, so no listing can be tried:\n{}", output.stderr).into());
    }
    let direct: Vec<&str> = workspace
        .members()
        .flat_map(|package| package.dependencies.iter().map(|d| &*d.name).chain([&*package.name]))
        .collect();
    Ok(output
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| artifact(&message))
        .filter(|(library, _)| direct.iter().any(|name| name.replace('-', "_") == *library))
        .collect())
}

/// The library that one of cargo's messages announces.
fn artifact(message: &Value) -> Option<(String, PathBuf)> {
    let kind = array(&message["target"]["kind"]).next().map_or("", text);
    // The library built as its own test harness has no `.rlib`.
    let file = array(&message["filenames"]).map(text).find(|f| f.ends_with(".rlib") || f.ends_with(".so"))?;
    let is_library = text(&message["reason"]) == "compiler-artifact" && matches!(kind, "lib" | "rlib" | "proc-macro");
    is_library.then(|| (text(&message["target"]["name"]).replace('-', "_"), file.into()))
}

/// Builds the book. Its listings are among [`listings`].
fn book(workspace: &Workspace) -> Result {
    let source = workspace.root.join("docs");
    if !source.join("book.toml").is_file() {
        return Ok(Tally::default());
    }
    if Run::new("mdbook", ["--version"]).quiet().output().is_err() {
        return Ok(Tally::skip("the book", "mdbook is not installed: cargo install mdbook"));
    }
    let out = workspace.target.join("book");
    let ok = Run::new("mdbook", ["build".as_ref(), "-d".as_ref(), out.as_os_str()]).dir(&source).status()?;
    Ok(Tally::one(ok, "the book builds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_in_cargos_messages_and_a_test_binary_is_not() {
        let message = |json: &str| artifact(&serde_json::from_str(json).unwrap());
        let lib = r#"{"reason": "compiler-artifact", "target": {"kind": ["lib"], "name": "async-scope"},
            "filenames": ["/t/libasync_scope-1.rlib", "/t/libasync_scope-1.rmeta"]}"#;
        assert_eq!(message(lib), Some(("async_scope".to_owned(), "/t/libasync_scope-1.rlib".into())));
        let test =
            r#"{"reason": "compiler-artifact", "target": {"kind": ["test"], "name": "t"}, "filenames": ["/t/t-1"]}"#;
        assert_eq!(message(test), None);
    }
}
