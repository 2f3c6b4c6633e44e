//! Writes the results of a group: a page with the tables, and the picture that it shows.

use std::{fmt::Write as _, fs, io, path::Path, process::Command, thread};

use crate::{
    measure::{Effort, Measured},
    picture,
    table::{self, Style},
};

/// A group, measured.
pub(crate) struct Results<'a> {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) works: Vec<Measured>,
    pub(crate) effort: &'a Effort,
}

impl Results<'_> {
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join(format!("{}.svg", self.name)), picture::draw(self.title, &self.works))?;
        fs::write(dir.join(format!("{}.md", self.name)), self.page())?;
        println!("written: {}/{}.md and .svg\n", dir.display(), self.name);
        Ok(())
    }

    fn page(&self) -> String {
        let Effort { rounds, turn, .. } = self.effort;
        let mut page = format!("# {}\n\n![The bars](./{}.svg)\n\n", self.title, self.name);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let _ = writeln!(
            page,
            "Medians of {rounds} rounds of {turn:?} a peer, in turns; in brackets what the middle half of the rounds lies \
             between. Where all peers work on one thread the time is that thread's CPU time, else that on the wall. \"Against \
             ours\" is the peer's time as a multiple of ours in the same round: more than 1 is slower than we are. Allocations, bytes and instructions are per unit, too; instructions are counted for what runs on one \
             thread.\n\n{cores} cores, {}, {}{}. Written by `cargo xtask bench {}`.\n",
            kernel(),
            compiler(),
            load(),
            self.name,
        );
        for work in &self.works {
            page += &table::work(work, Style::Markdown);
            page.push('\n');
        }
        page.truncate(page.trim_end().len());
        page.push('\n');
        page
    }
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: Vec<&str> = release.split(['.', '-']).take(2).collect();
    format!("{} {}", std::env::consts::OS, version.join(".")).trim_end().to_owned()
}

/// How much else went on: above the number of cores, times are worth little and ratios less than they seem.
fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').nth(1).map_or(String::new(), |minutes| format!(", load {minutes} in the last five minutes"))
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    version.split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned()
}
