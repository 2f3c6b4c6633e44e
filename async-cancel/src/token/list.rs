//! Who waits for a token: a list of slots that lie in the waiters' own memory.
//!
//! # Who may touch what
//! A [`Slot`] belongs to the lock of the node that it waits at ([`Node::waiters`](super::node::Node)): every access goes through a
//! `&mut List`, which only that lock hands out. It lies in a pinned value (a future, a box) whose destructor calls
//! [`List::remove`].
//!
//! # Why a list through foreign memory is sound
//! A waiter is a plain future, so safe code may poll it once and then forget it. Still the slot stays valid for as long as it is
//! linked, by the guarantee that pinning gives: memory that was pinned is not reused or freed before its destructor has run. The
//! destructor unlinks the slot. A forgotten waiter is one whose memory is never reused: a value on the stack or in a frame cannot
//! be forgotten once it is pinned there (`pin!` keeps it out of reach), and a forgotten box leaks its allocation. The slot holds
//! nothing with a lifetime, so it does not matter that the waiter's type may name one that has ended.
//!
//! When the last handle of a node goes, slots of forgotten waiters may still be in its list. They are not touched again.
//!
//! A slot is never behind a `&mut` that claims it alone: the waiter is `!Unpin` and holds it in a cell.

use std::vec::Vec;

use core::{
    marker::PhantomPinned,
    ptr::{self, NonNull},
    task::Waker,
};

use super::node::Node;
use crate::sync::LockedCell;

/// What a slot waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wants {
    /// The first stage, or more.
    Stopping,
    Cancelled,
    /// Both, each passed on to another tree: the slot is the first field of a [`Forward`](super::special::Forward).
    Forward,
}

/// One waiter.
pub(super) struct Slot {
    inner: LockedCell<Inner>,
    /// The list points here.
    _pinned: PhantomPinned,
}

// SAFETY: the inside is only touched through the list that it is linked in, or will be: under the lock of that list. What is inside
// (a waker, pointers under that lock) may be touched by any thread.
unsafe impl Send for Slot {}
// SAFETY: as above; a shared slot gives no access without the lock.
unsafe impl Sync for Slot {}

struct Inner {
    /// Circular; both null unless linked.
    prev: *const Slot,
    next: *const Slot,
    /// While linked, unless it is a forward.
    waker: Option<Waker>,
    wants: Wants,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            inner: LockedCell::new(Inner {
                prev: ptr::null(),
                next: ptr::null(),
                waker: None,
                wants: Wants::Cancelled,
            }),
            _pinned: PhantomPinned,
        }
    }
}

/// The slots that wait at one node. Behind its lock.
pub(super) struct List {
    /// The one that waits longest.
    first: *const Slot,
}

// SAFETY: the pointers are followed only by who holds the list, and lead to slots that any thread may touch under its lock.
unsafe impl Send for List {}

impl List {
    pub(super) const fn new() -> Self {
        Self { first: ptr::null() }
    }

    /// Whether `slot` is in this list, waiting for `wants` with a waker that wakes what `waker` does.
    ///
    /// # Safety
    /// `slot` is only ever used with this list.
    pub(super) unsafe fn is_waiting(&self, slot: &Slot, wants: Wants, waker: &Waker) -> bool {
        // SAFETY: passed on to the caller.
        let inner = unsafe { self.inner(slot) };
        !inner.next.is_null() && inner.wants == wants && inner.waker.as_ref().is_some_and(|old| old.will_wake(waker))
    }

    /// Links `slot` unless it is linked, and sets what it waits for. Hands back the waker that it had.
    ///
    /// # Safety
    /// `slot` is pinned, only ever used with this list, and [`remove`](Self::remove)d before it is dropped.
    pub(super) unsafe fn insert(&mut self, slot: &Slot, wants: Wants, waker: Option<Waker>) -> Option<Waker> {
        let first = self.first;
        // SAFETY: passed on to the caller.
        let inner = unsafe { self.inner_mut(slot) };
        inner.wants = wants;
        let old = core::mem::replace(&mut inner.waker, waker);
        if inner.next.is_null() {
            if first.is_null() {
                inner.prev = slot;
                inner.next = slot;
                self.first = slot;
            } else {
                // SAFETY: `first` is linked, so it is valid, and it is another than `slot`.
                let last = core::mem::replace(unsafe { &mut self.linked(first).prev }, slot);
                // SAFETY: `last` is linked, so it is valid.
                unsafe { self.linked(last).next = slot };
                // SAFETY: passed on to the caller; the borrow from above has ended.
                let inner = unsafe { self.inner_mut(slot) };
                inner.prev = last;
                inner.next = first;
            }
        }
        old
    }

    /// Unlinks `slot` if it is linked. Hands back its waker, to be dropped when the lock is released.
    ///
    /// # Safety
    /// `slot` is only ever used with this list.
    pub(super) unsafe fn remove(&mut self, slot: &Slot) -> Option<Waker> {
        // SAFETY: passed on to the caller.
        let inner = unsafe { self.inner_mut(slot) };
        let (prev, next) = (inner.prev, inner.next);
        if next.is_null() {
            return None;
        }
        (inner.prev, inner.next) = (ptr::null(), ptr::null());
        let waker = inner.waker.take();
        if ptr::eq(next, slot) {
            self.first = ptr::null();
            return waker;
        }
        // SAFETY: `prev` is linked, so it is valid, and it is another than `slot`.
        unsafe { self.linked(prev).next = next };
        // SAFETY: `next` is linked, so it is valid, and it is another than `slot`.
        unsafe { self.linked(next).prev = prev };
        if ptr::eq(self.first, slot) {
            self.first = next;
        }
        waker
    }

    /// Takes out everybody.
    #[inline(always)]
    pub(super) fn take_all(&mut self, found: &mut Found) {
        let first = core::mem::replace(&mut self.first, ptr::null());
        if first.is_null() {
            return;
        }
        let mut at = first;
        loop {
            // SAFETY: `at` was linked in this list when this began and has not been visited, so it still is.
            let inner = unsafe { self.linked(at) };
            let next = inner.next;
            (inner.prev, inner.next) = (ptr::null(), ptr::null());
            match inner.waker.take() {
                Some(waker) => found.wakers.push(waker),
                None => found.forwards.push(at),
            }
            if ptr::eq(next, first) {
                return;
            }
            at = next;
        }
    }

    /// Takes out who waits for the first stage; forwards are found, and stay.
    pub(super) fn take_stopping(&mut self, found: &mut Found) {
        let Some(first) = NonNull::new(self.first.cast_mut()) else { return };
        // SAFETY: linked, hence valid.
        let last = unsafe { self.linked(first.as_ptr()) }.prev;
        let mut at = first.as_ptr().cast_const();
        loop {
            // SAFETY: `at` is linked: it is `first`, or what came after one that was.
            let inner = unsafe { self.linked(at) };
            let (next, wants) = (inner.next, inner.wants);
            match wants {
                Wants::Cancelled => {}
                Wants::Forward => found.forwards.push(at),
                Wants::Stopping => {
                    // SAFETY: what is linked is valid.
                    let slot = unsafe { &*at };
                    // SAFETY: it is linked in this list, so it is used with no other.
                    if let Some(waker) = unsafe { self.remove(slot) } {
                        found.wakers.push(waker);
                    }
                }
            }
            if ptr::eq(at, last) {
                return;
            }
            at = next;
        }
    }

    /// # Safety
    /// `slot` is only ever used with this list.
    unsafe fn inner<'a>(&'a self, slot: &'a Slot) -> &'a Inner {
        // SAFETY: nobody has the inside but through this list, which is borrowed for as long as the result.
        unsafe { &*slot.inner.get() }
    }

    /// # Safety
    /// `slot` is only ever used with this list.
    unsafe fn inner_mut<'a>(&'a mut self, slot: &'a Slot) -> &'a mut Inner {
        // SAFETY: nobody has the inside but through this list, which is borrowed for as long as the result.
        unsafe { &mut *slot.inner.get() }
    }

    /// # Safety
    /// `slot` is linked in this list.
    unsafe fn linked(&mut self, slot: *const Slot) -> &mut Inner {
        // SAFETY: what is linked is valid (see the module's docs).
        let slot = unsafe { &*slot };
        // SAFETY: it is linked here, so it is used with no other list.
        unsafe { self.inner_mut(slot) }
    }
}

/// What a request finds in the lists.
pub(super) struct Found {
    wakers: Wakers,
    /// Each is the first field of a [`Forward`](super::special::Forward).
    pub(super) forwards: Vec<*const Slot>,
}

impl Found {
    pub(super) const fn new() -> Self {
        Self { wakers: Wakers { last: Vec::new(), full: Vec::new() }, forwards: Vec::new() }
    }

    pub(super) fn into_wakers(self) -> Wakers {
        self.wakers
    }
}

/// Wakers in the order in which they were found; in pieces, so that many are neither copied nor need much memory in one.
pub(super) struct Wakers {
    last: Vec<Waker>,
    full: Vec<Vec<Waker>>,
}

impl Wakers {
    /// A piece is just below 1 KiB, up to where allocators are fast.
    const PIECE: usize = 60;

    #[inline]
    fn push(&mut self, waker: Waker) {
        if self.last.len() == self.last.capacity() {
            self.grow();
        }
        self.last.push(waker);
    }

    /// The pieces, in order.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = Vec<Waker>> {
        self.full.into_iter().chain([self.last])
    }

    #[cold]
    fn grow(&mut self) {
        if self.last.len() < Self::PIECE {
            let more = if self.last.is_empty() { 4 } else { Self::PIECE - self.last.len() };
            self.last.reserve_exact(more);
        } else {
            self.full.push(core::mem::replace(&mut self.last, Vec::with_capacity(Self::PIECE)));
        }
    }
}

/// A slot and the node it waits at; drops out of the list with its owner.
pub(super) struct Waiter {
    slot: Slot,
    /// Whether the slot was ever linked: who never waited need not lock to drop.
    is_used: bool,
}

impl Waiter {
    pub(super) fn new() -> Self {
        Self { slot: Slot::new(), is_used: false }
    }

    /// Waits at `node`: true if what is wanted has been reached, else the waker will be called when it is.
    ///
    /// # Safety
    /// `self` is pinned, used with no other node, and [`leave`](Self::leave)s before it is dropped.
    pub(super) unsafe fn wait(&mut self, node: &Node, wants: Wants, waker: &Waker) -> bool {
        if node.has_reached(wants) {
            return true;
        }
        // The clone and the drop of a waker are foreign code: both happen outside the lock.
        let mut new = (!self.is_used).then(|| waker.clone());
        loop {
            let old = {
                let mut list = node.lock_waiters();
                // The flag is raised before the list is emptied, so who finds it low here is found there.
                if node.has_reached(wants) {
                    return true;
                }
                // SAFETY: the slot is used with this node's list only.
                if unsafe { list.is_waiting(&self.slot, wants, waker) } {
                    return false;
                }
                new.take().map(|new| {
                    self.is_used = true;
                    // SAFETY: pinned and used with this node's list only, and `leave` removes it: the caller's promise.
                    unsafe { list.insert(&self.slot, wants, Some(new)) }
                })
            };
            if old.is_some() {
                return false;
            }
            new = Some(waker.clone());
        }
    }

    /// Stops waiting.
    ///
    /// # Safety
    /// `node` is the one that it waited at.
    pub(super) unsafe fn leave(&mut self, node: &Node) {
        if !self.is_used {
            return;
        }
        let waker = {
            let mut list = node.lock_waiters();
            // SAFETY: the slot is used with this node's list only.
            unsafe { list.remove(&self.slot) }
        };
        drop(waker);
    }
}
