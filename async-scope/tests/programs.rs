//! The acceptance programs, run: each prints what it should. They show all crates of the workspace together.
//!
//! `p11` and `p12`, which need io_uring, are examples of async-io-uring.

mod example;

use std::process::{Command, Stdio};

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
    p05_chat_actor prints "hello\nbye\nlines=2 commands=1\n";
    p06_first_success_quorum prints "read v7\nacks 2 late 1 errors 0\n";
    p07_try_scope_anyhow prints "Err(no such user 13)\n";
    p08_digest prints "3 files, 0 failed\n";
    p09_actor_bracket prints "commit\nclose\nafter\n";
    p10_deadline_budget prints "Err(Cancelled { reason: Deadline })\nmaintenance window\n";
    p13_own_runtimes prints "sum 4950\nlabel: done\n";
    p14_no_std prints "sample Some(4)\n";
    p15_library prints "tokio 2\npool 2\n";
    p17_migration prints "before 6 after 6\n";
    p18_sync_calls_in prints "rayon 300 job 100\n";
}
