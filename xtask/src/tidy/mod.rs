//! `cargo xtask tidy`: the tree's own rules, which no compiler checks. Each rule has a file and returns what breaks it.

mod clauses;
mod imports;
mod lengths;
mod licences;
mod paths;
mod source;
mod unsafety;
mod words;

use std::{fmt, path::PathBuf};

use source::Source;

use crate::{Result, tally::Tally, workspace::Workspace};

/// A rule: its name, what it says, and the function that finds what breaks it.
type Rule = (&'static str, &'static str, fn(&Tree<'_>) -> Result<Vec<Problem>>);

const RULES: &[Rule] = &[
    ("imports", "crates import one way only, and only from where DESIGN lets them", imports::check),
    ("unsafety", "every unsafe block, impl and extern block says why it is sound", unsafety::check),
    ("clauses", "cited clauses of the contract exist", clauses::check),
    ("paths", "files named in Markdown and in comments exist", paths::check),
    ("words", "nothing is left to do, ignored, or true on one machine only", words::check),
    ("licences", "all that we depend on is under a permissive licence", licences::check),
    ("lengths", "long files are reported", lengths::check),
];

/// What the rules look at.
struct Tree<'a> {
    workspace: &'a Workspace,
    files: Vec<File>,
}

/// A text file of the project.
struct File {
    /// Relative to the root.
    path: PathBuf,
    text: String,
    /// For Rust files.
    source: Option<Source>,
}

/// What breaks a rule, and where.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: PathBuf,
    /// From 1; 0 if it is about the file as a whole.
    line: usize,
    what: String,
}

/// Arguments are the rules to check; none means all.
pub(crate) fn task(workspace: &Workspace, args: &[String]) -> Result {
    if let Some(unknown) = args.iter().find(|arg| RULES.iter().all(|(name, ..)| name != arg)) {
        let names: Vec<&str> = RULES.iter().map(|(name, ..)| *name).collect();
        return Err(format!("there is no rule `{unknown}`; there are {}", names.join(", ")).into());
    }
    let tree = Tree::load(workspace)?;
    let mut tally = Tally::default();
    for (name, says, check) in RULES.iter().filter(|(name, ..)| args.is_empty() || args.iter().any(|arg| arg == name)) {
        let problems = check(&tree)?;
        println!("{name}: {says}: {}", if problems.is_empty() { "ok" } else { "NO" });
        for problem in &problems {
            println!("  {problem}");
        }
        tally.add(Tally {
            passed: usize::from(problems.is_empty()),
            failed: problems.len(),
            skipped: 0,
            failures: problems.iter().map(|problem| format!("tidy {name}: {problem}")).collect(),
        });
    }
    Ok(tally)
}

impl<'a> Tree<'a> {
    fn load(workspace: &'a Workspace) -> Result<Self> {
        let mut files = Vec::new();
        for path in workspace.files()? {
            if let Some(text) = workspace.read(&path)? {
                files.push(File::new(path, text));
            }
        }
        Ok(Self { workspace, files })
    }

    /// The Rust files, with their lines taken apart.
    fn sources(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.source.as_ref()?)))
    }
}

impl File {
    fn new(path: PathBuf, text: String) -> Self {
        let source = (path.extension().is_some_and(|x| x == "rs")).then(|| Source::new(&text));
        Self { path, text, source }
    }

    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|x| x == extension)
    }

    /// Whether a folder of this name is on the way to it.
    fn is_below(&self, folder: &str) -> bool {
        self.path.parent().is_some_and(|dir| dir.iter().any(|part| part == folder))
    }

    /// Programs that must not compile: they are there to break rules.
    fn is_ui_test(&self) -> bool {
        self.is_below("ui")
    }

    fn problem(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path.display(), self.what),
            line => write!(f, "{}:{line}: {}", self.path.display(), self.what),
        }
    }
}
