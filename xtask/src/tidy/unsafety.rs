//! Rule `unsafety`: every `unsafe` block, `unsafe impl` and `unsafe extern` has its `SAFETY:` comment.
//!
//! Clippy says so too, but not about code that macros hold or write, nor about crates outside the workspace.

use super::{Problem, Tree, source::Source};
use crate::Result;

pub(super) fn check(tree: &Tree<'_>) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for (file, source) in tree.sources().filter(|(file, _)| !file.is_ui_test()) {
        let bare = bare(source).into_iter();
        problems.extend(bare.map(|line| file.problem(line, "`unsafe` without a `// SAFETY:` comment")));
    }
    Ok(problems)
}

/// The lines with an `unsafe` that nothing explains.
fn bare(source: &Source) -> Vec<usize> {
    let lines = 0..source.lines.len();
    lines.filter(|i| needs_reason(source, *i) && !has_reason(source, *i)).map(|i| i + 1).collect()
}

/// Whether the line begins an unsafe block, impl or extern block. (`unsafe fn` and `unsafe trait` have `# Safety` docs instead.)
fn needs_reason(source: &Source, line: usize) -> bool {
    let code = &source.lines[line].code;
    code.match_indices("unsafe").any(|(at, word)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let rest = &code[at + word.len()..];
        if code[..at].ends_with(is_part) || rest.starts_with(is_part) {
            return false;
        }
        // What follows may stand on the next line.
        let next = source.lines.get(line + 1).map_or("", |next| next.code.trim_start());
        let rest = if rest.trim().is_empty() { next } else { rest.trim_start() };
        rest.starts_with('{') || rest.starts_with("impl") || (rest.starts_with("extern") && !rest.contains("fn"))
    })
}

/// Whether the reason stands on the line, or above the statement or item that it is in.
fn has_reason(source: &Source, line: usize) -> bool {
    let says = |i: usize| source.lines[i].comment.contains("SAFETY:");
    if says(line) {
        return true;
    }
    for i in (0..line).rev() {
        let above = &source.lines[i];
        let code = above.code.trim();
        if says(i) {
            return true;
        }
        // Blank lines end the search, comments and attributes do not, and of code only what the statement began with.
        let goes_on = if code.is_empty() { above.is_comment() } else { is_attribute(code) || is_unfinished(code) };
        if !goes_on {
            return false;
        }
    }
    false
}

fn is_attribute(code: &str) -> bool {
    code.starts_with("#[") || code.starts_with("#![")
}

/// Whether a statement that contains this line goes on below it.
fn is_unfinished(code: &str) -> bool {
    !code.ends_with([';', '{', '}', ','])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare_lines(text: &str) -> Vec<usize> {
        bare(&Source::new(text))
    }

    #[test]
    fn a_block_without_a_reason_is_found() {
        assert_eq!(bare_lines("fn f() {\n    unsafe { g() }\n}"), [2]);
        assert_eq!(bare_lines("unsafe impl Send for X {}"), [1]);
        assert_eq!(bare_lines("// SAFETY: not of the next one\nlet a = 1;\nlet b = unsafe { g() };"), [3]);
        assert_eq!(bare_lines("// SAFETY: too far\n\nunsafe impl Send for X {}"), [3]);
    }

    #[test]
    fn a_reason_may_stand_on_the_line_above_it_or_above_the_statement() {
        assert_eq!(bare_lines("// SAFETY: x\nunsafe { g() }"), [0; 0]);
        assert_eq!(bare_lines("unsafe { g() } // SAFETY: x"), [0; 0]);
        assert_eq!(bare_lines("// SAFETY: x\n// goes on\n#[cfg(a)]\nunsafe impl A for B {}"), [0; 0]);
        assert_eq!(bare_lines("// SAFETY: x\nlet a =\n    unsafe { g() };"), [0; 0]);
        assert_eq!(bare_lines("// SAFETY: x\nlet a = f\n    .g()\n    .h(unsafe { g() });"), [0; 0]);
    }

    #[test]
    fn declarations_and_words_in_literals_need_none() {
        assert_eq!(bare_lines("unsafe fn f();\nunsafe trait T {}\nlet s = \"unsafe {\";\nlet is_unsafe = 1;"), [0; 0]);
        assert_eq!(bare_lines("f: unsafe extern \"C\" fn()"), [0; 0]);
    }
}
