//! Rule `imports`: crates import one way only.
//!
//! The table says for each crate what of the workspace it may know. Manifests are held to it, and so are the paths in its
//! sources: a unit test that needs a crate from further up belongs into `tests/`.

use std::path::Path;

use super::{File, Problem, Tree};
use crate::{
    Result,
    workspace::{Dependency, DependencyKind, Package},
};

/// Which crates of the workspace each may import: always, and only behind an optional feature.
const KNOWS: &[(&str, &[&str], &[&str])] = &[
    ("async-trait-macros", &[], &[]),
    ("async-trait-core", &["async-trait-macros"], &[]),
    ("async-cancel", &["async-trait-core"], &["runtime-glue"]),
    ("async-combinators", &["async-trait-core"], &["runtime-glue"]),
    ("runtime-glue", &["async-trait-core", "async-trait-macros"], &[]),
    ("async-scope", &["async-trait-core", "async-trait-macros", "async-cancel", "runtime-glue"], &[]),
    ("async-io-uring", &["async-trait-core", "async-cancel", "runtime-glue"], &[]),
];

/// Crates from outside that only one of ours may name.
const PRIVATE: &[(&str, &str)] =
    &[("rustix", "async-io-uring"), ("linux-raw-sys", "async-io-uring"), ("async-task", "runtime-glue")];

/// Crates that only one module may name, and that module's path without its ending: in it is every system call.
const ONE_MODULE: &[(&str, &str)] = &[("rustix", "async-io-uring/src/sys")];

/// Executors from outside: an optional feature of runtime-glue, or a dependency of tests alone.
const EXECUTORS: &[&str] = &["tokio", "smol", "async-executor", "async-global-executor", "async-std", "async-io"];

pub(super) fn check(tree: &Tree<'_>) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for package in tree.workspace.libraries() {
        let dir = package.dir.strip_prefix(&tree.workspace.root)?;
        let manifest = File::new(dir.join("Cargo.toml"), String::new());
        problems.extend(manifest_problems(package).into_iter().map(|what| manifest.problem(0, what)));
        if package.targets.iter().any(|target| target.kind == "proc-macro") {
            // The paths in it are for the crates of its users.
            continue;
        }
        let sources = dir.join("src");
        for (file, source) in tree.sources().filter(|(file, _)| file.path.starts_with(&sources)) {
            for (number, line) in source.numbered() {
                let what = line_problem(&package.name, &file.path, &line.code);
                problems.extend(what.map(|what| file.problem(number, what)));
            }
        }
    }
    Ok(problems)
}

/// What is wrong with a line of code of a package.
fn line_problem(package: &str, file: &Path, code: &str) -> Option<String> {
    let named = |name: &str| names_crate(code, &name.replace('-', "_"));
    let unknown = forbidden(package).find(|name| named(name)).map(|name| format!("{package} must not know `{name}`"));
    let elsewhere = ONE_MODULE.iter().find(|(name, only)| !file.with_extension("").starts_with(only) && named(name));
    unknown.or_else(|| elsewhere.map(|(name, only)| format!("only {only}.rs and what is below it names `{name}`")))
}

fn manifest_problems(package: &Package) -> Vec<String> {
    let Some((_, always, optional)) = KNOWS.iter().find(|(name, ..)| *name == package.name) else {
        return vec![format!("{} is not in the table in xtask/src/tidy/imports.rs", package.name)];
    };
    let mut problems = Vec::new();
    for Dependency { name, optional: is_optional, .. } in
        package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Dev)
    {
        let ours = KNOWS.iter().any(|(ours, ..)| ours == name);
        let allowed = always.contains(&&**name) || (*is_optional && optional.contains(&&**name));
        if ours && !allowed {
            problems.push(format!("must not depend on {name}"));
        }
        if let Some((_, owner)) = PRIVATE.iter().find(|(private, owner)| private == name && *owner != package.name) {
            problems.push(format!("must not depend on {name}: only {owner} does"));
        }
        let is_adapter = package.name == "runtime-glue" && *is_optional;
        if EXECUTORS.contains(&&**name) && !is_adapter {
            problems.push(format!("must not depend on {name}: executors are optional features of runtime-glue"));
        }
    }
    problems
}

/// The crates that a crate's sources must not name.
fn forbidden(package: &str) -> impl Iterator<Item = &'static str> {
    let row = KNOWS.iter().find(|(name, ..)| *name == package);
    let ours = KNOWS.iter().map(|(name, ..)| *name).filter(move |name| {
        row.is_some_and(|(own, always, optional)| name != own && !always.contains(name) && !optional.contains(name))
    });
    let private: Vec<_> = PRIVATE.iter().filter(|(_, owner)| *owner != package).map(|(name, _)| *name).collect();
    ours.chain(private)
}

/// Whether the code has a path that begins at the crate.
fn names_crate(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let inner = before.trim_end();
        let in_path = inner.ends_with("::") && inner.trim_end_matches("::").ends_with(is_part);
        let whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        let used = after.trim_start().starts_with("::") || before.trim_end().ends_with("use");
        whole && used && !in_path
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Package;

    fn package(name: &str, dependency: &str, kind: DependencyKind, optional: bool) -> Package {
        Package {
            name: name.to_owned(),
            version: String::new(),
            dir: "x".into(),
            member: true,
            license: None,
            features: [].into(),
            dependencies: vec![Dependency { name: dependency.to_owned(), kind, optional }],
            targets: vec![],
        }
    }

    #[test]
    fn no_crate_imports_upwards() {
        use DependencyKind::{Dev, Normal};
        assert_eq!(manifest_problems(&package("async-trait-core", "async-scope", Normal, true)).len(), 1);
        assert_eq!(manifest_problems(&package("async-trait-core", "async-scope", Dev, false)).len(), 0);
        assert_eq!(manifest_problems(&package("async-scope", "async-trait-core", Normal, false)).len(), 0);
    }

    #[test]
    fn a_runtime_is_an_option_where_the_design_says_so() {
        use DependencyKind::Normal;
        assert_eq!(manifest_problems(&package("async-cancel", "runtime-glue", Normal, true)).len(), 0);
        assert_eq!(manifest_problems(&package("async-cancel", "runtime-glue", Normal, false)).len(), 1);
        assert_eq!(manifest_problems(&package("runtime-glue", "tokio", Normal, true)).len(), 0);
        assert_eq!(manifest_problems(&package("runtime-glue", "tokio", Normal, false)).len(), 1);
        assert_eq!(manifest_problems(&package("async-scope", "tokio", Normal, true)).len(), 1);
        assert_eq!(manifest_problems(&package("async-scope", "rustix", Normal, false)).len(), 1);
    }

    #[test]
    fn system_calls_are_made_in_one_module() {
        let line = |package, file| line_problem(package, Path::new(file), "use rustix::io_uring;").is_none();
        assert!(line("async-io-uring", "async-io-uring/src/sys.rs"));
        assert!(line("async-io-uring", "async-io-uring/src/sys/x.rs"));
        assert!(
            !line("async-io-uring", "async-io-uring/src/op/mod.rs") && !line("async-scope", "async-scope/src/lib.rs")
        );
    }

    #[test]
    fn a_crate_is_named_by_a_path_that_begins_with_it() {
        assert!(names_crate("use async_scope::scope;", "async_scope"));
        assert!(names_crate("    ::async_scope::scope!(x)", "async_scope"));
        assert!(names_crate("use async_scope as s;", "async_scope"));
        assert!(!names_crate("use my_async_scope::scope;", "async_scope"));
        assert!(!names_crate("crate::async_scope::f()", "async_scope"));
        assert!(!names_crate("let async_scope = 1;", "async_scope"));
    }
}
