//! The acceptance programs, run: each prints what it should. They show all crates of the workspace together.
//!
//! `p11` and `p12`, which need io_uring, are examples of async-io-uring.

mod example;

use std::process::{Command, Stdio};
#[cfg(target_os = "linux")]
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
};

/// A program, ready to be started.
fn program(name: &str) -> Command {
    let mut command = Command::new(example::example(name));
    // One of them prints an error with `{:?}`, to which a backtrace would belong.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE").stdin(Stdio::null());
    command
}

macro_rules! programs {
    ($($name:ident prints $expected:literal;)+) => {$(
        #[test]
        fn $name() {
            let output = program(stringify!($name)).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {stderr}", output.status);
            assert_eq!(String::from_utf8_lossy(&output.stdout), $expected, "{stderr}");
        }
    )+};
}

programs! {
    p01_seed_foo prints "rows=100 sum=4950\n";
    p02_seed_do_work prints "processed 20, idle failures 0\n";
    p03_tokio_handlers prints "(200, \"a+b\")\n";
    p05_chat_actor prints "hello\nbye\nlines=2 commands=1\n";
    p06_first_success_quorum prints "read v7\nacks 2 late 1 errors 0\n";
    p07_try_scope_anyhow prints "Err(no such user 13)\n";
    p08_digest prints "3 files, 0 failed\n";
    p09_actor_bracket prints "commit\nclose\nafter\n";
    p10_deadline_budget prints "Err(Cancelled { reason: Deadline })\nmaintenance window\n";
    p13_own_runtimes prints "sum 4950\nlabel: done\n";
    p14_no_std prints "sample Some(4)\n";
    p15_library prints "tokio 2\npool 2\n";
    p16_virtual_time prints "1000 seeds ok\n";
    p17_migration prints "before 6 after 6\n";
    p18_sync_calls_in prints "rayon 300 job 100\n";
    p19_glob_preludes prints "0\n1\n2\n";
}

/// It serves until Ctrl-C, and does not say where: the kernel knows.
#[cfg(target_os = "linux")]
#[test]
fn p04_accept_loop() {
    let server = program("p04_accept_loop").stdout(Stdio::piped()).spawn().unwrap();
    let mut connection = TcpStream::connect(("127.0.0.1", port_of(server.id()))).unwrap();
    let mut answer = [0; 5];
    connection.write_all(b"hello").unwrap();
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    // The connection is over, or it would be waited for.
    drop(connection);
    while !catches_ctrl_c(server.id()) {
        thread::yield_now();
    }
    let kill = Command::new("sh").args(["-c", "kill -INT $1", "sh", &server.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = server.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "served 1, aborted 0\n");
    assert!(output.status.success());
}

/// The port on which a process listens, as soon as it does.
#[cfg(target_os = "linux")]
fn port_of(process: u32) -> u16 {
    loop {
        let links = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let files: Vec<String> =
            links.filter_map(|link| Some(fs::read_link(link.path()).ok()?.to_string_lossy().into_owned())).collect();
        let sockets = fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap_or_default();
        let port = sockets.lines().skip(1).find_map(|line| {
            // Number, local and remote address in hexadecimal, state (0A listens), six more, inode.
            let columns: Vec<&str> = line.split_whitespace().collect();
            let ours = columns[3] == "0A" && files.contains(&format!("socket:[{}]", columns[9]));
            ours.then(|| u16::from_str_radix(columns[1].rsplit(':').next().unwrap(), 16).unwrap())
        });
        match port {
            Some(port) => return port,
            None => thread::yield_now(),
        }
    }
}

/// Whether the process would be killed by SIGINT no more.
#[cfg(target_os = "linux")]
fn catches_ctrl_c(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 1 << (libc::SIGINT - 1) != 0
}
