//! Fault injection for tests: a plan, per thread, of what goes wrong at the border to the kernel.
//!
//! Submissions fail with an errno, entries are shortened or replaced by a NOP that completes with an error, all from a
//! seeded generator, so that a failing run can be repeated. A ring whose thread has no plan is not affected.

use std::cell::Cell;

use super::sqe::{READ, RECV, SEND, Sqe, WRITE, errno};
use crate::sys::Errno;

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// Turns faults on for this thread's rings (a seed other than 0), or off (0).
pub(crate) fn inject(seed: u64) {
    SEED.set(seed);
}

fn roll(sides: u64) -> Option<u64> {
    let mut seed = SEED.get();
    if seed == 0 {
        return None;
    }
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    SEED.set(seed);
    Some((seed >> 11) % sides)
}

pub(super) fn before_enter() -> Option<Errno> {
    match roll(8)? {
        0 => Some(Errno(errno::EINTR)),
        1 => Some(Errno(errno::EAGAIN)),
        2 => Some(Errno(errno::EBUSY)),
        3 => Some(Errno(errno::ENOMEM)),
        _ => None,
    }
}

pub(super) fn before_push(mut sqe: Sqe) -> Sqe {
    if matches!(sqe.opcode, READ | WRITE | RECV | SEND) && sqe.len > 1 && roll(3) == Some(0) {
        sqe.len = 1 + roll(u64::from(sqe.len)).unwrap_or(0) as u32 % sqe.len;
    }
    sqe
}
