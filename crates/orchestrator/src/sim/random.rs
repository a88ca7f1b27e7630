//! Randomness from one seed. The same seed, the same choices, on every machine.

use std::time::Duration;

/// The generator of `java.util.SplittableRandom`: small, seeded, good enough to think up worlds.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Random(u64);

impl Random {
    /// From a seed.
    pub(in crate::sim) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(in crate::sim) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least `low` and at most `high`.
    pub(in crate::sim) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low + 1)
    }

    /// A place in a list of `length`, which is not empty.
    pub(in crate::sim) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.bits() % length.max(1) as u64).unwrap_or_default()
    }

    /// True so many times in a hundred.
    pub(in crate::sim) fn chance(&mut self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    /// Whole seconds, from and to.
    pub(in crate::sim) fn seconds(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_secs(self.between(low, high))
    }

    /// One of these.
    pub(in crate::sim) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.place(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_chooses_the_same() {
        let some = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| random.between(3, 9)).collect::<Vec<_>>()
        };
        assert_eq!(some(7), some(7));
        assert_ne!(some(7), some(8));
        assert!(some(7).iter().all(|number| (3..=9).contains(number)));
    }
}
