//! `Multishot`: an operation that completes many times. It borrows nothing, so it may be left behind at any time.
//!
//! Between two items of an iterator nothing may be started that the iterator's owner has to bring to an end, since iterators
//! are dropped and forgotten in safe code. So the state is on the heap, shared by the iterator and the driver, and owns a
//! descriptor of its own; what the kernel delivers is kept in it. The driver's share goes when the kernel has sent its last
//! completion (the one without F_MORE).
//!
//! The embedded `OpState` passes through mailbox, SQ and cancel as any other; it is never published. Its part is taken by
//! [`end`](Multishot::end).

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsRawFd, OwnedFd},
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use linux_raw_sys::{general::O_CLOEXEC, io_uring::IORING_ACCEPT_MULTISHOT};

use super::{OpState, lifecycle, path::own};
use crate::{
    driver::TAG_MULTI,
    ring::{Sqe, sqe::ACCEPT},
};

/// Accepts connections until it is cancelled; see the head of the file.
#[repr(C)]
pub(crate) struct Multishot {
    /// First, so that its address is that of the whole.
    state: OpState,
    shared: Mutex<Shared>,
    listener: OwnedFd,
}

#[derive(Default)]
struct Shared {
    ready: VecDeque<OwnedFd>,
    waker: Option<Waker>,
    /// The result of the last completion, once it has come.
    ended: Option<i32>,
}

impl Multishot {
    /// Starts to accept connections of `listener`.
    pub(crate) fn accept(listener: OwnedFd) -> io::Result<Arc<Self>> {
        let sqe = Sqe {
            ioprio: IORING_ACCEPT_MULTISHOT as u16,
            user_data: TAG_MULTI,
            ..Sqe::new(ACCEPT, listener.as_raw_fd()).op_flags(O_CLOEXEC)
        };
        let this = Arc::new(Self { state: OpState::new(), shared: Mutex::default(), listener });
        let drivers = Arc::into_raw(Arc::clone(&this));
        drivers.expose_provenance();
        // SAFETY: we hold the only other reference, hence poll; the driver's own reference keeps the state in place until
        // `take_back`, and the entry names no memory and a descriptor that the state owns.
        if let Err(error) = unsafe { lifecycle::start(&this.state, &sqe, Waker::noop()) } {
            // SAFETY: not started, so the driver does not take its reference back.
            drop(unsafe { Arc::from_raw(drivers) });
            return Err(error);
        }
        Ok(this)
    }

    /// The next connection, or the result of the last completion when there are no more.
    pub(crate) fn poll_next(&self, waker: &Waker) -> Poll<Result<OwnedFd, i32>> {
        if let Some(item) = Self::take(&mut self.lock()) {
            return Poll::Ready(item);
        }
        let mut new = Some(waker.clone());
        let mut shared = self.lock();
        // What came meanwhile has woken nobody.
        let item = Self::take(&mut shared);
        if item.is_none() {
            std::mem::swap(&mut shared.waker, &mut new);
        }
        drop(shared);
        // The waker that is not used any more: foreign code, outside of the lock.
        drop(new);
        item.map_or(Poll::Pending, Poll::Ready)
    }

    /// Asks for the end; the caller does so once.
    pub(crate) fn ask(&self) {
        if self.lock().ended.is_none() {
            // SAFETY: the iterator that calls this is the poller; it was started, is never `DONE`, and is asked once.
            unsafe { lifecycle::request_cancel(&self.state) };
        }
    }

    fn take(shared: &mut Shared) -> Option<Result<OwnedFd, i32>> {
        shared.ready.pop_front().map(Ok).or_else(|| shared.ended.map(Err))
    }

    // ---- the driver's side

    /// The whole of which `state` is a part.
    ///
    /// # Safety
    /// `state` is that of a `Multishot` whose driver has not taken its reference back; the result is not used after that.
    pub(crate) unsafe fn of(state: &OpState) -> &Self {
        let whole = ptr::with_exposed_provenance(ptr::from_ref(state).addr());
        // SAFETY: the state is the first field, so the address is that of the whole, exposed in `accept`; alive by the caller's
        // promise.
        unsafe { &*whole }
    }

    /// Takes over the driver's reference.
    ///
    /// # Safety
    /// As for `of`; and this is called once, when nothing is owed any more.
    pub(crate) unsafe fn take_back(state: &OpState) -> Arc<Self> {
        // SAFETY: promised by the caller.
        let whole = unsafe { Self::of(state) };
        // The pointer that `into_raw` gave, by its exposed provenance.
        let whole = ptr::with_exposed_provenance(ptr::from_ref(whole).addr());
        // SAFETY: from `Arc::into_raw` in `accept`, and given back once, by the caller's promise.
        unsafe { Arc::from_raw(whole) }
    }

    /// Keeps a connection; returns whom to wake.
    pub(crate) fn deliver(&self, result: i32) -> Option<Waker> {
        let descriptor = u32::try_from(result).ok()?;
        let mut shared = self.lock();
        shared.ready.push_back(own(descriptor));
        shared.waker.take()
    }

    /// Notes that nothing comes any more; returns whom to wake.
    pub(crate) fn end(&self, result: i32) -> Option<Waker> {
        let mut shared = self.lock();
        shared.ended = Some(result);
        shared.waker.take()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
