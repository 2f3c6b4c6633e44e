//! A task that was asked to finish and still waits for a plain future is reported once, with the place of the await.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_scope::{ScopeOptions, StuckTask, async_fn, scope};
use async_trait_core::yield_now;
use runtime_glue::block_on;

/// A plain future that completes when the first report has come.
async fn until_reported(reports: &Mutex<Vec<StuckTask>>) {
    while reports.lock().unwrap().is_empty() {
        yield_now().await;
    }
}

#[async_fn(send)]
async fn does_not_notice(reports: &Mutex<Vec<StuckTask>>) -> u32 {
    until_reported(reports).await; // the await that does not notice
    7
}

#[test]
fn a_stuck_task_is_reported_once_with_its_await() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&reports);
    let options = ScopeOptions::new()
        .name("server")
        .report_after(Duration::from_millis(1))
        .report_to(move |task| sink.lock().unwrap().push(task.clone()));
    let output = block_on(scope!(options, |s| {
        let task = s.builder().name("stuck").spawn(does_not_notice(&reports));
        s.cancel();
        task.await.unwrap()
    }));
    assert_eq!(output, 7, "it ends in its own way, and its output is not lost");
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    let report = &reports[0];
    let lines = include_str!("stuck.rs").lines();
    let line = 1 + u32::try_from(lines.take_while(|line| !line.ends_with("// the await that does not notice")).count())
        .unwrap();
    assert_eq!(report.name, "stuck");
    assert!(report.future.contains("until_reported"), "{report:?}");
    assert!(report.awaits_at.file().ends_with("stuck.rs") && report.awaits_at.line() == line, "{report:?}");
    assert!(report.spawned_at.file().ends_with("stuck.rs"));
    assert!(report.waiting >= Duration::from_millis(1));
}

#[test]
fn a_background_task_that_does_not_notice_is_named_and_seen_in_the_tree() {
    let (reports, tree) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
    let sink = Arc::clone(&reports);
    let options = ScopeOptions::new()
        .report_after(Duration::from_millis(1))
        .report_to(move |task| sink.lock().unwrap().push(task.clone()));
    block_on(scope!(options, |s| {
        let (reports, tree) = (&*reports, &*tree);
        s.spawn_background(async_scope::async_block! { move
            until_reported(reports).await;
            *tree.lock().unwrap() = s.tree().to_string();
        });
    }));
    assert!(reports.lock().unwrap()[0].background);
    let tree = tree.lock().unwrap();
    assert!(tree.contains("(background), asked to finish: the scope is ending, still waits for `"), "{tree}");
}

#[test]
fn a_task_that_notices_is_not_reported() {
    let options = ScopeOptions::new().report_after(Duration::ZERO).report_to(|task| panic!("{task:?}"));
    block_on(scope!(options, |s| {
        s.spawn(std::future::pending::<()>());
        s.spawn(scope!(|_| {}));
        s.cancel();
    }));
}
