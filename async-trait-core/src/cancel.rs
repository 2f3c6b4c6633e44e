//! What a request to finish is made of: `CancelFlag`, its `Reason`, a user's own `Cause`, and the error `Cancelled`.
//!
//! The flag is one word, so that "is it cancelled?" is one load:
//!
//! ```text
//! bits 0..2   stage: 0 none, 1 stopping, 2 cancelled
//! bit  2      1: the other bits are the address of a user's `Cause` (aligned to 8)
//! bits 3..    otherwise the number of a built-in reason
//! ```
//!
//! The stage only grows. Within one stage the first request wins; a request to finish replaces the reason of a request
//! to stop.

use core::{
    fmt, ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

const STAGE: usize = 0b011;
const STOPPING: usize = 1;
const CANCELLED: usize = 2;
const CUSTOM: usize = 0b100;
const SHIFT: u32 = 3;

/// A request to finish, set once and seen by everything that is polled under it (see [`Context::with_cancel`]).
///
/// The flag wakes nobody: whoever sets it wakes the task that polls under it (clause *wake* of
/// [the contract](crate::Async#the-contract)). Users want a `CancellationToken` or a scope's `cancel` instead.
///
/// [`Context::with_cancel`]: crate::Context::with_cancel
pub struct CancelFlag {
    word: AtomicPtr<Cause>,
}

impl CancelFlag {
    /// A flag that is not set.
    #[must_use]
    pub const fn new() -> Self {
        Self { word: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Asks to start nothing new. False if this or more was already asked.
    pub fn request_stop(&self, reason: Reason) -> bool {
        self.raise(STOPPING, reason)
    }

    /// Asks to finish. False if that was already asked; the first reason stays.
    pub fn request(&self, reason: Reason) -> bool {
        self.raise(CANCELLED, reason)
    }

    /// Whether it was asked to stop or to finish.
    #[inline]
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.load().addr() & STAGE != 0
    }

    /// Whether it was asked to finish.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.load().addr() & STAGE == CANCELLED
    }

    /// The reason of the request to stop or to finish; `None` if there was none.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let word = self.load();
        if word.addr() & STAGE == 0 {
            return None;
        }
        Some(if word.addr() & CUSTOM != 0 {
            let cause = word.map_addr(|addr| addr & !(STAGE | CUSTOM)).cast_const();
            // SAFETY: with `CUSTOM` set the word was made by `encode` from a `&'static Cause`, whose provenance `map_addr`
            // keeps; the masked bits are the ones that `encode` added.
            Reason::Custom(unsafe { &*cause })
        } else {
            Reason::from_code(word.addr() >> SHIFT)
        })
    }

    // Acquire pairs with the Release of `raise`: who sees the request sees what was written before it.
    #[inline]
    fn load(&self) -> *mut Cause {
        self.word.load(Ordering::Acquire)
    }

    fn raise(&self, stage: usize, reason: Reason) -> bool {
        let new = encode(stage, reason);
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| (old.addr() & STAGE < stage).then_some(new))
            .is_ok()
    }
}

impl Default for CancelFlag {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelFlag")
            .field("is_cancelled", &self.is_cancelled())
            .field("reason", &self.reason())
            .finish()
    }
}

fn encode(stage: usize, reason: Reason) -> *mut Cause {
    match reason {
        Reason::Custom(cause) => ptr::from_ref(cause).cast_mut().map_addr(|addr| addr | stage | CUSTOM),
        other => ptr::without_provenance_mut(other.code() << SHIFT | stage),
    }
}

/// A user's own reason for a request, told apart by its address: declare it as a `static`.
///
/// ```
/// use async_trait_core::{Cause, Reason};
///
/// static MAINTENANCE: Cause = Cause::new("maintenance window");
/// let reason = Reason::from(&MAINTENANCE);
/// assert_eq!(reason, Reason::Custom(&MAINTENANCE));
/// assert_eq!(reason.to_string(), "maintenance window");
/// ```
// The alignment keeps three bits of the address free for `CancelFlag`.
#[repr(align(8))]
pub struct Cause {
    text: &'static str,
}

impl Cause {
    /// A cause with its text, as people should read it.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text }
    }

    /// The text.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// A cause whose text is only known at run time. Its memory is never freed: make few.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn leaked(text: alloc::string::String) -> &'static Self {
        alloc::boxed::Box::leak(alloc::boxed::Box::new(Self::new(alloc::string::String::leak(text))))
    }
}

/// By address: two causes with the same text are different causes.
impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl Eq for Cause {}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// Why something is asked to finish.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Somebody asked, and gave no other reason.
    Requested,
    /// A deadline or timeout has passed.
    Deadline,
    /// A sibling failed, and the result of this computation is not needed any more.
    SiblingFailed,
    /// Another branch of a race or select was first.
    LostRace,
    /// The scope's ordinary work is done; this was background work.
    ScopeEnding,
    /// The runtime shuts down.
    Shutdown,
    /// A reason of the user's own.
    Custom(&'static Cause),
}

impl Reason {
    const fn code(self) -> usize {
        match self {
            Self::Requested | Self::Custom(_) => 0,
            Self::Deadline => 1,
            Self::SiblingFailed => 2,
            Self::LostRace => 3,
            Self::ScopeEnding => 4,
            Self::Shutdown => 5,
        }
    }

    const fn from_code(code: usize) -> Self {
        match code {
            1 => Self::Deadline,
            2 => Self::SiblingFailed,
            3 => Self::LostRace,
            4 => Self::ScopeEnding,
            5 => Self::Shutdown,
            _ => Self::Requested,
        }
    }
}

impl From<&'static Cause> for Reason {
    fn from(cause: &'static Cause) -> Self {
        Self::Custom(cause)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "requested",
            Self::Deadline => "the deadline has passed",
            Self::SiblingFailed => "a sibling failed",
            Self::LostRace => "another branch was first",
            Self::ScopeEnding => "the scope is ending",
            Self::Shutdown => "the runtime shuts down",
            Self::Custom(cause) => cause.text(),
        })
    }
}

/// The error of an operation that did not happen because it was asked to finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancelled {
    reason: Reason,
}

impl Cancelled {
    /// The error for a request with this reason.
    #[must_use]
    pub const fn from_reason(reason: Reason) -> Self {
        Self { reason }
    }

    /// Why it was asked to finish.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The cancellation that an I/O error carries, if that is what it is.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn from_io(error: &std::io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled: {}", self.reason)
    }
}

impl core::error::Error for Cancelled {}

/// `TimedOut` for a deadline, else `Other`; never `Interrupted`, on which std's loops retry for ever.
#[cfg(feature = "std")]
impl From<Cancelled> for std::io::Error {
    fn from(cancelled: Cancelled) -> Self {
        let kind = match cancelled.reason {
            Reason::Deadline => std::io::ErrorKind::TimedOut,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CAUSE: Cause = Cause::new("mine");

    #[test]
    fn first_request_of_a_stage_wins() {
        let flag = CancelFlag::new();
        assert_eq!(flag.reason(), None);
        assert!(flag.request_stop(Reason::Shutdown));
        assert!(!flag.request_stop(Reason::Deadline));
        assert!(flag.is_stopping() && !flag.is_cancelled());
        assert_eq!(flag.reason(), Some(Reason::Shutdown));
        assert!(flag.request(Reason::Custom(&CAUSE)));
        assert!(!flag.request(Reason::Deadline));
        assert!(!flag.request_stop(Reason::Deadline));
        assert!(flag.is_stopping() && flag.is_cancelled());
        assert_eq!(flag.reason(), Some(Reason::Custom(&CAUSE)));
    }

    #[test]
    fn every_reason_survives_the_word() {
        for reason in [
            Reason::Requested,
            Reason::Deadline,
            Reason::SiblingFailed,
            Reason::LostRace,
            Reason::ScopeEnding,
            Reason::Shutdown,
            Reason::Custom(&CAUSE),
        ] {
            let flag = CancelFlag::new();
            assert!(flag.request(reason));
            assert_eq!(flag.reason(), Some(reason));
        }
    }
}
