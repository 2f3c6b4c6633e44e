//! `Ring`: a worker's bounded queue. Its owner pushes; anybody takes from the front, one or half.
//!
//! ```text
//!        head                tail
//!          v                   v
//!   . . .  a   b   c   d   e   . . .      positions only grow; position p lies in slot p % CAPACITY
//!          ^ whoever moves the head       ^ only the owner moves the tail
//! ```
//!
//! Taking is: read the slots, then move the head over them with one compare-exchange. Whoever fails it has read nothing that
//! counts. So a slot may be read while the owner overwrites it (it is an atomic), but what was read is used only if the head
//! had not moved, and the owner does not overwrite a slot before the head has moved past it.
//!
//! Orderings: the owner's store of the tail releases the slots, and what they point to, to those who load it with Acquire. The
//! exchange of the head releases the reads of the slots to the owner, who loads the head with Acquire before it overwrites
//! them.

use std::{marker::PhantomData, mem, ptr};

use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// How many words a ring holds. Small in a model, so that it wraps.
pub(super) const CAPACITY: usize = if cfg!(loom) { 4 } else { 256 };

/// What fits in a slot: a value that is one word, as a pointer is.
///
/// # Safety
/// `from_raw` of what `into_raw` returned is the value again, on any thread. The pointer is not null.
pub(super) unsafe trait Word: Send {
    /// Gives the value away.
    fn into_raw(self) -> *mut ();
    /// Takes the value back.
    ///
    /// # Safety
    /// `raw` comes from `into_raw`, and is taken back once.
    unsafe fn from_raw(raw: *mut ()) -> Self;
}

/// A bounded queue with one producer.
///
/// # Invariants
/// `head <= tail <= head + CAPACITY`. The slots of the positions from `head` to `tail` own a `T` each.
pub(super) struct Ring<T: Word> {
    head: AtomicUsize,
    tail: AtomicUsize,
    slots: [AtomicPtr<()>; CAPACITY],
    owns: PhantomData<T>,
}

impl<T: Word> Ring<T> {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            owns: PhantomData,
        }
    }

    fn slot(&self, position: usize) -> &AtomicPtr<()> {
        &self.slots[position % CAPACITY]
    }

    /// How many there are, more or less; exact for the owner, as long as nobody takes any.
    pub(super) fn len(&self) -> usize {
        // The head first: the tail is never behind a head that was seen before.
        let head = self.head.load(Ordering::Relaxed);
        self.tail.load(Ordering::Relaxed).wrapping_sub(head).min(CAPACITY)
    }

    /// Puts a value at the end; gives it back if the ring is full.
    ///
    /// # Safety
    /// The caller is the ring's owner: nobody else pushes or steals into it at the same time, and what earlier owners did
    /// happens before.
    pub(super) unsafe fn push(&self, value: T) -> Result<(), T> {
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire: who took the last value from the slot has read it.
        let head = self.head.load(Ordering::Acquire);
        if tail.wrapping_sub(head) == CAPACITY {
            return Err(value);
        }
        self.slot(tail).store(value.into_raw(), Ordering::Relaxed);
        // INVARIANT: the slot at `tail` owns the value.
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Takes the first value.
    pub(super) fn pop(&self) -> Option<T> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            // Acquire pairs with `push`, for callers that are not the owner.
            let tail = self.tail.load(Ordering::Acquire);
            if tail == head {
                return None;
            }
            let raw = self.slot(head).load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, head.wrapping_add(1), Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: the head was `head` until this exchange, so the slot owned a value, and the load read it (see the
                // top of this file). It is the caller's now, since the head has moved past it.
                Ok(_) => return Some(unsafe { T::from_raw(raw) }),
                Err(now) => head = now,
            }
        }
    }

    /// Moves the first half, rounded up, to `into`, and the very first value to the caller.
    ///
    /// # Safety
    /// The caller is the owner of `into`, as for `push`; `into` is empty and not this ring.
    pub(super) unsafe fn steal(&self, into: &Self) -> Option<T> {
        let end = into.tail.load(Ordering::Relaxed);
        // Acquire: who took the last values from the slots has read them.
        debug_assert_eq!(into.head.load(Ordering::Acquire), end, "only an empty ring steals");
        let mut first = ptr::null_mut();
        let taken = self.take_half(|at, raw| match at {
            0 => first = raw,
            // Not published yet: only this thread knows of positions from the tail on.
            _ => into.slot(end.wrapping_add(at - 1)).store(raw, Ordering::Relaxed),
        })?;
        // INVARIANT: the slots from `end` on own what `take_half` gave.
        into.tail.store(end.wrapping_add(taken - 1), Ordering::Release);
        // SAFETY: `take_half` gave it to the caller, once.
        Some(unsafe { T::from_raw(first) })
    }

    /// Takes the first half, rounded up, in reverse order.
    pub(super) fn split_off_front(&self) -> Vec<T> {
        let mut raws = [ptr::null_mut(); CAPACITY];
        let taken = self.take_half(|at, raw| raws[at] = raw).unwrap_or(0);
        // SAFETY: `take_half` gave the first `taken` to the caller, once each.
        raws[..taken].iter().rev().map(|&raw| unsafe { T::from_raw(raw) }).collect()
    }

    /// Takes half of the values, rounded up, and returns how many; `None` if there are none. They are what `keep` was called
    /// with last for the places below the result: it is called with each place and word, over again when somebody else was
    /// faster.
    fn take_half(&self, mut keep: impl FnMut(usize, *mut ())) -> Option<usize> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            // Acquire pairs with `push`.
            let len = self.tail.load(Ordering::Acquire).wrapping_sub(head);
            if len == 0 {
                return None;
            }
            if len > CAPACITY {
                // The head has moved since it was read.
                head = self.head.load(Ordering::Acquire);
                continue;
            }
            let half = len - len / 2;
            for at in 0..half {
                keep(at, self.slot(head.wrapping_add(at)).load(Ordering::Relaxed));
            }
            match self.head.compare_exchange_weak(head, head.wrapping_add(half), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(half),
                Err(now) => head = now,
            }
        }
    }
}

impl<T: Word> Drop for Ring<T> {
    fn drop(&mut self) {
        while let Some(value) = self.pop() {
            drop(value);
        }
    }
}

// SAFETY: as `Box<T>` is one word; the pointer is not null.
#[cfg(test)]
unsafe impl<T: Send> Word for Box<T> {
    fn into_raw(self) -> *mut () {
        Box::into_raw(self).cast()
    }

    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: promised by the caller.
        unsafe { Box::from_raw(raw.cast()) }
    }
}

/// A `Work` is the address of a header.
const _: () = assert!(mem::size_of::<crate::Work>() == mem::size_of::<*mut ()>());

// SAFETY: the address of the header is the whole of a `Work`, which is `Send`; it is not null.
unsafe impl Word for crate::Work {
    fn into_raw(self) -> *mut () {
        self.into_header().as_ptr().cast()
    }

    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: `into_raw` gave a header's address.
        let header = unsafe { ptr::NonNull::new_unchecked(raw.cast()) };
        // SAFETY: the ownership that `into_raw` gave away, taken back once.
        unsafe { Self::from_header(header) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out_across_the_wrap() {
        let ring = Ring::new();
        for round in 0..5 {
            for n in 0..CAPACITY - 1 {
                // SAFETY: the only thread.
                unsafe { ring.push(Box::new(round * CAPACITY + n)) }.unwrap();
            }
            for n in 0..CAPACITY - 1 {
                assert_eq!(*ring.pop().unwrap(), round * CAPACITY + n);
            }
            assert!(ring.pop().is_none());
        }
    }

    #[test]
    fn a_full_ring_gives_back_and_splits_in_order() {
        let ring = Ring::new();
        for n in 0..CAPACITY {
            // SAFETY: the only thread.
            unsafe { ring.push(Box::new(n)) }.unwrap();
        }
        // SAFETY: as above.
        assert_eq!(*unsafe { ring.push(Box::new(CAPACITY)) }.unwrap_err(), CAPACITY);
        let front: Vec<usize> = ring.split_off_front().into_iter().map(|n| *n).collect();
        assert_eq!(front, (0..CAPACITY / 2).rev().collect::<Vec<_>>());
        assert_eq!(ring.len(), CAPACITY / 2);
        assert_eq!(*ring.pop().unwrap(), CAPACITY / 2);
    }

    #[test]
    fn a_thief_takes_the_first_and_half() {
        let (ring, own) = (Ring::new(), Ring::new());
        for n in 0..9 {
            // SAFETY: the only thread.
            unsafe { ring.push(Box::new(n)) }.unwrap();
        }
        // SAFETY: as above; `own` is empty.
        assert_eq!(*unsafe { ring.steal(&own) }.unwrap(), 0);
        assert_eq!(std::iter::from_fn(|| own.pop()).map(|n| *n).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(std::iter::from_fn(|| ring.pop()).map(|n| *n).collect::<Vec<_>>(), [5, 6, 7, 8]);
    }

    #[test]
    fn a_dropped_ring_drops_what_it_holds() {
        let value = std::sync::Arc::new(());
        let ring = Ring::new();
        // SAFETY: the only thread.
        unsafe { ring.push(Box::new(std::sync::Arc::clone(&value))) }.unwrap();
        drop(ring);
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use loom::{alloc::Track, thread};
    use std::sync::{Arc, Mutex};

    /// What was seen. Not loom's: it is no part of the model.
    type Seen = Arc<Mutex<Vec<usize>>>;

    fn see(seen: &Seen, value: Option<Box<Track<usize>>>) -> bool {
        value.is_some_and(|value| {
            seen.lock().unwrap().push(*value.get_ref());
            true
        })
    }

    /// One owner that pushes and pops, and thieves: every value is seen exactly once. Loom sees a value that is read before it
    /// was published, one that is read twice, and a leak.
    fn model(thieves: usize, pushes: usize, pop_each: bool) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let ring = Arc::new(Ring::<Box<Track<usize>>>::new());
            let seen = Seen::default();
            let thieves: Vec<_> = (0..thieves)
                .map(|_| {
                    let (ring, seen) = (Arc::clone(&ring), Arc::clone(&seen));
                    thread::spawn(move || {
                        let own = Ring::new();
                        // SAFETY: `own` is this thread's, and empty.
                        see(&seen, unsafe { ring.steal(&own) });
                        while see(&seen, own.pop()) {}
                    })
                })
                .collect();
            for n in 0..pushes {
                // SAFETY: only this thread pushes.
                let mut pushed = unsafe { ring.push(Box::new(Track::new(n))) };
                while let Err(value) = pushed {
                    for value in ring.split_off_front() {
                        see(&seen, Some(value));
                    }
                    // SAFETY: as above.
                    pushed = unsafe { ring.push(value) };
                }
                if pop_each {
                    see(&seen, ring.pop());
                }
            }
            while see(&seen, ring.pop()) {}
            for thief in thieves {
                thief.join().unwrap();
            }
            let mut seen = std::mem::take(&mut *seen.lock().unwrap());
            seen.sort_unstable();
            assert_eq!(seen, (0..pushes).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_thief_against_push_and_pop() {
        model(1, 3, true);
    }

    #[test]
    fn a_thief_against_a_ring_that_wraps_and_overflows() {
        model(1, 6, false);
    }

    #[test]
    fn two_thieves() {
        model(2, 3, false);
    }
}
