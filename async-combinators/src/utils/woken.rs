//! The woken set: which children of an array, vector, group or merge were woken since they were last looked at.
//!
//! One allocation, shared by the operation and by every waker that a child keeps, however long: an `Arc<[Line]>`. A
//! [`Line`] speaks for as many children as a word has bits. A child's waker is one pointer: to a byte of its line that holds
//! the number of its bit, which leads to the line, and the line's number to the first line and the count of the `Arc`. (The
//! number in the low bits of an aligned address would do without the bytes, but aligned allocation costs more than a round.)
//!
//! ```text
//! lines[0]   woken: children 0..64    summary: lines 0..64      parent: the waker of the task that polls
//! lines[1]   woken: children 64..128
//!   ..
//! lines[64]  woken: ..                summary: lines 64..128
//! ```
//!
//! # Protocol
//! - **wake** sets the child's bit; if the word was empty, the line's bit in the summary of its group; if that was empty
//!   too, it wakes the parent. Whoever finds a word not empty leaves the rest to the one who found it so.
//! - **poll** registers the parent's waker first, then takes whole summaries (swap with 0), then whole words.
//!
//! Hence: *a word that is not empty is going to be looked at*: its summary bit is set, or about to be set by the thread
//! that found the word empty, or its group's summary was taken by a round that has yet to take the word. A round therefore
//! takes every word whose summary bit it took; one that stops early is followed by [`Lines::drain`]. A wake after the word
//! was taken finds it empty and goes all the way up to the parent, whose waker was registered before.
//!
//! Orderings: a bit is set with Release and taken with Acquire, so that the child is polled with what happened before its
//! wake; taken with Release and found empty with Acquire, so that who finds it empty finds the registered parent. Both
//! words are only changed by read-modify-writes, so a release sequence is never broken.
//!
//! # The first poll
//! Most children of most operations are ready at once or are plain values, so nothing is allocated before a child clones
//! its waker or wakes: until then each is lent a [`Proto`] on the poll stack, whose `clone` and `wake_by_ref` make the set.

use alloc::sync::Arc;
use core::{
    mem::{ManuallyDrop, offset_of},
    ptr,
    task::{RawWaker, RawWakerVTable, Waker},
};

use async_trait_core::Context;

use super::{
    parent::ParentWaker,
    sync::{AtomicPtr, AtomicUsize, Ordering},
};

const BITS: usize = usize::BITS as usize;

/// The children of one word. See the top of the file.
#[repr(C)]
pub(crate) struct Line {
    /// Children of this line that were woken.
    woken: AtomicUsize,
    /// Lines of this group whose `woken` is not empty. Used in the first line of a group.
    summary: AtomicUsize,
    /// Used in the first line of all.
    parent: ParentWaker,
    /// The position of this line.
    index: usize,
    /// How many lines there are.
    lines: usize,
    /// Byte `n` holds `n`: what the wakers of this line's children point to.
    bits: [u8; BITS],
}

impl Line {
    fn new(index: usize, lines: usize, parent: Option<Waker>) -> Self {
        Self {
            woken: AtomicUsize::new(0),
            summary: AtomicUsize::new(0),
            parent: ParentWaker::new(parent),
            index,
            lines,
            bits: const {
                let mut bits = [0; BITS];
                let mut n = 0;
                while n < BITS {
                    bits[n] = n as u8;
                    n += 1;
                }
                bits
            },
        }
    }
}

/// All lines of a set, behind a pointer that came from `Arc::into_raw`.
///
/// # Invariants
/// `base` is the first of `(*base).lines` lines of an `Arc<[Line]>`, with provenance over all of it, and a count is held by
/// whoever lends or owns this value while it exists.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    base: *const Line,
    all: &'a [Line],
}

impl<'a> Lines<'a> {
    /// # Safety
    /// `base` is what the invariants say, and a count is held during `'a`.
    unsafe fn from_base(base: *const Line) -> Self {
        // SAFETY: it points to a line that is kept alive by the count.
        let lines = unsafe { &*base }.lines;
        // SAFETY: as above for all of them; lines are only changed through their cells.
        Self { base, all: unsafe { core::slice::from_raw_parts(base, lines) } }
    }

    /// Makes `waker` the one that is woken. See [`ParentWaker::register`].
    #[inline]
    pub(crate) fn register(self, waker: &Waker) {
        self.all[0].parent.register(waker);
    }

    /// Takes out all that was woken so far, because everything is about to be polled.
    pub(crate) fn drain(self) {
        let mut cursor = Cursor::new();
        while cursor.take_word(self).is_some() {}
        // A round that stopped early may have taken summaries and not the words below.
        for line in self.all {
            line.woken.swap(0, Ordering::AcqRel);
        }
    }

    /// The group of a line: the line that holds its summary.
    fn group_of(self, line: usize) -> &'a Line {
        &self.all[line / BITS * BITS]
    }

    fn wake(self, line: usize, bit: usize) {
        // Orderings: see the top of the file.
        if self.all[line].woken.fetch_or(1 << bit, Ordering::AcqRel) != 0 {
            return;
        }
        if self.all.len() > 1 && self.group_of(line).summary.fetch_or(1 << (line % BITS), Ordering::AcqRel) != 0 {
            return;
        }
        self.all[0].parent.wake();
    }

    /// The pointer of a child's waker.
    fn data(self, index: usize) -> *const () {
        debug_assert!(index / BITS < self.all.len());
        self.base.wrapping_add(index / BITS).wrapping_byte_add(offset_of!(Line, bits) + index % BITS).cast()
    }
}

/// Takes the woken children out of a set, in order of position.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The next group to take.
    group: usize,
    /// Lines of the last taken group that are still to be taken.
    summary: usize,
    /// The last taken line, and what is left of its word.
    line: usize,
    word: usize,
}

impl Cursor {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The next woken child.
    #[inline]
    pub(crate) fn next(&mut self, lines: Lines<'_>) -> Option<usize> {
        while self.word == 0 {
            (self.line, self.word) = self.take_word(lines)?;
        }
        let bit = self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(self.line * BITS + bit)
    }

    /// The next line whose summary bit was set, and its word.
    #[inline]
    pub(crate) fn take_word(&mut self, lines: Lines<'_>) -> Option<(usize, usize)> {
        while self.summary == 0 {
            let first = lines.all.get(self.group * BITS)?;
            self.group += 1;
            // A set of one line does without a summary.
            self.summary = if lines.all.len() == 1 { 1 } else { first.summary.swap(0, Ordering::AcqRel) };
        }
        let line = (self.group - 1) * BITS + self.summary.trailing_zeros() as usize;
        self.summary &= self.summary - 1;
        Some((line, lines.all[line].woken.swap(0, Ordering::AcqRel)))
    }
}

/// A set that is made when it is first needed.
///
/// # Invariants
/// `base` is null or the base of [`Lines`], of which this owns a count.
#[derive(Default)]
pub(crate) struct LazySet {
    base: AtomicPtr<Line>,
}

impl LazySet {
    /// The set, if there is one.
    #[inline]
    pub(crate) fn get(&self) -> Option<Lines<'_>> {
        // Acquire pairs with the Release of `get_or_make`.
        let base = self.base.load(Ordering::Acquire);
        // SAFETY: by the invariant; this owns a count during the borrow.
        (!base.is_null()).then(|| unsafe { Lines::from_base(base) })
    }

    /// The set, made for `len` children if there is none. Its parent is `waker` then.
    #[cold]
    pub(crate) fn get_or_make(&self, len: usize, waker: &Waker) -> Lines<'_> {
        if let Some(lines) = self.get() {
            return lines;
        }
        // Foreign code, before anything is allocated.
        let mut parent = Some(waker.clone());
        let lines = len.div_ceil(BITS).max(1);
        let new: Arc<[Line]> = (0..lines).map(|index| Line::new(index, lines, parent.take())).collect();
        let new = Arc::into_raw(new).cast::<Line>().cast_mut();
        // Release publishes the lines. Acquire: if a thread that shares the child's poll was faster, its lines are used.
        match self.base.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: just made; `self` owns the count now.
            Ok(_) => unsafe { Lines::from_base(new) },
            Err(other) => {
                // SAFETY: just made, not shared, and its only count is given up here.
                drop(unsafe { arc_of(new) });
                // SAFETY: by the invariant of `self.base`.
                unsafe { Lines::from_base(other) }
            }
        }
    }

    /// Runs `poll` with a waker for the child at `index` of `len`.
    #[inline]
    pub(crate) fn lend<R>(
        &self,
        index: usize,
        len: usize,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let Some(lines) = self.get() else {
            let proto = Proto { set: self, len, parent: cx.waker(), index };
            // SAFETY: `PROTO` keeps the rules of `RawWaker` while `proto` is there, which is until the poll has returned; the waker is lent by
            // reference, so no longer; its drop does nothing.
            let waker = unsafe { Waker::new(ptr::from_ref(&proto).cast(), &PROTO) };
            return poll(&mut cx.with_waker(&waker));
        };
        // SAFETY: `CHILD` keeps the rules of `RawWaker` for such a pointer. No count is taken for this waker: it is lent by reference
        // while `self` owns one, and `ManuallyDrop` keeps it from giving one up.
        let waker = ManuallyDrop::new(unsafe { Waker::new(lines.data(index), &CHILD) });
        poll(&mut cx.with_waker(&waker))
    }
}

impl Drop for LazySet {
    #[inline]
    fn drop(&mut self) {
        let base = self.base.load(Ordering::Acquire);
        if !base.is_null() {
            // SAFETY: by the invariant; the count is given up here, once.
            retire(unsafe { arc_of(base) });
        }
    }
}

/// Gives up the operation's count. Children may keep their wakers for ever; they shall not keep the task.
#[inline(never)]
fn retire(lines: Arc<[Line]>) {
    drop(lines[0].parent.take());
}

/// The `Arc` that a base belongs to.
///
/// # Safety
/// `base` came from `Arc::into_raw` of an `Arc<[Line]>`, and the caller gives up a count, or forgets the result.
unsafe fn arc_of(base: *const Line) -> Arc<[Line]> {
    // SAFETY: the count that is given up keeps the lines alive.
    let lines = unsafe { &*base }.lines;
    // SAFETY: `base` with the length is the pointer that `into_raw` returned, and the caller gives up a count.
    unsafe { Arc::from_raw(ptr::slice_from_raw_parts(base, lines)) }
}

/// The base, line and bit of a child's waker.
///
/// # Safety
/// `data` is from [`Lines::data`], and a count is held.
unsafe fn decode(data: *const ()) -> (*const Line, usize, usize) {
    // SAFETY: it points to one of a line's `bits`, which the count keeps alive and nobody writes.
    let bit = usize::from(unsafe { *data.cast::<u8>() });
    let line = data.wrapping_byte_sub(offset_of!(Line, bits) + bit).cast::<Line>();
    // SAFETY: byte `n` holds `n`, so this is the line's address, with the provenance of the base.
    let index = unsafe { &*line }.index;
    (line.wrapping_sub(index), index, bit)
}

/// The wakers that children keep: each holds a count of the `Arc`.
static CHILD: RawWakerVTable = RawWakerVTable::new(clone_child, wake_child, wake_child_by_ref, drop_child);

unsafe fn clone_child(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned holds a count, or is lent by one who does.
    let (base, _, _) = unsafe { decode(data) };
    // SAFETY: the same count; the new one belongs to the new waker.
    let lines = ManuallyDrop::new(unsafe { arc_of(base) });
    core::mem::forget(Arc::clone(&lines));
    RawWaker::new(data, &CHILD)
}

unsafe fn wake_child(data: *const ()) {
    // SAFETY: the waker's count is given up at the end of this function, also if the parent's waker unwinds.
    let (base, line, bit) = unsafe { decode(data) };
    // SAFETY: as above.
    let _count = unsafe { arc_of(base) };
    // SAFETY: `_count` holds it.
    unsafe { Lines::from_base(base) }.wake(line, bit);
}

unsafe fn wake_child_by_ref(data: *const ()) {
    // SAFETY: the waker holds a count, or is lent by one who does.
    let (base, line, bit) = unsafe { decode(data) };
    // SAFETY: as above. An operation that ends during the wake gives up its own count, not this one: it cannot end while its
    // child, to whom it lent a waker, is being polled.
    unsafe { Lines::from_base(base) }.wake(line, bit);
}

unsafe fn drop_child(data: *const ()) {
    // SAFETY: the waker's count is given up below.
    let (base, _, _) = unsafe { decode(data) };
    // SAFETY: as above.
    drop(unsafe { arc_of(base) });
}

/// A waker on the poll stack, lent while there is no set.
///
/// It may be reached from several threads during the poll, as `&Waker` is `Sync`; so are its parts.
struct Proto<'a> {
    set: &'a LazySet,
    len: usize,
    parent: &'a Waker,
    index: usize,
}

impl Proto<'_> {
    fn lines(&self) -> Lines<'_> {
        self.set.get_or_make(self.len, self.parent)
    }
}

static PROTO: RawWakerVTable = RawWakerVTable::new(clone_proto, wake_proto, wake_proto, |_| {});

unsafe fn clone_proto(data: *const ()) -> RawWaker {
    // SAFETY: `data` is a `Proto` that outlives the lent waker, and is only read.
    let proto = unsafe { &*data.cast::<Proto<'_>>() };
    let child = proto.lines().data(proto.index);
    // SAFETY: the set's own count is held while the poll lasts.
    unsafe { clone_child(child) }
}

// Serves `wake` and `wake_by_ref`: a lent waker owns nothing that a wake by value could give up.
unsafe fn wake_proto(data: *const ()) {
    // SAFETY: as in `clone_proto`.
    let proto = unsafe { &*data.cast::<Proto<'_>>() };
    proto.lines().wake(proto.index / BITS, proto.index % BITS);
}

#[cfg(all(test, loom))]
mod loom_tests;
