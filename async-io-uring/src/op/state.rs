//! `OpState`: what an operation and its driver share. It lives inside the pinned `Async`; its address is the `user_data`.
//!
//! # Who may touch what
//!
//! Two parties. The *poller* is whoever polls the `Async`, on any thread, one at a time. The *owner* is the thread of the
//! driver that the operation was given to; it may be the same thread.
//!
//! | field | touched by |
//! |---|---|
//! | `word` | both |
//! | `stage`, `asked`, `restarts` | poller |
//! | `sqe`, `mailbox` | poller while fresh; then read by both |
//! | `waker` | poller while fresh and under `REGISTERING`; owner after it set `FINISHED` and saw no `REGISTERING`; poller after `DONE` |
//! | `mail` | whoever set `POSTED`, then the mailbox |
//! | `phase`, `owed`, `link`, `res`, `flags`, `resends` | owner until `DONE`, then poller |
//!
//! # The word
//!
//! ```text
//!  fresh 0 ──start──▶ 0                 given to the driver of this thread
//!        ──post───▶ POSTED              given to the driver of another thread, by mail
//!  POSTED        set by the poller: the operation is in the mailbox, or about to be; cleared by the owner (`take_mail`)
//!  WANT_CANCEL   set by the poller (`ask_by_mail`), never cleared
//!  REGISTERING   the poller is changing the waker (`register`)
//!  FINISHED      set by the owner (`finish`): every CQE is in; the waker is frozen; no mail may be posted any more
//!  DONE          stored by the owner (`publish`): its last touch
//! ```
//!
//! An operation that is `POSTED` is not published before its mail was taken, so a node in a mailbox is always alive. The
//! waker is taken out before `DONE` is stored and woken after: clause *last touch* of the contract. A poller that meets
//! `FINISHED` without `DONE`, or finds `FINISHED` set while it registered, wakes itself.

use std::{
    cell::{Cell, UnsafeCell},
    marker::PhantomPinned,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
    task::Waker,
};

use async_trait_core::Reason;

use crate::{driver::Mailbox, ring::Sqe};

const POSTED: u32 = 1;
const WANT_CANCEL: u32 = 1 << 1;
const REGISTERING: u32 = 1 << 2;
const FINISHED: u32 = 1 << 3;
const DONE: u32 = 1 << 4;

/// Where the poller stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Nothing was started.
    Fresh,
    /// The driver has it, until `DONE`.
    Started,
    /// The result was taken.
    Retired,
}

/// Where the owner has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Not yet seen.
    New,
    /// In the driver's list of those for which the SQ had no room.
    Deferred,
    /// In the same list, but it is to complete as cancelled instead of being submitted.
    DeferredCancelled,
    /// In the SQ at this position, perhaps taken by the kernel since.
    InQueue(u32),
    /// Its SQE was turned into a NOP.
    Neutralized,
    /// The kernel has it, and its cancel waits in the driver's list for room in the SQ.
    CancelDeferred,
    /// The kernel has it and was asked to cancel it.
    CancelSent,
}

/// What the owner finds in the mail.
pub(crate) enum Mail {
    /// An operation to submit.
    Submit,
    /// An operation that was cancelled before it was submitted.
    NeverMind,
    /// A submitted operation to cancel.
    Cancel,
    /// A request to cancel what has finished meanwhile: publish it now.
    Late(Finished),
    /// Nothing is asked that was not done.
    Nothing,
}

/// The right to publish an operation: its `FINISHED` is set and it is not posted.
#[must_use]
pub(crate) struct Finished {
    waker_is_free: bool,
}

/// The state of one operation; see the head of the file.
// The alignment leaves the low bits of the address for tags.
#[repr(C, align(16))]
pub(crate) struct OpState {
    word: AtomicU32,
    pub(crate) stage: Cell<Stage>,
    pub(crate) phase: Cell<Phase>,
    /// CQEs that the kernel still owes.
    pub(crate) owed: Cell<u8>,
    pub(crate) resends: Cell<u8>,
    pub(crate) res: Cell<i32>,
    pub(crate) flags: Cell<u32>,
    pub(crate) asked: Cell<Option<Reason>>,
    /// How often it was started again.
    pub(crate) restarts: Cell<u8>,
    waker: UnsafeCell<Option<Waker>>,
    pub(crate) mail: AtomicPtr<OpState>,
    pub(crate) link: Cell<*const OpState>,
    pub(crate) mailbox: Cell<Option<&'static Mailbox>>,
    pub(crate) sqe: Cell<Sqe>,
    /// Its address is known to the kernel, and `&mut` of what contains it must not claim to be the only access.
    _pinned: PhantomPinned,
}

// SAFETY: the fields are accessed by poller and owner as the table in the file's head says, and each change of hands goes
// through `word` or the mailbox with Release and Acquire. The waker is `Send`.
unsafe impl Send for OpState {}
// SAFETY: as above; methods that need to be the poller or the owner say so and are `unsafe`, or are reached only from there.
unsafe impl Sync for OpState {}

impl OpState {
    pub(crate) const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
            stage: Cell::new(Stage::Fresh),
            phase: Cell::new(Phase::New),
            owed: Cell::new(0),
            resends: Cell::new(0),
            res: Cell::new(0),
            flags: Cell::new(0),
            asked: Cell::new(None),
            restarts: Cell::new(0),
            waker: UnsafeCell::new(None),
            mail: AtomicPtr::new(ptr::null_mut()),
            link: Cell::new(ptr::null()),
            mailbox: Cell::new(None),
            sqe: Cell::new(Sqe::new(0, -1)),
            _pinned: PhantomPinned,
        }
    }

    // ---- the poller's side

    /// Whether the operation was started and its driver has not let it go.
    #[inline]
    pub(crate) fn is_in_flight(&self) -> bool {
        self.stage.get() == Stage::Started && !self.is_done()
    }

    /// Whether the owner has let it go. Acquire pairs with the Release of `publish`: result and buffers are the poller's.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.word.load(Ordering::Acquire) & DONE != 0
    }

    /// Prepares a fresh state to be given to a driver: the first waker needs no lock.
    ///
    /// # Safety
    /// The caller is the poller, and the stage is fresh.
    pub(crate) unsafe fn arm(&self, sqe: &Sqe, mailbox: &'static Mailbox, waker: Waker, posted: bool) {
        debug_assert_eq!(self.stage.get(), Stage::Fresh);
        let mut sqe = *sqe;
        // The low bits may hold a tag.
        sqe.user_data |= ptr::from_ref(self).expose_provenance() as u64;
        self.sqe.set(sqe);
        self.mailbox.set(Some(mailbox));
        self.phase.set(Phase::New);
        self.owed.set(0);
        self.resends.set(0);
        self.word.store(if posted { POSTED } else { 0 }, Ordering::Relaxed);
        self.stage.set(Stage::Started);
        // SAFETY: fresh: nobody else knows the state yet.
        let slot = unsafe { &mut *self.waker.get() };
        debug_assert!(slot.is_none());
        *slot = Some(waker);
    }

    /// Back to fresh, after the result was taken or to start again.
    ///
    /// # Safety
    /// The caller is the poller, and nothing is in flight.
    pub(crate) unsafe fn reset(&self) {
        debug_assert!(!self.is_in_flight());
        self.stage.set(Stage::Fresh);
        self.asked.set(None);
        // SAFETY: not in flight, so the waker is the poller's.
        drop(unsafe { &mut *self.waker.get() }.take());
    }

    /// Makes `waker` the one that is woken at the end. False if the operation is finished (perhaps not yet published): then
    /// nobody will be woken for it, and the poller looks again soon.
    ///
    /// # Safety
    /// The caller is the poller, and the stage is started.
    pub(crate) unsafe fn register(&self, waker: &Waker) -> bool {
        let mut new = None;
        loop {
            // Acquire pairs with the Release of an earlier unlock below, perhaps on another thread.
            let lock = self.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
                (word & FINISHED == 0).then_some(word | REGISTERING)
            });
            if lock.is_err() {
                return false;
            }
            // SAFETY: under `REGISTERING` the owner does not touch the waker, and there is one poller.
            let slot = unsafe { &mut *self.waker.get() };
            let same = slot.as_ref().is_some_and(|old| old.will_wake(waker));
            let mut old = None;
            if let Some(new) = new.take().filter(|_| !same) {
                old = slot.replace(new);
            } else if !same {
                old = slot.take();
            }
            let set = slot.is_some();
            // Release pairs with the owner's Acquire in `finish`: it takes the waker that was written here.
            let unlocked = self.word.fetch_and(!REGISTERING, Ordering::Release);
            // Foreign code runs only here, outside of the lock.
            drop(old);
            if unlocked & FINISHED != 0 {
                return false;
            }
            if set {
                return true;
            }
            new = Some(waker.clone());
        }
    }

    /// Notes that a cancel is wanted; true if the caller is to put the operation into its mailbox.
    pub(crate) fn ask_by_mail(&self) -> bool {
        // Release pairs with the Acquire of `take_mail`.
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            (word & FINISHED == 0).then_some(word | WANT_CANCEL | POSTED)
        });
        before.is_ok_and(|word| word & POSTED == 0)
    }

    /// Whether the owner has mail of it that it has not taken.
    pub(crate) fn is_waiting_for_mail(&self) -> bool {
        self.word.load(Ordering::Relaxed) & POSTED != 0
    }

    // ---- the owner's side

    /// The operation was taken out of the mailbox: what is to be done with it?
    ///
    /// # Safety
    /// The caller is the owner.
    pub(crate) unsafe fn take_mail(&self) -> Mail {
        let word = self.word.fetch_and(!POSTED, Ordering::AcqRel);
        debug_assert!(word & POSTED != 0);
        if word & FINISHED != 0 {
            return Mail::Late(Finished { waker_is_free: word & REGISTERING == 0 });
        }
        match (self.phase.get(), word & WANT_CANCEL != 0) {
            (Phase::New, true) => Mail::NeverMind,
            (Phase::New, false) => Mail::Submit,
            (_, true) => Mail::Cancel,
            (_, false) => Mail::Nothing,
        }
    }

    /// Every CQE is in. `None` if there is mail on its way: then `take_mail` will say `Late`.
    ///
    /// # Safety
    /// The caller is the owner, and calls this once.
    pub(crate) unsafe fn finish(&self) -> Option<Finished> {
        let word = self.word.fetch_or(FINISHED, Ordering::AcqRel);
        debug_assert!(word & FINISHED == 0);
        (word & POSTED == 0).then_some(Finished { waker_is_free: word & REGISTERING == 0 })
    }

    /// Lets the operation go. The waker that is returned is to be woken by the caller, who does not touch `self` again.
    ///
    /// # Safety
    /// The caller is the owner, and `right` is of this operation.
    pub(crate) unsafe fn publish(&self, right: Finished) -> Option<Waker> {
        let waker = if right.waker_is_free {
            // SAFETY: with `FINISHED` set no registration begins, and none was going on when it was set or checked: ours.
            unsafe { &mut *self.waker.get() }.take()
        } else {
            None
        };
        // *last touch*. Release pairs with the Acquire of `is_done`.
        self.word.store(FINISHED | DONE, Ordering::Release);
        waker
    }
}
