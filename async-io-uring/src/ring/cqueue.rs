//! The completion queue: written by the kernel, read by the owner.

use std::{
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::sys::{Geometry, Mapping};

/// A completion queue entry as the kernel lays it out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cqe {
    pub(crate) user_data: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
}

const _: () = assert!(size_of::<Cqe>() == 16);

/// # Invariants
/// The pointers lead into mappings that the `Ring` keeps for as long as this lives; `entries` is a power of two and the
/// number of slots at `cqes`.
pub(super) struct CompletionQueue {
    head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
    cqes: NonNull<Cqe>,
    entries: u32,
}

impl CompletionQueue {
    /// # Safety
    /// `ring` is the mapping of the ring that `geometry` describes, and outlives the value.
    pub(super) unsafe fn new(ring: &Mapping, geometry: &Geometry) -> Self {
        let (entries, cqes) = (geometry.cq_entries, geometry.cq_cqes as usize);
        assert!(entries.is_power_of_two(), "the kernel rounds the size of the CQ to a power of two");
        let _ = ring.at::<Cqe>(cqes + (entries as usize - 1) * size_of::<Cqe>());
        // INVARIANT: promised by the caller and checked above.
        Self {
            head: ring.at(geometry.cq_head as usize),
            tail: ring.at(geometry.cq_tail as usize),
            cqes: ring.at(cqes),
            entries,
        }
    }

    /// Takes the oldest completion out of the queue.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Cqe> {
        // SAFETY: by the invariant of the type.
        let (head, tail) = (unsafe { self.head.as_ref() }, unsafe { self.tail.as_ref() });
        let position = head.load(Ordering::Relaxed);
        // Acquire pairs with the kernel's release of the tail: the entry is written before it is announced.
        if position == tail.load(Ordering::Acquire) {
            return None;
        }
        let slot = self.cqes.as_ptr().wrapping_add((position & (self.entries - 1)) as usize);
        // SAFETY: by the invariant the slot is in bounds of a live mapping; it lies between head and tail, so the kernel does not
        // write it; every bit pattern is a `Cqe`.
        let cqe = unsafe { slot.read() };
        // Release pairs with the kernel's acquire of the head: the entry is read before its slot is given back.
        head.store(position.wrapping_add(1), Ordering::Release);
        Some(cqe)
    }

    /// Whether there is a completion to take.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // SAFETY: by the invariant of the type.
        let (head, tail) = (unsafe { self.head.as_ref() }, unsafe { self.tail.as_ref() });
        head.load(Ordering::Relaxed) == tail.load(Ordering::Acquire)
    }
}
