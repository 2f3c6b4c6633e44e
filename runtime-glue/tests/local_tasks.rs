//! `LocalTasks`: tasks that are not `Send`, on a thread with a loop of its own.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use async_trait_core::{Reason, yield_now};
use futures::channel::oneshot;
use runtime_glue::{JoinError, JoinHandle, LocalTasks, block_on, sleep};

const LONG: Duration = Duration::from_secs(3600);

fn counted() -> (LocalTasks, Arc<AtomicUsize>) {
    let notified = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&notified);
    (LocalTasks::new(move || assert!(count.fetch_add(1, SeqCst) < 1000)), notified)
}

#[test]
fn they_share_what_is_not_send() {
    let (tasks, _) = counted();
    let log = Rc::new(RefCell::new(Vec::new()));
    for n in 0..3 {
        let log = Rc::clone(&log);
        drop(tasks.spawn(async move {
            for round in 0..2 {
                log.borrow_mut().push((round, n));
                yield_now().await;
            }
        }));
    }
    assert!(log.borrow().is_empty());
    assert_eq!(tasks.run_ready(LONG), 9);
    assert_eq!(*log.borrow(), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    assert_eq!(tasks.run_ready(LONG), 0);
}

#[test]
fn one_notice_for_all_that_is_ready() {
    let (tasks, notified) = counted();
    for _ in 0..5 {
        drop(tasks.spawn(yield_now()));
    }
    assert_eq!(notified.load(SeqCst), 1);
    tasks.run_ready(LONG);
    // What its own tasks wake meanwhile is run without a notice.
    assert_eq!(notified.load(SeqCst), 1);
    drop(tasks.spawn(yield_now()));
    assert_eq!(notified.load(SeqCst), 2);
}

#[test]
fn a_small_budget_stops_and_notifies_again() {
    let (tasks, notified) = counted();
    for _ in 0..3 {
        drop(tasks.spawn(async {}));
    }
    assert_eq!((tasks.run_ready(Duration::ZERO), notified.load(SeqCst)), (1, 2));
    assert_eq!((tasks.run_ready(Duration::ZERO), notified.load(SeqCst)), (1, 3));
    assert_eq!((tasks.run_ready(Duration::ZERO), notified.load(SeqCst)), (1, 3));
    assert_eq!(tasks.run_ready(Duration::ZERO), 0);
    drop(tasks.spawn(async {}));
    assert_eq!(notified.load(SeqCst), 4);
}

#[test]
fn woken_from_other_threads_they_stay_here() {
    let (events, ready) = mpsc::channel();
    let tasks = LocalTasks::new(move || events.send(()).unwrap_or_default());
    let here = thread::current().id();
    for _ in 0..50 {
        let (sender, receiver) = oneshot::channel();
        let task = tasks.spawn(async move {
            receiver.await.unwrap();
            assert_eq!(thread::current().id(), here);
        });
        tasks.run_ready(LONG);
        let other = thread::spawn(move || sender.send(()).unwrap());
        while !task.is_finished() {
            ready.recv().unwrap();
            tasks.run_ready(LONG);
        }
        other.join().unwrap();
    }
}

#[test]
fn a_handle_may_be_awaited_elsewhere() {
    let (events, ready) = mpsc::channel();
    let tasks = LocalTasks::new(move || events.send(()).unwrap_or_default());
    let local = Rc::new(7);
    let handle: JoinHandle<i32> = tasks.spawn(async move { *local });
    let other = thread::spawn(move || block_on(handle).unwrap());
    ready.recv().unwrap();
    tasks.run_ready(LONG);
    assert_eq!(other.join().unwrap(), 7);
}

#[test]
fn dropping_asks_them_and_runs_them_to_the_end() {
    let (tasks, _) = counted();
    let log = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&log);
    // SAFETY: the function lends nothing to anybody.
    let asked = tasks.spawn(unsafe {
        let mut sleeping = None;
        async_trait_core::poll_fn(move |cx| {
            use std::{future::Future as _, pin::Pin};
            let Some(reason) = cx.cancel_reason() else { return Poll::Pending };
            // Its way of finishing takes time.
            let sleep = sleeping.get_or_insert_with(|| sleep(Duration::from_millis(2)));
            let poll = Pin::new(sleep).poll(&mut std::task::Context::from_waker(cx.waker()));
            poll.map(|()| told.borrow_mut().push(reason))
        })
    });
    let plain = tasks.spawn(std::future::pending::<()>());
    tasks.run_ready(LONG);
    assert!(log.borrow().is_empty());
    drop(tasks);
    assert_eq!(*log.borrow(), [Reason::Shutdown]);
    assert_eq!(Rc::strong_count(&log), 1);
    block_on(async {
        asked.await.unwrap();
        assert!(matches!(plain.await, Err(JoinError::Cancelled(cancelled)) if cancelled.reason() == Reason::Shutdown));
    });
}

#[test]
fn never_run_and_dropped() {
    let (tasks, _) = counted();
    let value = Rc::new(());
    let held = Rc::clone(&value);
    let task = tasks.spawn(async move { drop(held) });
    drop(tasks);
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(task.is_finished());
}

#[test]
fn while_unwinding_they_are_leaked() {
    /// Where a leak checker still finds what is leaked here.
    static KEPT: Mutex<Option<Waker>> = Mutex::new(None);
    let value = Rc::new(());
    let held = Rc::clone(&value);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let (tasks, _) = counted();
        drop(tasks.spawn(async move {
            let _held = held;
            poll_fn(|cx| {
                *KEPT.lock().unwrap() = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        }));
        tasks.run_ready(LONG);
        panic!("with live tasks");
    }));
    assert!(unwound.is_err());
    assert_eq!(Rc::strong_count(&value), 2);
    // Woken in its grave, from another thread.
    thread::spawn(|| KEPT.lock().unwrap().as_ref().unwrap().wake_by_ref()).join().unwrap();
    assert_eq!(Rc::strong_count(&value), 2);
}

#[test]
fn a_panic_is_the_business_of_its_handle_alone() {
    let (tasks, _) = counted();
    let observed = tasks.spawn(async { panic!("seen") });
    drop(tasks.spawn(async { panic!("not seen") }));
    let lives = tasks.spawn(async {
        yield_now().await;
        7
    });
    tasks.run_ready(LONG);
    block_on(async {
        assert!(observed.await.unwrap_err().is_panic());
        assert_eq!(lives.await.unwrap(), 7);
    });
    assert_eq!(
        block_on({
            let task = tasks.spawn(async { 8 });
            tasks.run_ready(LONG);
            task
        })
        .unwrap(),
        8
    );
}

#[test]
fn a_task_may_spawn_and_run_others() {
    let (tasks, _) = counted();
    let tasks = Rc::new(tasks);
    let (inner, sum) = (Rc::clone(&tasks), Rc::new(Cell::new(0)));
    let total = Rc::clone(&sum);
    drop(tasks.spawn(async move {
        let nested = inner.spawn({
            let total = Rc::clone(&total);
            async move { total.set(total.get() + 1) }
        });
        inner.run_ready(LONG);
        nested.await.unwrap();
        total.set(total.get() + 10);
    }));
    tasks.run_ready(LONG);
    assert_eq!(sum.get(), 11);
}
