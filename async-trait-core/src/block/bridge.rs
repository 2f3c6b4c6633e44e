//! The bridge: how a `Context` travels through the `core::task::Context` of a plain `async` block.
//!
//! A [`Bridge`] lives on the stack for one poll. Its address is the data of a waker, [`BRIDGE`] its vtable. Who may touch what:
//! - `waker` is read by anybody who has the bridging waker: plain futures may lend it to other threads during the poll, and
//!   cloning or waking it touches nothing but the real waker, which is `Sync`.
//! - `cx` is read and `site` written by the awaits of the block that is being polled, and of the blocks that it awaits directly,
//!   which share its bridge. One of them runs at a time, on the thread of the poll.
//!
//! Nobody can keep the bridging waker beyond the poll: it is only ever lent, and its clones are clones of the real one.

use core::{
    cell::Cell,
    future::Future,
    mem::ManuallyDrop,
    pin::Pin,
    ptr::{self, NonNull},
    task::{Poll, RawWaker, RawWakerVTable, Waker},
};

use super::{
    StdContext,
    site::{self, Site},
};
use crate::Context;

struct Bridge {
    waker: NonNull<Waker>,
    /// Made from a `&mut Context` that is not used while this lives. The lifetime is a placeholder.
    cx: NonNull<Context<'static>>,
    /// The await of a plain future at which the poll ended.
    site: Cell<Option<Site>>,
}

/// What tells a bridging waker from every other: its address. A `static`, since only a static has one address of its own.
static BRIDGE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, |_| {});

/// Polls the `async` block of a body under a bridge to `cx`.
#[inline]
pub(super) fn poll<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let bridge = Bridge { waker: NonNull::from(cx.waker()), cx: NonNull::from(&mut *cx).cast(), site: Cell::new(None) };
    // SAFETY: the functions of `BRIDGE` are thread-safe and read `bridge.waker` only, which is valid while this function runs. The
    // waker is never dropped or moved out (`ManuallyDrop`), only lent to the poll below, so nobody has it later.
    let waker = ManuallyDrop::new(unsafe { Waker::new(ptr::from_ref(&bridge).cast(), &BRIDGE) });
    let polled = future.poll(&mut StdContext::from_waker(&waker));
    if polled.is_pending()
        && let Some(site) = bridge.site.get()
        && cx.is_cancelled()
    {
        site::note(cx, site);
    }
    polled
}

/// The bridge behind `cx`, if there is one.
#[inline]
fn find(cx: &StdContext<'_>) -> Option<*const Bridge> {
    let waker = cx.waker();
    ptr::eq(waker.vtable(), &raw const BRIDGE).then(|| waker.data().cast())
}

/// The `Context` at the other end of the bridge.
///
/// # Safety
/// The caller is an await in the body of the `AsyncBlock` that is being polled with `cx`, and uses the context to poll what
/// it awaits, no more.
#[inline]
pub(crate) unsafe fn cross<'p>(cx: &'p mut StdContext<'_>) -> &'p mut Context<'p> {
    let Some(bridge) = find(cx) else { no_bridge() };
    // SAFETY: a waker with this vtable is made by `poll` alone, with the address of a bridge that lives as long as `cx` is lent.
    let mut context = unsafe { (*bridge).cx }.cast();
    // SAFETY: `poll` made the pointer from a `&mut Context` that it does not use until the poll is over, and of the block's awaits,
    // the only ones who get here, one runs at a time (by the caller's promise). The lifetime `'p` is shorter than the real one, and
    // whoever is polled must take any, so nothing borrowed for longer can be had from it or left in it.
    unsafe { context.as_mut() }
}

/// The waker at the other end of the bridge, or `cx`'s own where there is no bridge: all that a plain future needs.
#[inline]
pub(crate) fn real_waker<'p>(cx: &StdContext<'p>) -> &'p Waker {
    match find(cx) {
        // SAFETY: it is that of `cx`'s waker, which has lent it for `'p`.
        Some(bridge) => unsafe { real(bridge) },
        None => cx.waker(),
    }
}

/// Writes down where the poll ends.
///
/// # Safety
/// The caller is an await in the body of the `AsyncBlock` that is being polled with `cx`.
#[inline]
pub(super) unsafe fn ends_at(cx: &StdContext<'_>, site: Site) {
    if let Some(bridge) = find(cx) {
        // SAFETY: a waker with this vtable is made by `poll` alone, with the address of a bridge that lives as long as `cx` is lent.
        // Only awaits touch the cell, one at a time (by the caller's promise) and all on the thread of the poll, for `cx` is not `Send`.
        unsafe { (*bridge).site.set(Some(site)) };
    }
}

/// An await that is not polled by its block: somebody forged a token, or took the await out of its block. To go on could
/// lose a started `Async`, so this does not return, and does not unwind either.
#[cold]
#[inline(never)]
fn no_bridge() -> ! {
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            panic!("aborting");
        }
    }
    let _abort = Abort;
    panic!("an `.await` was taken out of its async block, in breach of `Token::new`");
}

fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called for a bridging waker, by a method that borrows it.
    let waker = ManuallyDrop::new(unsafe { real(data.cast()) }.clone());
    RawWaker::new(waker.data(), waker.vtable())
}

fn wake(data: *const ()) {
    // SAFETY: as in `clone`.
    unsafe { real(data.cast()) }.wake_by_ref();
}

/// The real waker behind a bridge.
///
/// # Safety
/// The bridge is that of a waker that is lent for `'p`.
#[inline]
unsafe fn real<'p>(bridge: *const Bridge) -> &'p Waker {
    // SAFETY: it is on the stack of the poll, which lasts longer than its waker is lent. `waker` is written once, before anybody
    // can see it.
    let waker = unsafe { (*bridge).waker };
    // SAFETY: it was made from a reference that is valid until the poll is over. It is shared and `Waker` is `Sync`.
    unsafe { waker.as_ref() }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use core::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };
    use std::{sync::Arc, task::Wake, thread};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_clone_is_a_clone_of_the_real_waker_and_outlives_the_poll() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut kept = None;
        let _ = poll(
            pin!(core::future::poll_fn(|cx| {
                kept = Some(cx.waker().clone());
                assert!(!cx.waker().will_wake(&waker));
                cx.waker().wake_by_ref();
                Poll::Ready(())
            })),
            &mut Context::from_waker(&waker),
        );
        assert!(kept.as_ref().is_some_and(|kept| kept.will_wake(&waker)));
        kept.into_iter().for_each(Waker::wake);
        assert_eq!(count.0.load(Relaxed), 2);
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn other_threads_may_clone_it_while_the_poll_runs() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let _ = poll(
            pin!(core::future::poll_fn(|cx| {
                let bridging = cx.waker();
                thread::scope(|s| {
                    for _ in 0..4 {
                        s.spawn(|| [bridging.clone()].map(Waker::wake));
                    }
                });
                Poll::Ready(())
            })),
            &mut Context::from_waker(&waker),
        );
        assert_eq!(count.0.load(Relaxed), 4);
    }
}
