//! The conformance suite passes on the runtimes of this crate, and says what is wrong with broken ones.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use runtime_glue::{CurrentThread, Pool, Runtime, Sequential, Work, conformance};

#[test]
fn the_runtimes_of_this_crate_pass() {
    conformance::check(|| Pool::new(2));
    conformance::check(CurrentThread::new);
    conformance::check(Sequential::new);
}

/// A correct runtime on one thread, for the broken ones to be built on.
#[derive(Clone, Default)]
struct Queue(Arc<(Mutex<VecDeque<Work>>, Condvar)>);

impl Queue {
    fn new() -> Self {
        let queue = Self::default();
        for _ in 0..2 {
            let queue = queue.clone();
            thread::spawn(move || {
                loop {
                    let mut works = queue.0.0.lock().unwrap();
                    let work = loop {
                        match works.pop_front() {
                            Some(work) => break work,
                            None => works = queue.0.1.wait(works).unwrap(),
                        }
                    };
                    drop(works);
                    work.run();
                }
            });
        }
        queue
    }
}

impl Runtime for Queue {
    fn schedule(&self, work: Work) {
        self.0.0.lock().unwrap().push_back(work);
        self.0.1.notify_one();
    }
}

#[test]
fn a_plain_queue_passes() {
    conformance::check(Queue::new);
}

/// A runtime that does something else with the work.
struct Broken(fn(&Queue, usize, Work), Queue, AtomicUsize);

impl Runtime for Broken {
    fn schedule(&self, work: Work) {
        (self.0)(&self.1, self.2.fetch_add(1, SeqCst), work);
    }
}

/// What the suite says of a broken runtime.
fn report(schedule: fn(&Queue, usize, Work)) -> String {
    let checked = catch_unwind(AssertUnwindSafe(|| {
        conformance::check(|| Broken(schedule, Queue::new(), AtomicUsize::new(0)));
    }));
    checked.expect_err("it is broken").downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_runtime_that_drops_work_is_told() {
    let report = report(|_, _, work| drop(work));
    assert!(report.contains("its work was dropped"), "{report}");
}

#[test]
fn a_runtime_that_runs_work_inline_is_told() {
    let report = report(|_, _, work| work.run());
    assert!(report.contains("the work ran inside `schedule`"), "{report}");
}

#[test]
fn a_runtime_that_panics_is_told() {
    let report = report(|queue, n, work| {
        queue.schedule(work);
        assert!(n % 10 != 9, "no more work, please");
    });
    assert!(report.contains("no more work, please"), "{report}");
}

#[test]
fn a_runtime_that_blocks_in_schedule_is_told() {
    let report = report(|queue, n, work| {
        queue.schedule(work);
        // Long enough to be noticed, and only the first time, so that the other checks end.
        if n == 0 {
            thread::sleep(Duration::from_millis(1100));
        }
    });
    assert!(report.contains("`schedule` took"), "{report}");
}

#[test]
fn a_runtime_that_forgets_work_is_told() {
    let report = report(|_, _, work| std::mem::forget(work));
    assert!(report.contains("one task: it did not end within"), "{report}");
}

#[test]
fn a_runtime_that_loses_a_wake_is_told() {
    let report = report(|queue, n, work| if n % 300 == 299 { std::mem::forget(work) } else { queue.schedule(work) });
    assert!(report.contains("it did not end within"), "{report}");
}
