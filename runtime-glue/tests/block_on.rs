//! `block_on`: wakers that outlive it, nesting, panics, and runtimes whose `drive` errs.

use std::{
    cell::RefCell,
    future::{Future as _, IntoFuture as _, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Waker},
    thread,
};

use async_trait_core::yield_now;
use futures::channel::oneshot;
use runtime_glue::{CurrentThread, Pool, Runtime, RuntimeHandle, Waiting, Work, block_on, spawn};

#[test]
fn a_waker_may_outlive_the_block_on_and_its_thread() {
    let kept = thread::spawn(|| {
        let kept = Arc::new(Mutex::new(None::<Waker>));
        for _ in 0..3 {
            block_on(poll_fn(|cx| {
                let old = kept.lock().unwrap().replace(cx.waker().clone());
                // That of an earlier one: at most one poll more.
                old.into_iter().for_each(Waker::wake);
                Poll::Ready(())
            }));
        }
        let last = kept.lock().unwrap().take();
        last.unwrap()
    })
    .join()
    .unwrap();
    kept.wake();
}

#[test]
fn a_wake_from_another_thread_is_not_lost() {
    for n in 0..500 {
        let (sender, receiver) = oneshot::channel();
        let other = thread::spawn(move || sender.send(n).unwrap());
        assert_eq!(block_on(receiver), Ok(n));
        other.join().unwrap();
    }
}

#[test]
fn a_wake_during_the_poll_is_not_lost() {
    let mut polls = 0;
    block_on(poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls == 100 { Poll::Ready(()) } else { Poll::Pending }
    }));
}

#[test]
fn nested_in_the_root_and_in_a_task() {
    for runtime in runtimes() {
        let inner = runtime.clone();
        let sum = runtime.block_on(async {
            let nested = block_on(async {
                yield_now().await;
                spawn(async { 1 }).await.unwrap()
            });
            let task =
                spawn(async move { inner.block_on(inner.spawn(async { block_on(spawn(async { 10 })) })).unwrap() });
            nested + task.await.unwrap().unwrap()
        });
        assert_eq!(sum, 11, "{runtime:?}");
    }
}

fn runtimes() -> Vec<RuntimeHandle> {
    vec![
        RuntimeHandle::current(),
        RuntimeHandle::new(Pool::new(0)),
        RuntimeHandle::new(Pool::new(1)),
        RuntimeHandle::new(Pool::new(3)),
        RuntimeHandle::new(CurrentThread::new()),
        RuntimeHandle::new(runtime_glue::Sequential::new()),
    ]
}

/// The task runs on the thread of the outer `block_on`, and blocks it until the outer root goes on.
#[test]
fn an_outer_block_on_is_polled_by_the_inner_one() {
    for runtime in runtimes() {
        let (to_task, from_root) = oneshot::channel();
        let (to_root, from_task) = oneshot::channel();
        runtime.block_on(async {
            let task = runtime.spawn(async move {
                to_root.send(()).unwrap();
                block_on(from_root).unwrap()
            });
            from_task.await.unwrap();
            to_task.send(7).unwrap();
            assert_eq!(task.await.unwrap(), 7);
        });
    }
}

#[test]
fn a_panic_comes_out_and_the_next_one_works() {
    for _ in 0..3 {
        let panic = catch_unwind(|| block_on(async { panic_any(7) })).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&7));
    }
    assert_eq!(block_on(async { 1 }), 1);
}

/// A panic in the outer root that the inner `block_on` polls is the outer's.
#[test]
fn a_panic_of_an_outer_root_does_not_end_the_inner_one() {
    let finished = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&finished);
    let runtime = Pool::new(0);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let (to_root, from_task) = oneshot::channel();
            let (to_task, from_root) = oneshot::channel::<()>();
            drop(runtime.spawn(async move {
                to_root.send(()).unwrap();
                assert!(block_on(from_root).is_err(), "the root dropped it while it unwound");
                seen.fetch_add(1, SeqCst);
            }));
            from_task.await.unwrap();
            let _to_task = to_task;
            panic_any("root")
        })
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"root"));
    assert_eq!(finished.load(SeqCst), 1);
}

/// A runtime that does everything by another, except to drive.
struct Odd(RuntimeHandle, Drive);

type Drive = fn(&mut Waiting<'_>);

impl Runtime for Odd {
    fn schedule(&self, work: Work) {
        self.0.schedule(work);
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        self.1(waiting);
    }
}

#[test]
fn a_drive_that_returns_early_or_panics_leaves_the_rest_to_block_on() {
    let pool = RuntimeHandle::new(Pool::new(1));
    let drives: [(Drive, bool); 4] = [
        (|_| {}, false),
        (|waiting| assert!(!waiting.poll() || waiting.is_woken()), false),
        (|_| panic!("before"), true),
        (
            |waiting| {
                waiting.poll();
                panic!("after a poll")
            },
            true,
        ),
    ];
    for (drive, panics) in drives {
        let polled_to_end = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            RuntimeHandle::new(Odd(pool.clone(), drive)).block_on(async {
                spawn(async { yield_now().await }).await.unwrap();
                polled_to_end.fetch_add(1, SeqCst);
            });
        }));
        assert_eq!((polled_to_end.load(SeqCst), result.is_err()), (1, panics));
    }
}

/// A task's waker is that of whoever joins it, and may panic on the thread that is in `block_on`.
#[test]
fn a_panic_of_a_foreign_waker_does_not_get_through() {
    struct Bad;
    impl std::task::Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    for runtime in runtimes() {
        runtime.block_on(async {
            let (send, receive) = oneshot::channel::<()>();
            let mut joined = Box::pin(std::future::IntoFuture::into_future(runtime.spawn(receive)));
            let bad = Waker::from(Arc::new(Bad));
            assert!(joined.as_mut().poll(&mut std::task::Context::from_waker(&bad)).is_pending());
            send.send(()).unwrap();
            while poll_fn(|cx| Poll::Ready(joined.as_mut().poll(cx).is_pending())).await {
                yield_now().await;
            }
        });
    }
}

#[test]
fn while_the_thread_ends() {
    struct AtEnd;
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let (sender, receiver) = oneshot::channel();
            let other = thread::spawn(move || sender.send(2).unwrap());
            assert_eq!(block_on(async { receiver.await.unwrap() + spawn(async { 1 }).await.unwrap() }), 3);
            other.join().unwrap();
        }
    }
    thread_local!(static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) });
    // Set before and after the thread's own parker is made, for both orders of destruction.
    for early in [true, false] {
        thread::spawn(move || {
            if early {
                AT_END.set(Some(AtEnd));
            }
            block_on(async {});
            AT_END.set(Some(AtEnd));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn many_threads_wait_at_once() {
    let threads: Vec<_> = (0..100)
        .map(|n| thread::spawn(move || block_on(async move { spawn(async move { n }).await.unwrap() })))
        .collect();
    let sum: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(sum, 4950);
}

#[test]
fn a_started_future_that_is_dropped_by_a_select_is_no_matter() {
    block_on(async {
        futures::future::select(pending::<()>(), std::pin::pin!(spawn(async {}).into_future())).await;
    });
}
