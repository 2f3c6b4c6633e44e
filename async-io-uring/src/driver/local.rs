//! `LocalDriver`: a ring and the thread that owns it. It submits, cancels and completes operations.
//!
//! Only the owner calls it, so there is no lock. No borrow is held over a wake either: completions are recorded first and
//! their wakers collected, and the wakers run at the end of a turn, when a `Drop` inside a poll may well call in again.
//!
//! ```text
//! turn:  mail ─▶ list of the deferred ─▶ enter (submit, wait) ─▶ CQ until it is empty ─▶ wakers
//! ```
//!
//! An entry is in one of three places: the SQ, the kernel, or, when the SQ is full and the kernel takes nothing (CQ
//! overflown, no memory), the list of the deferred, linked through the operations themselves. A cancel is never lost: it
//! waits in the same list.

use std::{
    cell::{Cell, RefCell},
    io,
    marker::PhantomData,
    process::abort,
    ptr,
    task::Waker,
    time::Duration,
};

use linux_raw_sys::io_uring::{
    IORING_ASYNC_CANCEL_ALL, IORING_ASYNC_CANCEL_ANY, IORING_CQE_F_MORE, IORING_CQE_F_NOTIF,
};

use super::{Mailbox, wake};
use crate::{
    op::{Finished, Mail, OpState, Phase, multishot::Multishot},
    ring::{
        Cqe, Ring, Sqe,
        sqe::{
            ASYNC_CANCEL,
            errno::{EAGAIN, EBUSY, ECANCELED, EINTR, ENOENT, ENOMEM, ETIME},
        },
    },
    sys::Errno,
};

/// The low bits of `user_data` say what completes; the rest is the address of an `OpState`.
pub(super) const TAG_MASK: u64 = 0b1111;
const TAG_OP: u64 = 0;
const TAG_CANCEL: u64 = 1;
const TAG_EVENT: u64 = 2;
const TAG_CANCEL_ALL: u64 = 3;
/// As `TAG_OP`, of an operation that lives in a `Multishot`.
pub(crate) const TAG_MULTI: u64 = 4;

/// How often a cancel that found nothing is sent again while its operation goes on: the kernel cannot find an operation that
/// it is moving between two of its lists.
const RESENDS: u8 = 8;

/// How long a turn may wait for completions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    No,
    AtMost(Duration),
    Forever,
}

/// A ring and its thread; see the head of the file.
pub(crate) struct LocalDriver {
    ring: RefCell<Ring>,
    mailbox: &'static Mailbox,
    /// Operations that were started and not published.
    in_flight: Cell<usize>,
    first_deferred: Cell<*const OpState>,
    last_deferred: Cell<*const OpState>,
    wakers: RefCell<Vec<Waker>>,
    event_armed: Cell<bool>,
    closing: Cell<bool>,
    /// Tied to its thread.
    _local: PhantomData<*mut ()>,
}

impl LocalDriver {
    /// Sets up a ring for this thread.
    pub(crate) fn new(entries: u32, cq_entries: u32) -> io::Result<Self> {
        Ok(Self::with_mailbox(Ring::new(entries, cq_entries)?, Mailbox::lease()?))
    }

    /// Takes over a ring, for this thread, and a mailbox.
    pub(crate) fn with_mailbox(ring: Ring, mailbox: &'static Mailbox) -> Self {
        Self {
            ring: RefCell::new(ring),
            mailbox,
            in_flight: Cell::new(0),
            first_deferred: Cell::new(ptr::null()),
            last_deferred: Cell::new(ptr::null()),
            wakers: RefCell::default(),
            event_armed: Cell::new(false),
            closing: Cell::new(false),
            _local: PhantomData,
        }
    }

    /// How other threads reach it.
    pub(crate) const fn mailbox(&self) -> &'static Mailbox {
        self.mailbox
    }

    /// Takes over an operation and submits it with the next `enter`.
    ///
    /// # Safety
    /// It was armed for this driver, is new, and stays in its place until it is published (clause *completed*, and its own
    /// `Drop`); what its SQE names stays valid as long.
    pub(crate) unsafe fn start(&self, op: &OpState) {
        self.in_flight.set(self.in_flight.get() + 1);
        op.owed.set(1);
        if self.first_deferred.get().is_null()
            && let Some(position) = self.push(&op.sqe.get())
        {
            op.phase.set(Phase::InQueue(position));
        } else {
            self.defer(op, Phase::Deferred);
        }
    }

    /// Asks the kernel for an early end of the operation. Its completion comes in any case.
    ///
    /// # Safety
    /// The operation was started on this driver, is not published, and this is its first cancel.
    pub(crate) unsafe fn cancel(&self, op: &OpState) {
        match op.phase.get() {
            Phase::Deferred => op.phase.set(Phase::DeferredCancelled),
            Phase::InQueue(position) if self.ring.borrow_mut().neutralize(position) => op.phase.set(Phase::Neutralized),
            Phase::InQueue(_) if op.owed.get() > 0 => self.send_cancel(op),
            _ => {}
        }
    }

    /// One turn: see the head of the file. `idle` is asked right before it sleeps, and says whether it may.
    pub(crate) fn turn(&self, wait: Wait, idle: impl FnOnce() -> bool) {
        self.receive();
        self.flush_deferred();
        self.arm_event();
        let must_not_wait = !self.wakers.borrow().is_empty() || !self.first_deferred.get().is_null();
        let limit = match wait {
            Wait::No => None,
            _ if must_not_wait || !self.event_armed.get() => None,
            Wait::AtMost(limit) => Some(Some(limit)),
            Wait::Forever => Some(None),
        };
        if let Some(limit) = limit {
            self.mailbox.prepare_sleep();
            if self.mailbox.is_empty() && idle() {
                self.enter(1, limit);
            } else {
                self.enter(0, None);
            }
            self.mailbox.awake();
        } else if self.needs_enter() {
            self.enter(0, None);
        }
        self.reap();
        self.run_wakers();
    }

    /// Submits, waits a little and records completions, but runs no waker: for a `Drop` that waits for its operation.
    pub(crate) fn turn_without_wakers(&self, limit: Duration) {
        self.receive();
        self.flush_deferred();
        let wait = u32::from(self.first_deferred.get().is_null());
        self.enter(wait, Some(limit));
        self.reap();
    }

    /// Cancels everything that is in flight and waits for it. New operations are not to be started meanwhile, except by the
    /// wakers that run.
    pub(crate) fn drain(&self) {
        while self.in_flight.get() > 0 {
            self.cancel_all();
            // The time limit lets a cancel that missed an operation be repeated.
            self.turn(Wait::AtMost(Duration::from_millis(10)), || true);
        }
    }

    fn cancel_all(&self) {
        let mut op = self.first_deferred.get();
        while !op.is_null() {
            // SAFETY: in the list, hence not published, hence alive.
            let state = unsafe { &*op };
            if state.phase.get() == Phase::Deferred {
                state.phase.set(Phase::DeferredCancelled);
            }
            op = state.link.get();
        }
        let any = Sqe::new(ASYNC_CANCEL, -1).op_flags(IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        // Without room it is sent in the next round of `drain`.
        let _ = self.push(&Sqe { user_data: TAG_CANCEL_ALL, ..any });
    }

    /// Everything that other threads want.
    fn receive(&self) {
        let mut next = self.mailbox.take();
        while !next.is_null() {
            // SAFETY: taken from the mailbox and `POSTED`, hence alive.
            let op = unsafe { &*next };
            next = op.mail.load(std::sync::atomic::Ordering::Relaxed);
            // SAFETY: we are the owner: it was posted to our mailbox.
            match unsafe { op.take_mail() } {
                // SAFETY: it was armed and posted by its poller for this driver; *completed* keeps it in place.
                Mail::Submit => unsafe { self.start(op) },
                Mail::NeverMind => {
                    self.in_flight.set(self.in_flight.get() + 1);
                    op.res.set(-ECANCELED);
                    self.finish(op);
                }
                // SAFETY: started here (its phase is not new), not published (else its mail would be `Late`), and a poller asks once.
                Mail::Cancel => unsafe { self.cancel(op) },
                Mail::Late(right) => self.publish(op, right),
                Mail::Nothing => {}
            }
        }
    }

    fn send_cancel(&self, op: &OpState) {
        // First of all, so that `complete`, which may run inside of `push`, does not let the operation go under our hands.
        op.phase.set(Phase::CancelDeferred);
        if !self.first_deferred.get().is_null() || !self.try_send_cancel(op) {
            self.defer(op, Phase::CancelDeferred);
        }
    }

    /// The phase is `CancelDeferred`, and stays so unless this succeeds.
    fn try_send_cancel(&self, op: &OpState) -> bool {
        debug_assert_eq!(op.phase.get(), Phase::CancelDeferred);
        let target = op.sqe.get().user_data;
        let user_data = target & !TAG_MASK | TAG_CANCEL;
        let sqe = Sqe { addr: target, user_data, ..Sqe::new(ASYNC_CANCEL, -1) };
        let sent = self.push(&sqe).is_some();
        if sent {
            op.owed.set(op.owed.get() + 1);
            op.phase.set(Phase::CancelSent);
        }
        sent
    }

    fn defer(&self, op: &OpState, phase: Phase) {
        op.phase.set(phase);
        op.link.set(ptr::null());
        let last = self.last_deferred.replace(op);
        if last.is_null() {
            self.first_deferred.set(op);
        } else {
            // SAFETY: in the list, hence alive: see `flush_deferred` and `complete`.
            unsafe { &*last }.link.set(op);
        }
    }

    /// Moves what was deferred into the SQ, in order, as far as there is room.
    fn flush_deferred(&self) {
        loop {
            let first = self.first_deferred.get();
            if first.is_null() {
                return;
            }
            // SAFETY: an operation in the list is not published: `Deferred*` owes a CQE that was not submitted, and one that is
            // `CancelDeferred` is not finished while it is in the list (`complete`).
            let op = unsafe { &*first };
            let placed = match op.phase.get() {
                Phase::Deferred => match self.push(&op.sqe.get()) {
                    Some(position) => {
                        op.phase.set(Phase::InQueue(position));
                        true
                    }
                    None => false,
                },
                Phase::DeferredCancelled => true,
                // Its own CQE may have come meanwhile: then there is nothing left to cancel.
                Phase::CancelDeferred => op.owed.get() == 0 || self.try_send_cancel(op),
                phase => unreachable!("{phase:?} in the list of the deferred"),
            };
            if !placed {
                return;
            }
            self.first_deferred.set(op.link.get());
            if op.link.get().is_null() {
                self.last_deferred.set(ptr::null());
            }
            match op.phase.get() {
                Phase::DeferredCancelled => {
                    op.owed.set(0);
                    op.res.set(-ECANCELED);
                    self.finish(op);
                }
                // Nothing is owed: else the cancel would have been sent, or we would not be here.
                Phase::CancelDeferred => self.finish(op),
                _ => {}
            }
        }
    }

    /// Puts an entry into the SQ; if that is full, submits first.
    fn push(&self, sqe: &Sqe) -> Option<u32> {
        // SAFETY: the entry is that of an armed operation, whose memory and descriptors stay valid until it is published, which
        // happens after its CQE; or a cancel, which names no memory; or the read of the eventfd into the mailbox, which is never
        // freed. `drop` lets the ring go only when nothing is in flight.
        let position = unsafe { self.ring.borrow_mut().push(sqe) };
        if position.is_some() {
            return position;
        }
        self.enter(0, None);
        self.reap();
        // SAFETY: as above.
        unsafe { self.ring.borrow_mut().push(sqe) }
    }

    fn arm_event(&self) {
        if !self.event_armed.get() && !self.closing.get() {
            let sqe = Sqe { user_data: TAG_EVENT, ..self.mailbox.read_event() };
            self.event_armed.set(self.push(&sqe).is_some());
        }
    }

    fn needs_enter(&self) -> bool {
        let ring = self.ring.borrow();
        ring.queued() > 0 || ring.wants_enter()
    }

    /// Enters the kernel. Errors that pass are not errors here: what was queued stays queued, and the caller comes again.
    fn enter(&self, complete: u32, limit: Option<Duration>) {
        let result = self.ring.borrow_mut().enter(complete, limit);
        match result {
            // ETIME: the wait is over. EINTR: a signal. EAGAIN, ENOMEM: no memory now. EBUSY: the CQ has overflown; `reap` makes room.
            Ok(()) | Err(Errno(ETIME | EINTR | EAGAIN | EBUSY | ENOMEM)) => {}
            Err(Errno(errno)) => {
                // The ring itself is unusable, and buffers are lent to it: there is no way on that is sound.
                eprintln!("async-io-uring: io_uring_enter failed: {}", io::Error::from_raw_os_error(errno));
                abort();
            }
        }
    }

    /// Records every completion there is.
    fn reap(&self) {
        loop {
            loop {
                let cqe = self.ring.borrow_mut().pop();
                let Some(cqe) = cqe else { break };
                self.complete(&cqe);
            }
            if !self.ring.borrow().wants_enter() {
                return;
            }
            self.enter(0, None);
            // The flag alone says nothing: the kernel may set it too late, and for ever.
            if !self.ring.borrow().has_completions() {
                return;
            }
        }
    }

    fn complete(&self, cqe: &Cqe) {
        let tag = cqe.user_data & TAG_MASK;
        match tag {
            TAG_EVENT => {
                self.event_armed.set(false);
                return;
            }
            TAG_CANCEL_ALL => return,
            _ => debug_assert!(tag == TAG_OP || tag == TAG_CANCEL || tag == TAG_MULTI),
        }
        let op: *const OpState = ptr::with_exposed_provenance((cqe.user_data & !TAG_MASK) as usize);
        // SAFETY: the address is that of an armed `OpState`, exposed by `arm`. It owes this CQE, so it is not published; by
        // *completed*, and by the `Drop` of operations, it is still there.
        let op = unsafe { &*op };
        if tag == TAG_CANCEL {
            op.owed.set(op.owed.get() - 1);
            if cqe.res == -ENOENT && op.owed.get() > 0 && op.resends.get() < RESENDS {
                op.resends.set(op.resends.get() + 1);
                self.send_cancel(op);
            }
        } else if tag == TAG_MULTI {
            let res = if op.phase.get() == Phase::Neutralized { -ECANCELED } else { cqe.res };
            // SAFETY: the tag says that `op` is the state of a `Multishot`, which its driver keeps until it is published.
            let waker = unsafe { Multishot::of(op) }.deliver(res);
            self.wakers.borrow_mut().extend(waker);
            if cqe.flags & IORING_CQE_F_MORE == 0 {
                op.res.set(res);
                op.owed.set(op.owed.get() - 1);
            }
        } else {
            // A zero-copy send first tells its result (F_MORE) and later that the buffer is free (F_NOTIF).
            if cqe.flags & IORING_CQE_F_NOTIF == 0 {
                op.res.set(if op.phase.get() == Phase::Neutralized { -ECANCELED } else { cqe.res });
                op.flags.set(cqe.flags);
            }
            if cqe.flags & IORING_CQE_F_MORE == 0 {
                op.owed.set(op.owed.get() - 1);
            }
        }
        // While it is in the list of the deferred it is not let go; `flush_deferred` does that.
        if op.owed.get() == 0 && op.phase.get() != Phase::CancelDeferred {
            self.finish(op);
        }
    }

    fn finish(&self, op: &OpState) {
        // SAFETY: we are the owner, nothing is owed, and each path here is taken once: `owed` does not rise again.
        if let Some(right) = unsafe { op.finish() } {
            self.publish(op, right);
        }
    }

    fn publish(&self, op: &OpState, right: Finished) {
        self.in_flight.set(self.in_flight.get() - 1);
        if op.sqe.get().user_data & TAG_MASK == TAG_MULTI {
            // SAFETY: as above: the state of a `Multishot`; nothing is owed any more, and this is reached once.
            let multishot = unsafe { Multishot::take_back(op) };
            self.wakers.borrow_mut().extend(multishot.end(op.res.get()));
        } else if let Some(waker) = {
            // SAFETY: we are the owner, and `right` came from `op`, which is not touched after this.
            unsafe { op.publish(right) }
        } {
            self.wakers.borrow_mut().push(waker);
        }
    }

    /// Runs what was collected. A waker may call in here again.
    fn run_wakers(&self) {
        let mut wakers = self.wakers.take();
        for waker in wakers.drain(..) {
            wake(waker);
        }
        // Keep the larger allocation for the next turn.
        let mut current = self.wakers.borrow_mut();
        if current.capacity() < wakers.capacity() {
            wakers.append(&mut current);
            *current = wakers;
        }
    }
}

/// Waits until nothing is in flight: closing a ring is not a barrier.
impl Drop for LocalDriver {
    fn drop(&mut self) {
        self.closing.set(true);
        self.drain();
        while self.event_armed.get() {
            self.cancel_all();
            self.enter(1, Some(Duration::from_millis(10)));
            self.reap();
        }
        self.run_wakers();
        self.mailbox.release();
    }
}
