//! The blocking pool: threads for closures that block, started when there is no idle one.

use std::{sync::LazyLock, thread, time::Duration};

use crate::{BlockingJob, contain::contain, rescue::Queue};

/// More threads than this are not started; the jobs wait for one of them.
const MOST_THREADS: usize = 512;
/// An idle thread ends after this time.
const LINGER: Duration = Duration::from_secs(10);

static QUEUE: LazyLock<Queue<BlockingJob>> = LazyLock::new(|| Queue::with_limits(MOST_THREADS, LINGER));

/// Runs a job on a thread that may block.
pub(crate) fn spawn(job: BlockingJob) {
    spawn_on(&QUEUE, job, || thread::Builder::new().name("blocking".into()).spawn(worker).is_ok());
}

fn spawn_on<T>(queue: &Queue<T>, job: T, start: impl FnOnce() -> bool) {
    if !queue.push(job, start) {
        // The job waits for a thread that is busy. If there is none, nobody would ever run it: it is dropped, which tells its
        // scope.
        drop(queue.take_abandoned());
    }
}

fn worker() {
    while let Some(job) = QUEUE.pop() {
        // A closure's own panic does not get here, but foreign code around it (a waker) may panic.
        contain(|| job.run());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn without_any_thread_the_job_is_dropped() {
        let queue = Queue::with_limits(2, LINGER);
        let job = Arc::new(());
        spawn_on(&queue, Arc::clone(&job), || false);
        assert_eq!(Arc::strong_count(&job), 1);
    }

    #[test]
    fn a_thread_that_cannot_be_started_leaves_the_job_to_another() {
        let queue = Queue::with_limits(2, LINGER);
        spawn_on(&queue, 1, || true);
        spawn_on(&queue, 2, || false);
        assert_eq!((queue.pop(), queue.pop()), (Some(1), Some(2)));
    }

    #[test]
    fn beyond_the_limit_jobs_wait() {
        let queue = Queue::with_limits(1, LINGER);
        spawn_on(&queue, 1, || true);
        spawn_on(&queue, 2, || unreachable!("the limit is reached"));
        assert_eq!((queue.pop(), queue.pop()), (Some(1), Some(2)));
    }
}
