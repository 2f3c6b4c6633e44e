//! Counts instructions with valgrind: this program runs itself under callgrind, twice, and takes the difference, so that what
//! happens once does not count.

use std::{
    env,
    error::Error,
    process::{Command, Stdio},
};

/// Whether valgrind is installed.
pub(crate) fn available() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Instructions for doing a work once.
pub(crate) fn count(work: &str, peer: &str) -> Result<f64, Box<dyn Error>> {
    // Not the first times: what is allocated or looked up once is there then.
    let (few, many) = (4, 24);
    Ok((collected(work, peer, many)? - collected(work, peer, few)?) / f64::from(many - few))
}

fn collected(work: &str, peer: &str, times: u32) -> Result<f64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["once", work, peer, &times.to_string()])
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    // What a program that crashes has executed is a number, too.
    if !output.status.success() {
        return Err(format!("{work} by {peer} failed under valgrind:\n{stderr}").into());
    }
    let line = stderr.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = line.ok_or_else(|| format!("valgrind counted nothing:\n{stderr}"))?;
    Ok(count.trim().parse()?)
}
