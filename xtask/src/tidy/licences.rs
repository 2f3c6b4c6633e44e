//! Rule `licences`: every dependency is under a licence that lets our users do what ours lets them. Crates that are there in more
//! than one version are reported, but break nothing.

use std::collections::BTreeMap;

use super::{File, Problem, Tree};
use crate::Result;

const PERMISSIVE: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "BSL-1.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
];

pub(super) fn check(tree: &Tree<'_>) -> Result<Vec<Problem>> {
    let lock = File::new("Cargo.lock".into(), String::new());
    let mut problems = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &tree.workspace.packages {
        versions.entry(&package.name).or_default().push(&package.version);
        let what = match package.license.as_deref() {
            Some(licence) if permissive(licence) => continue,
            Some(licence) => format!("{} {} is under {licence}", package.name, package.version),
            None => format!("{} {} names no licence", package.name, package.version),
        };
        problems.push(lock.problem(0, what));
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        println!("  note: {name} is there in versions {}", versions.join(" and "));
    }
    Ok(problems)
}

/// Whether an SPDX expression leaves us a choice of permissive licences only.
fn permissive(expression: &str) -> bool {
    // The old form of OR.
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let (value, rest) = any(&words);
    value && rest.is_empty()
}

/// `a OR b OR ..`: its value, and the words behind it.
fn any<'a, 'b>(words: &'a [&'b str]) -> (bool, &'a [&'b str]) {
    let (mut value, mut rest) = all(words);
    while let Some(("OR", words)) = rest.split_first().map(|(word, rest)| (*word, rest)) {
        let (next, words) = all(words);
        value |= next;
        rest = words;
    }
    (value, rest)
}

/// `a AND b AND ..`.
fn all<'a, 'b>(words: &'a [&'b str]) -> (bool, &'a [&'b str]) {
    let (mut value, mut rest) = one(words);
    while let Some(("AND", words)) = rest.split_first().map(|(word, rest)| (*word, rest)) {
        let (next, words) = one(words);
        value &= next;
        rest = words;
    }
    (value, rest)
}

/// A licence, with its exception if it has one, or an expression in parentheses.
fn one<'a, 'b>(words: &'a [&'b str]) -> (bool, &'a [&'b str]) {
    match words {
        ["(", rest @ ..] => match any(rest) {
            (value, [")", rest @ ..]) => (value, rest),
            (_, rest) => (false, rest),
        },
        [licence, "WITH", exception, rest @ ..] => {
            (PERMISSIVE.contains(&&*format!("{licence} WITH {exception}")), rest)
        }
        [licence, rest @ ..] => (PERMISSIVE.contains(licence), rest),
        [] => (false, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_permissive_choice_is_enough() {
        assert!(permissive("MIT OR Apache-2.0"));
        assert!(permissive("MIT/Apache-2.0"));
        assert!(permissive("GPL-3.0 OR MIT"));
        assert!(permissive("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(permissive("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"));
    }

    #[test]
    fn what_must_be_kept_besides_counts() {
        assert!(!permissive("MIT AND GPL-3.0"));
        assert!(!permissive("(MIT OR Apache-2.0) AND MPL-2.0"));
        assert!(!permissive("GPL-2.0 WITH Classpath-exception-2.0"));
        assert!(!permissive(""));
        assert!(!permissive("MIT MIT"));
    }
}
