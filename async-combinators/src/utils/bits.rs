//! `Bits`: a set of positions that finds its next member without looking at every word.

use alloc::vec::Vec;

const BITS: usize = usize::BITS as usize;

/// A set of positions. `summary` has a bit for each word of `words` that is not 0.
#[derive(Default)]
pub(crate) struct Bits {
    words: Vec<usize>,
    summary: Vec<usize>,
}

impl Bits {
    /// Makes room for the positions below `len`; keeps the members.
    pub(crate) fn grow(&mut self, len: usize) {
        let words = len.div_ceil(BITS);
        if words > self.words.len() {
            self.words.resize(words, 0);
            self.summary.resize(words.div_ceil(BITS), 0);
        }
    }

    /// Adds a position below what was grown to.
    pub(crate) fn insert(&mut self, index: usize) {
        self.insert_word(index / BITS, 1 << (index % BITS));
    }

    /// Adds all positions below `len`, which was grown to.
    pub(crate) fn insert_all(&mut self, len: usize) {
        for word in 0..len / BITS {
            self.insert_word(word, usize::MAX);
        }
        if !len.is_multiple_of(BITS) {
            self.insert_word(len / BITS, (1 << (len % BITS)) - 1);
        }
    }

    /// Adds the positions of a whole word.
    #[inline]
    pub(crate) fn insert_word(&mut self, word: usize, bits: usize) {
        if bits != 0 {
            self.words[word] |= bits;
            self.summary[word / BITS] |= 1 << (word % BITS);
        }
    }

    /// Takes out the first member at or after `from`, or else the first of all.
    pub(crate) fn take_from(&mut self, from: usize) -> Option<usize> {
        let index = match self.first_from(from) {
            None if from > 0 => self.first_from(0)?,
            first => first?,
        };
        let word = index / BITS;
        self.words[word] &= !(1 << (index % BITS));
        if self.words[word] == 0 {
            self.summary[word / BITS] &= !(1 << (word % BITS));
        }
        Some(index)
    }

    fn first_from(&self, from: usize) -> Option<usize> {
        let word = from / BITS;
        let rest = self.words.get(word)? & (usize::MAX << (from % BITS));
        if rest != 0 {
            return Some(word * BITS + rest.trailing_zeros() as usize);
        }
        let word = self.first_word_from(word + 1)?;
        Some(word * BITS + self.words[word].trailing_zeros() as usize)
    }

    fn first_word_from(&self, word: usize) -> Option<usize> {
        let group = word / BITS;
        let rest = self.summary.get(group)? & (usize::MAX << (word % BITS));
        if rest != 0 {
            return Some(group * BITS + rest.trailing_zeros() as usize);
        }
        let group = group + 1 + self.summary[group + 1..].iter().position(|&words| words != 0)?;
        Some(group * BITS + self.summary[group].trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    #[test]
    fn members_come_in_order_from_any_start_and_then_from_the_beginning() {
        for len in [1, 5, BITS, BITS + 1, 3 * BITS, BITS * BITS + 7] {
            let members: Vec<usize> = (0..len).filter(|i| i % 7 == 0 || *i == len - 1).collect();
            for from in [0, 1, len / 2, len - 1, len] {
                let mut bits = Bits::default();
                bits.grow(len);
                members.iter().for_each(|&i| bits.insert(i));
                let expected = members.iter().filter(|&&i| i >= from).chain(members.iter().filter(|&&i| i < from));
                for &index in expected {
                    assert_eq!(bits.take_from(from), Some(index), "{len} {from}");
                }
                assert_eq!(bits.take_from(from), None);
            }
        }
    }

    #[test]
    fn all_are_all_below() {
        let mut bits = Bits::default();
        bits.grow(BITS + 3);
        bits.insert_all(BITS + 3);
        assert_eq!(core::iter::from_fn(|| bits.take_from(0)).collect::<Vec<_>>(), (0..BITS + 3).collect::<Vec<_>>());
        bits.grow(2);
        bits.insert_all(1);
        assert_eq!(vec![bits.take_from(9), bits.take_from(9)], [Some(0), None]);
    }
}
