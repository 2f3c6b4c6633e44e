//! Rule `lengths`: a Rust file that grows has more than one role. From [`LONG`] on it is named, from [`TOO_LONG`] on it fails.

use super::{File, Problem, Tree};
use crate::Result;

/// One role fits into this mostly.
const LONG: usize = 400;
/// No role needs this.
const TOO_LONG: usize = 1000;

pub(super) fn check(tree: &Tree<'_>) -> Result<Vec<Problem>> {
    let mut files: Vec<(usize, &File)> = tree.sources().map(|(file, source)| (source.lines.len(), file)).collect();
    files.sort_by_key(|(lines, _)| std::cmp::Reverse(*lines));
    let (count, total) = (files.len(), files.iter().map(|(lines, _)| lines).sum::<usize>());
    println!("  note: {total} lines of Rust in {count} files");
    let mut problems = Vec::new();
    for (lines, file) in files.into_iter().take_while(|(lines, _)| *lines > LONG) {
        if lines > TOO_LONG {
            problems.push(file.problem(0, format!("{lines} lines: split it by role")));
        } else {
            println!("  note: {}: {lines} lines", file.path.display());
        }
    }
    Ok(problems)
}
