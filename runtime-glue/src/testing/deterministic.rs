//! `Deterministic`: a runtime on one thread whose schedule is chosen step by step, with virtual time.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    mem, process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use async_trait_core::Async;

use super::choice::Choices;
use crate::{BlockingJob, JoinHandle, Runtime, RuntimeHandle, TimerKey, Waiting, Work};

/// How long it waits for a wake from outside before it says that the program is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// A runtime for tests: one thread, a schedule drawn from a seed, and virtual time, which passes only when nothing is ready.
///
/// Tasks and blocking jobs run on the thread that is in [`block_on`](Self::block_on), one at a time, the next chosen among all
/// that are ready. A sleep takes no time: when nothing is ready the clock jumps to the next timer. A program in which nothing is
/// ready, no timer is set and nobody outside wakes anything for ten seconds is stuck: its trace is printed and the process
/// aborted, since what was started can be neither completed nor dropped.
pub struct Deterministic {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
}

struct State {
    choices: Choices,
    ready: Vec<Ready>,
    /// By time, then in the order in which they were set.
    timers: BTreeMap<(Instant, u64), Waker>,
    keys: BTreeMap<u64, Instant>,
    next_key: u64,
    start: Instant,
    now: Instant,
    steps: Vec<Step>,
    /// Ends the park of the thread that drives.
    unpark: Option<Waker>,
    /// The `Deterministic` is gone: nobody drives any more.
    closed: bool,
}

enum Ready {
    Work(Work),
    Job(BlockingJob),
}

/// A step of the schedule, for the trace.
enum Step {
    Root { of: usize },
    Work { chosen: usize, of: usize },
    Job { chosen: usize, of: usize },
    Time(Duration),
}

impl Deterministic {
    /// A runtime whose schedule is drawn from `seed`.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        Self::with_choices(Choices::Seeded(seed))
    }

    pub(super) fn with_choices(choices: Choices) -> Self {
        let start = Instant::now();
        let state = State {
            choices,
            ready: Vec::new(),
            timers: BTreeMap::new(),
            keys: BTreeMap::new(),
            next_key: 0,
            start,
            now: start,
            steps: Vec::new(),
            unpark: None,
            closed: false,
        };
        Self { inner: Arc::new(Inner { state: Mutex::new(state) }) }
    }

    pub(super) fn take_choices(&self) -> Choices {
        mem::replace(&mut self.inner.lock().choices, Choices::Seeded(0))
    }

    /// Runs `a` to its end on this thread, and meanwhile the tasks.
    ///
    /// # Panics
    /// With the panic of `a`.
    pub fn block_on<A: Async>(&self, a: A) -> A::Output {
        self.handle().block_on(a)
    }

    /// Starts `a`, which runs in the next [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn<A>(&self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 'static,
        A::Output: Send + 'static,
    {
        self.handle().spawn(a)
    }

    /// A handle, for `ScopeOptions::on` and the like.
    #[must_use]
    pub fn handle(&self) -> RuntimeHandle {
        RuntimeHandle::from_arc(Arc::clone(&self.inner) as Arc<dyn Runtime>)
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.lock().now
    }

    /// The steps of the schedule up to now, a line each.
    #[must_use]
    pub fn trace(&self) -> String {
        self.inner.lock().trace()
    }
}

/// What is left goes to the rescue, and from then on no sleep takes any time.
impl Drop for Deterministic {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.closed = true;
        let ready = mem::take(&mut state.ready);
        let timers = mem::take(&mut state.timers);
        drop(state);
        drop(ready);
        for (_, waker) in timers {
            waker.wake();
        }
    }
}

impl fmt::Debug for Deterministic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.lock();
        f.debug_struct("Deterministic").field("steps", &state.steps.len()).field("ready", &state.ready.len()).finish()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ready: Ready) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            drop(ready);
            return;
        }
        state.ready.push(ready);
        let unpark = state.unpark.clone();
        drop(state);
        // The waker is this crate's own parker's.
        if let Some(unpark) = unpark {
            unpark.wake();
        }
    }
}

impl State {
    fn trace(&self) -> String {
        let mut text = String::new();
        let mut time = Duration::ZERO;
        for (number, step) in self.steps.iter().enumerate() {
            let line = match step {
                Step::Root { of } => writeln!(text, "{number:5} {time:?}: the root, of {of} ready"),
                Step::Work { chosen, of } => writeln!(text, "{number:5} {time:?}: task {chosen} of {of} ready"),
                Step::Job { chosen, of } => writeln!(text, "{number:5} {time:?}: blocking job {chosen} of {of} ready"),
                Step::Time(to) => {
                    time = *to;
                    writeln!(text, "{number:5} the time is {time:?}")
                }
            };
            line.expect("writing to a string does not fail");
        }
        text
    }

    /// Lets the time jump to the next timer, and takes those that are due.
    fn advance(&mut self) -> Vec<Waker> {
        let Some((&(at, _), _)) = self.timers.first_key_value() else { return Vec::new() };
        self.now = self.now.max(at);
        self.steps.push(Step::Time(self.now - self.start));
        let mut due = Vec::new();
        while let Some(entry) = self.timers.first_entry() {
            let (at, key) = *entry.key();
            if at > self.now {
                break;
            }
            due.push(entry.remove());
            self.keys.remove(&key);
        }
        due
    }
}

impl Runtime for Inner {
    fn schedule(&self, work: Work) {
        self.push(Ready::Work(work));
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.push(Ready::Job(job));
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        let waker = waker.clone();
        let mut state = self.lock();
        state.next_key += 1;
        let key = state.next_key;
        if when <= state.now || state.closed {
            state.now = state.now.max(when);
            drop(state);
            waker.wake();
        } else {
            state.timers.insert((when, key), waker);
            state.keys.insert(key, when);
        }
        TimerKey::new(key)
    }

    fn cancel_sleep(&self, key: TimerKey) {
        let mut state = self.lock();
        let gone = state.keys.remove(&key.get()).and_then(|when| state.timers.remove(&(when, key.get())));
        drop(state);
        drop(gone);
    }

    fn now(&self) -> Instant {
        self.lock().now
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        let mut idle_since = None;
        loop {
            let woken = waiting.is_woken();
            let mut state = self.lock();
            state.unpark = Some(waiting.unparker());
            let of = state.ready.len() + usize::from(woken);
            if of > 0 {
                idle_since = None;
                let chosen = state.choices.choose(of);
                if chosen == state.ready.len() {
                    state.steps.push(Step::Root { of });
                    drop(state);
                    if waiting.poll() {
                        return;
                    }
                    continue;
                }
                let ready = state.ready.remove(chosen);
                state.steps.push(match ready {
                    Ready::Work(_) => Step::Work { chosen, of },
                    Ready::Job(_) => Step::Job { chosen, of },
                });
                drop(state);
                match ready {
                    Ready::Work(work) => work.run(),
                    Ready::Job(job) => job.run(),
                }
                continue;
            }
            let due = state.advance();
            drop(state);
            if due.is_empty() {
                let since = *idle_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    eprintln!(
                        "runtime-glue: the deterministic runtime is stuck: nothing is ready, no timer is set, and nobody woke \
                         anything for {PATIENCE:?}; aborting\n{}",
                        self.lock().trace()
                    );
                    process::abort();
                }
                waiting.park_timeout(PATIENCE);
            }
            for waker in due {
                waker.wake();
            }
        }
    }

    fn name(&self) -> &str {
        "deterministic"
    }
}
