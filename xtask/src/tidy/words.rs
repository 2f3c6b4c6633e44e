//! Rule `words`: nothing is left to do, ignored or switched off, and nothing is true on one machine only.

use super::{File, Problem, Tree, source::Line};
use crate::Result;

/// Words that mark unfinished work, in comments.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that stands for work not done. Tests of how macros treat `todo!` may write it.
const STUBS: &[&str] = &["todo!", "unimplemented!"];

/// Code that hides something.
const HIDING: &[&str] = &["#[ignore", "allow(dead_code)"];

/// Folders that exist on one machine: its users' homes, and where it keeps this checkout.
const MACHINE: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// What every dependency in the lock file comes from: a private mirror would be one machine's.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(tree: &Tree<'_>) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for file in &tree.files {
        for (i, line) in file.text.lines().enumerate() {
            if let Some(what) = machine(line).or_else(|| (file.has_extension("lock")).then(|| mirror(line))?) {
                problems.push(file.problem(i + 1, what));
            }
        }
        let lines = file.source.as_ref().map_or(&[][..], |source| &source.lines);
        for (i, line) in lines.iter().enumerate() {
            // Tests of macros try attributes of every kind; the acceptance programs are kept to the letter.
            let allowed = || (!file.is_below("tests") && !is_given(file)).then(|| allowed(&lines[i..]))?;
            let what = left_over(file, line).or_else(allowed);
            problems.extend(what.map(|what| file.problem(i + 1, what)));
        }
    }
    Ok(problems)
}

fn left_over(file: &File, line: &Line) -> Option<String> {
    let find =
        |words: &[&str], text: &str| words.iter().find(|word| has_word(text, word)).map(|word| (*word).to_owned());
    find(UNFINISHED, &line.comment)
        .map(|word| format!("`{word}`: do it, or file an issue and say why it is right as it is"))
        .or_else(|| {
            let stub = (!file.is_below("tests")).then(|| find(STUBS, &line.code))?;
            stub.map(|word| format!("`{word}` stands for work that is not done"))
        })
        .or_else(|| {
            find(HIDING, &line.code)
                .map(|word| format!("`{word}`: use `expect` with a reason, or delete what it hides"))
        })
}

/// An `allow` that gives no reason, on the first of these lines. `expect` is better, for it tells when there is nothing left to
/// hide. It cannot stand in what macros write, where it may or may not be met; there attributes mostly do not begin a line.
fn allowed(lines: &[Line]) -> Option<String> {
    let begins =
        lines.first().is_some_and(|line| line.code.trim_start().starts_with(['#']) && line.code.contains("[allow("));
    let has_reason = lines.iter().take(4).any(|line| line.code.contains("reason ="));
    (begins && !has_reason).then(|| "`allow` without a reason: use `expect` with one".to_owned())
}

/// Whether it is an acceptance program: an example called `p` and two digits.
fn is_given(file: &File) -> bool {
    let name = file.path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('p'));
    let number = name.and_then(|rest| rest.split_once('_')).map(|(number, _)| number);
    file.is_below("examples") && number.is_some_and(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether the text has it as a word of its own: what is next to it is no letter.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let open = word.starts_with(is_part) && before.ends_with(is_part);
        let close = word.ends_with(is_part) && after.starts_with(is_part);
        !open && !close
    })
}

/// A path that exists on one machine. Shell variables and parts of longer paths do not count.
fn machine(line: &str) -> Option<String> {
    let folder = MACHINE.iter().find(|folder| {
        line.match_indices(**folder)
            .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}$*>~".contains(c)))
    })?;
    Some(format!("`{folder}` is a folder of one machine"))
}

/// A dependency that comes from elsewhere than crates.io.
fn mirror(line: &str) -> Option<String> {
    let source = line.strip_prefix("source = \"")?.strip_suffix('"')?;
    (source != REGISTRY).then(|| format!("a dependency from {source}, not from crates.io"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Source;

    fn problems(path: &str, text: &str) -> usize {
        let file = File::new(path.into(), text.to_owned());
        let source = Source::new(text);
        source.lines.iter().filter(|line| left_over(&file, line).is_some()).count()
    }

    #[test]
    fn what_is_left_to_do_is_found_in_comments_and_code() {
        assert_eq!(problems("src/a.rs", concat!("// TO", "DO: later")), 1);
        assert_eq!(problems("src/a.rs", concat!("let x = to", "do!();")), 1);
        assert_eq!(problems("src/a.rs", concat!("#[igno", "re = \"slow\"]")), 1);
        assert_eq!(problems("src/a.rs", concat!("#![allow(dead_", "code)]")), 1);
    }

    #[test]
    fn names_literals_and_tests_of_macros_are_not_meant() {
        assert_eq!(problems("src/a.rs", "const T: &str = \"todo!\"; // the todo macro"), 0);
        assert_eq!(problems("src/a.rs", "my_todo!();"), 0);
        assert_eq!(problems("a/tests/b.rs", concat!("to", "do!(\"{}\", x);")), 0);
    }

    #[test]
    fn an_allow_gives_its_reason() {
        assert!(allowed(&Source::new("#[allow(clippy::a)]\nfn f() {}").lines).is_some());
        assert!(allowed(&Source::new("#[allow(\n    clippy::a,\n    reason = \"b\"\n)]").lines).is_none());
        assert!(allowed(&Source::new("#[expect(clippy::a)]").lines).is_none());
    }

    #[test]
    fn acceptance_programs_are_known_by_their_names() {
        let given = |path: &str| is_given(&File::new(path.into(), String::new()));
        assert!(given("a/examples/p19_glob_preludes.rs"));
        assert!(!given("a/src/p19_x.rs") && !given("a/examples/pool_x.rs") && !given("a/examples/x.rs"));
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        assert!(machine(concat!("cd /ho", "me/me/x")).is_some());
        assert!(machine(concat!("see https://example.org/wo", "rk/x")).is_none());
        assert!(machine("a/framework/b and $DIR/x").is_none());
    }

    #[test]
    fn a_lock_file_names_no_mirror() {
        assert!(mirror(&format!("source = \"{REGISTRY}\"")).is_none());
        assert!(mirror("source = \"sparse+https://mirror.example/\"").is_some());
    }
}
