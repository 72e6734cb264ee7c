//! Chance that is the same in every run: xorshift64* (Vigna 2016).

use std::ops::Range;

/// A source of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Two seeds give two sequences.
    pub(crate) fn new(seed: &str) -> Self {
        // FNV-1a; the state must not be 0.
        let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// A number of the range, which must not be empty.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        range.start + number % (range.end - range.start).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_in_their_range_and_repeat_with_the_seed() {
        let numbers = |seed| {
            let mut chance = Chance::new(seed);
            (0..1_000).map(|_| chance.within(20..300)).collect::<Vec<_>>()
        };
        let once = numbers("밤");
        assert!(once.iter().all(|number| (20..300).contains(number)));
        assert_eq!(once, numbers("밤"));
        assert_ne!(once, numbers("낮"));
    }
}
