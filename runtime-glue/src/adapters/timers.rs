//! Timers of a host executor, each a task of the host that can be taken back by key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Instant,
};

use crate::TimerKey;

/// The timers that are set: what takes each of them back.
pub(super) struct Timers<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    next: u64,
    set: HashMap<u64, Option<T>>,
}

impl<T> Timers<T> {
    pub(super) fn new() -> Self {
        Self { inner: Mutex::new(Inner { next: 0, set: HashMap::new() }) }
    }

    /// A key for a timer that `start` starts. The timer calls [`fired`](Self::fired) when its time has come.
    pub(super) fn set(&self, start: impl FnOnce(u64) -> T) -> TimerKey {
        let key = {
            let mut inner = self.lock();
            inner.next += 1;
            let key = inner.next;
            inner.set.insert(key, None);
            key
        };
        // Foreign code: not under the lock.
        let timer = start(key);
        let mut inner = self.lock();
        let late = match inner.set.get_mut(&key) {
            Some(place) => {
                *place = Some(timer);
                None
            }
            None => Some(timer),
        };
        drop(inner);
        drop(late);
        TimerKey::new(key)
    }

    /// Takes a timer back: what the host's task is to be stopped with. `None` if it has fired.
    pub(super) fn take(&self, key: u64) -> Option<T> {
        self.lock().set.remove(&key).flatten()
    }

    /// Whether the timer was neither taken back nor has fired; it has now.
    fn fire(&self, key: u64) -> Option<Option<T>> {
        self.lock().set.remove(&key)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is to be woken when, in the host's task. If the host drops that before its time, because it shuts down, this crate's own
/// timer takes over; one that was taken back wakes nobody.
pub(super) struct Alarm<T> {
    timers: Arc<Timers<T>>,
    key: u64,
    when: Instant,
    waker: Option<Waker>,
}

impl<T> Alarm<T> {
    pub(super) fn new(timers: Arc<Timers<T>>, key: u64, when: Instant, waker: Waker) -> Self {
        Self { timers, key, when, waker: Some(waker) }
    }

    /// Its time has come. Returns what the host's task is stopped with, to be let go of without stopping it.
    pub(super) fn fire(mut self) -> Option<T> {
        let set = self.timers.fire(self.key);
        if let (Some(_), Some(waker)) = (&set, self.waker.take()) {
            waker.wake();
        }
        set.flatten()
    }
}

impl<T> Drop for Alarm<T> {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take()
            && let Some(task) = self.timers.fire(self.key)
        {
            drop(task);
            crate::timer::register(self.when, &waker);
        }
    }
}
