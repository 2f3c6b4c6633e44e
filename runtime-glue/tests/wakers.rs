//! Wakers of tasks without a scope: kept, cloned, woken and dropped by anybody, at any time, also when task and runtime are gone.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use runtime_glue::{JoinError, JoinHandle, Runtime, RuntimeHandle, Work, block_on};

/// A queue that is emptied by hand, and may panic when it is handed something.
#[derive(Default)]
struct Queue {
    works: Mutex<VecDeque<Work>>,
    /// Panics, after it has taken the work in.
    panics: AtomicUsize,
}

impl Runtime for Queue {
    fn schedule(&self, work: Work) {
        self.works.lock().unwrap().push_back(work);
        if self.panics.load(SeqCst) > 0 {
            self.panics.fetch_sub(1, SeqCst);
            resume_unwind(Box::new("schedule"));
        }
    }
}

impl Queue {
    fn settle(&self) {
        loop {
            let work = self.works.lock().unwrap().pop_front();
            match work {
                Some(work) => work.run(),
                None => return,
            }
        }
    }

    fn len(&self) -> usize {
        self.works.lock().unwrap().len()
    }
}

/// A task that hands out its waker at each poll, and is ready in the `ready_at`th; its output says when it is dropped.
fn task(runtime: &RuntimeHandle, ready_at: usize, wakers: &Wakers, alive: &Arc<()>) -> JoinHandle<Arc<()>> {
    let (wakers, alive) = (Arc::clone(wakers), Arc::clone(alive));
    let mut polls = 0;
    runtime.spawn(std::future::poll_fn(move |cx| {
        polls += 1;
        assert!(polls <= ready_at, "polled after its end");
        wakers.lock().unwrap().push(cx.waker().clone());
        if polls == ready_at { Poll::Ready(Arc::clone(&alive)) } else { Poll::Pending }
    }))
}

type Wakers = Arc<Mutex<Vec<Waker>>>;

fn stage() -> (Arc<Queue>, RuntimeHandle, Wakers, Arc<()>) {
    let queue = Arc::new(Queue::default());
    let runtime = RuntimeHandle::from_arc(Arc::clone(&queue) as Arc<dyn Runtime>);
    (queue, runtime, Arc::default(), Arc::new(()))
}

#[test]
fn many_wakes_are_one_poll() {
    let (queue, runtime, wakers, alive) = stage();
    let handle = task(&runtime, 2, &wakers, &alive);
    queue.settle();
    let waker = wakers.lock().unwrap().pop().unwrap();
    for _ in 0..10 {
        waker.wake_by_ref();
        let clone = waker.clone();
        waker.wake_by_ref();
        clone.wake();
    }
    assert_eq!(queue.len(), 1);
    queue.settle();
    assert!(handle.is_finished());
    waker.wake();
    assert_eq!(queue.len(), 0);
}

#[test]
fn the_wakers_of_all_polls_are_one() {
    let (queue, runtime, wakers, alive) = stage();
    let handle = task(&runtime, 5, &wakers, &alive);
    for _ in 0..5 {
        queue.settle();
        wakers.lock().unwrap().last().unwrap().wake_by_ref();
    }
    assert!(handle.is_finished());
    let wakers = std::mem::take(&mut *wakers.lock().unwrap());
    assert_eq!(wakers.len(), 5);
    assert!(wakers.iter().all(|waker| waker.will_wake(&wakers[0])));
}

#[test]
fn a_waker_keeps_neither_future_nor_output_nor_runtime() {
    let (queue, runtime, wakers, alive) = stage();
    let handle = task(&runtime, 2, &wakers, &alive);
    queue.settle();
    wakers.lock().unwrap()[0].wake_by_ref();
    queue.settle();
    drop(handle);
    assert_eq!(Arc::strong_count(&alive), 1, "the future and the output are gone");
    drop(runtime);
    assert_eq!(Arc::strong_count(&queue), 1, "the runtime is held by nobody");
    assert_eq!(wakers.lock().unwrap().len(), 2);
    wakers.lock().unwrap().drain(..).for_each(Waker::wake);
}

#[test]
fn the_last_waker_of_a_pending_task_goes_and_a_request_still_reaches_it() {
    let (queue, runtime, wakers, alive) = stage();
    let handle = task(&runtime, 2, &wakers, &alive);
    queue.settle();
    wakers.lock().unwrap().clear();
    assert_eq!(Arc::strong_count(&alive), 2, "nobody destroys the future of a pending task");
    handle.cancel();
    queue.settle();
    assert!(handle.is_finished());
    drop(handle);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn a_runtime_that_panics_at_a_wake_takes_nothing_from_the_waker() {
    let (queue, runtime, wakers, alive) = stage();
    for by_value in [false, true] {
        let handle = task(&runtime, 2, &wakers, &alive);
        queue.settle();
        let waker = wakers.lock().unwrap().pop().unwrap();
        queue.panics.store(1, SeqCst);
        let kept = waker.clone();
        let woken = catch_unwind(AssertUnwindSafe(|| if by_value { waker.wake() } else { waker.wake_by_ref() }));
        assert!(woken.is_err(), "the panic is that of whoever wakes");
        queue.settle();
        assert!(block_on(handle).is_ok());
        drop(kept);
        wakers.lock().unwrap().clear();
    }
    // Every slot is free, so no block of theirs holds the runtime; a leak is AddressSanitizer's to find.
    drop(runtime);
    assert_eq!(Arc::strong_count(&queue), 1);
}

#[test]
fn kept_for_ever_and_woken_from_many_threads() {
    static KEPT: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
    for _ in 0..50 {
        let handles: Vec<_> = (0..20)
            .map(|n| {
                let mut polls = 0;
                runtime_glue::spawn(std::future::poll_fn(move |cx| {
                    polls += 1;
                    KEPT.lock().unwrap().push(cx.waker().clone());
                    cx.waker().wake_by_ref();
                    if polls > n % 3 { Poll::Ready(n) } else { Poll::Pending }
                }))
            })
            .collect();
        thread::scope(|os| {
            for part in 0..3 {
                os.spawn(move || {
                    let wakers: Vec<_> = KEPT.lock().unwrap().iter().skip(part).step_by(3).cloned().collect();
                    for (n, waker) in wakers.into_iter().enumerate() {
                        if n % 2 == 0 { waker.wake() } else { waker.wake_by_ref() }
                    }
                });
            }
        });
        let sum: i32 = handles.into_iter().map(|handle| block_on(handle).unwrap()).sum();
        assert_eq!(sum, 190);
    }
}

/// Wakes the next one of a ring when it is woken.
struct Ring {
    next: Mutex<Option<Waker>>,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        let next = self.next.lock().unwrap().take();
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[test]
fn join_wakers_that_wake_tasks_that_wake_join_wakers() {
    let (queue, runtime, wakers, alive) = stage();
    let mut joined = Vec::new();
    let mut last = None;
    for _ in 0..200 {
        let handle = task(&runtime, 2, &wakers, &alive);
        queue.settle();
        let own = wakers.lock().unwrap().pop();
        let ring = Arc::new(Ring { next: Mutex::new(last) });
        let mut joining = handle.into_future();
        assert!(Pin::new(&mut joining).poll(&mut Context::from_waker(&Waker::from(ring))).is_pending());
        joined.push(joining);
        last = own;
    }
    last.unwrap().wake();
    queue.settle();
    for joining in joined {
        assert!(block_on(joining).is_ok());
    }
}

#[test]
fn what_was_never_run_ends_with_its_runtime() {
    let (queue, runtime, wakers, alive) = stage();
    let handles: Vec<_> = (0..100).map(|_| task(&runtime, 3, &wakers, &alive)).collect();
    // The queue holds the works, and each task its runtime: letting the works go unties that.
    let works = std::mem::take(&mut *queue.works.lock().unwrap());
    drop(works);
    for handle in handles {
        assert!(matches!(block_on(handle), Err(JoinError::Cancelled(_))), "a plain future is dropped");
    }
    drop(runtime);
    assert_eq!(Arc::strong_count(&alive), 1);
    assert!(wakers.lock().unwrap().is_empty());
}
