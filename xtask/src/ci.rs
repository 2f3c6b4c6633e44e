//! `cargo xtask ci`: every step under the property that it proves. A failed step does not stop the next; a table at the end says
//! what took how long.

use std::time::{Duration, Instant};

use crate::{
    Result, docs, features, main_job, no_std, run::Run, soundness, table, tally::Tally, test, tidy,
    workspace::Workspace,
};

/// What the whole should take on two idle cores, compiling included. A run that takes longer says so.
const AIM: Duration = Duration::from_secs(30 * 60);
/// When the last step is cut off, because a hang must not look like patience. Far above the aim: a machine may be busy with others.
const LIMIT: Duration = Duration::from_secs(75 * 60);

/// A step: its name, the property that it proves, and the function that does it in the time that is left.
type Step = (&'static str, &'static str, fn(&Workspace, Duration) -> Result);

/// The quick ones first: who broke one of those wants to know at once.
const STEPS: &[Step] = &[
    ("fmt", "every file is formatted the same way", |_, _| {
        let workspace = Run::cargo(["fmt", "--all", "--check"]).status()?;
        let no_std = Run::cargo(["fmt", "--check", "--manifest-path", "xtask/no-std/Cargo.toml"]).status()?;
        Ok(Tally::one(workspace && no_std, "cargo fmt would change files"))
    }),
    ("tidy", "the tree keeps its own rules", |workspace, _| tidy::task(workspace, &[])),
    ("clippy", "no lint fires, unsafe code is documented", |tree, _| {
        let strict = ["--all-targets", "--", "-Dwarnings"];
        let workspace = Run::cargo(["clippy", "--workspace", "--all-features"].into_iter().chain(strict)).status()?;
        Ok(Tally::one(workspace && no_std::clippy(tree)?, "clippy warns"))
    }),
    ("test", "every fact and schedule in the tests holds", |workspace, _| test::task(workspace, &[])),
    ("main-job", "the README's first command does its work", |workspace, _| main_job::task(workspace, &[])),
    ("docs", "the documentation compiles, links and runs", |workspace, _| docs::task(workspace, &[])),
    ("no-std", "the core crates need neither std nor alloc", |workspace, _| no_std::task(workspace, &[])),
    ("features", "every combination of features builds", |workspace, _| features::task(workspace, &[])),
    ("soundness", "no attack on the contract succeeds", soundness::within),
];

/// Arguments are the steps to take; none means all.
pub(crate) fn task(workspace: &Workspace, args: &[String]) -> Result {
    if let Some(unknown) = args.iter().find(|arg| STEPS.iter().all(|(name, ..)| name != arg)) {
        let names: Vec<&str> = STEPS.iter().map(|(name, ..)| *name).collect();
        return Err(format!("there is no step `{unknown}`; there are {}", names.join(", ")).into());
    }
    let start = Instant::now();
    let mut rows = vec![["step", "what it proves", "result", "time"].map(str::to_owned)];
    let mut all = Tally::default();
    for (name, proves, step) in STEPS.iter().filter(|(name, ..)| args.is_empty() || args.iter().any(|arg| arg == name))
    {
        println!("\n== {name}: {proves}");
        let begun = Instant::now();
        let tally = step(workspace, LIMIT.saturating_sub(start.elapsed()))
            .unwrap_or_else(|error| Tally::failure(name, &error.to_string()));
        rows.push([(*name).to_owned(), (*proves).to_owned(), tally.to_string(), seconds(begun)]);
        all.add(tally);
    }
    rows.push(["all".to_owned(), String::new(), all.to_string(), seconds(start)]);
    println!("\n{}", table::render(&rows));
    if start.elapsed() > AIM {
        println!("This took more than the {} minutes that it should on two idle cores.", AIM.as_secs() / 60);
    }
    all.print_failures();
    Ok(all)
}

fn seconds(since: Instant) -> String {
    format!("{} s", since.elapsed().as_secs())
}
