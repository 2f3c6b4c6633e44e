//! The submission queue: entries are written here by the owner and taken by the kernel inside `io_uring_enter`.
//!
//! Without SQPOLL, which this crate does not use, the kernel reads the queue only while the owner is in `enter`. So between
//! two calls the entries from the kernel's head to our tail are ours: [`neutralize`](SubmissionQueue::neutralize) may still
//! change them.

use std::{
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

use linux_raw_sys::io_uring as raw;

use super::sqe::{NOP, Sqe};
use crate::sys::{Geometry, Mapping};

/// # Invariants
/// The pointers lead into mappings that the `Ring` keeps for as long as this lives; `entries` is a power of two and the
/// number of slots at `sqes`; the slots between head and tail hold complete entries.
pub(super) struct SubmissionQueue {
    head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    sqes: NonNull<Sqe>,
    entries: u32,
    /// Our tail; the kernel's copy follows in `publish`.
    next: u32,
}

impl SubmissionQueue {
    /// # Safety
    /// `ring` and `sqes` are the mappings of the ring that `geometry` describes, and outlive the value.
    pub(super) unsafe fn new(ring: &Mapping, sqes: &Mapping, geometry: &Geometry, with_array: bool) -> Self {
        let entries = geometry.sq_entries;
        assert!(entries.is_power_of_two(), "the kernel rounds the size of the SQ to a power of two");
        if with_array {
            // One slot, one entry, for ever: the indirection is not used.
            for index in 0..entries {
                let slot = ring.at::<AtomicU32>(geometry.sq_array as usize + index as usize * 4);
                // SAFETY: `at` checked bounds and alignment, the mapping is live, and the kernel reads only inside `enter`.
                unsafe { slot.as_ref() }.store(index, Ordering::Relaxed);
            }
        }
        // The bounds of the last slot cover those of all others.
        let _ = sqes.at::<Sqe>((entries as usize - 1) * size_of::<Sqe>());
        let tail = ring.at::<AtomicU32>(geometry.sq_tail as usize);
        // SAFETY: `at` checked bounds and alignment, and the mapping is live.
        let next = unsafe { tail.as_ref() }.load(Ordering::Relaxed);
        // INVARIANT: promised by the caller and checked above.
        Self {
            head: ring.at(geometry.sq_head as usize),
            tail,
            flags: ring.at(geometry.sq_flags as usize),
            sqes: sqes.at(0),
            entries,
            next,
        }
    }

    /// How many entries wait for the next `enter`.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.next.wrapping_sub(self.head())
    }

    /// Writes an entry and returns its position, or `None` if the queue is full.
    #[inline]
    pub(super) fn push(&mut self, sqe: &Sqe) -> Option<u32> {
        if self.len() >= self.entries {
            return None;
        }
        let position = self.next;
        // SAFETY: by the invariant the slot is in bounds of a live mapping; it is not between head and tail, so the kernel does
        // not read it.
        unsafe { self.slot(position).write(*sqe) };
        self.next = position.wrapping_add(1);
        Some(position)
    }

    /// Turns the entry at `position` into a NOP with the same `user_data`. False if the kernel has taken it.
    pub(super) fn neutralize(&mut self, position: u32) -> bool {
        if self.next.wrapping_sub(position) > self.len() || position == self.next {
            return false;
        }
        let slot = self.slot(position);
        // SAFETY: the slot is in bounds, holds an entry that was not taken yet, and the kernel is not in `enter`, for that is called
        // with `&mut` of the ring.
        let user_data = unsafe { slot.read() }.user_data;
        let nop = Sqe { user_data, ..Sqe::new(NOP, -1) };
        // SAFETY: as above.
        unsafe { slot.write(nop) };
        true
    }

    /// Makes the entries visible to the kernel and returns their number.
    #[inline]
    pub(super) fn publish(&mut self) -> u32 {
        // SAFETY: by the invariant of the type. Release pairs with the kernel's acquire of the tail: entries before the number.
        unsafe { self.tail.as_ref() }.store(self.next, Ordering::Release);
        self.len()
    }

    /// Whether completions wait in the kernel for an `enter` that fetches them.
    #[inline]
    pub(super) fn wants_enter(&self) -> bool {
        // SAFETY: by the invariant of the type.
        let flags = unsafe { self.flags.as_ref() }.load(Ordering::Relaxed);
        flags & (raw::IORING_SQ_CQ_OVERFLOW | raw::IORING_SQ_TASKRUN) != 0
    }

    #[inline]
    fn head(&self) -> u32 {
        // SAFETY: by the invariant of the type. Acquire pairs with the kernel's release: it has read the slots that it gives back.
        unsafe { self.head.as_ref() }.load(Ordering::Acquire)
    }

    #[inline]
    fn slot(&self, position: u32) -> *mut Sqe {
        let index = position & (self.entries - 1);
        self.sqes.as_ptr().wrapping_add(index as usize)
    }
}
