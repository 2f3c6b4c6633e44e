//! `cargo xtask examples`: the examples whose output is known print it.

use std::{fs, path::Path, time::Duration};

use crate::{Result, run::Run, tally::Tally, workspace::Workspace};

/// What the acceptance programs print. The two servers among them, which run until they are stopped, are not here: `clippy` sees that
/// they compile, and their crates' tests see to the rest.
const EXPECTED: &[(&str, &str)] = &[
    ("p01_seed_foo", "rows=100 sum=4950\n"),
    ("p02_seed_do_work", "processed 20, idle failures 0\n"),
    ("p03_tokio_handlers", "(200, \"a+b\")\n"),
    ("p05_chat_actor", "hello\nbye\nlines=2 commands=1\n"),
    ("p06_first_success_quorum", "read v7\nacks 2 late 1 errors 0\n"),
    ("p07_try_scope_anyhow", "Err(no such user 13)\n"),
    ("p08_digest", "3 files, 0 failed\n"),
    ("p09_actor_bracket", "commit\nclose\nafter\n"),
    ("p10_deadline_budget", "Err(Cancelled { reason: Deadline })\nmaintenance window\n"),
    ("p11_uring_copy", "copied 1048576\n"),
    ("p13_own_runtimes", "sum 4950\nlabel: done\n"),
    ("p14_no_std", "sample Some(4)\n"),
    ("p15_library", "tokio 2\npool 2\n"),
    ("p16_virtual_time", "1000 seeds ok\n"),
    ("p17_migration", "before 6 after 6\n"),
    ("p18_sync_calls_in", "rayon 300 job 100\n"),
    ("p19_glob_preludes", "0\n1\n2\n"),
];

pub(crate) fn task(workspace: &Workspace, _: &[String]) -> Result {
    let targets = || workspace.libraries().flat_map(|package| &package.targets);
    let is_there = |name: &str| targets().any(|target| target.kind == "example" && target.name == name);
    let (there, missing): (Vec<_>, Vec<_>) = EXPECTED.iter().partition(|(name, _)| is_there(name));
    for (name, _) in missing {
        println!("no crate has it as an example: {name}");
    }
    if !Run::cargo(["build", "--workspace", "--all-features", "--examples"]).status()? {
        return Ok(Tally::failure("examples", "they do not build, see above"));
    }
    let dir = workspace.target.join("examples");
    fs::create_dir_all(&dir)?;
    // The input of the program that copies a file.
    fs::write(dir.join("in.bin"), vec![0x5a; 1 << 20])?;
    let mut tally = Tally::default();
    for (name, expected) in there {
        tally.add(run(workspace, &dir, name, expected)?);
    }
    Ok(tally)
}

fn run(workspace: &Workspace, dir: &Path, name: &str, expected: &str) -> Result {
    let program = workspace.target.join("debug").join("examples").join(name);
    let run = Run::new(&program.display().to_string(), [""; 0]).dir(dir).quiet().limit(Duration::from_secs(120));
    let output = run.output()?;
    let ok = output.ok && output.stdout == expected;
    println!("{name}: {}", if ok { "as expected" } else { "NO" });
    if !ok {
        println!("expected:\n{expected}\nprinted:\n{}\n{}", output.stdout, output.stderr);
    }
    Ok(Tally::one(ok, &format!("example {name}")))
}
