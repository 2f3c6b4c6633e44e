//! Streams into scopes: nothing unwinds through an item that is under way, and every task is asked.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use async_scope::{ScopeOptions, StreamInScope as _, async_block, scope};
use async_trait_core::{AsyncIterator, BoxAsync, Context, yield_now};

use crate::{
    kit::{Hand, Lent, asked, die, outcome},
    worlds::{Act, Faulty},
};

/// Yields tasks; each is under way for two polls, in which the iterator must not be dropped.
struct Slow<'a> {
    lent: &'a Lent,
    left: usize,
    under_way: bool,
    woken_once: bool,
}

impl<'a> Slow<'a> {
    fn new(lent: &'a Lent, items: usize) -> Self {
        Self { lent, left: items, under_way: false, woken_once: false }
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        if self.under_way {
            die("an item that was under way was dropped");
        }
    }
}

// SAFETY: an item that is under way lends nothing to anybody; it only insists on *completed*.
unsafe impl<'a> AsyncIterator for Slow<'a> {
    type Item = BoxAsync<'a, ()>;

    unsafe fn poll_next_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BoxAsync<'a, ()>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        // The first is there at once, so that a task is idle while the second is under way.
        if !self.under_way && self.woken_once {
            self.under_way = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        (self.under_way, self.woken_once) = (false, true);
        self.left -= 1;
        let lent = self.lent;
        Poll::Ready(Some(BoxAsync::new(async_block! { move
            let _held = lent.hold();
            asked().await;
        })))
    }
}

#[test]
fn a_runtime_that_panics_when_tasks_are_asked() {
    for ordered in [true, false] {
        for when in 0..6 {
            let armed = Arc::new(AtomicBool::new(false));
            let (plan, panics) = (Arc::clone(&armed), AtomicUsize::new(0));
            let runtime = Faulty::new(0, move |_| {
                if plan.load(SeqCst) && panics.fetch_add(1, SeqCst) == 0 { Act::PanicAfter } else { Act::Queue }
            });
            let lent = Lent::new();
            let data = &*lent;
            let arm = &armed;
            let result = outcome(|| {
                let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
                    let stream = s.spawn(async_block! {
                        if ordered {
                            Slow::new(data, 4).buffered_in(3, s).collect::<Vec<()>>().await.len()
                        } else {
                            Slow::new(data, 4).buffer_unordered_in(3, s).collect::<Vec<()>>().await.len()
                        }
                    });
                    for _ in 0..when {
                        yield_now().await;
                    }
                    // Only the stream is asked, which asks its tasks.
                    stream.cancel();
                    arm.store(true, SeqCst);
                    let result = stream.await;
                    // What was spawned by a call that panicked is nobody's to ask.
                    s.cancel();
                    result.map_err(|error| error.resume_panic())
                }));
                hand.finish(|| runtime.turn())
            });
            assert_eq!(lent.held(), 0, "{ordered} {when}");
            assert!(result.is_ok() || result.as_ref().is_err_and(|text| text == "schedule"), "{ordered} {when}");
        }
    }
}

#[test]
fn a_stream_that_is_dropped_asks_its_tasks() {
    let runtime = Faulty::by_hand();
    let lent = Lent::new();
    let data = &*lent;
    let hand = Hand::new(scope!(ScopeOptions::new().on(&runtime), |s| {
        for ordered in [true, false] {
            // A plain stream: it may be dropped between two items.
            let tasks = (0..4).map(|_| {
                async_block! {
                    let _held = data.hold();
                    asked().await;
                }
            });
            let stream = futures::stream::iter(tasks);
            if ordered {
                let mut stream = stream.buffered_in(3, s);
                poll_once(stream.next()).await;
            } else {
                let mut stream = stream.buffer_unordered_in(3, s);
                poll_once(stream.next()).await;
            }
        }
    }));
    hand.finish(|| runtime.turn());
    assert_eq!(lent.held(), 0);
}

/// Polls a plain future once, and drops it.
async fn poll_once<F: IntoFuture>(future: F) {
    let mut future = std::pin::pin!(future.into_future());
    std::future::poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}
