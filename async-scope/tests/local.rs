//! Local scopes: tasks that are not `Send`, on the thread of their parent; and the form that is a plain future.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use async_scope::{async_fn, local_scope, scope};
use async_trait_core::yield_now;
use runtime_glue::block_on;

#[test]
fn tasks_take_turns_on_one_thread() {
    let log = RefCell::new(Vec::new());
    let thread = std::thread::current().id();
    block_on(local_scope!(|s| {
        for task in 0..3 {
            let log = &log;
            s.spawn(async move {
                for turn in 0..3 {
                    assert_eq!(std::thread::current().id(), thread);
                    log.borrow_mut().push((turn, task));
                    yield_now().await;
                }
            });
        }
    }));
    let mut expected: Vec<_> = (0..3).flat_map(|turn| (0..3).map(move |task| (turn, task))).collect();
    assert_eq!(std::mem::take(&mut *log.borrow_mut()), expected);
    expected.clear();
}

#[test]
fn rc_in_tasks_and_outputs() {
    let shared = Rc::new(Cell::new(1));
    let output = block_on(local_scope!(|s| {
        let inner = Rc::clone(&shared);
        let handle = s.spawn(async move {
            inner.set(inner.get() + 1);
            inner
        });
        handle.await.unwrap()
    }));
    assert_eq!(output.get(), 2);
    assert_eq!(Rc::strong_count(&shared), 2);
}

#[async_fn]
async fn mixed(n: &Cell<u32>) -> u32 {
    local_scope!(|s| {
        let parallel = s.spawn(scope!(|p| { p.spawn(async { 40 }).await.unwrap() }));
        s.spawn(async { n.set(n.get() + 1) });
        parallel.await.unwrap() + n.get()
    })
    .await
}

#[test]
fn a_parallel_scope_inside_a_local_task() {
    let n = Cell::new(1);
    assert_eq!(block_on(mixed(&n)), 42);
}

#[test]
fn a_panic_of_a_local_task_leaves_the_scope_last() {
    let alive = Cell::new(0);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(local_scope!(|s| {
            let alive = &alive;
            s.spawn(async move {
                alive.set(alive.get() + 1);
                yield_now().await;
                yield_now().await;
                alive.set(alive.get() - 1);
            });
            s.spawn(async { panic!("local") });
        }));
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"local"));
    assert_eq!(alive.get(), 0);
}

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Is dropped into a list.
struct Guard<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn a_scope_of_futures_is_dropped_with_its_tasks() {
    let log = RefCell::new(Vec::new());
    let (log, flag) = (&log, AtomicBool::new(false));
    {
        let mut future = Box::pin(local_scope!(futures, |s| {
            let _body = Guard(log, "body");
            let guard = Guard(log, "task");
            s.spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            });
            s.spawn(async { flag.store(true, SeqCst) });
            std::future::pending::<()>().await;
        }));
        let waker = Waker::from(Arc::new(Counting(AtomicUsize::new(0))));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(flag.load(SeqCst), "a round of tasks runs in each poll");
    }
    assert_eq!(*log.borrow(), ["body", "task"]);
}

#[test]
fn a_scope_of_futures_may_be_forgotten() {
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    {
        let text = Box::new(String::from("lent"));
        let mut future = Box::pin(local_scope!(futures, |s| {
            let kept = Rc::clone(&kept);
            let text = &text;
            s.spawn(std::future::poll_fn(move |cx| {
                *kept.borrow_mut() = Some(cx.waker().clone());
                let _ = text.len();
                Poll::<()>::Pending
            }));
            std::future::pending::<()>().await;
        }));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        std::mem::forget(future);
    }
    // `text` is gone; the task is never run again.
    let waker = kept.borrow_mut().take().unwrap();
    std::thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn a_scope_of_futures_runs_to_its_end_in_plain_async_code() {
    let sum = block_on(async {
        let numbers = [1, 2, 3];
        local_scope!(futures, |s| {
            let tasks: Vec<_> = numbers
                .iter()
                .map(|n| {
                    s.spawn(async move {
                        yield_now().await;
                        *n
                    })
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            sum
        })
        .await
    });
    assert_eq!(sum, 6);
}

#[test]
fn a_task_spawned_by_a_destructor_is_destroyed_too() {
    struct Spawns<'s>(&'s async_scope::FutureScope<'s>, &'s Cell<u32>);
    impl Drop for Spawns<'_> {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            if self.1.get() < 3 {
                let again = Spawns(self.0, self.1);
                self.0.spawn(async move {
                    let _again = again;
                    std::future::pending::<()>().await;
                });
            }
        }
    }
    let dropped = Cell::new(0);
    let mut future = Box::pin(local_scope!(futures, |s| {
        let spawns = Spawns(s, &dropped);
        s.spawn(async move {
            let _spawns = spawns;
            std::future::pending::<()>().await;
        });
        std::future::pending::<()>().await;
    }));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(future);
    assert_eq!(dropped.get(), 3);
}

#[test]
fn a_waker_called_from_another_thread_runs_the_task_here() {
    let thread = std::thread::current().id();
    let done = block_on(local_scope!(|s| {
        let (send, receive) = std::sync::mpsc::channel::<Waker>();
        let waking = std::thread::spawn(move || receive.recv().unwrap().wake());
        let mut polls = 0;
        let task = s.spawn(std::future::poll_fn(move |cx| {
            assert_eq!(std::thread::current().id(), thread);
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            send.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }));
        let done = task.await;
        waking.join().unwrap();
        done.is_ok()
    }));
    assert!(done);
}
