//! Handlers of a token: at once, once, taken back, waited for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::Wake as _,
    thread,
};

use async_cancel::{CancellationToken, Reason, Registration};

use crate::common::{Wakes, drops, forget};

#[test]
fn it_runs_at_once_on_the_thread_that_asks() {
    let token = CancellationToken::new();
    let (sender, receiver) = mpsc::channel();
    let _registration =
        token.child_token().on_cancel(move |reason| sender.send((reason, thread::current().id())).unwrap());
    token.cancel_with(Reason::Shutdown);
    assert_eq!(receiver.try_recv(), Ok((Reason::Shutdown, thread::current().id())));
    assert!(receiver.try_recv().is_err());
}

#[test]
fn of_what_is_cancelled_it_runs_at_once_on_this_thread() {
    let token = CancellationToken::new();
    token.cancel();
    let ran = Arc::new(AtomicBool::new(false));
    let registration = token.on_cancel({
        let ran = ran.clone();
        move |_| ran.store(true, Ordering::Relaxed)
    });
    assert!(ran.load(Ordering::Relaxed));
    drop(registration);
}

#[test]
fn the_first_stage_does_not_run_it() {
    let token = CancellationToken::new();
    let registration = token.on_cancel(|_| panic!("only stopping"));
    token.stop();
    drop(registration);
}

#[test]
fn taken_back_it_never_runs_and_what_it_holds_is_dropped() {
    let token = CancellationToken::new();
    let (dropped, on_drop) = drops();
    let registration = token.on_cancel(move |_| {
        let _on_drop = &on_drop;
        panic!("taken back");
    });
    assert_eq!(dropped.count(), 0);
    drop(registration);
    assert_eq!(dropped.count(), 1);
    token.cancel();
}

#[test]
fn a_forgotten_registration_leaves_it_in_place() {
    let token = CancellationToken::new();
    let ran = Arc::new(Wakes::default());
    forget(Box::new(token.on_cancel({
        let ran = ran.clone();
        move |_| ran.wake()
    })));
    token.cancel();
    assert_eq!(ran.count(), 1);
}

#[test]
fn dropping_the_registration_waits_for_a_handler_that_runs() {
    let token = CancellationToken::new();
    let (began, has_begun) = mpsc::channel();
    let (let_go, goes) = mpsc::channel::<()>();
    let done = Arc::new(AtomicBool::new(false));
    let registration = token.on_cancel({
        let done = done.clone();
        move |_| {
            began.send(()).unwrap();
            goes.recv().unwrap();
            done.store(true, Ordering::SeqCst);
        }
    });
    thread::scope(|s| {
        s.spawn(|| token.cancel());
        has_begun.recv().unwrap();
        let waiting = s.spawn(|| {
            drop(registration);
            assert!(done.load(Ordering::SeqCst));
        });
        // The handler is let go by this thread, while the other one waits or is about to.
        let_go.send(()).unwrap();
        waiting.join().unwrap();
    });
}

#[test]
fn dropped_by_the_handler_itself_it_does_not_wait() {
    let token = CancellationToken::new();
    let slot: Arc<Mutex<Option<Registration>>> = Arc::default();
    let registration = token.on_cancel({
        let slot = slot.clone();
        move |_| {
            let registration = slot.lock().unwrap().take();
            assert!(registration.is_some());
            drop(registration);
        }
    });
    *slot.lock().unwrap() = Some(registration);
    token.cancel();
    assert!(slot.lock().unwrap().is_none());
}

#[test]
fn a_handler_may_use_its_token_and_cancel_others() {
    let (token, other) = (CancellationToken::new(), CancellationToken::new());
    let hits = Arc::new(AtomicUsize::new(0));
    let count = |hits: &Arc<AtomicUsize>| {
        let hits = hits.clone();
        move |_| _ = hits.fetch_add(1, Ordering::Relaxed)
    };
    let _on_other = other.on_cancel(count(&hits));
    let _on_token = token.on_cancel({
        let (token, other, hits) = (token.clone(), other.clone(), hits.clone());
        move |_| {
            assert!(!token.cancel());
            assert!(other.cancel());
            drop(token.on_cancel(move |_| _ = hits.fetch_add(1, Ordering::Relaxed)));
        }
    });
    token.cancel();
    assert_eq!(hits.load(Ordering::Relaxed), 2);
}

#[test]
fn a_panic_in_a_handler_goes_on_when_all_have_run() {
    let token = CancellationToken::new();
    let ran = Arc::new(Wakes::default());
    let registrations: Vec<_> = (0..6)
        .map(|n| {
            let ran = ran.clone();
            token.child_token().on_cancel(move |_| {
                ran.wake();
                assert!(n % 2 == 0, "a handler breaks");
            })
        })
        .collect();
    let panic = catch_unwind(AssertUnwindSafe(|| token.cancel())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a handler breaks"));
    assert_eq!(ran.count(), 6);
    drop(registrations);
}

#[test]
fn the_registration_of_a_handler_that_broke_can_be_dropped() {
    let token = CancellationToken::new();
    token.cancel();
    let broke = catch_unwind(AssertUnwindSafe(|| drop(token.on_cancel(|_| panic!("a handler breaks")))));
    assert!(broke.is_err());

    let token = CancellationToken::new();
    let registration = token.on_cancel(|_| panic!("a handler breaks"));
    assert!(catch_unwind(AssertUnwindSafe(|| token.cancel())).is_err());
    thread::spawn(move || drop(registration)).join().unwrap();
}

#[test]
fn a_handler_and_its_registration_race() {
    for _ in 0..2_000 {
        let token = CancellationToken::new();
        // What the handler uses goes when the registration has gone.
        let used = Arc::new(AtomicBool::new(true));
        let registration = token.on_cancel({
            let used = used.clone();
            move |_| assert!(used.load(Ordering::SeqCst), "used after it was taken back")
        });
        thread::scope(|s| {
            s.spawn(|| token.cancel());
            s.spawn(|| {
                drop(registration);
                used.store(false, Ordering::SeqCst);
            });
        });
    }
}
