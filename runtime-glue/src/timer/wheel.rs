//! `Wheel`: a hierarchical timing wheel. Setting and clearing a deadline costs the same however many there are.
//!
//! Time is counted in ticks. Level 0 has a slot for each of the next ticks, level 1 one for each 256 of them, and so on: a deadline
//! lies on the level of the highest group of eight bits in which it differs from the present. When the present reaches a slot of a
//! higher level, its entries move down.
//!
//! ```text
//! present  = .. 00000010 00010110 00111010
//! deadline = .. 00000010 00011000 00000001     differs first in group 1, whose value is 24: level 1, slot 24
//! ```
//!
//! With levels that wide most timers move down once: each move is a cache miss.
//!
//! So on each level only slots behind the present's own are in use, apart from a slot that is just being emptied. Entries lie in
//! chunks that do not move; a slot is a list of them, linked both ways, so that clearing is immediate.
//!
//! `W` is what waits for a deadline: a waker.

/// Eight bits of a tick count, on each level.
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 6;
/// A deadline is late by one part in so many, as a power of two, of the time until then.
const PRECISION: u32 = 6;
/// Deadlines beyond this are set to it: some hundred years.
pub(super) const LAST: u64 = (1 << (BITS * LEVELS as u32)) - 1;

/// How many entries a chunk has.
const CHUNK: usize = 128;
/// An empty wheel keeps so many chunks at most.
const KEPT_CHUNKS: usize = 8;
/// The most entries of a wheel: their numbers are part of a key.
pub(super) const MOST: u32 = 1 << 26;

const NIL: u32 = u32::MAX;

/// Deadlines, and what waits for them.
pub(super) struct Wheel<W> {
    /// The present: every deadline up to it is past.
    now: u64,
    levels: [Level; LEVELS],
    chunks: Vec<Box<[Entry<W>; CHUNK]>>,
    /// The first free entry; `next` links them.
    free: u32,
    len: usize,
    /// Tells the entries that use one place one after the other apart.
    serial: u32,
}

struct Level {
    /// A bit for each slot that is not empty.
    used: [u64; SLOTS / 64],
    slots: [u32; SLOTS],
}

impl Level {
    const EMPTY: Self = Self { used: [0; SLOTS / 64], slots: [NIL; SLOTS] };

    fn first(&self) -> Option<usize> {
        let word = self.used.iter().position(|&word| word != 0)?;
        Some(word * 64 + self.used[word].trailing_zeros() as usize)
    }
}

/// # Invariants
/// `waiter` is `Some` if and only if the entry is in a slot: that of `place`. Else it is in the free list.
struct Entry<W> {
    deadline: u64,
    waiter: Option<W>,
    next: u32,
    /// The one before it in its slot, or `NIL` for the first.
    previous: u32,
    serial: u32,
    /// Level and slot.
    place: u16,
}

/// Which entry of a wheel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// Below `MOST`.
    pub(super) index: u32,
    /// Never 0.
    pub(super) serial: u32,
}

impl<W> Wheel<W> {
    pub(super) const fn new() -> Self {
        Self { now: 0, levels: [const { Level::EMPTY }; LEVELS], chunks: Vec::new(), free: NIL, len: 0, serial: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The present of an empty wheel becomes `now`.
    pub(super) fn set_now(&mut self, now: u64) {
        debug_assert!(self.is_empty());
        self.now = self.now.max(now);
    }

    /// Whether there is room for another entry.
    pub(super) fn has_room(&self) -> bool {
        self.free != NIL || self.chunks.len() * CHUNK < MOST as usize
    }

    /// Sets a deadline: at tick `wanted`, or later by at most a 64th of the time until then and `1 << slack` ticks. Returns
    /// the deadline. The wheel has room.
    #[inline]
    pub(super) fn insert(&mut self, wanted: u64, slack: u32, waiter: W) -> (Key, u64) {
        let wanted = wanted.max(self.now + 1);
        // Deadlines that are far away are made to coincide, so that the thread wakes up less often.
        let distance = wanted - self.now;
        let slack = (u64::BITS - distance.leading_zeros()).saturating_sub(PRECISION + 1).min(slack);
        let below = (1 << slack) - 1;
        let deadline = ((wanted + below) & !below).min(LAST);
        if self.free == NIL {
            self.grow();
        }
        let index = self.free;
        // 0 is left out, so that a key is never 0.
        self.serial = self.serial.wrapping_add(1).max(1);
        let serial = self.serial;
        let entry = self.entry(index);
        entry.deadline = deadline;
        entry.serial = serial;
        entry.waiter = Some(waiter);
        self.free = entry.next;
        self.len += 1;
        self.link(index, deadline);
        (Key { index, serial }, deadline)
    }

    /// Clears a deadline, unless it is past.
    pub(super) fn remove(&mut self, key: Key) -> Option<W> {
        let index = key.index as usize;
        let entry = &self.chunks.get(index / CHUNK)?[index % CHUNK];
        if entry.serial != key.serial || entry.waiter.is_none() {
            return None;
        }
        self.unlink(key.index);
        Some(self.release(key.index))
    }

    /// When to call `turn` next at the latest; `None` if nothing waits.
    pub(super) fn next_turn(&self) -> Option<u64> {
        self.next_slot().map(|(time, ..)| time)
    }

    /// The present becomes `now`; those whose deadline is past go to `past`. True if it stopped half-way, after about `most`
    /// steps, and should be called again.
    pub(super) fn turn(&mut self, now: u64, past: &mut Vec<W>, most: usize) -> bool {
        let mut steps = 0;
        while let Some((time, level, slot)) = self.next_slot().filter(|&(time, ..)| time <= now) {
            self.now = time;
            while self.levels[level].slots[slot] != NIL {
                if steps == most {
                    return true;
                }
                steps += 1;
                let index = self.levels[level].slots[slot];
                self.unlink(index);
                let deadline = self.entry(index).deadline;
                if deadline <= time {
                    past.push(self.release(index));
                } else {
                    self.link(index, deadline);
                }
            }
        }
        self.now = self.now.max(now);
        false
    }

    /// The slot that the present reaches first: when, and which. Of several the highest, whose entries may belong in the
    /// others.
    fn next_slot(&self) -> Option<(u64, usize, usize)> {
        let mut first: Option<(u64, usize, usize)> = None;
        for (at, level) in self.levels.iter().enumerate() {
            // Slots in use are never before the present's own: the lowest is the next.
            let Some(slot) = level.first() else { continue };
            let shift = BITS * at as u32;
            let time = (self.now >> shift >> BITS << BITS | slot as u64) << shift;
            // The slot that is just being emptied began in the past.
            let time = time.max(self.now);
            if first.is_none_or(|(earliest, ..)| time <= earliest) {
                first = Some((time, at, slot));
            }
        }
        first
    }

    #[inline]
    fn entry(&mut self, index: u32) -> &mut Entry<W> {
        let index = index as usize;
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }

    /// Puts an entry in the slot for its deadline, which is not past.
    fn link(&mut self, index: u32, deadline: u64) {
        debug_assert!(deadline > self.now && deadline <= LAST);
        let level = (u64::BITS - 1 - (self.now ^ deadline).leading_zeros()) / BITS;
        let slot = (deadline >> (BITS * level)) as usize % SLOTS;
        let level = level as usize;
        let head = std::mem::replace(&mut self.levels[level].slots[slot], index);
        self.levels[level].used[slot / 64] |= 1 << (slot % 64);
        let entry = self.entry(index);
        entry.place = (level * SLOTS + slot) as u16;
        entry.previous = NIL;
        entry.next = head;
        if head != NIL {
            self.entry(head).previous = index;
        }
    }

    /// Takes an entry out of its slot.
    fn unlink(&mut self, index: u32) {
        let entry = self.entry(index);
        let (next, previous, place) = (entry.next, entry.previous, entry.place as usize);
        if next != NIL {
            self.entry(next).previous = previous;
        }
        if previous != NIL {
            self.entry(previous).next = next;
            return;
        }
        let level = &mut self.levels[place / SLOTS];
        level.slots[place % SLOTS] = next;
        if next == NIL {
            let slot = place % SLOTS;
            level.used[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Gives the place of an unlinked entry back.
    fn release(&mut self, index: u32) -> W {
        let free = std::mem::replace(&mut self.free, index);
        let entry = self.entry(index);
        entry.next = free;
        let waiter = entry.waiter.take().expect("an entry in a slot has a waiter");
        self.len -= 1;
        if self.len == 0 && self.chunks.len() > KEPT_CHUNKS {
            // After a burst. Serials go on, so old keys fit nothing new.
            self.chunks = Vec::new();
            self.free = NIL;
        }
        waiter
    }

    /// Makes a chunk of free entries.
    #[cold]
    fn grow(&mut self) {
        debug_assert!(self.has_room());
        let first = (self.chunks.len() * CHUNK) as u32;
        let last = first + CHUNK as u32 - 1;
        let entry = |index| Entry {
            deadline: 0,
            waiter: None,
            next: if index == last { self.free } else { index + 1 },
            previous: NIL,
            serial: 0,
            place: 0,
        };
        let chunk: Vec<Entry<W>> = (first..=last).map(entry).collect();
        let Ok(chunk) = chunk.try_into() else { unreachable!("as many as a chunk has") };
        self.chunks.push(chunk);
        self.free = first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn turned(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
        let mut past = Vec::new();
        while wheel.turn(now, &mut past, 3) {}
        past.sort_unstable();
        past
    }

    #[test]
    fn each_is_past_at_its_deadline_and_not_before() {
        for start in [0, 1, 62, 63, 64, 4095, 4096, 1 << 30, (1 << 36) - 1] {
            for distance in [1, 2, 63, 64, 65, 4095, 4096, 4097, 1 << 18, (1 << 24) + 7, 1 << 40] {
                let mut wheel = Wheel::new();
                wheel.set_now(start);
                let (_, deadline) = wheel.insert(start + distance, 0, 7);
                assert_eq!(deadline, start + distance);
                // Wherever it is looked at in between.
                let mut time = start;
                while let Some(next) = wheel.next_turn().filter(|&next| next < deadline) {
                    assert!(next > time || next == start);
                    time = next;
                    assert_eq!(turned(&mut wheel, next), []);
                }
                assert_eq!(turned(&mut wheel, deadline - 1), []);
                assert_eq!(turned(&mut wheel, deadline), [7]);
                assert!(wheel.is_empty() && wheel.next_turn().is_none());
            }
        }
    }

    #[test]
    fn a_past_deadline_is_the_next_tick_and_a_distant_one_the_last() {
        let mut wheel = Wheel::new();
        wheel.set_now(100);
        assert_eq!(wheel.insert(3, 4, 0).1, 101);
        assert_eq!(wheel.insert(u64::MAX - 100, 4, 1).1, LAST);
        assert_eq!(turned(&mut wheel, 101), [0]);
        assert_eq!(turned(&mut wheel, LAST), [1]);
    }

    #[test]
    fn the_slack_is_a_64th_at_most() {
        let mut wheel = Wheel::new();
        for distance in (1..5000).chain([1 << 20, (1 << 20) + 1]) {
            let (key, deadline) = wheel.insert(distance, 4, 0);
            assert!(deadline >= distance && (deadline - distance) * 64 <= distance && deadline - distance < 16);
            wheel.remove(key).unwrap();
        }
    }

    #[test]
    fn a_key_fits_once() {
        let mut wheel = Wheel::new();
        let (first, _) = wheel.insert(10, 0, 1);
        assert_eq!(wheel.remove(first), Some(1));
        assert_eq!(wheel.remove(first), None);
        let (second, _) = wheel.insert(10, 0, 2);
        assert_eq!(second.index, first.index);
        assert_eq!(wheel.remove(first), None);
        assert_eq!(turned(&mut wheel, 10), [2]);
        assert_eq!(wheel.remove(second), None);
    }

    #[test]
    fn an_empty_wheel_gives_memory_back_and_old_keys_fit_nothing() {
        let mut wheel = Wheel::new();
        let keys: Vec<_> = (0..10_000).map(|n| wheel.insert(n, 0, n).0).collect();
        for &key in &keys {
            wheel.remove(key).unwrap();
        }
        assert!(wheel.chunks.is_empty());
        let (new, _) = wheel.insert(5, 0, 5);
        assert!(keys.iter().all(|&key| wheel.remove(key).is_none()));
        assert_eq!(wheel.remove(new), Some(5));
    }

    /// Random sets, clears and turns against a sorted map.
    #[test]
    fn it_does_what_a_sorted_map_does() {
        let mut random = 1u64;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for round in 0..50 {
            let mut wheel = Wheel::new();
            let mut now = next(1 << 20);
            wheel.set_now(now);
            let mut model: BTreeMap<(u64, u64), Key> = BTreeMap::new();
            for n in 0..2000 {
                match next(4) {
                    0 | 1 => {
                        let bits = 1 + next(30);
                        let distance = next(1 << bits);
                        let (key, deadline) = wheel.insert(now + distance, if round % 2 == 0 { 0 } else { 4 }, n);
                        model.insert((deadline, n), key);
                    }
                    2 => {
                        if let Some((&(deadline, n), &key)) = model.iter().nth(next(100) as usize) {
                            assert_eq!(wheel.remove(key), Some(n));
                            model.remove(&(deadline, n));
                        }
                    }
                    _ => {
                        let bits = 1 + next(24);
                        now += next(1 << bits);
                        let later = model.split_off(&(now + 1, 0));
                        let mut past: Vec<_> = model.keys().map(|&(_, n)| n).collect();
                        past.sort_unstable();
                        model = later;
                        assert_eq!(turned(&mut wheel, now), past);
                        let earliest = model.keys().next().map(|&(deadline, _)| deadline);
                        assert!(wheel.next_turn() <= earliest && wheel.next_turn().is_none() == earliest.is_none());
                    }
                }
            }
        }
    }
}
