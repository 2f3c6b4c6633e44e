//! `UringRuntime`: threads that each own a ring, park in it, and run tasks.
//!
//! A task that waits for I/O is woken on the thread whose ring it used, and goes to that thread's own queue; work from
//! elsewhere, and what is too much for one thread, goes to the shared queue (`queue.rs`).

mod queue;
mod worker;

use std::{
    fmt, io,
    num::NonZero,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Wake, Waker},
    thread,
    time::Duration,
};

use async_trait_core::{Async, Context};
use runtime_glue::{Runtime, RuntimeHandle, Waiting, Work};

use self::{queue::Queue, worker::Seat};
use crate::driver::{Driver, Mailbox, Wait};

const NAME: &str = "io_uring";

/// An executor whose threads each own an io_uring and wait in it.
///
/// Tasks of scopes and of `spawn` run on its threads, one for each core unless said otherwise; they are started when first
/// needed. [`block_on`](Self::block_on) runs its argument on the calling thread, with a ring of that thread's own.
///
/// An operation belongs to the ring of the thread on which it was first polled. Its task may move to another thread; the
/// operation stays, and a request to cancel it is sent there.
///
/// When the last clone is dropped the runtime shuts down: operations in flight are cancelled and waited for, tasks that are
/// left go to the rescue executor of `runtime-glue`, asked to finish, and the threads end. Nobody waits for that.
///
/// Where io_uring is forbidden it runs all the same, with its operations on a blocking pool: see [`driver`](Self::driver).
///
/// # Examples
/// ```
/// use async_io_uring::{UringRuntime, fs::File};
/// let runtime = UringRuntime::new()?;
/// let mut buf = [0; 2];
/// # let path = std::env::current_exe()?;
/// let file = runtime.block_on(File::open(path))?;
/// assert_eq!(runtime.block_on(file.read_at(&mut buf, 0))?, 2);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct UringRuntime {
    handle: Arc<Handle>,
}

impl UringRuntime {
    /// A runtime with one thread for each core.
    ///
    /// # Errors
    /// When no descriptor or memory is left. Not where io_uring is forbidden.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// A runtime with options.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { threads: None, entries: 256 }
    }

    /// Runs `a` to its end on the calling thread, whose own ring serves the operations in it.
    ///
    /// # Panics
    /// With the panic of `a`.
    ///
    /// # Cancellation
    /// There is none from outside; `a` can bring its own.
    pub fn block_on<A: Async>(&self, a: A) -> A::Output {
        let runtime = &self.handle.reference;
        Seat::with(&self.handle.queue, |seat| {
            let main = Arc::new(Main { woken: AtomicBool::new(true), mailbox: seat.mailbox() });
            let waker = Waker::from(Arc::clone(&main));
            let mut a = pin!(a);
            loop {
                // Acquire pairs with the Release of `wake_by_ref`.
                let woken = main.woken.swap(false, Ordering::Acquire);
                if woken {
                    let mut cx = Context::from_waker(&waker);
                    // SAFETY: *completed*: `a` is pinned on this stack frame, which is left only when it is complete: by returning its
                    // output or by its own unwinding, as nothing else in this loop unwinds (turns of the driver contain the panics of
                    // wakers, and `Work::run` those of tasks). *retired*: this returns on `Ready`.
                    let poll = unsafe { a.as_mut().poll_async(&mut cx.with_value(runtime)) };
                    if let Poll::Ready(output) = poll {
                        return output;
                    }
                }
                // Also if it wakes itself again and again: it may wait for a task that only this thread can run.
                if seat.run_some() || woken {
                    seat.turn(Wait::No, || true);
                } else {
                    seat.turn(Wait::Forever, || !main.woken.load(Ordering::Relaxed) && seat.is_idle());
                }
            }
        })
    }

    /// A handle that does not keep the runtime open: tasks that are spawned through it, and scopes that find it as the ambient
    /// runtime inside of [`block_on`](Self::block_on), end with the runtime.
    #[must_use]
    pub fn handle(&self) -> RuntimeHandle {
        self.handle.reference.clone()
    }

    /// Shuts the runtime down, as dropping its last clone does: operations in flight on its threads are cancelled, and its
    /// tasks run on elsewhere, asked to finish. Does not wait for that.
    pub fn shutdown(&self) {
        self.handle.queue.close();
    }

    /// What serves the operations of this runtime's threads.
    #[must_use]
    pub fn driver(&self) -> Driver {
        Driver::of_ring_threads()
    }
}

impl Runtime for UringRuntime {
    fn schedule(&self, work: Work) {
        self.handle.queue.schedule(work);
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        drive(&self.handle.queue, waiting);
    }

    fn name(&self) -> &str {
        NAME
    }
}

impl fmt::Debug for UringRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringRuntime").field("driver", &self.driver()).finish_non_exhaustive()
    }
}

/// Options for a [`UringRuntime`].
#[derive(Clone, Debug)]
pub struct Builder {
    threads: Option<usize>,
    entries: u32,
}

impl Builder {
    /// The number of threads for tasks. With 0 there is none: tasks run inside of [`UringRuntime::block_on`], on the thread that
    /// calls it.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The size of each ring's submission queue; a power of two, 256 unless said otherwise. More operations than that can be in
    /// flight.
    #[must_use]
    pub const fn entries(mut self, entries: u32) -> Self {
        self.entries = entries;
        self
    }

    /// Makes the runtime.
    ///
    /// # Errors
    /// When no descriptor or memory is left.
    pub fn build(self) -> io::Result<UringRuntime> {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads.unwrap_or_else(cores);
        let queue = Queue::new(threads, self.entries.clamp(1, 4096))?;
        let reference = RuntimeHandle::new(Reference(Arc::clone(&queue)));
        Ok(UringRuntime { handle: Arc::new(Handle { queue, reference }) })
    }
}

/// What the clones of a runtime share; the threads hold only the queue.
struct Handle {
    queue: Arc<Queue>,
    reference: RuntimeHandle,
}

/// How often a thread that blocks in `runtime_glue::block_on` looks whether another thread has woken it.
const GLANCE: Duration = Duration::from_millis(1);

/// Runs the ring of a thread that waits in `runtime_glue::block_on`, perhaps inside of a task: its operations go on.
///
/// Such a wait cannot be woken through the ring, so it looks from time to time; what completes on the ring is seen at once.
fn drive(queue: &Arc<Queue>, waiting: &mut Waiting<'_>) {
    Seat::with(queue, |seat| {
        while !waiting.poll() {
            if seat.run_some() {
                seat.turn(Wait::No, || true);
            } else {
                seat.turn(Wait::AtMost(GLANCE), || !waiting.is_woken() && seat.is_idle());
            }
        }
    });
}

/// The runtime as its own tasks know it: without keeping it open.
struct Reference(Arc<Queue>);

impl Runtime for Reference {
    fn schedule(&self, work: Work) {
        self.0.schedule(work);
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        drive(&self.0, waiting);
    }

    fn name(&self) -> &str {
        NAME
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Wakes a `block_on`.
struct Main {
    woken: AtomicBool,
    mailbox: &'static Mailbox,
}

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release pairs with the Acquire in `block_on`.
        if !self.woken.swap(true, Ordering::Release) {
            self.mailbox.notify();
        }
    }
}
