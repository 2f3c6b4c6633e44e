//! The bare minimum of an executor: async-task and a `VecDeque`, on one thread. What a task costs with it is the measure for what
//! everything else adds.

use std::{cell::RefCell, collections::VecDeque, future::Future, pin::pin, sync::Arc, task::Context, task::Poll};

use async_task::{Runnable, Task};

thread_local! {
    static QUEUE: RefCell<VecDeque<Runnable>> = const { RefCell::new(VecDeque::new()) };
}

/// Starts a task. All is to stay on this thread.
pub(crate) fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (runnable, task) =
        async_task::spawn(future, |runnable| QUEUE.with_borrow_mut(|queue| queue.push_back(runnable)));
    runnable.schedule();
    task
}

/// Polls a future when it is woken, and runs tasks meanwhile.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    struct Woken(AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Arc::clone(&woken).into();
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    loop {
        if woken.0.swap(false, Relaxed)
            && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
        {
            return output;
        }
        match QUEUE.with_borrow_mut(VecDeque::pop_front) {
            Some(runnable) => drop(runnable.run()),
            None => assert!(woken.0.load(Relaxed), "nobody is left to wake it"),
        }
    }
}
