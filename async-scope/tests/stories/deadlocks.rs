//! *AWS engineer: solving a deadlock*, *failure to parallelise*, and *futurelock* (Oxide RFD 609).

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_combinators::{OneOf2, select};
use async_scope::{async_fn, scope};
use async_trait_core::yield_now;
use futures::{SinkExt as _, StreamExt as _, channel::mpsc, lock::Mutex};
use runtime_glue::{block_on, testing};

/// *Solving a deadlock*: one task sends into a bounded channel that another, later in the same `join`ed code, reads. With awaits one
/// after the other the sender waits for ever for a reader that has not begun. As tasks of a scope both run.
#[test]
fn a_bounded_channel_between_two_stages() {
    testing::for_seeds(0..50, |rt| {
        let received = rt.block_on(scope!(|s| {
            let (mut send, mut receive) = mpsc::channel::<u32>(1);
            s.spawn(async move {
                for n in 0..100 {
                    send.send(n).await.unwrap();
                }
            });
            let mut sum = 0;
            while let Some(n) = receive.next().await {
                sum += n;
            }
            sum
        }));
        assert_eq!(received, 4950);
    });
}

/// *Failure to parallelise*: `for x in xs { work(x).await }` does one after the other. Tasks that borrow make the parallel form as
/// short, and it is seen to be parallel: each waits for all the others.
#[test]
fn every_item_waits_for_all_the_others() {
    let items: Vec<u32> = (0..10).collect();
    let arrived = AtomicUsize::new(0);
    let sum = block_on(scope!(|s| {
        let (arrived, all) = (&arrived, items.len());
        let tasks: Vec<_> = items
            .iter()
            .map(|item| {
                s.spawn(async move {
                    arrived.fetch_add(1, SeqCst);
                    while arrived.load(SeqCst) < all {
                        yield_now().await;
                    }
                    *item
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    }));
    assert_eq!(sum, 45);
}

#[async_fn(send)]
async fn do_async_thing(lock: &Mutex<()>, label: &str) -> usize {
    let _guard = lock.lock().await;
    yield_now().await;
    label.len()
}

/// *Futurelock*: `select!` over `&mut future1` and a timer; the timer wins, its branch awaits another future that needs the lock
/// which `future1`, started and not polled any more, is next in line for. With an `Async` that program does not compile: there
/// is no select over `&mut` of one (`tests/ui` of async-combinators). The nearest program gives `future1` to a task:
#[test]
fn the_nearest_program_to_futurelock_finishes() {
    testing::for_seeds(0..100, |rt| {
        let lock = Mutex::new(());
        let lengths = rt.block_on(scope!(|s| {
            let held = lock.lock().await;
            let first = s.spawn(do_async_thing(&lock, "op1"));
            let timer = async { runtime_glue::sleep(std::time::Duration::from_secs(1)).await };
            drop(held);
            // The timer may win; the other goes on in its task, and so lets go of the lock.
            let selected = select((first, timer)).await;
            let second = do_async_thing(&lock, "second").await;
            let first = match selected.first {
                OneOf2::A(first) => first,
                // Late, and not lost.
                OneOf2::B(()) => selected.late.0.unwrap(),
            };
            let first = first.unwrap();
            (first, second)
        }));
        assert_eq!(lengths, (3, 6));
    });
}
