//! Futures that are woken one after the other, from outside: what a combinator does with one of many that is ready.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    hint::black_box,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

/// So many places to wait at.
pub(crate) struct Signals(Vec<Signal>);

#[derive(Default)]
struct Signal {
    given: AtomicBool,
    waiting: futures::task::AtomicWaker,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

impl Signals {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Signal::default()).collect())
    }

    /// Waits for one signal.
    pub(crate) async fn wait(&self, number: usize) -> usize {
        let signal = &self.0[number];
        poll_fn(|cx| {
            if signal.given.swap(false, Relaxed) {
                return Poll::Ready(());
            }
            signal.waiting.register(cx.waker());
            Poll::Pending
        })
        .await;
        black_box(number)
    }

    /// Polls the future; then gives one signal after the other, and polls it each time that it is woken.
    pub(crate) fn drive<F: Future>(&self, order: impl IntoIterator<Item = usize>, future: F) -> F::Output {
        thread_local! {
            static WOKEN: Cell<Option<Arc<Woken>>> = const { Cell::new(None) };
        }
        // The same waker every time, so that its allocation does not count.
        let woken = WOKEN.take().unwrap_or_else(|| Arc::new(Woken(AtomicBool::new(true))));
        let waker = Waker::from(Arc::clone(&woken));
        let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
        woken.0.store(true, Relaxed);
        let mut order = order.into_iter();
        let output = loop {
            if woken.0.swap(false, Relaxed) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    break output;
                }
            } else {
                let signal = &self.0[order.next().expect("it is complete after the last signal")];
                signal.given.store(true, Relaxed);
                signal.waiting.wake();
            }
        };
        WOKEN.set(Some(woken));
        output
    }
}
