//! `Runtime`: the hook that an executor implements, and `RuntimeHandle`, the cheap handle through which all else uses it.
//!
//! A safe trait with one required method. Whatever an implementation does (drop the work, run it inline, panic, shut down)
//! stays sound: see `work.rs` and `rescue.rs`.

use std::{fmt, sync::Arc, task::Waker, time::Instant};

use async_trait_core::Async;

use crate::{BlockingJob, JoinHandle, TimerKey, Waiting, Work};

/// An executor, as the crates of this workspace need it.
///
/// # How to write one
/// 1. [`schedule`](Runtime::schedule): put the [`Work`] into your queue and return. It may be called from any thread, also
///    from a task that your executor is running right now.
/// 2. Where your threads take from that queue, call [`Work::run`].
/// 3. Keep the defaults for the rest, or send blocking jobs to your own pool and timers to your own timers.
/// 4. Run `runtime_glue::conformance::check(|| my_runtime)` in a test.
///
/// ```
/// use runtime_glue::{Runtime, RuntimeHandle, Work};
/// use std::sync::mpsc;
///
/// #[derive(Clone)]
/// struct Queue(mpsc::Sender<Work>);
///
/// impl Runtime for Queue {
///     fn schedule(&self, work: Work) {
///         let _ = self.0.send(work); // a closed queue drops the work, which rescues it
///     }
/// }
///
/// let (sender, receiver) = mpsc::channel::<Work>();
/// std::thread::spawn(move || receiver.into_iter().for_each(Work::run));
/// let runtime = RuntimeHandle::new(Queue(sender));
/// assert_eq!(runtime.block_on(runtime.spawn(async { 6 * 7 })).unwrap(), 42);
/// ```
///
/// # What happens when it errs
/// Dropped work is run to its end by the rescue executor of the process, asked to finish with
/// [`Reason::Shutdown`](async_trait_core::Reason::Shutdown). Forgotten work hangs its scope. A panic in `schedule` is
/// reported through the scope whose task was scheduled. An implementation that runs work inline is not recursed into deeper
/// than 64 calls.
pub trait Runtime: Send + Sync + 'static {
    /// Runs `work` soon, once, on any thread.
    fn schedule(&self, work: Work);

    /// Runs `job` soon, once, on a thread that may block. By default on the blocking pool of this crate.
    fn spawn_blocking(&self, job: BlockingJob) {
        crate::blocking::spawn(job);
    }

    /// Wakes `waker` at `when`, or soon after. By default with the timer of this crate.
    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        crate::timer::register(when, waker)
    }

    /// Takes back a [`sleep_until`](Runtime::sleep_until); nothing happens if it has fired.
    fn cancel_sleep(&self, key: TimerKey) {
        crate::timer::cancel(key);
    }

    /// The time that timers go by. A runtime with virtual time overrides it together with the two methods above.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Waits on the calling thread, in [`block_on`](crate::block_on()), until what it waits for is complete.
    ///
    /// The default sleeps between two polls. A runtime that has no thread of its own, or wants to use this one meanwhile, runs
    /// its work here:
    ///
    /// ```
    /// use runtime_glue::{Runtime, RuntimeHandle, Waiting, Work};
    /// use std::{collections::VecDeque, sync::Mutex, task::Waker};
    ///
    /// #[derive(Default)]
    /// struct OneThread {
    ///     queue: Mutex<VecDeque<Work>>,
    ///     driver: Mutex<Option<Waker>>,
    /// }
    ///
    /// impl Runtime for OneThread {
    ///     fn schedule(&self, work: Work) {
    ///         self.queue.lock().unwrap().push_back(work);
    ///         let driver = self.driver.lock().unwrap().clone();
    ///         driver.into_iter().for_each(Waker::wake);
    ///     }
    ///
    ///     fn drive(&self, waiting: &mut Waiting<'_>) {
    ///         *self.driver.lock().unwrap() = Some(waiting.unparker());
    ///         while !waiting.poll() {
    ///             let next = self.queue.lock().unwrap().pop_front();
    ///             match next {
    ///                 Some(work) => work.run(),
    ///                 None => waiting.park(),
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let runtime = RuntimeHandle::new(OneThread::default());
    /// assert_eq!(runtime.block_on(runtime.spawn(async { 6 * 7 })).unwrap(), 42);
    /// ```
    ///
    /// If it returns or panics before that, `block_on` waits on by itself.
    fn drive(&self, waiting: &mut Waiting<'_>) {
        while !waiting.poll() {
            waiting.park();
        }
    }

    /// A name for reports.
    fn name(&self) -> &str {
        "unnamed runtime"
    }
}

impl<R: Runtime + ?Sized> Runtime for Arc<R> {
    fn schedule(&self, work: Work) {
        (**self).schedule(work);
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        (**self).spawn_blocking(job);
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        (**self).sleep_until(when, waker)
    }

    fn cancel_sleep(&self, key: TimerKey) {
        (**self).cancel_sleep(key);
    }

    fn now(&self) -> Instant {
        (**self).now()
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        (**self).drive(waiting);
    }

    fn name(&self) -> &str {
        (**self).name()
    }
}

/// A handle to a [`Runtime`], cheap to clone. An executor's [`Context`](async_trait_core::Context) carries it, so that scopes find their runtime.
#[derive(Clone)]
pub struct RuntimeHandle {
    inner: Inner,
}

#[derive(Clone)]
enum Inner {
    /// A runtime that is never dropped needs no counting, which would cost two contended operations on each wake.
    Static(&'static dyn Runtime),
    Counted(Arc<dyn Runtime>),
}

impl RuntimeHandle {
    /// A handle to `runtime`.
    pub fn new(runtime: impl Runtime) -> Self {
        Self::from_arc(Arc::new(runtime))
    }

    /// A handle to a shared runtime.
    #[must_use]
    pub fn from_arc(runtime: Arc<dyn Runtime>) -> Self {
        Self { inner: Inner::Counted(runtime) }
    }

    /// A handle to a runtime that lives as long as the process: wakes through it count no references.
    #[must_use]
    pub const fn from_static(runtime: &'static dyn Runtime) -> Self {
        Self { inner: Inner::Static(runtime) }
    }

    /// The runtime of code that has no [`Context`](async_trait_core::Context) at hand: that of the task that this thread is polling, else the default
    /// pool, which is started by its first use.
    #[must_use]
    pub fn current() -> Self {
        crate::current::handle()
    }

    /// The runtime that a poll should use: the ambient one of its context, else [`current`](Self::current).
    #[must_use]
    pub fn of(cx: &async_trait_core::Context<'_>) -> Self {
        cx.get::<Self>().cloned().unwrap_or_else(Self::current)
    }

    /// Runs `a` to its end on the calling thread, with this runtime as the ambient one. See [`block_on`](crate::block_on()).
    ///
    /// # Panics
    /// With the panic of `a`.
    pub fn block_on<A: Async>(&self, a: A) -> A::Output {
        crate::block_on::block_on_with(self, a)
    }

    /// Starts `a` on this runtime. See [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<A>(&self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 'static,
        A::Output: Send + 'static,
    {
        crate::task::spawn_static(self.clone(), a)
    }

    pub(crate) fn as_dyn(&self) -> &dyn Runtime {
        match &self.inner {
            Inner::Static(runtime) => *runtime,
            Inner::Counted(runtime) => &**runtime,
        }
    }
}

impl Runtime for RuntimeHandle {
    fn schedule(&self, work: Work) {
        self.as_dyn().schedule(work);
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.as_dyn().spawn_blocking(job);
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        self.as_dyn().sleep_until(when, waker)
    }

    fn cancel_sleep(&self, key: TimerKey) {
        self.as_dyn().cancel_sleep(key);
    }

    fn now(&self) -> Instant {
        self.as_dyn().now()
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        self.as_dyn().drive(waiting);
    }

    fn name(&self) -> &str {
        self.as_dyn().name()
    }
}

impl fmt::Debug for RuntimeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuntimeHandle").field(&self.name()).finish()
    }
}
