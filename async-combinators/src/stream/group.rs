//! `Group`: a set of cancel-safe values that grows and shrinks, and yields their outputs as they complete.
//!
//! Members live in slots of blocks on the heap that are never moved; each block is twice as large as the one before. A
//! position is reused when its member is gone, and then has another number, so that an old [`Key`] finds nothing.
//!
//! Members are cancel-safe: forgetting a group after a `next` is safe code, so nothing that must be completed may be
//! started in it. Hence *completed* never binds here, and a panic may pass through once the member that it came from is gone.

use alloc::vec::Vec;
use core::{
    fmt,
    future::IntoFuture,
    mem,
    pin::Pin,
    task::{self, Poll},
};

use async_trait_core::{AsFuture, Async, CancelSafe, Context};
use futures_core::Stream;

use crate::utils::{
    pinned::{PinSlice, PinVec, pin_at},
    slot::Slot,
    turns::{RotateWoken, Turns},
};

/// The first block's length. A power of two.
const FIRST: usize = 4;

/// A growing and shrinking set of cancel-safe values that are run at once and yield their outputs as they complete.
///
/// Members are plain futures, or combinators of plain futures. Values that must be completed once started belong into a
/// scope (`async-scope`), whose tasks also run in parallel.
///
/// It is a `Stream`, hence a `CancelSafeIterator`, and can be merged and mapped like one ([`items`](async_trait_core::items)).
///
/// # Examples
/// ```
/// use async_combinators::Group;
/// use async_trait_core::{block_on_with, yield_now};
///
/// let mut group = Group::new();
/// for n in [3_u32, 1, 2] {
///     group.insert(async move { for _ in 0..n { yield_now().await } n });
/// }
/// let mut done = Vec::new();
/// while let Some(n) = block_on_with(group.next(), || {}) {
///     done.push(n);
/// }
/// assert_eq!(done, [1, 2, 3]);
/// ```
///
/// # Panics
/// `next` panics with a member's panic; that member is gone then, and the others can go on.
///
/// # Cancellation
/// Members that are polled through [`next`](Group::next) see the request; through the `Stream`, which has no
/// [`Context`], they do not. Dropping a `next` loses nothing; dropping the group drops its members in order of position.
pub struct Group<A: CancelSafe> {
    members: Members<A>,
    last_number: u64,
    turns: RotateWoken,
}

/// Names a member of a [`Group`], also after it is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key {
    number: u64,
    index: usize,
}

impl<A: CancelSafe> Group<A> {
    /// A group without members. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        let members = Members { blocks: Vec::new(), numbers: Vec::new(), free: Vec::new() };
        Self { members, last_number: 0, turns: RotateWoken::default() }
    }

    /// Adds a member. It is polled when the group is polled next.
    pub fn insert(&mut self, member: A) -> Key {
        self.last_number += 1;
        let index = self.members.insert(member, self.last_number);
        self.turns.added(index, self.members.numbers.len());
        Key { number: self.last_number, index }
    }

    /// Takes a member out, if it is still there. For members that are not `Unpin`, see [`discard`](Group::discard).
    pub fn remove(&mut self, key: Key) -> Option<A>
    where
        A: Unpin,
    {
        if !self.contains(key) {
            return None;
        }
        self.members.free(key.index);
        match mem::replace(self.members.slot(key.index).get_mut(), Slot::Gone) {
            Slot::Child { child } => Some(child),
            Slot::Done { .. } | Slot::Gone => None,
        }
    }

    /// Drops a member. False if it is not there any more.
    pub fn discard(&mut self, key: Key) -> bool {
        let there = self.contains(key);
        if there {
            self.members.discard(key.index);
        }
        there
    }

    /// Whether a member is still there.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.members.numbers.get(key.index) == Some(&key.number)
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.numbers.len() - self.members.free.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The output of the next member that completes, or `None` if there are no members.
    ///
    /// # Cancellation
    /// The request reaches the members. Dropping the returned value loses nothing.
    #[expect(
        clippy::should_implement_trait,
        reason = "the name that every async iteration uses; it returns no `Option`"
    )]
    pub fn next(&mut self) -> NextDone<'_, A> {
        NextDone { group: self }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<A::Output>> {
        let len = self.members.numbers.len();
        if self.is_empty() {
            return Poll::Ready(None);
        }
        self.turns.begin(len, cx);
        while let Some(index) = self.turns.next(len) {
            if self.members.numbers[index] == 0 {
                continue;
            }
            let Self { members, turns, .. } = self;
            if let Poll::Ready(output) = turns.lend(index, len, cx, |cx| members.poll(index, cx)) {
                return Poll::Ready(Some(output));
            }
        }
        Poll::Pending
    }
}

/// Slots, and who lives in them.
struct Members<A: Async> {
    /// Block `n` has `FIRST << n` slots.
    blocks: Vec<PinVec<Slot<A>>>,
    /// The number of the member at each position, 0 if there is none.
    numbers: Vec<u64>,
    /// Positions without a member.
    free: Vec<usize>,
}

impl<A: CancelSafe> Members<A> {
    /// Puts a member at a free position.
    fn insert(&mut self, member: A, number: u64) -> usize {
        if self.free.is_empty() {
            let old = self.numbers.len();
            self.blocks.push((0..FIRST << self.blocks.len()).map(|_| Slot::Gone).collect());
            self.numbers.resize(2 * old + FIRST, 0);
            self.free.extend((old..self.numbers.len()).rev());
        }
        let index = self.free.pop().expect("there is room now");
        self.slot(index).set(Slot::new(member));
        self.numbers[index] = number;
        index
    }

    /// The slot at a position.
    fn slot(&mut self, index: usize) -> Pin<&mut Slot<A>> {
        // The blocks before block `n` have `(FIRST << n) - FIRST` slots together.
        let block = ((index + FIRST) / FIRST).ilog2() as usize;
        let offset = index + FIRST - (FIRST << block);
        pin_at(Pin::new(&mut self.blocks[block]).as_pin_slice(), offset)
    }

    /// Polls a member, which is gone when it is complete, also by unwinding.
    fn poll(&mut self, index: usize, cx: &mut Context<'_>) -> Poll<A::Output> {
        let mut gone = Gone { members: self, index, armed: true };
        // SAFETY: *completed* does not bind for a `CancelSafe` value. *retired*: `gone` removes it when it returns `Ready` or unwinds.
        let polled = unsafe { gone.members.slot(index).poll(cx) };
        gone.armed = polled.is_ready();
        polled
    }

    /// Marks a position as free. Its key finds nothing from now on; the slot is emptied by the caller.
    fn free(&mut self, index: usize) {
        self.numbers[index] = 0;
        self.free.push(index);
    }

    fn discard(&mut self, index: usize) {
        self.free(index);
        self.slot(index).discard();
    }
}

/// Removes a member when it goes out of scope, also by unwinding, unless it was disarmed.
struct Gone<'a, A: CancelSafe> {
    members: &'a mut Members<A>,
    index: usize,
    armed: bool,
}

impl<A: CancelSafe> Drop for Gone<'_, A> {
    fn drop(&mut self) {
        if self.armed {
            self.members.discard(self.index);
        }
    }
}

impl<A: CancelSafe> Default for Group<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: CancelSafe> Extend<A> for Group<A> {
    fn extend<T: IntoIterator<Item = A>>(&mut self, members: T) {
        for member in members {
            self.insert(member);
        }
    }
}

impl<A: CancelSafe> FromIterator<A> for Group<A> {
    fn from_iter<T: IntoIterator<Item = A>>(members: T) -> Self {
        let mut group = Self::new();
        group.extend(members);
        group
    }
}

impl<A: CancelSafe> Stream for Group<A> {
    type Item = A::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<A::Output>> {
        self.poll(&mut Context::from_waker(cx.waker()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<A: CancelSafe> fmt::Debug for Group<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("members", &self.len()).finish_non_exhaustive()
    }
}

/// The `Async` of [`Group::next`].
#[derive(Debug)]
#[must_use = "an `Async` does nothing unless it is awaited or handed to an executor"]
pub struct NextDone<'a, A: CancelSafe> {
    group: &'a mut Group<A>,
}

// SAFETY: *inert*: made of a reference. *quiet* and *honest*: the members are cancel-safe, so none ever lends anything that could
// be touched after a drop.
unsafe impl<A: CancelSafe> Async for NextDone<'_, A> {
    type Output = Option<A::Output>;

    unsafe fn poll_async(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A::Output>> {
        self.group.poll(cx)
    }

    fn is_cancel_safe(&self) -> bool {
        true
    }
}

// SAFETY: `is_cancel_safe` is always true, and so is what it says.
unsafe impl<A: CancelSafe> CancelSafe for NextDone<'_, A> {}

impl<A: CancelSafe> IntoFuture for NextDone<'_, A> {
    type Output = Option<A::Output>;
    type IntoFuture = AsFuture<Self>;

    fn into_future(self) -> AsFuture<Self> {
        AsFuture::new(self)
    }
}
