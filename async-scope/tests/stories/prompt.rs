//! "Able to cancel work and have it reliably and promptly terminate, including any subtasks" (the seed): in a tree of 10,000 tasks
//! in four levels of scopes every task sees the request, each exactly once, within a bounded number of polls.

use std::{
    sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use async_cancel::{OrCancelled as _, checkpoint};
use async_scope::{BoxAsync, Scope, async_block, scope};
use async_trait_core::{pending, yield_now};
use runtime_glue::{sleep, testing};

/// Ten tasks on each level, each with a scope of its own below.
const WIDTH: usize = 10;
const LEVELS: usize = 4;
const LEAVES: usize = WIDTH.pow(LEVELS as u32);

#[derive(Default)]
struct Count {
    started: AtomicUsize,
    seen: AtomicUsize,
    /// Checkpoints that were passed after the request: the most of any task.
    late: AtomicU32,
    requested: AtomicUsize,
}

fn level(count: &Count, depth: usize, number: usize) -> BoxAsync<'_, ()> {
    BoxAsync::new(scope!(move |s| {
        for n in 0..WIDTH {
            if depth + 1 < LEVELS {
                s.spawn(level(count, depth + 1, number * WIDTH + n));
            } else {
                leaf(s, count, number + n);
            }
        }
    }))
}

fn leaf<'s>(s: &'s Scope<'s>, count: &'s Count, number: usize) {
    s.spawn(async_block! { move
        count.started.fetch_add(1, SeqCst);
        match number % 3 {
            0 => assert!(sleep(Duration::from_secs(3600)).or_cancelled().await.is_err()),
            1 => assert!(pending::<()>().or_cancelled().await.is_err()),
            _ => {
                let mut after = 0;
                while checkpoint().await.is_ok() {
                    after += u32::from(count.requested.load(SeqCst) > 0 && count.started.load(SeqCst) == LEAVES);
                    yield_now().await;
                }
                count.late.fetch_max(after, SeqCst);
            }
        }
        count.seen.fetch_add(1, SeqCst);
    });
}

#[test]
fn ten_thousand_tasks_in_four_levels_see_the_request_once_each() {
    testing::for_seeds(0..1, |rt| {
        let count = Count::default();
        rt.block_on(scope!(|s| {
            let tree = s.spawn(level(&count, 0, 0));
            while count.started.load(SeqCst) < LEAVES {
                yield_now().await;
            }
            assert_eq!(count.seen.load(SeqCst), 0);
            count.requested.store(1, SeqCst);
            s.cancel();
            tree.await.unwrap();
        }));
        assert_eq!(count.seen.load(SeqCst), LEAVES);
        // One level of nesting costs one poll of the scope between; the schedule is random, so a task may be polled a few times
        // before the request has come down to it, but that does not grow with the number of tasks.
        let late = count.late.load(SeqCst);
        assert!(late <= 64, "a task passed {late} checkpoints after the request");
    });
}
