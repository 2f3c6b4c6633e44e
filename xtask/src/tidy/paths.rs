//! Rule `paths`: the files and folders that Markdown and comments name exist.
//!
//! A name is the target of a Markdown link, or a code span that looks like a path: `xtask/src/`, `main.rs`. One that ends in an
//! item's name, as `xtask/src/tidy/paths.rs::check`, says that the file defines such an item. What belongs to another project is
//! named as a link to it, for then a reader can follow it too.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Component, Path, PathBuf},
};

use super::{File, Problem, Tree};
use crate::{Result, markdown};

/// What a code span must end in to be taken for a file.
const EXTENSIONS: &[&str] = &["rs", "md", "toml", "svg", "txt", "lock", "yml", "stderr"];

/// Where programs put what they make: not in the tree, and rightly so.
const MADE: &[&str] = &["target/"];

pub(super) fn check(tree: &Tree<'_>) -> Result<Vec<Problem>> {
    let known = known(tree.files.iter().map(|file| &*file.path));
    let crates: Vec<PathBuf> = tree
        .workspace
        .members()
        .filter_map(|package| Some(package.dir.strip_prefix(&tree.workspace.root).ok()?.to_owned()))
        .collect();
    let mut problems = Vec::new();
    for file in &tree.files {
        let home = crates.iter().filter(|dir| file.path.starts_with(dir)).max_by_key(|dir| dir.iter().count());
        for (number, name) in named(file) {
            let is_there = match &name {
                Name::Item(path, item) => tree
                    .sources()
                    .filter(|(file, _)| file.path.ends_with(path))
                    .any(|(_, source)| source.lines.iter().any(|line| defines(&line.code, item))),
                name => exists(name, &file.path, home, &known),
            };
            if !is_there {
                problems.push(file.problem(number, format!("there is no `{name}`")));
            }
        }
    }
    Ok(problems)
}

/// A path that a text names.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// A link's target, relative to the file that it stands in.
    Link(String),
    /// A code span: relative to the file, its crate or the root, or the end of a longer path.
    Span(String),
    /// A code span that names an item behind the end of a file's path.
    Item(String, String),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(text) | Self::Span(text) => f.write_str(text),
            Self::Item(path, item) => write!(f, "{path}::{item}"),
        }
    }
}

/// All files and the folders that they are in.
fn known<'a>(files: impl Iterator<Item = &'a Path>) -> BTreeSet<PathBuf> {
    files.flat_map(|file| file.ancestors().map(Path::to_owned)).collect()
}

/// The names in a file, with their lines.
fn named(file: &File) -> Vec<(usize, Name)> {
    let lines: Vec<(usize, &str)> = match &file.source {
        Some(source) => source.numbered().map(|(number, line)| (number, line.comment_text())).collect(),
        None if file.has_extension("md") => markdown::prose(&file.text).collect(),
        None => Vec::new(),
    };
    let mut names = Vec::new();
    for (number, line) in lines {
        names.extend(spans(line).map(|span| (number, span)));
        // Links in doc comments are rustdoc's to check.
        if file.source.is_none() {
            names.extend(links(line).map(|link| (number, Name::Link(link))));
        }
    }
    names
}

/// The targets of links that stay in the tree.
fn links(line: &str) -> impl Iterator<Item = String> {
    line.match_indices("](").filter_map(|(at, mark)| {
        let target = line[at + mark.len()..].split([')', ' ', '#']).next()?;
        let stays = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        stays.then(|| target.to_owned())
    })
}

/// The code spans that look like paths, `{a,b}` in them written out.
fn spans(line: &str) -> impl Iterator<Item = Name> {
    let pieces: Vec<&str> = line.split('`').collect();
    let mut spans = Vec::new();
    for i in (1..pieces.len().saturating_sub(1)).step_by(2) {
        // `[..`name`..](https://..)` leads out of the tree.
        let leads_out = pieces[i + 1].split_once("](").is_some_and(|(text, target)| {
            !text.contains('[') && target.split(')').next().is_some_and(|target| target.contains("://"))
        });
        if !leads_out {
            spans.extend(expand(pieces[i]).iter().filter_map(|span| name(span)));
        }
    }
    spans.into_iter()
}

/// Braces written out: of `x{a,b}`, `xa` and `xb`.
fn expand(span: &str) -> Vec<String> {
    let parts = span.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    match parts {
        Some((head, (list, tail))) => list.split(',').flat_map(|one| expand(&format!("{head}{one}{tail}"))).collect(),
        None => vec![span.to_owned()],
    }
}

/// What a code span names, if it looks like a path.
fn name(span: &str) -> Option<Name> {
    let (path, item) =
        span.split_once(".rs::").map_or((span, None), |(path, item)| (&span[..path.len() + 3], Some(item)));
    looks_like_path(path).then(|| match item {
        Some(item) => Name::Item(path.to_owned(), item.trim_end_matches(['!', '(', ')']).to_owned()),
        None => Name::Span(path.to_owned()),
    })
}

fn looks_like_path(span: &str) -> bool {
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let made = MADE.iter().any(|dir| span.starts_with(dir));
    let file = Path::new(span).extension().is_some_and(|x| EXTENSIONS.iter().any(|known| x == *known));
    let folder = span.len() > 1 && span.ends_with('/');
    plain && !made && !span.starts_with('/') && !span.starts_with('.') | span.starts_with("..") && (file || folder)
}

fn exists(name: &Name, file: &Path, home: Option<&PathBuf>, known: &BTreeSet<PathBuf>) -> bool {
    let dir = file.parent().unwrap_or(Path::new(""));
    let relative = |text: &str| normal(&dir.join(text)).is_some_and(|path| known.contains(&path));
    match name {
        Name::Link(target) => relative(target),
        Name::Span(span) | Name::Item(span, _) => {
            // The name alone means a file of the same crate; a longer path says itself where it is.
            let alone = Path::new(span).iter().count() == 1 && !span.ends_with('/');
            let within = |path: &&PathBuf| {
                !alone || home.is_none_or(|home| path.starts_with(home)) || path.parent() == Some("".as_ref())
            };
            relative(span) || known.iter().filter(within).any(|path| path.ends_with(span))
        }
    }
}

/// Whether a line of code defines an item of this name: the last part of `Type::method`.
fn defines(code: &str, item: &str) -> bool {
    const KINDS: &[&str] =
        &["fn", "struct", "enum", "union", "trait", "const", "static", "type", "mod", "macro_rules!"];
    let item = item.rsplit("::").next().unwrap_or(item);
    let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '!').collect();
    words.windows(2).any(|pair| KINDS.contains(&pair[0]) && pair[1] == item)
        || words.windows(3).any(|three| three[0] == "macro_rules!" && three[2] == item)
}

/// The path without `.` and `..`; `None` if it leaves the tree.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spans_that_look_like_paths_are_names() {
        let found = |line: &str| spans(line).map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(
            found("see `src/a.rs` and `b.md`, `x::y`, `a.await`, `Result/Option`, `src/op/`"),
            ["src/a.rs", "b.md", "src/op/"]
        );
        assert_eq!(found("`src/{a,b}.rs`"), ["src/a.rs", "src/b.rs"]);
        assert_eq!(found("[std's `scoped.rs`](https://x/y) and [`c.rs`](src/c.rs)"), ["c.rs"]);
        assert_eq!(found("`/etc/hosts.txt` `target/x.svg` `*.rs` `.rs`"), [""; 0]);
    }

    #[test]
    fn an_item_is_named_behind_its_file() {
        let item = Name::Item("src/a.rs".to_owned(), "T::f".to_owned());
        assert_eq!(spans("see `src/a.rs::T::f()`").collect::<Vec<_>>(), [item]);
        assert!(defines("    pub(crate) unsafe fn f<T>(t: T) {", "T::f") && defines("macro_rules! m {", "m"));
        assert!(!defines("    self.f(); // no definition", "f") && !defines("fn ff()", "f"));
    }

    #[test]
    fn links_that_leave_the_tree_are_not_checked() {
        let found = |line: &str| links(line).collect::<Vec<_>>();
        assert_eq!(found("[a](b.md#c) [d](https://e) [f](#g) [h](i/)"), ["b.md", "i/"]);
    }

    #[test]
    fn a_name_is_looked_up_from_its_file_its_crate_and_the_root() {
        let known = known(["a/src/x.rs", "a/tests/t.rs", "b/src/y.rs", "R.md"].map(Path::new).into_iter());
        let a = PathBuf::from("a");
        let is = |name: Name, file: &str| exists(&name, Path::new(file), file.starts_with("a/").then_some(&a), &known);
        let span = |text: &str| Name::Span(text.to_owned());
        let link = |text: &str| Name::Link(text.to_owned());
        assert!(is(span("x.rs"), "a/src/lib.rs") && is(span("R.md"), "a/src/lib.rs"));
        assert!(!is(span("y.rs"), "a/src/lib.rs") && is(span("b/src/y.rs"), "a/src/lib.rs"));
        assert!(is(span("y.rs"), "R.md") && is(span("src/y.rs"), "R.md") && is(span("b/src/"), "R.md"));
        assert!(is(link("../b/src/y.rs"), "a/README.md") && is(link("../R.md"), "a/README.md"));
        assert!(!is(link("y.rs"), "R.md") && !is(link("../../R.md"), "a/README.md"));
    }
}
