//! `cargo xtask soundness`: attacks on the claim that safe code cannot break these crates.
//!
//! - `loom` tries every interleaving of the hand-written protocols, within the bounds that the models state.
//! - `asan` runs all tests with AddressSanitizer: a use after free or out of bounds ends the test.
//! - `fuzz` gives every fuzz target a short run.
//!
//! The table at the end says what was tried, how many cases, and what was found.

mod asan;
mod fuzz;
mod loom;

use std::time::{Duration, Instant};

use crate::{Result, table, tally::Tally, workspace::Workspace};

/// A kind of attack: its name, what it tries, and the function that does it within the given time.
type Attack = (&'static str, &'static str, fn(&Workspace, Duration) -> Result);

const ATTACKS: &[Attack] = &[
    ("loom", "every interleaving of the hand-written protocols", loom::run),
    ("asan", "all tests under AddressSanitizer", asan::run),
    ("fuzz", "every fuzz target for a short time", fuzz::run),
];

/// How long it may take when nobody waits for the rest of `ci`.
const BUDGET: Duration = Duration::from_secs(60 * 60);

/// Arguments are the attacks to try; none means all.
pub(crate) fn task(workspace: &Workspace, args: &[String]) -> Result {
    if let Some(unknown) = args.iter().find(|arg| ATTACKS.iter().all(|(name, ..)| name != arg)) {
        let names: Vec<&str> = ATTACKS.iter().map(|(name, ..)| *name).collect();
        return Err(format!("there is no attack `{unknown}`; there are {}", names.join(", ")).into());
    }
    let chosen = ATTACKS.iter().filter(|(name, ..)| args.is_empty() || args.iter().any(|arg| arg == name));
    run(workspace, chosen, BUDGET)
}

/// All attacks; what is not done when the time is up fails, for a hang looks just so.
pub(crate) fn within(workspace: &Workspace, budget: Duration) -> Result {
    run(workspace, ATTACKS.iter(), budget)
}

fn run<'a>(workspace: &Workspace, attacks: impl Iterator<Item = &'a Attack>, budget: Duration) -> Result {
    let end = Instant::now() + budget;
    let mut rows = vec![["attack", "what was tried", "cases", "found", "time"].map(str::to_owned)];
    let mut all = Tally::default();
    for (name, about, attack) in attacks {
        println!("\n-- {name}: {about}");
        let start = Instant::now();
        let tally = attack(workspace, end.saturating_duration_since(start))
            .unwrap_or_else(|error| Tally::failure(name, &error.to_string()));
        rows.push([
            (*name).to_owned(),
            (*about).to_owned(),
            (tally.passed + tally.failed).to_string(),
            if tally.failed == 0 { "nothing".to_owned() } else { format!("{} failed", tally.failed) },
            format!("{} s", start.elapsed().as_secs()),
        ]);
        all.add(tally);
    }
    println!("\n{}", table::render(&rows));
    Ok(all)
}
