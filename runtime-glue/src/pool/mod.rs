//! `Pool`: the default runtime, several threads that steal from each other.
//!
//! - `ring.rs`: a worker's own queue; `cores.rs`: one per working thread, with a place for what comes next.
//! - `injector.rs`: the queue that all share; `gather.rs`: putting many into it at once.
//! - `idle.rs`: who sleeps, and who is woken.
//! - `worker.rs`: the loop; `shared.rs`: what holds it together.
//!
//! What it knows of a task is that a [`Work`] is one word. No lock is held while a task runs or is woken.

mod cores;
mod gather;
mod idle;
mod injector;
mod ring;
mod shared;
mod worker;

#[cfg(all(test, not(loom)))]
mod tests;

use std::{
    env, fmt,
    sync::{Arc, OnceLock},
};

use async_trait_core::Async;

pub(crate) use self::{gather::in_one_piece, worker::block_in_place};
use self::{
    shared::{Shared, Start},
    worker::{Worker, with_local},
};
use crate::{JoinHandle, Runtime, RuntimeHandle, Waiting, Work, current};

/// A runtime of several threads, the default one.
///
/// Tasks are run by its own threads, which are started when there is work for them, and by every thread that waits in
/// [`block_on`](Pool::block_on). A task that another task wakes or spawns usually runs on the same thread next; idle threads
/// steal what is more than that.
///
/// Cloning makes another handle. When the last one is dropped, or after [`shutdown`](Pool::shutdown), its threads finish what
/// they are polling and end; tasks that are not complete then are asked to finish, and run on by the rescue executor of the
/// process.
///
/// ```
/// let pool = runtime_glue::Pool::new(2);
/// let answer = pool.block_on(pool.spawn(async { 6 * 7 }));
/// assert_eq!(answer.unwrap(), 42);
/// ```
///
/// # Implementation notes
/// A poll that blocks its thread holds up what that thread had queued for no longer than some milliseconds, if other threads
/// are idle; and if it blocks in `block_on`, another thread is started in its place.
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// A pool with so many threads of its own. With none, only threads that wait in `block_on` run its tasks.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self::builder().threads(threads).build()
    }

    /// A pool with a name, or with the default number of threads.
    pub fn builder() -> PoolBuilder {
        PoolBuilder { threads: None, name: None, start: shared::start_thread }
    }

    /// How many threads it has of its own at most, not counting those that are blocked.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.idle.wanted()
    }

    /// Runs `a` to its end on the calling thread, which works for the pool while it waits. See
    /// [`block_on`](crate::block_on()).
    ///
    /// # Panics
    /// With the panic of `a`.
    pub fn block_on<A: Async>(&self, a: A) -> A::Output {
        RuntimeHandle::new(self.clone()).block_on(a)
    }

    /// Starts `a` on the pool. See [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<A>(&self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 'static,
        A::Output: Send + 'static,
    {
        RuntimeHandle::new(self.clone()).spawn(a)
    }

    /// Ends the pool although there are other handles to it. Its tasks are asked to finish
    /// ([`Reason::Shutdown`](async_trait_core::Reason::Shutdown)) and run on by the rescue executor.
    pub fn shutdown(&self) {
        self.shared.close();
    }
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        self.shared.add_handle();
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.drop_handle();
    }
}

impl Runtime for Pool {
    fn schedule(&self, work: Work) {
        with_local(|local| match local {
            Some(worker) if worker.is_of(&self.shared) => worker.schedule(work),
            _ => {
                if let Some(work) = gather::keep(&self.shared, work) {
                    self.shared.inject(work);
                }
            }
        });
    }

    fn drive(&self, waiting: &mut Waiting<'_>) {
        // Tasks are not run on top of a task or a blocking job: one of them may block until that has returned, which it could not
        // do before. If it is a task of the pool, `Waiting::park` tells its worker. Without threads nobody else would run them.
        let is_inside = || self.threads() > 0 && current::get_with(|_| ()).is_some();
        if with_local(|local| local.is_some_and(|worker| worker.is_of(&self.shared))) || is_inside() {
            while !waiting.poll() {
                waiting.park();
            }
        } else {
            let parker = Arc::clone(waiting.parker());
            Worker::new(&self.shared, parker, false).run_waiting(waiting);
        }
    }

    fn name(&self) -> &str {
        &self.shared.name
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.shared.name).field("threads", &self.threads()).finish()
    }
}

/// How a [`Pool`] is made. See [`Pool::builder`].
#[derive(Clone)]
#[must_use = "call `build`"]
pub struct PoolBuilder {
    threads: Option<usize>,
    name: Option<String>,
    start: Start,
}

impl PoolBuilder {
    /// How many threads the pool has of its own. By default as many as can run at the same time, or what the environment
    /// variable `RUNTIME_GLUE_THREADS` says.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The name of the pool and of its threads.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The pool. Its threads are started when there is work for them.
    #[must_use]
    pub fn build(self) -> Pool {
        let threads = self.threads.unwrap_or_else(default_threads).min(MOST_THREADS);
        let name = self.name.unwrap_or_else(|| "runtime-glue".to_owned());
        Pool { shared: Shared::new(threads, name, self.start) }
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder").field("threads", &self.threads).field("name", &self.name).finish()
    }
}

/// The counts in `Idle` have 16 bits, and there are guests.
const MOST_THREADS: usize = 1 << 12;

fn default_threads() -> usize {
    let wished = env::var("RUNTIME_GLUE_THREADS").ok().and_then(|value| value.parse().ok());
    wished.unwrap_or_else(shared::parallelism)
}

/// The pool of the process, which is never dropped.
pub(crate) fn default() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool::builder().build())
}
