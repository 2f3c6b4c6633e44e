//! Where tasks live: slots in blocks that a scope owns, recycled when a task is done and its result taken or not wanted.
//!
//! A block holds up to 63 slots of one size. One word says which slots are free, and doubles as the block's reference count:
//!
//! ```text
//! bit 0..63   slot is free (bits of slots that the block does not have are always set)
//! bit 63      the scope has let the block go
//! ```
//!
//! Who sets the last missing bit frees the block. So a waker that is kept for ever keeps one block, and never a frame, and
//! neither a waker nor a handle needs the scope in order to give its slot back.
//!
//! Slots are claimed under the scope's lock. To claim without an atomic operation each, all free bits of a block are taken
//! at once into `Class::taken`.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    ptr::NonNull,
};

use super::header::Header;
use crate::{
    RuntimeHandle,
    sync::{AtomicU64, Ordering},
    task::TaskSet,
};

const RELEASED: u64 = 1 << 63;
/// The most slots of a block.
const MOST_SLOTS: u32 = 63;
/// A block is not made larger than this for the sake of more slots.
const MOST_BYTES: usize = 32 << 10;
/// The alignment of blocks: the low bits of a block's address carry a slot's number.
const BLOCK_ALIGN: usize = 64;

/// Whose tasks a block holds.
pub(crate) enum Owner {
    /// A scope's. Valid while any task of the block is unfinished.
    Set(NonNull<TaskSet>),
    /// A task of its own, with the runtime that it is scheduled on; `None` once it is complete.
    Alone(Option<RuntimeHandle>),
}

/// The head of a block; the slots follow it.
pub(crate) struct Block {
    free: AtomicU64,
    layout: Layout,
    slots_at: usize,
    slot_size: usize,
    pub(crate) owner: Owner,
}

/// The place of a slot: its block's address, and the slot's number in the low bits.
#[derive(Clone, Copy)]
pub(crate) struct Place(NonNull<Block>);

impl Place {
    fn new(block: NonNull<Block>, index: u32) -> Self {
        // Blocks are aligned to 64 and `index` is below 63.
        Self(block.map_addr(|addr| addr | index as usize))
    }

    pub(crate) fn block(self) -> NonNull<Block> {
        // SAFETY: a block's address is not null, and only the bits that `new` added are removed.
        self.0.map_addr(|addr| unsafe { std::num::NonZeroUsize::new_unchecked(addr.get() & !(BLOCK_ALIGN - 1)) })
    }

    fn index(self) -> usize {
        self.0.addr().get() & (BLOCK_ALIGN - 1)
    }

    /// Gives the slot back, and frees its block if it was the last thing to be waited for.
    ///
    /// # Safety
    /// The slot is claimed, nobody refers to it any more, and what it held is destroyed.
    pub(crate) unsafe fn free(self) {
        let block = self.block();
        // SAFETY: the bit of this slot is not set yet, so the block is still allocated.
        let free = unsafe { &block.as_ref().free };
        // SAFETY: the bit is this caller's to set, once.
        unsafe { give_back(block, free, 1 << self.index()) };
    }
}

/// Sets bits of a block's word, and frees the block if all are set then.
///
/// # Safety
/// `free` is the word of `block`, and the bits are the caller's to set: slots that it held, or `RELEASED` as the scope.
unsafe fn give_back(block: NonNull<Block>, free: &AtomicU64, bits: u64) {
    // Release orders what this holder did before the reuse or the freeing; Acquire, for the last one, the others'.
    if free.fetch_or(bits, Ordering::AcqRel) | bits == u64::MAX {
        // SAFETY: every bit is set, and exactly one caller sees that first: all slots are free and the scope has let go.
        unsafe { Block::free(block) };
    }
}

impl Block {
    /// A new block of slots for `slot`, with all of them taken.
    fn new(slot: Layout, slots: u32, owner: Owner) -> NonNull<Self> {
        let (layout, slots_at) = block_layout(slot, slots);
        // SAFETY: the layout is not empty, since it holds a `Block`.
        let memory = unsafe { alloc(layout) };
        let Some(block) = NonNull::new(memory.cast::<Self>()) else { handle_alloc_error(layout) };
        let missing = !RELEASED & !slot_bits(slots);
        // SAFETY: freshly allocated with a layout that begins with a `Block`.
        unsafe { block.write(Self { free: AtomicU64::new(missing), layout, slots_at, slot_size: slot.size(), owner }) };
        block
    }

    /// # Safety
    /// Nobody refers to the block any more, and its slots are empty.
    unsafe fn free(block: NonNull<Self>) {
        // SAFETY: the block was made by `new`.
        let layout = unsafe { block.as_ref().layout };
        // SAFETY: it is not used after this.
        unsafe { block.drop_in_place() };
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(block.as_ptr().cast(), layout) };
    }

    /// The address of slot `index`.
    ///
    /// # Safety
    /// The block is allocated and has such a slot.
    unsafe fn slot(block: NonNull<Self>, index: u32) -> NonNull<Header> {
        // SAFETY: promised by the caller.
        let (at, size) = {
            // SAFETY: promised by the caller.
            let head = unsafe { block.as_ref() };
            (head.slots_at, head.slot_size)
        };
        // SAFETY: within the allocation, by the layout computed in `block_layout`.
        unsafe { block.byte_add(at + index as usize * size).cast() }
    }
}

fn slot_bits(slots: u32) -> u64 {
    (1 << slots) - 1
}

fn block_layout(slot: Layout, slots: u32) -> (Layout, usize) {
    let head = Layout::new::<Block>().align_to(BLOCK_ALIGN).expect("a power of two");
    let body =
        slot.size().checked_mul(slots as usize).and_then(|size| Layout::from_size_align(size, slot.align()).ok());
    let (layout, at) = body.and_then(|body| head.extend(body).ok()).expect("a task's future is too large");
    (layout.pad_to_align(), at)
}

/// Rounds a slot's size up to one of four steps in each doubling, so that tasks of like size share blocks.
fn size_class(slot: Layout) -> Layout {
    let size = slot.size().max(128);
    let step = 1 << (usize::BITS - 1 - size.leading_zeros()).saturating_sub(2);
    let step = step.max(slot.align());
    Layout::from_size_align(size.next_multiple_of(step), slot.align()).expect("a task's future is too large")
}

/// A slot for one task, in a block of its own that is freed with it.
pub(crate) fn alone(slot: Layout, runtime: RuntimeHandle) -> (NonNull<Header>, Place) {
    let block = Block::new(slot.pad_to_align(), 1, Owner::Alone(Some(runtime)));
    // SAFETY: just allocated.
    let free = unsafe { &block.as_ref().free };
    // There is no scope to let go later. The slot is taken, so this is not the last bit.
    free.fetch_or(RELEASED, Ordering::Relaxed);
    // SAFETY: the block was made with one slot.
    (unsafe { Block::slot(block, 0) }, Place::new(block, 0))
}

/// The blocks of a scope. Used under the scope's lock.
pub(crate) struct Arena {
    classes: Vec<Class>,
}

/// The blocks for one size of slot.
struct Class {
    slot: Layout,
    blocks: Vec<NonNull<Block>>,
    /// The block whose free slots are in `taken`.
    current: usize,
    taken: u64,
    /// Where the next search for free slots begins.
    cursor: usize,
    /// How many more blocks may be made before the next search through all of them.
    allowance: usize,
}

// SAFETY: blocks are owned by the arena, apart from their atomic words; slots are handed out as raw pointers.
unsafe impl Send for Arena {}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self { classes: Vec::new() }
    }

    /// Claims a slot. Its memory is not initialised.
    pub(crate) fn claim(&mut self, slot: Layout, set: NonNull<TaskSet>) -> (NonNull<Header>, Place) {
        let slot = size_class(slot);
        let class = match self.classes.iter().position(|class| class.slot == slot) {
            Some(at) => &mut self.classes[at],
            None => {
                self.classes.push(Class { slot, blocks: Vec::new(), current: 0, taken: 0, cursor: 0, allowance: 0 });
                self.classes.last_mut().expect("just pushed")
            }
        };
        class.claim(set)
    }

    /// Calls `f` with each claimed slot of block `block` of class `class`. False if there is no such block; classes and blocks
    /// are only ever added.
    pub(crate) fn visit(&self, class: usize, block: usize, mut f: impl FnMut(NonNull<Header>)) -> Visit {
        let Some(class) = self.classes.get(class) else { return Visit::NoClass };
        let Some(&at) = class.blocks.get(block) else { return Visit::NoBlock };
        // SAFETY: the arena's blocks are allocated until it lets them go.
        let free = unsafe { at.as_ref() }.free.load(Ordering::Acquire);
        let mut claimed = !(free | RELEASED);
        if block == class.current {
            claimed &= !class.taken;
        }
        while claimed != 0 {
            let index = claimed.trailing_zeros();
            claimed &= claimed - 1;
            // SAFETY: a slot that was not free is one that the block has.
            f(unsafe { Block::slot(at, index) });
        }
        Visit::Done
    }

    /// How many slots there are, for tests.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn capacity(&self) -> usize {
        self.classes.iter().map(|class| class.blocks.len() * MOST_SLOTS as usize).sum()
    }
}

/// What [`Arena::visit`] found.
pub(crate) enum Visit {
    Done,
    NoBlock,
    NoClass,
}

impl Class {
    fn claim(&mut self, set: NonNull<TaskSet>) -> (NonNull<Header>, Place) {
        if self.taken == 0 {
            self.refill(set);
        }
        let index = self.taken.trailing_zeros();
        self.taken &= self.taken - 1;
        let block = self.blocks[self.current];
        // SAFETY: the block belongs to the arena, and `taken` only has bits of slots that it has.
        (unsafe { Block::slot(block, index) }, Place::new(block, index))
    }

    /// Finds a block with free slots, or makes one. A search looks at few blocks while `allowance` lasts; one through all that
    /// finds nothing grants a quarter more blocks, so that neither the searches nor the blocks grow beyond a constant factor.
    fn refill(&mut self, set: NonNull<TaskSet>) {
        let all = self.blocks.len();
        let most = if self.allowance > 0 { all.min(4) } else { all };
        for _ in 0..most {
            self.cursor = (self.cursor + 1) % all;
            // SAFETY: the arena's blocks are allocated until it lets them go.
            let block = unsafe { self.blocks[self.cursor].as_ref() };
            let slots = self.slots_of(self.cursor);
            if block.free.load(Ordering::Relaxed) & slot_bits(slots) != 0 {
                // Acquire pairs with the Release of `give_back`: the slots' last users are done with them.
                self.taken = block.free.fetch_and(!slot_bits(slots), Ordering::Acquire) & slot_bits(slots);
                self.current = self.cursor;
                return;
            }
        }
        self.allowance = if self.allowance > 0 { self.allowance - 1 } else { all / 4 };
        let slots = self.slots_of(all);
        self.blocks.push(Block::new(self.slot, slots, Owner::Set(set)));
        self.current = all;
        self.cursor = all;
        self.taken = slot_bits(slots);
    }

    /// How many slots block `at` has: few in the first ones, so that a small scope stays small.
    fn slots_of(&self, at: usize) -> u32 {
        let wanted = match at {
            0 => 4,
            1 => 16,
            _ => MOST_SLOTS,
        };
        let fit = MOST_BYTES / self.slot.size();
        wanted.min(u32::try_from(fit).unwrap_or(MOST_SLOTS)).max(1)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for class in &mut self.classes {
            for (at, &block) in class.blocks.iter().enumerate() {
                let taken = if at == class.current { class.taken } else { 0 };
                // SAFETY: `RELEASED` is not set yet, so the block is still allocated.
                let free = unsafe { &block.as_ref().free };
                // SAFETY: the scope lets go once, and the taken slots were never handed out.
                unsafe { give_back(block, free, taken | RELEASED) };
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_near_and_aligned() {
        for size in 1..5000 {
            for align in [8, 16, 64, 128] {
                let slot = Layout::from_size_align(size, align).unwrap();
                let class = size_class(slot);
                assert!(class.size() >= size && class.size().is_multiple_of(align));
                assert!(class.size() <= (size * 5 / 4).max(128) + align);
                assert_eq!(size_class(class), class);
            }
        }
    }

    #[test]
    fn free_slots_are_found_again_and_blocks_do_not_grow() {
        let set = NonNull::dangling();
        let mut arena = Arena::new();
        let slot = Layout::from_size_align(100, 8).unwrap();
        let mut held = std::collections::VecDeque::new();
        for round in 0..100_000 {
            held.push_back(arena.claim(slot, set).1);
            if round >= 500 {
                // SAFETY: claimed above and never used.
                unsafe { held.pop_front().unwrap().free() };
            }
        }
        assert!(arena.capacity() <= 500 * 2, "{}", arena.capacity());
        for place in held {
            // SAFETY: claimed above and never used.
            unsafe { place.free() };
        }
    }

    #[test]
    fn a_block_outlives_its_arena_until_its_last_slot_is_free() {
        let mut arena = Arena::new();
        let (_, place) = arena.claim(Layout::from_size_align(3000, 64).unwrap(), NonNull::dangling());
        drop(arena);
        // SAFETY: claimed above and never used. AddressSanitizer sees a leak or a double free.
        unsafe { place.free() };
    }
}
