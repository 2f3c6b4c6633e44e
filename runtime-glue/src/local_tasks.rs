//! `LocalTasks`: root tasks that are not `Send`, for a thread with a loop of its own, as that of a user interface.

use std::{
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    sync::Arc,
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use async_trait_core::{Async, Reason, poll_fn};

use crate::{
    JoinHandle, Runtime, RuntimeHandle, Work,
    block_on::block_on_with,
    contain::contain,
    sync::{Mutex, lock},
    task::{Alive, TaskOptions, TaskSet},
};

/// Tasks that stay on the thread that made them, and are run by its own loop.
///
/// When a task is ready, from whatever thread it is woken, `notify` is called once: send the loop an event there. When the loop
/// gets it, it calls [`run_ready`](LocalTasks::run_ready).
///
/// Dropping the value asks the tasks to finish and runs them to their end, on this thread, which waits for them. While the
/// thread is unwinding they are leaked instead, which is sound, since they are `'static`.
///
/// ```
/// use runtime_glue::LocalTasks;
/// use std::{cell::Cell, rc::Rc, sync::mpsc, time::Duration};
///
/// let (events, ready) = mpsc::channel();
/// let tasks = LocalTasks::new(move || events.send(()).unwrap());
/// let label = Rc::new(Cell::new("..."));
/// let shown = Rc::clone(&label);
/// let task = tasks.spawn(async move {
///     runtime_glue::sleep(Duration::from_millis(1)).await;
///     shown.set("done");
/// });
/// while !task.is_finished() {
///     ready.recv().unwrap();
///     tasks.run_ready(Duration::from_millis(4));
/// }
/// assert_eq!(label.get(), "done");
/// ```
pub struct LocalTasks {
    /// # Invariants
    /// Neither moved nor dropped while tasks are alive: `drop` waits for them, or leaks it.
    set: ManuallyDrop<Box<TaskSet>>,
    queue: Arc<Queue>,
    not_send: PhantomData<*const ()>,
}

/// The scheduler of the set: keeps every work until the thread runs it.
struct Queue {
    inner: Mutex<Inner>,
    notify: Box<dyn Fn() + Send + Sync>,
}

struct Inner {
    ready: VecDeque<Work>,
    /// `notify` was called, and the thread has not run everything since.
    is_notified: bool,
    /// What to wake instead, while the tasks are run to their end.
    ending: Option<Waker>,
}

impl LocalTasks {
    /// Tasks for the calling thread. `notify` is called, on any thread, when something is ready to run; it should be quick.
    #[must_use]
    pub fn new(notify: impl Fn() + Send + Sync + 'static) -> Self {
        let queue = Arc::new(Queue {
            inner: Mutex::new(Inner { ready: VecDeque::new(), is_notified: false, ending: None }),
            notify: Box::new(notify),
        });
        // SAFETY: the queue keeps every work until `run_one`, which only this value calls, which is not `Send`. It is not dropped
        // with work in it: `drop` waits until no task is left, or leaks it.
        let set = Box::new(unsafe { TaskSet::of_local_roots() });
        set.set_runtime(RuntimeHandle::from_arc(Arc::<Queue>::clone(&queue)), RuntimeHandle::current());
        // INVARIANT: on the heap, and dropped by `drop` alone.
        Self { set: ManuallyDrop::new(set), queue, not_send: PhantomData }
    }

    /// Starts a task, which is polled in the next [`run_ready`](Self::run_ready). The tasks have nothing to do with each other: a
    /// panic of one goes to its handle, and to nobody if that was dropped.
    #[track_caller]
    pub fn spawn<A: Async + 'static>(&self, a: A) -> JoinHandle<A::Output> {
        // SAFETY: the set keeps its invariant by that of this value. It is local and this is its thread. Nothing in `A` ends, and
        // the set's own share lives until `drop`.
        unsafe { self.set.spawn(a, TaskOptions::here()) }
    }

    /// Polls what is ready, in order, for about as long as `budget`, and at least one. Returns how many polls that were. If more
    /// is ready then, `notify` has been called again.
    pub fn run_ready(&self, budget: Duration) -> usize {
        let end = Instant::now().checked_add(budget);
        let mut polls = 0;
        while self.run_one() {
            polls += 1;
            if end.is_some_and(|end| Instant::now() >= end) {
                self.queue.notify_again();
                break;
            }
        }
        polls
    }

    fn run_one(&self) -> bool {
        let work = {
            let mut inner = lock(&self.queue.inner);
            let work = inner.ready.pop_front();
            // Whatever comes from now on is told of again.
            inner.is_notified &= work.is_some();
            work
        };
        let Some(work) = work else { return false };
        contain(|| work.run());
        true
    }

    /// Polls what is ready; true when no task is left.
    fn run_to_end(&self, waker: &Waker) -> bool {
        lock(&self.queue.inner).ending = Some(waker.clone());
        self.set.register_parent(waker);
        // Only what is ready now, so that the thread gets to its other duties.
        let ready = lock(&self.queue.inner).ready.len();
        for _ in 0..ready {
            self.run_one();
        }
        match self.set.live() {
            Alive::None => true,
            Alive::Finishing => {
                waker.wake_by_ref();
                false
            }
            Alive::Background | Alive::Some => false,
        }
    }
}

impl Drop for LocalTasks {
    fn drop(&mut self) {
        if thread::panicking() {
            // Waiting here could hang the unwinding thread. The set and the queue stay as they are, for ever.
            std::mem::forget(Arc::clone(&self.queue));
            return;
        }
        contain(|| self.set.cancel_with(Reason::Shutdown));
        self.set.body_done();
        let ambient = self.set.ambient().clone();
        let this = &*self;
        // SAFETY: it lends nothing to anybody; the tasks are `'static`.
        let end = unsafe { poll_fn(|cx| if this.run_to_end(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }) };
        block_on_with(&ambient, end);
        // SAFETY: `live` was `None`: no task is left, and nothing refers to the set. It is not used again.
        unsafe { ManuallyDrop::drop(&mut self.set) };
    }
}

impl fmt::Debug for LocalTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTasks").field("ready", &lock(&self.queue.inner).ready.len()).finish_non_exhaustive()
    }
}

impl Queue {
    /// The thread stops although there may be more.
    fn notify_again(&self) {
        let mut inner = lock(&self.inner);
        inner.is_notified = !inner.ready.is_empty();
        if inner.is_notified {
            drop(inner);
            (self.notify)();
        }
    }
}

impl Runtime for Queue {
    fn schedule(&self, work: Work) {
        let mut inner = lock(&self.inner);
        inner.ready.push_back(work);
        if let Some(waker) = inner.ending.clone() {
            drop(inner);
            waker.wake();
        } else if !std::mem::replace(&mut inner.is_notified, true) {
            drop(inner);
            (self.notify)();
        }
    }

    fn name(&self) -> &str {
        "local tasks"
    }
}
