//! One io_uring instance: its two queues, and the call that moves entries through them.
//!
//! A `Ring` has one owner, which is the only one to touch it (SINGLE_ISSUER). It knows nothing of operations: what an entry
//! means, and when memory may be given back, is the business of `driver` and `op`.
//!
//! Dropping a `Ring` unmaps and closes it. That is **not** a barrier: the kernel goes on with what is in flight. Whoever
//! owns one waits until nothing is.

mod cqueue;
#[cfg(test)]
pub(crate) mod fault;
mod probe;
pub(crate) mod sqe;
mod squeue;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use linux_raw_sys::io_uring as raw;

pub(crate) use cqueue::Cqe;
pub(crate) use probe::check_opcode;
pub(crate) use sqe::Sqe;

use self::{
    cqueue::CompletionQueue,
    sqe::errno::{EINVAL, ENOMEM},
    squeue::SubmissionQueue,
};
use crate::sys::{self, Errno, Mapping};

/// The setup flags to try, best first; each line serves older kernels than the one before.
const ATTEMPTS: [u32; 4] = [
    // Linux 6.6
    raw::IORING_SETUP_SINGLE_ISSUER
        | raw::IORING_SETUP_DEFER_TASKRUN
        | raw::IORING_SETUP_TASKRUN_FLAG
        | raw::IORING_SETUP_SUBMIT_ALL
        | raw::IORING_SETUP_NO_SQARRAY,
    // Linux 6.1
    raw::IORING_SETUP_SINGLE_ISSUER
        | raw::IORING_SETUP_DEFER_TASKRUN
        | raw::IORING_SETUP_TASKRUN_FLAG
        | raw::IORING_SETUP_SUBMIT_ALL,
    // Linux 5.19
    raw::IORING_SETUP_COOP_TASKRUN | raw::IORING_SETUP_TASKRUN_FLAG | raw::IORING_SETUP_SUBMIT_ALL,
    0,
];

/// What a ring cannot do without: completions are never dropped (5.5), and `enter` takes a time limit (5.11).
const REQUIRED: u32 = raw::IORING_FEAT_NODROP | raw::IORING_FEAT_EXT_ARG | raw::IORING_FEAT_SUBMIT_STABLE;

/// An io_uring instance.
pub(crate) struct Ring {
    fd: OwnedFd,
    squeue: SubmissionQueue,
    cqueue: CompletionQueue,
    /// Added to the flags of waits.
    wait_flags: u32,
    /// Kept for the queues, which point into them; dropped after them.
    _mappings: [Mapping; 3],
}

// SAFETY: the pointers lead into mappings that the value owns; nothing in it is tied to a thread. (The kernel ties a
// SINGLE_ISSUER ring to the thread of the first `enter`; breaking that yields errors, not unsoundness.)
unsafe impl Send for Ring {}

impl Ring {
    /// Sets up a ring with at least so many entries in each queue, with the best flags that the kernel knows.
    ///
    /// # Errors
    /// The kernel's refusal (`EPERM`, `ENOSYS`, `ENOMEM` ..), or `Unsupported` for one older than 5.11.
    pub(crate) fn new(entries: u32, cq_entries: u32) -> io::Result<Self> {
        let mut entries = entries;
        loop {
            match Self::with_entries(entries, cq_entries) {
                // Locked memory is limited: take what there is.
                Err(Errno(ENOMEM)) if entries > 8 => entries /= 4,
                Err(errno) => return Err(errno.into()),
                Ok(result) => return result,
            }
        }
    }

    fn with_entries(entries: u32, cq_entries: u32) -> Result<io::Result<Self>, Errno> {
        let common = raw::IORING_SETUP_CQSIZE | raw::IORING_SETUP_CLAMP;
        let mut refused = Errno(EINVAL);
        for flags in ATTEMPTS {
            match sys::setup(entries, cq_entries.max(entries), flags | common) {
                Ok((fd, geometry)) => return Self::from_fd(fd, &geometry, flags),
                Err(Errno(EINVAL)) => refused = Errno(EINVAL),
                Err(errno) => return Err(errno),
            }
        }
        Err(refused)
    }

    fn from_fd(fd: OwnedFd, geometry: &sys::Geometry, flags: u32) -> Result<io::Result<Self>, Errno> {
        if geometry.features & REQUIRED != REQUIRED {
            return Ok(Err(io::Error::new(io::ErrorKind::Unsupported, "io_uring needs Linux 5.11 or newer")));
        }
        let with_array = flags & raw::IORING_SETUP_NO_SQARRAY == 0;
        let array = if with_array { geometry.sq_array as usize + geometry.sq_entries as usize * 4 } else { 0 };
        let cqes = geometry.cq_cqes as usize + geometry.cq_entries as usize * size_of::<Cqe>();
        // Both offsets may be mapped with the size of the larger part: with SINGLE_MMAP (5.4) they are one region.
        let rings = sys::Mapping::new(fd.as_fd(), array.max(cqes).max(256), raw::IORING_OFF_SQ_RING)?;
        let second = sys::Mapping::new(fd.as_fd(), array.max(cqes).max(256), raw::IORING_OFF_CQ_RING)?;
        let sqes = geometry.sq_entries as usize * size_of::<Sqe>();
        let sqes = sys::Mapping::new(fd.as_fd(), sqes, raw::IORING_OFF_SQES)?;
        // SAFETY: the mappings are of this ring, and the queues are dropped before them (field order).
        let squeue = unsafe { SubmissionQueue::new(&rings, &sqes, geometry, with_array) };
        // SAFETY: as above.
        let cqueue = unsafe { CompletionQueue::new(&second, geometry) };
        let wait_flags =
            if geometry.features & raw::IORING_FEAT_NO_IOWAIT != 0 { raw::IORING_ENTER_NO_IOWAIT } else { 0 };
        let ring = Self { fd, squeue, cqueue, wait_flags, _mappings: [rings, second, sqes] };
        probe::learn(&ring);
        Ok(Ok(ring))
    }

    /// Writes an entry into the SQ and returns its position, or `None` if the SQ is full: `enter` first, then.
    ///
    /// # Safety
    /// What the entry names obeys the rules of its opcode until its CQE was popped, or until the ring is dropped without any
    /// later `enter`; see [`sys::enter`].
    #[inline]
    pub(crate) unsafe fn push(&mut self, sqe: &Sqe) -> Option<u32> {
        #[cfg(test)]
        let sqe = &fault::before_push(*sqe);
        self.squeue.push(sqe)
    }

    /// Turns an entry that the kernel has not taken into a NOP; false if it has. Its CQE comes either way.
    pub(crate) fn neutralize(&mut self, position: u32) -> bool {
        self.squeue.neutralize(position)
    }

    /// How many entries wait for the next `enter`.
    #[inline]
    pub(crate) fn queued(&self) -> u32 {
        self.squeue.len()
    }

    /// Whether there is a completion to pop.
    #[inline]
    pub(crate) fn has_completions(&self) -> bool {
        !self.cqueue.is_empty()
    }

    /// Whether completions wait in the kernel for an `enter` that fetches them. The kernel may set this flag late, after they
    /// were fetched, and then it stays: a hint, not to be waited for.
    #[inline]
    pub(crate) fn wants_enter(&self) -> bool {
        self.squeue.wants_enter()
    }

    /// Submits what is queued, lets the kernel post what has completed, and waits for `complete` completions, at most for
    /// `limit`. Entries may be left in the queue: with an error, and without one.
    pub(crate) fn enter(&mut self, complete: u32, limit: Option<Duration>) -> Result<(), Errno> {
        let submit = self.squeue.publish();
        #[cfg(test)]
        if let Some(errno) = fault::before_enter() {
            return Err(errno);
        }
        let wait = if complete > 0 { self.wait_flags } else { 0 };
        let flags = raw::IORING_ENTER_GETEVENTS | wait;
        // SAFETY: who pushed the entries promised for them.
        unsafe { sys::enter(self.fd.as_fd(), submit, complete, flags, limit) }.map(drop)
    }

    /// Takes the oldest completion out of the CQ.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Cqe> {
        self.cqueue.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::{sqe::NOP, *};

    fn nop(user_data: u64) -> Sqe {
        Sqe { user_data, ..Sqe::new(NOP, -1) }
    }

    #[test]
    fn entries_complete_and_a_full_queue_says_so() {
        let mut ring = Ring::new(8, 16).expect("io_uring");
        for n in 0..8 {
            // SAFETY: a NOP names no memory.
            assert!(unsafe { ring.push(&nop(n)) }.is_some());
        }
        // SAFETY: as above.
        assert_eq!(unsafe { ring.push(&nop(9)) }, None);
        ring.enter(8, None).expect("enter");
        assert_eq!(ring.queued(), 0);
        let mut seen: Vec<_> = std::iter::from_fn(|| ring.pop()).map(|cqe| cqe.user_data).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_is_neutralized_only_before_submission() {
        let mut ring = Ring::new(8, 8).expect("io_uring");
        // An opcode that no kernel has.
        // SAFETY: the kernel refuses the entry.
        let position = unsafe { ring.push(&Sqe { user_data: 7, ..Sqe::new(255, -1) }) }.expect("room");
        assert!(ring.neutralize(position));
        ring.enter(1, None).expect("enter");
        let cqe = ring.pop().expect("a completion");
        assert_eq!((cqe.user_data, cqe.res), (7, 0));
        assert!(!ring.neutralize(position));
    }

    #[test]
    fn overflowing_completions_are_kept_and_fetched_by_the_next_enter() {
        let mut ring = Ring::new(2, 2).expect("io_uring");
        for n in 0..100 {
            // SAFETY: a NOP names no memory.
            while unsafe { ring.push(&nop(n)) }.is_none() {
                let _ = ring.enter(0, None);
            }
        }
        let mut count = 0;
        while count < 100 {
            let _ = ring.enter(0, None);
            count += std::iter::from_fn(|| ring.pop()).count();
        }
        assert_eq!(count, 100);
    }
}
