//! The runtimes that the peers run on, and small futures that all of them share.

pub(crate) mod bare;
pub(crate) mod court;
pub(crate) mod signals;

use std::{
    future::{self, Future, poll_fn},
    sync::Arc,
    task::Poll,
    thread,
};

use async_executor::Executor;
use runtime_glue::{Pool, RuntimeHandle};

/// How many threads work where there is more than one.
pub(crate) const WORKERS: usize = 2;

/// This workspace's pool. It lives as long as the process, as the default pool does.
pub(crate) fn pool() -> RuntimeHandle {
    RuntimeHandle::from_static(Box::leak(Box::new(Pool::new(WORKERS))))
}

pub(crate) fn tokio_current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("tokio starts")
}

pub(crate) fn tokio_workers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).build().expect("tokio starts")
}

/// tokio's threads, and the work begun on one of them: begun from outside, each of its wakes would go through the shared queue.
pub(crate) fn on_tokio<F>(runtime: &tokio::runtime::Runtime, work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    runtime.block_on(async { tokio::spawn(work).await.expect("it does not panic") })
}

/// async-executor with threads.
pub(crate) fn executor() -> Arc<Executor<'static>> {
    let executor = Arc::new(Executor::new());
    for _ in 0..WORKERS {
        let executor = Arc::clone(&executor);
        thread::spawn(move || futures_lite::future::block_on(executor.run(future::pending::<()>())));
    }
    executor
}

/// The work begun on one of its threads, as with tokio.
pub(crate) fn on_executor<F>(executor: &Arc<Executor<'static>>, work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    futures_lite::future::block_on(executor.spawn(work))
}

pub(crate) fn rayon() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build().expect("rayon starts")
}

/// Pending once, woken at once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
