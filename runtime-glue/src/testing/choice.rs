//! Where a schedule comes from: drawn from a seed, or taken in order, one after the other, until all were taken.

/// Answers "which of `n`?", again and again.
pub(super) enum Choices {
    /// SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, 2014).
    Seeded(u64),
    /// Depth first through the tree of choices: what was chosen, of how many.
    All { path: Vec<(usize, usize)>, at: usize },
}

impl Choices {
    pub(super) fn all() -> Self {
        Self::All { path: Vec::new(), at: 0 }
    }

    /// A number below `n`, which is not 0.
    pub(super) fn choose(&mut self, n: usize) -> usize {
        match self {
            Self::Seeded(state) => {
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                z ^= z >> 31;
                // Without the bias of a remainder: the high half of a product.
                usize::try_from((u128::from(z) * n as u128) >> 64).expect("below n")
            }
            Self::All { path, at } => {
                if *at == path.len() {
                    path.push((0, n));
                }
                let (chosen, of) = path[*at];
                assert_eq!(of, n, "the program does not depend on its schedule alone: it cannot be searched");
                *at += 1;
                chosen
            }
        }
    }

    /// The choices of the next schedule; `None` after the last, or if they are drawn from a seed.
    pub(super) fn next(self) -> Option<Self> {
        let Self::All { mut path, at } = self else { return None };
        path.truncate(at);
        while let Some((chosen, of)) = path.pop() {
            if chosen + 1 < of {
                path.push((chosen + 1, of));
                return Some(Self::All { path, at: 0 });
            }
        }
        None
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_path_once() {
        let (mut choices, mut seen) = (Choices::all(), Vec::new());
        loop {
            let first = choices.choose(2);
            let second = if first == 0 { choices.choose(3) } else { 9 };
            seen.push((first, second));
            match choices.next() {
                Some(next) => choices = next,
                None => break,
            }
        }
        assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (1, 9)]);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draw = |seed| {
            let mut choices = Choices::Seeded(seed);
            (0..100).map(|_| choices.choose(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((0..10).all(|n| draw(7).contains(&n)));
    }
}
