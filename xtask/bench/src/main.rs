//! The benchmarks: the same work done by this workspace and by its peers, in one program, round by round in turns.
//!
//! `cargo xtask bench` measures everything and writes a table and a picture for each group to `xtask/bench/results/`.
//!
//! Time on a machine that does something else besides is worth little, a ratio within a round a good deal: in every round each
//! peer does the work once, one after the other, each round beginning with another one, and what counts is the median of the
//! rounds' ratios. Allocations are counted by the global allocator in a run of their own. Instructions are counted by valgrind,
//! where it is installed, for what runs on one thread; they repeat to a percent.
//!
//! Read next: `work.rs`, then any of `works/`.

mod allocations;
mod clock;
mod instructions;
mod marks;
mod measure;
mod peers;
mod picture;
mod results;
mod table;
mod work;
mod works;

use std::{env, error::Error, path::PathBuf, process::ExitCode};

use crate::{measure::Effort, results::Results, work::Group};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const USAGE: &str = "\
usage: cargo xtask bench [--quick] [--no-instructions] [--out DIR] [FILTER ..]
       cargo xtask bench list
       cargo xtask bench once WORK PEER TIMES

Measures the works whose group or name contains a FILTER. The results of a group are written to DIR
(xtask/bench/results) when all of its works were measured; `--quick` measures hardly at all, to see
that everything runs, and writes below the target folder.

`once` does one peer's part of a work so many times, for a profiler:
    valgrind --tool=callgrind target/release/bench once spawn-100 async-scope 100";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--help" | "-h", ..] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["list"] => {
            list();
            Ok(())
        }
        ["once", work, peer, times] => once(work, peer, times),
        _ => parse(&words).and_then(|options| run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    effort: Effort,
    out: PathBuf,
    filters: Vec<String>,
}

fn parse(words: &[&str]) -> Result<Options, Box<dyn Error>> {
    let (mut quick, mut instructions, mut out, mut filters) = (false, true, None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--quick" => quick = true,
            "--no-instructions" => instructions = false,
            "--out" => out = Some(PathBuf::from(words.next().ok_or("--out needs a folder")?)),
            option if option.starts_with('-') => return Err(format!("there is no option {option}\n{USAGE}").into()),
            filter => filters.push(filter.to_owned()),
        }
    }
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/results"));
    let quick_out = || Ok::<_, Box<dyn Error>>(env::current_exe()?.with_file_name("bench-quick"));
    let out = out.map_or_else(|| if quick { quick_out() } else { Ok(own) }, Ok)?;
    let effort = if quick { Effort::quick() } else { Effort::full(instructions && instructions::available()) };
    Ok(Options { effort, out, filters })
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut any = false;
    for Group { name, title, works } in works::groups() {
        let wanted = |work: &str| {
            let filters = &options.filters;
            filters.is_empty() || filters.iter().any(|filter| format!("{name}/{work}").contains(&**filter))
        };
        let all = works.iter().all(|work| wanted(work.name));
        let mut measured = Vec::new();
        for work in works.into_iter().filter(|work| wanted(work.name)) {
            any = true;
            let result = measure::work(&work, &options.effort)?;
            println!("{}", table::work(&result, table::Style::Terminal));
            measured.push(result);
        }
        if all && !measured.is_empty() {
            Results { name, title, works: measured, effort: &options.effort }.write(&options.out)?;
        }
    }
    if any { Ok(()) } else { Err("no work has such a name; `list` shows them all".into()) }
}

fn list() {
    for Group { name, works, .. } in works::groups() {
        for work in works {
            let peers: Vec<&str> = work.peers.iter().map(|peer| peer.name).collect();
            println!("{name}/{}: {}\n    {}", work.name, work.title, peers.join(", "));
        }
    }
}

fn once(work: &str, peer: &str, times: &str) -> Result<(), Box<dyn Error>> {
    let times = times.parse()?;
    let mut works = works::groups().into_iter().flat_map(|group| group.works);
    let work = works.find(|candidate| candidate.name == work).ok_or("no work has that name")?;
    let peer = work.peers.iter().find(|candidate| candidate.name == peer).ok_or("that work has no such peer")?;
    (peer.make)()(times);
    Ok(())
}
