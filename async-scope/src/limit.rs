//! The limit of a scope: capacity first, then the work. `reserve` waits for a place, and a `Slot` is one.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{self, Poll, Waker},
};

use async_trait_core::{Async, Cancelled, Context};
use pin_project_lite::pin_project;
use runtime_glue::{BlockingCx, JoinHandle};

use crate::Scope;

/// The free places of a scope, and who waits for one, first come, first served.
#[derive(Default)]
pub(crate) struct Limit {
    inner: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    free: usize,
    next: u64,
    waiting: VecDeque<(u64, Waker)>,
    /// Places that were given to someone who waits and has not looked yet.
    granted: Vec<u64>,
}

impl Limit {
    pub(crate) fn new(free: usize) -> Self {
        Self { inner: Mutex::new(Places { free, ..Places::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(&self) -> bool {
        let mut places = self.lock();
        if places.free > 0 && places.waiting.is_empty() {
            places.free -= 1;
            return true;
        }
        false
    }

    /// A place comes free: it goes to the first who waits.
    pub(crate) fn give(&self) {
        let mut places = self.lock();
        match places.waiting.pop_front() {
            Some((key, waker)) => {
                places.granted.push(key);
                drop(places);
                waker.wake();
            }
            None => places.free += 1,
        }
    }

    fn poll_take(&self, key: &mut Option<u64>, waker: &Waker) -> Poll<()> {
        if key.is_none() && self.try_take() {
            return Poll::Ready(());
        }
        // The waker's clone and drop are foreign code: not under the lock.
        let waker = waker.clone();
        let mut places = self.lock();
        let mine = match *key {
            Some(mine) => {
                if let Some(at) = places.granted.iter().position(|granted| *granted == mine) {
                    places.granted.swap_remove(at);
                    *key = None;
                    return Poll::Ready(());
                }
                mine
            }
            None => {
                if places.free > 0 && places.waiting.is_empty() {
                    places.free -= 1;
                    return Poll::Ready(());
                }
                places.next += 1;
                places.next
            }
        };
        *key = Some(mine);
        let old = match places.waiting.iter_mut().find(|(waiting, _)| *waiting == mine) {
            Some((_, place)) => Some(std::mem::replace(place, waker)),
            None => {
                places.waiting.push_back((mine, waker));
                None
            }
        };
        drop(places);
        drop(old);
        Poll::Pending
    }

    /// Who waited goes away: a place that was already given to it goes on to the next.
    fn leave(&self, key: u64) {
        let mut places = self.lock();
        if let Some(at) = places.waiting.iter().position(|(waiting, _)| *waiting == key) {
            let gone = places.waiting.remove(at);
            drop(places);
            drop(gone);
        } else if let Some(at) = places.granted.iter().position(|granted| *granted == key) {
            places.granted.swap_remove(at);
            drop(places);
            self.give();
        }
    }
}

/// Waits for a place in a scope with a limit; ready at once in one without. First come, first served.
///
/// A plain future.
///
/// # Cancellation
/// Dropping it gives up the turn; a place that was already given goes to the next in line. `or_cancelled()` and
/// `or_stopping()` notice a request.
#[must_use = "futures do nothing unless awaited"]
pub struct Reserve<'s> {
    scope: &'s Scope<'s>,
    key: Option<u64>,
}

impl<'s> Reserve<'s> {
    pub(crate) fn new(scope: &'s Scope<'s>) -> Self {
        Self { scope, key: None }
    }
}

impl<'s> Future for Reserve<'s> {
    type Output = Slot<'s>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Slot<'s>> {
        let scope = self.scope;
        match &scope.limit {
            None => Poll::Ready(Slot { place: Place { scope, counted: false } }),
            Some(limit) => {
                limit.poll_take(&mut self.key, cx.waker()).map(|()| Slot { place: Place { scope, counted: true } })
            }
        }
    }
}

impl Drop for Reserve<'_> {
    fn drop(&mut self) {
        if let (Some(key), Some(limit)) = (self.key, &self.scope.limit) {
            limit.leave(key);
        }
    }
}

impl fmt::Debug for Reserve<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").field("waiting", &self.key.is_some()).finish_non_exhaustive()
    }
}

/// A place for one task. Dropping it frees the place.
#[must_use = "dropping a slot frees it; spawn a task with it"]
pub struct Slot<'s> {
    place: Place<'s>,
}

/// A place that is taken while this lives.
struct Place<'s> {
    scope: &'s Scope<'s>,
    counted: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let (true, Some(limit)) = (self.counted, &self.scope.limit) {
            limit.give();
        }
    }
}

impl<'s> Slot<'s> {
    pub(crate) fn try_new(scope: &'s Scope<'s>) -> Option<Self> {
        let counted = match &scope.limit {
            None => false,
            Some(limit) if limit.try_take() => true,
            Some(_) => return None,
        };
        Some(Self { place: Place { scope, counted } })
    }

    /// Spawns a task that keeps the place until it ends. See [`Scope::spawn`].
    #[track_caller]
    pub fn spawn<A>(self, a: A) -> JoinHandle<A::Output>
    where
        A: Async + Send + 's,
        A::Output: Send + 's,
    {
        self.place.scope.spawn(InPlace { a, place: self.place })
    }

    /// Spawns a blocking job that keeps the place until it ends. See [`Scope::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<T: Send + 's>(self, f: impl FnOnce() -> T + Send + 's) -> JoinHandle<T> {
        self.spawn_blocking_with(move |_| f())
    }

    /// Spawns a blocking job that can tell whether it is asked to finish. See [`Scope::spawn_blocking_with`].
    #[track_caller]
    pub fn spawn_blocking_with<T: Send + 's>(self, f: impl FnOnce(&BlockingCx<'_>) -> T + Send + 's) -> JoinHandle<T> {
        let place = self.place;
        place.scope.spawn_blocking_with(move |cx| {
            // The closure's captures go before the place does.
            let place = place;
            let output = f(cx);
            drop(place);
            output
        })
    }
}

impl fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("counted", &self.place.counted).finish_non_exhaustive()
    }
}

pin_project! {
    /// A task's computation together with its place, which is freed after it.
    struct InPlace<'s, A> {
        #[pin]
        a: A,
        place: Place<'s>,
    }
}

// SAFETY: every clause is passed on to `a`, which is pinned inside, polled exactly when this is and dropped before the place.
unsafe impl<A: Async> Async for InPlace<'_, A> {
    type Output = A::Output;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        // SAFETY: promised by the caller for the whole, hence for `a`.
        unsafe { self.project().a.poll_async(cx) }
    }

    fn is_cancel_safe(&self) -> bool {
        self.a.is_cancel_safe()
    }
}

pin_project! {
    /// What [`Scope::spawn_when_free`] returns.
    #[must_use = "an `Async` does nothing unless it is awaited"]
    pub struct SpawnWhenFree<'s, A> {
        reserve: Reserve<'s>,
        a: Option<A>,
    }
}

impl<'s, A> SpawnWhenFree<'s, A> {
    pub(crate) fn new(scope: &'s Scope<'s>, a: A) -> Self {
        Self { reserve: Reserve::new(scope), a: Some(a) }
    }
}

// SAFETY: *inert*: nothing is started before the task is spawned, which completes this. *quiet*: the task is the scope's.
// `is_cancel_safe` stays false: dropping would be sound, but would lose the value that is given back.
unsafe impl<'s, A> Async for SpawnWhenFree<'s, A>
where
    A: Async + Send + 's,
    A::Output: Send + 's,
{
    type Output = Result<JoinHandle<A::Output>, (Cancelled, A)>;

    unsafe fn poll_async(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let slot = Pin::new(this.reserve).poll(&mut task::Context::from_waker(cx.waker()));
        let mut take = || this.a.take().expect("polled after completion");
        match (slot, cx.cancel_reason()) {
            (Poll::Ready(slot), _) => Poll::Ready(Ok(slot.spawn(take()))),
            (Poll::Pending, Some(reason)) => Poll::Ready(Err((Cancelled::from_reason(reason), take()))),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}
