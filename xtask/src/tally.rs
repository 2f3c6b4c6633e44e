//! What a task found out: how many things passed, and which failed.

use std::fmt;

/// Counts of tests, checks or steps. Shown as `N passed, N failed`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// A line for each failure whose name is known; there may be fewer than `failed`.
    pub(crate) failures: Vec<String>,
}

impl Tally {
    /// One thing, passed or failed.
    pub(crate) fn one(ok: bool, name: &str) -> Self {
        if ok { Self { passed: 1, ..Self::default() } } else { Self::failure(name, "") }
    }

    /// One failure and, if there is more to say, what was wrong.
    pub(crate) fn failure(name: &str, why: &str) -> Self {
        let line = if why.is_empty() { name.to_owned() } else { format!("{name}: {why}") };
        Self { failed: 1, failures: vec![line], ..Self::default() }
    }

    /// One thing that could not be tried here. It says so on the terminal.
    pub(crate) fn skip(name: &str, why: &str) -> Self {
        println!("skipped: {name}: {why}");
        Self { skipped: 1, ..Self::default() }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }

    pub(crate) const fn ok(&self) -> bool {
        self.failed == 0
    }

    /// Repeats what failed, so that nobody has to scroll for it.
    pub(crate) fn print_failures(&self) {
        if !self.failures.is_empty() {
            println!("\nfailed:");
        }
        for line in &self.failures {
            println!("  {line}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_counts_everything_added() {
        let mut tally = Tally::one(true, "a");
        tally.add(Tally::failure("b", "broken"));
        assert_eq!(tally.to_string(), "1 passed, 1 failed");
        assert_eq!(tally.failures, ["b: broken"]);
        tally.add(Tally { skipped: 2, ..Tally::default() });
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 2 skipped");
        assert!(!tally.ok());
    }
}
