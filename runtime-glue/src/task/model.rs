//! Loom models of the hand-written protocols of this module: the state word with the payload and the output it guards, the
//! join waker, and the last touch of the count. Run with `cargo xtask soundness`.
//!
//! Loom explores every interleaving and every allowed reordering; its `UnsafeCell` reports a racing access, and its `Arc` a
//! leak. What may be touched only by its owner is such a cell here.

use loom::{
    cell::UnsafeCell,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use super::{
    count::{Count, Live},
    panics::PanicCell,
    set::{Alive, TaskSet},
    state::{Finish, Join, Kind, State, Suspend, Wake},
};

/// Explores the schedules with at most three preemptions: that finds what these protocols can get wrong (each mutant listed in
/// SOUNDNESS.md is caught) in seconds rather than hours.
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A task as the models see it: the payload, the output and the join waker are plain cells, guarded by the state.
struct Task {
    state: State,
    polls: UnsafeCell<usize>,
    output: UnsafeCell<Option<usize>>,
    joiner: UnsafeCell<Option<Arc<AtomicUsize>>>,
    freed: AtomicUsize,
    queue: loom::sync::Mutex<usize>,
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: State::spawned(Kind::default()),
            polls: UnsafeCell::new(0),
            output: UnsafeCell::new(None),
            joiner: UnsafeCell::new(None),
            freed: AtomicUsize::new(0),
            queue: loom::sync::Mutex::new(1),
        })
    }

    fn wake(&self) {
        if self.state.wake() == Wake::Schedule {
            *self.queue.lock().unwrap() += 1;
        }
    }

    fn release(&self) {
        if self.state.release() {
            self.free();
        }
    }

    fn free(&self) {
        assert_eq!(self.freed.fetch_add(1, SeqCst), 0, "freed twice");
        // Nobody may be looking at anything any more.
        self.output.with_mut(|_| ());
        self.polls.with_mut(|_| ());
        self.joiner.with_mut(|_| ());
    }

    /// Runs what is queued; a poll is ready when it is the `ready_at`th.
    fn run(&self, ready_at: usize) {
        loop {
            {
                let mut queue = self.queue.lock().unwrap();
                if *queue == 0 {
                    return;
                }
                *queue -= 1;
            }
            self.state.begin();
            let polls = self.polls.with_mut(|polls| {
                // SAFETY: this thread is the owner; loom checks it.
                unsafe {
                    *polls += 1;
                    *polls
                }
            });
            if polls < ready_at {
                if self.state.suspend() == Suspend::Again {
                    *self.queue.lock().unwrap() += 1;
                }
                continue;
            }
            self.complete();
            return;
        }
    }

    fn complete(&self) {
        let mut output = Some(7);
        let finish = loop {
            if self.state.is_wanted() && output.is_some() {
                // SAFETY: the cell is the completer's until `finish`; loom checks it.
                self.output.with_mut(|cell| unsafe { *cell = output.take() });
                match self.state.finish(true) {
                    // SAFETY: as above.
                    Finish::Unwanted => output = self.output.with_mut(|cell| unsafe { (*cell).take() }),
                    finish => break finish,
                }
            } else {
                break self.state.finish(false);
            }
        };
        match finish {
            Finish::WakeJoiner => {
                // SAFETY: `JWAKER` was set with `DONE`; loom checks it.
                let waker = self.joiner.with_mut(|cell| unsafe { (*cell).take() }).expect("JWAKER means filled");
                waker.fetch_add(1, SeqCst);
                self.release();
            }
            Finish::Released(true) => self.free(),
            Finish::Released(false) => {}
            Finish::Unwanted => unreachable!(),
        }
    }

    fn poll_join(&self, waker: &Arc<AtomicUsize>) -> Option<usize> {
        match self.state.claim_output() {
            // SAFETY: claimed; loom checks it.
            Join::Mine => return self.output.with_mut(|cell| unsafe { (*cell).take() }),
            Join::Taken => panic!("nobody else takes it"),
            Join::Pending => {}
        }
        if !self.state.take_join_waker() && self.state.is_done() {
            return self.poll_join(waker);
        }
        // SAFETY: `JWAKER` is not set; loom checks it.
        self.joiner.with_mut(|cell| unsafe { *cell = Some(Arc::clone(waker)) });
        if self.state.set_join_waker() {
            return None;
        }
        // SAFETY: not set, so still the handle's; loom checks it.
        self.joiner.with_mut(|cell| unsafe { *cell = None });
        self.poll_join(waker)
    }

    fn drop_handle(&self) {
        let detached = self.state.detach();
        if detached.waker {
            // SAFETY: taken back; loom checks it.
            self.joiner.with_mut(|cell| unsafe { *cell = None });
        }
        if detached.output {
            // SAFETY: claimed; loom checks it.
            self.output.with_mut(|cell| unsafe { *cell = None });
        }
        self.release();
    }
}

#[test]
fn a_wake_during_a_poll_is_not_lost() {
    check(|| {
        let task = Task::new();
        task.state.retain();
        let waker = {
            let task = Arc::clone(&task);
            thread::spawn(move || {
                task.wake();
                task.release();
            })
        };
        task.run(2);
        waker.join().unwrap();
        // Whatever the order: after the wake the task is queued, or was polled a second time.
        task.run(2);
        assert!(task.state.is_done());
        task.drop_handle();
        assert_eq!(task.freed.load(SeqCst), 1);
    });
}

#[test]
fn two_wakers_and_the_owner() {
    check(|| {
        let task = Task::new();
        task.run(3);
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                task.state.retain();
                let task = Arc::clone(&task);
                thread::spawn(move || {
                    task.wake();
                    task.run(3);
                    task.release();
                })
            })
            .collect();
        for waker in wakers {
            waker.join().unwrap();
        }
        while !task.state.is_done() {
            task.wake();
            task.run(3);
        }
        task.drop_handle();
        assert_eq!(task.freed.load(SeqCst), 1);
    });
}

#[test]
fn joiner_races_completion() {
    check(|| {
        let task = Task::new();
        let woken = Arc::new(AtomicUsize::new(0));
        let runner = {
            let task = Arc::clone(&task);
            thread::spawn(move || task.run(1))
        };
        let mut output = task.poll_join(&woken);
        if output.is_none() {
            // A second poll with another waker, as after a move to another parent.
            let other = Arc::new(AtomicUsize::new(0));
            output = task.poll_join(&other);
            if output.is_none() {
                runner.join().unwrap();
                assert_eq!(other.load(SeqCst), 1, "the last waker is woken");
                output = task.poll_join(&other);
            } else {
                runner.join().unwrap();
            }
        } else {
            runner.join().unwrap();
        }
        assert_eq!(output, Some(7));
        task.drop_handle();
        assert_eq!(task.freed.load(SeqCst), 1);
    });
}

#[test]
fn handle_dropped_while_it_completes() {
    check(|| {
        let task = Task::new();
        let woken = Arc::new(AtomicUsize::new(0));
        let runner = {
            let task = Arc::clone(&task);
            thread::spawn(move || task.run(1))
        };
        let _ = task.poll_join(&woken);
        task.drop_handle();
        runner.join().unwrap();
        assert_eq!(task.freed.load(SeqCst), 1);
    });
}

#[test]
fn cancel_walk_races_completion() {
    check(|| {
        let task = Task::new();
        let runner = {
            let task = Arc::clone(&task);
            thread::spawn(move || task.run(1))
        };
        if task.state.retain_unfinished() {
            task.wake();
            task.release();
        }
        task.drop_handle();
        runner.join().unwrap();
        task.run(1);
        assert_eq!(task.freed.load(SeqCst), 1);
    });
}

/// The parent's frame: freed when the count says so, after which nobody may touch it.
struct Frame {
    count: Count,
    waker: loom::sync::Mutex<Option<usize>>,
    alive: UnsafeCell<bool>,
    woken: AtomicUsize,
    freed: AtomicBool,
}

impl Frame {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            count: Count::new(),
            waker: loom::sync::Mutex::new(None),
            alive: UnsafeCell::new(true),
            woken: AtomicUsize::new(0),
            freed: AtomicBool::new(false),
        })
    }

    fn task_ends(&self, background: bool) {
        // Uses the frame: must be before it is freed.
        let waker = {
            // SAFETY: a read while the task has its share; loom checks that it does not race with the freeing.
            self.alive.with(|alive| assert!(unsafe { *alive }));
            self.count.fall(background, || {
                self.alive.with(|alive| {
                    // SAFETY: as above: the take is before the last touch.
                    assert!(unsafe { *alive });
                });
                self.waker.lock().unwrap().take()
            })
        };
        if let Some(waker) = waker {
            // The waker is owned: this is not the frame, but what it points to.
            self.woken.fetch_add(waker, SeqCst);
        }
    }

    /// One poll of the parent. True: the frame is freed.
    fn poll(&self) -> bool {
        *self.waker.lock().unwrap() = Some(1);
        match self.count.live() {
            Live::None => {
                // SAFETY: nobody touches it any more; loom checks it.
                self.alive.with_mut(|alive| unsafe { *alive = false });
                self.freed.store(true, SeqCst);
                true
            }
            Live::Finishing => {
                self.woken.fetch_add(1, SeqCst);
                false
            }
            Live::Some | Live::Background => false,
        }
    }
}

#[test]
fn the_last_touch_is_the_last() {
    check(|| {
        let frame = Frame::new();
        frame.count.rise(false);
        frame.count.rise(false);
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let frame = Arc::clone(&frame);
                thread::spawn(move || frame.task_ends(false))
            })
            .collect();
        frame.count.body_done();
        // Polled for another reason at any time.
        let mut freed = frame.poll();
        for task in tasks {
            task.join().unwrap();
        }
        if !freed {
            assert!(frame.woken.load(SeqCst) > 0, "the parent was not woken");
            freed = frame.poll();
        }
        assert!(freed);
    });
}

#[test]
fn the_last_ordinary_task_wakes_the_parent_for_the_background() {
    check(|| {
        let frame = Frame::new();
        frame.count.rise(false);
        frame.count.rise(true);
        let ordinary = {
            let frame = Arc::clone(&frame);
            thread::spawn(move || frame.task_ends(false))
        };
        frame.count.body_done();
        let freed = frame.poll();
        assert!(!freed);
        let background = {
            let frame = Arc::clone(&frame);
            thread::spawn(move || frame.task_ends(true))
        };
        ordinary.join().unwrap();
        background.join().unwrap();
        assert!(frame.woken.load(SeqCst) > 0, "the parent was not woken");
        assert!(frame.poll());
    });
}

#[test]
fn a_pin_is_refused_or_counts() {
    check(|| {
        let frame = Frame::new();
        frame.count.rise(false);
        frame.count.body_done();
        let task = {
            let frame = Arc::clone(&frame);
            thread::spawn(move || frame.task_ends(false))
        };
        if frame.count.try_rise() {
            frame.task_ends(false);
        }
        task.join().unwrap();
        assert!(frame.poll());
    });
}

/// The handle of a panicked task is dropped, on a thread of its own, while the scope ends: the panic is the scope's, which must
/// not be touched afterwards.
#[test]
fn a_panic_is_not_lost_between_its_handle_and_its_scope() {
    check(|| {
        let set = Box::new(TaskSet::new());
        let cell = PanicCell::new(Box::new("panic"), Some(&set));
        let handle = thread::spawn(move || cell.unobserved());
        set.body_done();
        while set.live() != Alive::None {
            thread::yield_now();
        }
        assert!(set.take_panic().is_some(), "somebody has swallowed it");
        // Here its frame is freed: nobody may have a share, or take one any more.
        assert_eq!(set.live(), Alive::None, "somebody has a share of a scope that has ended");
        handle.join().unwrap();
        assert_eq!(set.live(), Alive::None);
    });
}

#[test]
fn every_rescued_item_finds_a_thread() {
    check(|| {
        let queue = Arc::new(crate::rescue::Queue::new());
        let done = Arc::new(AtomicUsize::new(0));
        let pusher = {
            let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
            move || {
                let (of_thread, done) = (Arc::clone(&queue), Arc::clone(&done));
                let started = queue.push((), move || {
                    thread::spawn(move || {
                        while of_thread.try_pop().is_some() {
                            done.fetch_add(1, SeqCst);
                        }
                    });
                    true
                });
                assert!(started);
            }
        };
        let other = thread::spawn(pusher.clone());
        pusher();
        other.join().unwrap();
        // Each push started a thread or was promised one: helpers and threads together leave nothing.
        while queue.try_pop().is_some() {
            done.fetch_add(1, SeqCst);
        }
    });
}
