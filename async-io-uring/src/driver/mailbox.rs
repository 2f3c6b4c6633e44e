//! `Mailbox`: how other threads reach the owner of a ring. Operations queue up in it by an intrusive link, without
//! allocation; an eventfd wakes an owner that sleeps.
//!
//! A mailbox is never freed: when its ring is gone it waits in a list for the next one. So whoever posts may touch it after
//! the owner has taken, finished and published the operation; a wake that comes too late wakes a later owner for nothing.

use std::{
    cell::UnsafeCell,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, Ordering, fence},
    },
    time::Duration,
};

use crate::{
    op::OpState,
    ring::{
        Sqe,
        sqe::{CURRENT_POSITION, READ},
    },
    sys::{self, Errno},
};

/// Mailboxes without a ring.
static UNUSED: Mutex<Vec<&'static Mailbox>> = Mutex::new(Vec::new());

/// A way to reach the owner of a ring; see the head of the file.
pub(crate) struct Mailbox {
    /// A stack of operations, linked through `OpState::mail`, newest first.
    head: AtomicPtr<OpState>,
    /// The owner sleeps, or is about to: the one who turns this false writes to the eventfd.
    sleeping: AtomicBool,
    event: OwnedFd,
    /// Where the kernel puts what it reads from the eventfd; never read.
    buffer: UnsafeCell<u64>,
}

// SAFETY: `buffer` is written by the kernel and read by nobody; the rest is atomics and a descriptor.
unsafe impl Sync for Mailbox {}

impl Mailbox {
    /// A mailbox for a new owner.
    pub(crate) fn lease() -> Result<&'static Self, Errno> {
        if let Some(mailbox) = UNUSED.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(mailbox);
        }
        let event = sys::eventfd()?;
        let (head, sleeping) = (AtomicPtr::new(ptr::null_mut()), AtomicBool::new(false));
        Ok(Box::leak(Box::new(Self { head, sleeping, event, buffer: UnsafeCell::new(0) })))
    }

    /// Gives the mailbox back. No operation is left that could be posted to it.
    pub(crate) fn release(&'static self) {
        debug_assert!(self.is_empty());
        self.sleeping.store(false, Ordering::Relaxed);
        UNUSED.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    /// Puts an operation in, and wakes the owner.
    ///
    /// # Safety
    /// The caller has set `POSTED` on the operation, whose mailbox this is.
    pub(crate) unsafe fn post(&self, op: *const OpState) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: `POSTED` is set, so the operation stays alive until the owner has taken it out, and its `mail` is ours.
            unsafe { &*op }.mail.store(head, Ordering::Relaxed);
            // Release pairs with the Acquire of `take`. Only whole stacks are taken, so an address that comes back does no harm.
            match self.head.compare_exchange_weak(head, op.cast_mut(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        self.notify();
    }

    /// Wakes the owner if it sleeps. What was made visible before is seen by it before it sleeps again.
    pub(crate) fn notify(&self) {
        // Pairs with the fence of `prepare_sleep`: either the owner sees what the caller wrote, or we see that it sleeps.
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            sys::eventfd_notify(&self.event);
        }
    }

    /// The owner is about to sleep: it looks once more for work after this, and sleeps only if there is none.
    pub(crate) fn prepare_sleep(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The owner is awake.
    pub(crate) fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Whether there is no mail.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes all mail, oldest first. The operations are linked through `mail`; read the link before you let one go.
    pub(crate) fn take(&self) -> *const OpState {
        if self.is_empty() {
            return ptr::null();
        }
        // Acquire pairs with the Release of `post`.
        let mut rest = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut oldest: *mut OpState = ptr::null_mut();
        while !rest.is_null() {
            // SAFETY: in the mailbox, hence `POSTED`, hence alive.
            let op = unsafe { &*rest };
            let next = op.mail.load(Ordering::Relaxed);
            op.mail.store(oldest, Ordering::Relaxed);
            oldest = rest;
            rest = next;
        }
        oldest
    }

    /// Sleeps without a ring, until somebody notifies. Between `prepare_sleep` and `awake`.
    pub(crate) fn wait(&self) {
        sys::eventfd_wait(&self.event);
    }

    /// As `wait`, but for no longer than `limit`.
    pub(crate) fn wait_at_most(&self, limit: Duration) {
        sys::emulate::wait(self.event.as_fd(), &mut [], Some(limit));
    }

    /// The descriptor that becomes readable, for an owner that waits on others, too.
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// The entry that completes when the owner is to wake up.
    pub(crate) fn read_event(&self) -> Sqe {
        Sqe::new(READ, self.event.as_raw_fd()).memory(self.buffer.get().cast_const(), 8, CURRENT_POSITION)
    }
}
