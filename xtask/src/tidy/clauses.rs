//! Rule `clauses`: the clauses of the contract that comments cite by name exist.
//!
//! The names are read from the docs of `Async`, where each clause stands as `- **name**:`. A file with rules or a common argument
//! of its own defines names for itself, in the same form or by the words "cited below as `*name*`". Cited is what stands as `*name*` in a `SAFETY:` comment, under a
//! `# Safety` heading, or behind the word "clause" or "clauses" anywhere; other emphasis is just that.

use std::collections::BTreeSet;

use super::{File, Problem, Tree, source::Source};
use crate::{Result, markdown};

/// Where the contract stands.
const CONTRACT: &str = "async-trait-core/src/contract.rs";

pub(super) fn check(tree: &Tree<'_>) -> Result<Vec<Problem>> {
    let contract = tree.files.iter().find(|file| file.path.to_str() == Some(CONTRACT));
    let contract = contract.ok_or_else(|| format!("{CONTRACT} does not exist: where is the contract?"))?;
    let clauses = defined(contract);
    if clauses.is_empty() {
        return Err(format!("{CONTRACT} defines no clause as `- **name**:`").into());
    }
    let mut problems = Vec::new();
    for file in &tree.files {
        let mut known = defined(file);
        known.extend(clauses.iter().cloned());
        let cited = match &file.source {
            Some(source) => cited_in_source(source),
            None if file.has_extension("md") => markdown::prose(&file.text)
                .flat_map(|(number, line)| cited_as_clause(line).map(move |name| (number, name)))
                .collect(),
            None => Vec::new(),
        };
        for (number, name) in cited.into_iter().filter(|(_, name)| !known.contains(name)) {
            let clauses = clauses.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            problems.push(file.problem(number, format!("the contract has no clause *{name}*; it has {clauses}")));
        }
    }
    Ok(problems)
}

/// The names that a file defines.
fn defined(file: &File) -> BTreeSet<String> {
    let item = |line: &str| {
        let line = line.trim_start().trim_start_matches(['/', '!']).trim_start();
        let (name, _) = line.strip_prefix("- **")?.split_once("**")?;
        is_name(name).then(|| name.to_owned())
    };
    let argument = |line: &str| {
        let (_, rest) = line.split_once("cited below as *")?;
        Some(rest.split_once('*')?.0.to_owned())
    };
    file.text.lines().flat_map(|line| item(line).into_iter().chain(argument(line))).collect()
}

/// The names cited in Rust source, with their lines.
fn cited_in_source(source: &Source) -> Vec<(usize, String)> {
    let mut cited = Vec::new();
    // Whether we are in a comment of which every emphasised name is a citation.
    let mut safety = false;
    for (number, line) in source.numbered() {
        let text = line.comment_text();
        if line.comment.is_empty() || text.starts_with("# ") {
            safety = false;
        }
        safety |= text.starts_with("SAFETY:") || text == "# Safety";
        if safety {
            cited.extend(emphasised(text).map(|name| (number, name)));
        } else {
            cited.extend(cited_as_clause(text).map(|name| (number, name)));
        }
    }
    cited
}

/// The names that follow the word "clause" or "clauses" in a line.
fn cited_as_clause(text: &str) -> impl Iterator<Item = String> {
    let after = |word: &str| text.split_once(word).map(|(_, rest)| rest);
    let one = after("clause *").map(|rest| format!("*{rest}")).and_then(|rest| emphasised(&rest).next());
    let many: Vec<String> =
        after("clauses *").map(|rest| emphasised(&format!("*{rest}")).collect()).unwrap_or_default();
    one.into_iter().chain(many)
}

/// What stands between single asterisks and could be a name.
fn emphasised(text: &str) -> impl Iterator<Item = String> {
    // Bold text leaves empty pieces between its double asterisks, and is not ours.
    let pieces: Vec<&str> = text.split('*').collect();
    let mut names = Vec::new();
    let mut i = 1;
    while i + 1 < pieces.len() {
        if pieces[i].is_empty() {
            i += 4;
            continue;
        }
        // Code such as `*p` and `*const T` has no closing asterisk right behind a word.
        if is_name(pieces[i]) && !in_code(&pieces[..i]) {
            names.push(pieces[i].to_owned());
            i += 2;
        } else {
            i += 1;
        }
    }
    names.into_iter()
}

/// Whether the text up to here leaves a code span open.
fn in_code(before: &[&str]) -> bool {
    before.iter().map(|piece| piece.matches('`').count()).sum::<usize>() % 2 == 1
}

/// One or two lower-case words.
fn is_name(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    words.len() <= 3 && words.iter().all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited(text: &str) -> Vec<String> {
        cited_in_source(&Source::new(text)).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn a_clause_is_defined_by_a_bold_list_item() {
        let text = "/// - **last touch**: whoever ..\n/// - **Not** one\n//! cited below as *passes on*: a poll";
        let file = File::new("a.rs".into(), text.to_owned());
        assert_eq!(defined(&file).into_iter().collect::<Vec<_>>(), ["last touch", "passes on"]);
    }

    #[test]
    fn every_name_in_a_safety_comment_is_a_citation() {
        assert_eq!(
            cited("// SAFETY: *quiet* holds, and\n// *last touch* too.\n// `*p` is **bold** *here*"),
            ["quiet", "last touch", "here"]
        );
        assert_eq!(
            cited("/// # Safety\n/// The caller keeps *completed*.\n///\n/// # Panics\n/// *never*"),
            ["completed"]
        );
    }

    #[test]
    fn elsewhere_only_what_is_called_a_clause() {
        assert_eq!(cited("/// This is *very* good (clause *wake* of it).\nlet a = b * c * d;"), ["wake"]);
        assert_eq!(cited("// clauses *quiet* and *honest*"), ["quiet", "honest"]);
    }
}
