//! `conformance::check`: the tests that an author of a [`Runtime`] runs against it, and what they say in words.
//!
//! ```
//! runtime_glue::conformance::check(runtime_glue::CurrentThread::new);
//! ```
//!
//! No runtime can make scopes unsound, however wrong it is; this finds what makes them hang, end early or run badly.

use std::{
    fmt::Write as _,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use async_trait_core::{Async, Context, Reason, yield_now};

use crate::{BlockingJob, JoinError, Runtime, RuntimeHandle, TimerKey, Waiting, Work, sleep_until};

/// How long one check may take before it is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks runtimes made by `make`, a new one for each check.
///
/// # Panics
/// With a list of what is wrong, in words, and what to do about it.
pub fn check<R: Runtime>(make: impl Fn() -> R) {
    let mut wrong = String::new();
    for &(name, check, hint) in CHECKS {
        let panics = Arc::new(Mutex::new(None));
        let runtime = RuntimeHandle::new(Watched { runtime: make(), panics: Arc::clone(&panics) });
        let result = supervised(runtime, check);
        let panic = panics.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_stuck = result.as_ref().is_err_and(|what| *what == stuck());
        let line = match (result, panic) {
            (Ok(()), None) => continue,
            (Err(what), None) => writeln!(wrong, "- {name}: {what}. {hint}"),
            (Ok(()), Some(panic)) => writeln!(wrong, "- {name}: `schedule` panicked: {panic}. {hint}"),
            (Err(what), Some(panic)) => writeln!(wrong, "- {name}: `schedule` panicked: {panic}; and {what}. {hint}"),
        };
        line.expect("writing to a string does not fail");
        if is_stuck {
            wrong.push_str("- the checks after that were not tried\n");
            break;
        }
    }
    assert!(wrong.is_empty(), "the runtime does not do what `Runtime` asks of it:\n{wrong}");
}

/// The runtime under check, and what `schedule` panicked with: on a thread of the runtime's own nobody else would hear of it.
struct Watched<R> {
    runtime: R,
    panics: Arc<Mutex<Option<String>>>,
}

impl<R: Runtime> Runtime for Watched<R> {
    fn schedule(&self, work: Work) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.runtime.schedule(work))) {
            let panic = crate::Panic::new(Some(panic));
            let message = panic.message().unwrap_or("with no message").to_owned();
            self.panics.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
            panic.resume();
        }
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.runtime.spawn_blocking(job);
    }

    fn sleep_until(&self, when: Instant, waker: &Waker) -> TimerKey {
        self.runtime.sleep_until(when, waker)
    }

    fn cancel_sleep(&self, key: TimerKey) {
        self.runtime.cancel_sleep(key);
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        self.runtime.drive(waiting);
    }

    fn name(&self) -> &str {
        self.runtime.name()
    }
}

type Check = fn(&RuntimeHandle) -> Result<(), String>;

const CHECKS: &[(&str, Check, &str)] = &[
    (
        "one task",
        one_task,
        "`schedule` puts the work into a queue; a thread of yours takes it out and calls `Work::run`",
    ),
    (
        "returns from `schedule`",
        schedule_returns,
        "`schedule` only queues: it neither runs the work nor waits for anything",
    ),
    (
        "keeps the work",
        keeps_the_work,
        "Dropping a `Work` hands its task to the rescue, which asks it to finish: queue it",
    ),
    ("many tasks", many_tasks, "Every `Work` that `schedule` is given must be run"),
    (
        "a task that wakes itself",
        wakes_itself,
        "`schedule` is also called from inside `Work::run`: hold no lock over it",
    ),
    ("wakes from other threads", wakes_from_threads, "`schedule` is called from any thread; wake yours when it comes"),
    ("two tasks that wake each other", ping_pong, "Work that comes while another runs must not be overlooked"),
    ("a blocking job", blocking_job, "`spawn_blocking` calls `BlockingJob::run` on a thread that may block"),
    (
        "many blocking jobs",
        many_blocking_jobs,
        "Jobs may wait for each other: give each a thread, up to a large number",
    ),
    ("timers", timers, "`sleep_until` wakes at its time, by the clock of `now`, and not before"),
    ("a timer that is taken back", timer_taken_back, "`cancel_sleep` takes the key that `sleep_until` returned"),
    (
        "nested `block_on`",
        nested_block_on,
        "A task may block its thread: `schedule` must go on elsewhere, or in `drive`",
    ),
];

/// Runs a check on a thread of its own, with a limit of time.
fn supervised(runtime: RuntimeHandle, check: Check) -> Result<(), String> {
    let (send, receive) = mpsc::channel();
    let started = thread::Builder::new().name("conformance".into()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| check(&runtime)));
        let result = result.unwrap_or_else(|panic| {
            let panic = crate::Panic::new(Some(panic));
            Err(format!("it panicked: {}", panic.message().unwrap_or("with no message")))
        });
        // Who waits may have given up.
        let _ = send.send(result);
        // A runtime whose destructor waits for its threads must not take the check with it.
        drop(runtime);
    });
    if let Err(error) = started {
        return Err(format!("no thread could be started for the check: {error}"));
    }
    receive.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(stuck()))
}

fn stuck() -> String {
    format!("it did not end within {PATIENCE:?}")
}

fn one_task(runtime: &RuntimeHandle) -> Result<(), String> {
    match runtime.block_on(runtime.spawn(async { 42 })) {
        Ok(42) => Ok(()),
        Ok(other) => Err(format!("the task's output is {other}, not 42")),
        Err(error) => Err(error.to_string()),
    }
}

fn schedule_returns(runtime: &RuntimeHandle) -> Result<(), String> {
    let returned = Arc::new(AtomicBool::new(false));
    let (seen, here) = (Arc::clone(&returned), thread::current().id());
    let begun = Instant::now();
    // Outside of any `block_on`, so that nothing may run on this thread.
    let task = runtime.spawn(async move { (seen.load(SeqCst), thread::current().id()) });
    returned.store(true, SeqCst);
    let took = begun.elapsed();
    let (had_returned, on) = runtime.block_on(task).map_err(|error| error.to_string())?;
    if !had_returned && on == here {
        return Err("the work ran inside `schedule`".into());
    }
    if took > PATIENCE / 10 {
        return Err(format!("`schedule` took {took:?}"));
    }
    Ok(())
}

/// Says whether it was asked to finish.
struct Asked(usize);

// SAFETY: it starts nothing and lends nothing.
unsafe impl Async for Asked {
    type Output = Option<Reason>;

    unsafe fn poll_async(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        if let Some(reason) = cx.cancel_reason() {
            return Poll::Ready(Some(reason));
        }
        self.0 -= 1;
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn keeps_the_work(runtime: &RuntimeHandle) -> Result<(), String> {
    for _ in 0..50 {
        match runtime.block_on(runtime.spawn(Asked(20))) {
            Ok(None) => {}
            Ok(Some(reason)) => return Err(format!("a task was asked to finish ({reason}): its work was dropped")),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

fn many_tasks(runtime: &RuntimeHandle) -> Result<(), String> {
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..2000)
        .map(|_| {
            let runs = Arc::clone(&runs);
            runtime.spawn(async move { runs.fetch_add(1, SeqCst) })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    })?;
    match runs.load(SeqCst) {
        2000 => Ok(()),
        other => Err(format!("2000 tasks were run {other} times")),
    }
}

fn wakes_itself(runtime: &RuntimeHandle) -> Result<(), String> {
    let task = runtime.spawn(async {
        for _ in 0..2000 {
            yield_now().await;
        }
    });
    runtime.block_on(task).map_err(|error| error.to_string())
}

/// A place where a task leaves its waker for a thread.
#[derive(Default)]
struct Bell(Mutex<(usize, Option<Waker>)>);

impl Bell {
    fn lock(&self) -> std::sync::MutexGuard<'_, (usize, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let mut bell = self.lock();
        bell.0 += 1;
        let waker = bell.1.take();
        drop(bell);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn rung(&self, times: usize) {
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut bell = self.lock();
            if bell.0 >= times {
                return Poll::Ready(());
            }
            let old = bell.1.replace(waker);
            drop(bell);
            drop(old);
            Poll::Pending
        })
        .await;
    }
}

fn wakes_from_threads(runtime: &RuntimeHandle) -> Result<(), String> {
    let bells: Vec<_> = (0..8).map(|_| Arc::new(Bell::default())).collect();
    let tasks: Vec<_> = bells
        .iter()
        .map(|bell| {
            let bell = Arc::clone(bell);
            runtime.spawn(async move {
                for times in 1..=100 {
                    bell.rung(times).await;
                }
            })
        })
        .collect();
    let ringer = thread::spawn(move || {
        for _ in 0..100 {
            for bell in &bells {
                bell.ring();
            }
            thread::yield_now();
        }
    });
    let result = runtime.block_on(async {
        for task in tasks {
            task.await.map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    ringer.join().map_err(|_| "a wake from another thread panicked".to_owned())?;
    result
}

fn ping_pong(runtime: &RuntimeHandle) -> Result<(), String> {
    let (ping, pong) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let (there, back) = (Arc::clone(&ping), Arc::clone(&pong));
    let other = runtime.spawn(async move {
        for times in 1..=1000 {
            there.rung(times).await;
            back.ring();
        }
    });
    let this = runtime.spawn(async move {
        for times in 1..=1000 {
            ping.ring();
            pong.rung(times).await;
        }
    });
    runtime.block_on(async { this.await.and(other.await).map_err(|error: JoinError| error.to_string()) })
}

/// A runtime's blocking jobs are reached through a task set; a root scope of one.
fn blocking_job(runtime: &RuntimeHandle) -> Result<(), String> {
    let handle = crate::task::spawn_blocking_static(runtime.clone(), |_| 42);
    match runtime.block_on(handle) {
        Ok(42) => Ok(()),
        Ok(other) => Err(format!("the job's output is {other}, not 42")),
        Err(error) => Err(error.to_string()),
    }
}

fn many_blocking_jobs(runtime: &RuntimeHandle) -> Result<(), String> {
    let barrier = Arc::new(std::sync::Barrier::new(8));
    let jobs: Vec<_> = (0..8)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            crate::task::spawn_blocking_static(runtime.clone(), move |_| barrier.wait().is_leader())
        })
        .collect();
    runtime.block_on(async {
        for job in jobs {
            job.await.map_err(|error| error.to_string())?;
        }
        Ok(())
    })
}

fn timers(runtime: &RuntimeHandle) -> Result<(), String> {
    let clock = runtime.clone();
    let task = runtime.spawn(async move {
        let mut late = Vec::new();
        for ms in [0, 1, 5, 20] {
            let until = clock.now() + Duration::from_millis(ms);
            sleep_until(until).await;
            late.push(clock.now() >= until);
        }
        late
    });
    let late = runtime.block_on(task).map_err(|error| error.to_string())?;
    if late.contains(&false) { Err("a timer fired before its time".into()) } else { Ok(()) }
}

fn timer_taken_back(runtime: &RuntimeHandle) -> Result<(), String> {
    let clock = runtime.clone();
    let task = runtime.spawn(async move {
        let far = clock.now() + Duration::from_secs(3600);
        for _ in 0..100 {
            let mut sleep = Box::pin(sleep_until(far));
            poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
        }
        sleep_until(clock.now() + Duration::from_millis(1)).await;
    });
    runtime.block_on(task).map_err(|error| error.to_string())
}

fn nested_block_on(runtime: &RuntimeHandle) -> Result<(), String> {
    let inner = runtime.clone();
    let task = runtime.spawn(async move { inner.block_on(inner.spawn(async { 42 })).ok() });
    match runtime.block_on(task) {
        Ok(Some(42)) => Ok(()),
        Ok(other) => Err(format!("the inner task's output is {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}
