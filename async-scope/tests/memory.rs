//! Long scopes do not grow, whatever happens in them: live bytes, counted by the allocator. One test, so that nothing else
//! allocates meanwhile.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
    task::{Poll, Waker},
};

use async_scope::{Scope, ScopeOptions, scope};
use async_trait_core::yield_now;
use runtime_glue::block_on;

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is passed on to the system's allocator; the counting touches nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Does something many times in one scope, and compares what is live after some and after many.
macro_rules! does_not_grow {
    ($name:literal, $s:ident, $n:ident => $body:expr) => {
        let (mut early, mut late) = (0, 0);
        block_on(scope!(ScopeOptions::new().limit(2), |$s| {
            for $n in 0..40_000 {
                $body;
                if $n == 4_000 {
                    early = LIVE.load(Relaxed);
                }
            }
            late = LIVE.load(Relaxed);
        }));
        assert!(late < early + 100_000, "{}: {early} bytes, later {late}", $name);
    };
}

/// Without a message on standard error.
fn raise() {
    std::panic::resume_unwind(Box::new(1));
}

fn named<'s>(s: &'s Scope<'s>, n: u32) -> async_scope::JoinHandle<u32> {
    s.builder().name(format!("task {n}")).spawn(async move { n })
}

#[test]
fn long_scopes_do_not_grow() {
    does_not_grow!("tasks", s, n => s.spawn(async move { n }).await.unwrap());
    does_not_grow!("detached tasks", s, n => {
        drop(s.spawn(async move { n }));
        while s.tree().to_string().lines().count() > 50 {
            yield_now().await;
        }
    });
    does_not_grow!("panics that were awaited", s, n => s.spawn(async { raise() }).await.unwrap_err());
    does_not_grow!("wakers that are dropped", s, n => s.spawn(async { drop(own_waker().await) }).await.unwrap());
    does_not_grow!("wakers that are woken", s, n => {
        let task = s.spawn(async {
            own_waker().await.wake();
            pending_once().await;
        });
        task.await.unwrap();
    });
    does_not_grow!("names", s, n => named(s, n).await.unwrap());
    does_not_grow!("requests", s, n => {
        let task = s.spawn(async { yield_now().await });
        task.cancel();
        task.await.unwrap_or_default()
    });
    does_not_grow!("places", s, n => s.reserve().await.spawn(async { yield_now().await }));
    does_not_grow!("blocking jobs", s, n => {
        if n % 8 == 0 {
            s.spawn_blocking(move || n).await.unwrap();
        }
    });
    does_not_grow!("sizes of futures", s, n => {
        match n % 4 {
            0 => s.spawn(large([n; 1])).await.unwrap(),
            1 => s.spawn(large([n; 100])).await.unwrap(),
            2 => s.spawn(large([n; 3000])).await.unwrap(),
            _ => s.spawn(large([n; 30_000])).await.unwrap(),
        }
    });
}

async fn own_waker() -> Waker {
    std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

async fn pending_once() {
    let mut polled = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// A future of the size of what it holds.
async fn large<const N: usize>(values: [i32; N]) -> i32 {
    yield_now().await;
    values[0]
}
