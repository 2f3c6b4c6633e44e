//! Runs other programs, cargo above all: shows the command so that it can be repeated by hand, ends it at a time limit, and
//! counts the tests in what it prints.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{Result, tally::Tally};

/// How long any one command may take unless told otherwise: longer means that it hangs.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// A command to run.
pub(crate) struct Run {
    command: Command,
    shown: String,
    quiet: bool,
    limit: Duration,
}

/// What a command printed.
pub(crate) struct Output {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        let mut shown = program.to_owned();
        for arg in command.get_args() {
            let arg = arg.to_string_lossy();
            shown += &if arg.is_empty() || arg.contains(' ') { format!(" '{arg}'") } else { format!(" {arg}") };
        }
        Self { command, shown, quiet: false, limit: LIMIT }
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut run = Self::new("cargo", args);
        if let Some(cargo) = env::var_os("CARGO") {
            let mut command = Command::new(cargo);
            command.args(run.command.get_args()).stdin(Stdio::null());
            run.command = command;
        }
        run
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown += &format!(" {}", arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        self.shown = format!("{key}='{}' {}", value.to_string_lossy(), self.shown);
        self.command.env(key, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Does not show the command.
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it with its output on the terminal. True if it succeeded.
    pub(crate) fn status(mut self) -> Result<bool> {
        let child = self.spawn()?;
        // Nothing comes through this channel: it only ends, when this thread has let go of the sender.
        let (_sender, lines) = mpsc::channel();
        self.finish(child, &lines, |_| {})
    }

    /// Runs it and keeps what it prints.
    pub(crate) fn output(mut self) -> Result<Output> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn()?;
        let stderr = child.stderr.take().map(|mut pipe| {
            thread::spawn(move || {
                let mut text = Vec::new();
                // A pipe that breaks has ended; what came before is worth showing.
                let _ = pipe.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let lines = lines(&mut child);
        let mut stdout = String::new();
        let ok = self.finish(child, &lines, |line| stdout += &format!("{line}\n"))?;
        let stderr = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(Output { ok, stdout, stderr })
    }

    /// Runs it with its output on the terminal and counts the tests in it. A command that fails without a failed test, because
    /// something did not compile or was ended, counts as one failure under `name`.
    pub(crate) fn tests(mut self, name: &str) -> Result<Tally> {
        self.command.stdout(Stdio::piped());
        let mut child = self.spawn()?;
        let lines = lines(&mut child);
        let mut tally = Tally::default();
        let ok = self.finish(child, &lines, |line| {
            println!("{line}");
            count(line, name, &mut tally);
        })?;
        if !ok && tally.failed == 0 {
            tally.add(Tally::failure(name, "the command failed, see above"));
        }
        Ok(tally)
    }

    fn spawn(&mut self) -> Result<Child> {
        if !self.quiet {
            println!("$ {}", self.shown);
        }
        self.command.spawn().map_err(|error| format!("cannot start `{}`: {error}", self.shown).into())
    }

    /// Hands out lines until the command has ended or its time is up.
    fn finish(&self, mut child: Child, lines: &mpsc::Receiver<String>, mut each: impl FnMut(&str)) -> Result<bool> {
        let end = Instant::now() + self.limit;
        let mut open = true;
        loop {
            // The command can outlive its output and, through its children, its output the command.
            let tick = Duration::from_millis(50);
            match if open { lines.recv_timeout(tick) } else { Err(RecvTimeoutError::Timeout) } {
                Ok(line) => {
                    each(&line);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => open = false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(status) = child.try_wait()? {
                while let Ok(line) = lines.recv_timeout(tick) {
                    each(&line);
                }
                return Ok(status.success());
            }
            if Instant::now() > end {
                kill_tree(&mut child);
                println!("ended after {} s, its time limit: {}", self.limit.as_secs(), self.shown);
                return Ok(false);
            }
            if !open {
                thread::sleep(tick);
            }
        }
    }
}

/// The lines of a child's standard output, as they come.
fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    receiver
}

/// Adds what a line of libtest's output says.
fn count(line: &str, name: &str, tally: &mut Tally) {
    if let Some(test) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
        tally.failures.push(format!("{name}: {test}"));
    }
    let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
        return;
    };
    for count in counts.split("; ") {
        match count.split_once(' ') {
            Some((n, "passed")) => tally.passed += n.parse().unwrap_or(0),
            Some((n, "failed")) => tally.failed += n.parse().unwrap_or(0),
            Some((n, "ignored")) => tally.skipped += n.parse().unwrap_or(0),
            _ => {}
        }
    }
}

/// Ends a child and all that it has started: cargo does not take its tests along.
///
/// They stay in our process group, so that Ctrl-C on the terminal reaches them too; hence the walk through `/proc`. Where there
/// is none, only the child itself is ended.
fn kill_tree(child: &mut Child) {
    let mut tree = vec![child.id()];
    let mut next = 0;
    let processes: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect();
    while let Some(&parent) = tree.get(next) {
        tree.extend(processes.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| pid));
        next += 1;
    }
    // From the top, so that no shell starts the next command when one of its own has ended.
    let _ = child.kill();
    for pid in &tree[1..] {
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
    }
    let _ = child.wait();
}

/// The parent's id in `/proc/PID/stat`: the second field after the name, which stands in parentheses and may hold any character.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_line_of_libtest_is_counted() {
        let mut tally = Tally::default();
        count("test a::b ... FAILED", "crate", &mut tally);
        count("test a::c ... ok", "crate", &mut tally);
        let summary =
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.01s";
        count(summary, "crate", &mut tally);
        let failures = vec!["crate: a::b".to_owned()];
        assert_eq!(tally, Tally { passed: 3, failed: 1, skipped: 2, failures });
    }

    #[test]
    fn the_parent_is_found_behind_a_name_with_spaces_and_parentheses() {
        assert_eq!(parent("12 (a) b (c)) S 7 12 12 0"), Some(7));
        assert_eq!(parent("nothing"), None);
    }

    #[test]
    fn a_failed_command_without_tests_is_one_failure() {
        let tally = Run::new("false", [""; 0]).quiet().tests("x").unwrap();
        assert_eq!((tally.passed, tally.failed), (0, 1));
    }

    #[test]
    fn output_is_kept_and_the_status_told() {
        let output = Run::new("sh", ["-c", "echo out; echo err >&2; exit 3"]).quiet().output().unwrap();
        assert!(!output.ok);
        assert_eq!((&*output.stdout, &*output.stderr), ("out\n", "err\n"));
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let run = Run::new("sh", ["-c", "tail -f /dev/null; true"]);
        assert!(!run.quiet().limit(Duration::ZERO).status().unwrap());
    }
}
