//! Runs a test in a process of its own: the reports of further panics go to standard error, which no test captures.

use std::{
    env,
    panic::{set_hook, take_hook},
    process::{Command, Stdio},
};

const CHILD: &str = "ASYNC_COMBINATORS_TEST_CHILD";

/// Runs `body` as the test `name` in a process of its own, in which panics with the `expected` texts are not printed, and
/// checks that further panics were reported.
pub fn in_child_process(name: &str, expected: &'static [&'static str], body: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        let hook = take_hook();
        set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
            if !expected.iter().any(|start| text.starts_with(start)) {
                hook(info);
            }
        }));
        return body();
    }
    let output = Command::new(env::current_exe().expect("this test's path"))
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .output()
        .expect("the test runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let (reports, rest): (Vec<&str>, Vec<&str>) =
        stderr.lines().partition(|line| line.starts_with("async-combinators: a further panic, not passed on: "));
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), rest.join("\n"));
    assert!(!reports.is_empty(), "further panics are reported");
}
