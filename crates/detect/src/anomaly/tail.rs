//! How rare a deviation of this size is, by what the series itself has shown.
//!
//! One [`Tail`] counts, for one kind of deviation, the remembered rows that were at least so
//! large, in bins half an octave wide.  Old rows fade.  The rarity of a size is the logarithm of
//! one over its share; beyond the largest remembered size it grows along a power law.
//!
//! **Invariant:** sizes enter only as ratios to other sizes, so the unit of the series cancels.

use std::f32::consts::{LN_2, SQRT_2};

/// The number of bins: half octaves, so sizes from 1 to 64 are told apart.
const BINS: usize = 12;

/// Bins in an octave.
const BINS_PER_OCTAVE: f32 = 2.0;

/// The lower edge of the first bin as a share of the first size: there is room above for some
/// larger ones.
const FIRST_EDGE: f32 = 1.0 / 16.0;

/// A size was seen before when one this many bins smaller was: an event that comes again is
/// rarely exactly as large.
const NEARLY_AS_LARGE_BINS: f32 = 0.5;

/// A size that a greater share of the rows reached is not rare at all.
const COMMON_SHARE: f32 = 0.125;

/// What a size beyond every remembered one adds to the rarity, for each e-fold.
const BEYOND_RECORD_WEIGHT: f32 = 2.0;

/// The largest ratio to the record that adds to the rarity.
const BEYOND_RECORD_MAX: f32 = 1e4;

/// Sizes below this share of the floor are not told apart.
const RESOLUTION: f32 = 0.1;

/// The largest ratio of a size to the edge of the bins that is told apart, and the lowest edge:
/// within them nothing overflows.
const RATIO_MAX: f32 = 1e30;
const EDGE_MIN: f32 = 1e-12;

/// When the rows in all bins have less weight than this, what was large is forgotten and the bins
/// are laid anew.
const FORGOTTEN_ROWS: f32 = 0.4;

/// The share of the rows that must be in the bins when the series is first known.
const SETTLED_SHARE: f32 = 0.05;

/// The median of a normal deviation's size times this is its standard deviation.
const SIGMAS_PER_MEDIAN: f32 = 1.4826;

/// The counts of one kind of deviation.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    /// The weight of the remembered rows whose size was in this bin or above.
    at_least: [f32; BINS],
    /// The weight of all remembered rows.
    remembered: f32,
    /// The lower edge of the first bin; 0: no size yet.
    edge: f32,
    /// The largest remembered size; it fades as the counts do.
    record: f32,
}

impl Tail {
    /// The rarity of a size in nats, at least 0; then the size is remembered.
    ///
    /// The doubt is the weight, in rows, that every size has without having been seen.  A size
    /// below the floor matters little, whatever the counts say.
    pub(super) fn judge(&mut self, size: f32, doubt: f32, floor: f32) -> f32 {
        self.remembered += 1.0;
        let shown = size.max(floor * RESOLUTION);
        if shown <= 0.0 {
            return 0.0;
        }
        if self.edge <= 0.0 {
            self.edge = (shown * FIRST_EDGE).max(EDGE_MIN);
        }
        let mut bin = BINS_PER_OCTAVE * fast_log2((shown / self.edge).min(RATIO_MAX));
        if bin >= BINS as f32 {
            bin -= self.move_up(bin);
        }
        let seen = self.seen_at_least(bin - NEARLY_AS_LARGE_BINS);
        let (all, seen) = (self.remembered + doubt, seen + doubt);
        let mut rarity = 0.0;
        if seen < COMMON_SHARE * all {
            rarity = LN_2 * fast_log2(all / seen);
        }
        if size > self.record {
            let beyond = size / self.record.max(floor).max(f32::MIN_POSITIVE);
            let beyond = beyond.clamp(1.0, BEYOND_RECORD_MAX);
            rarity += BEYOND_RECORD_WEIGHT * LN_2 * fast_log2(beyond);
            self.record = size;
        }
        for (n, weight) in self.at_least.iter_mut().enumerate() {
            *weight += if n as f32 <= bin { 1.0 } else { 0.0 };
        }
        if size < floor {
            let share = size / floor;
            rarity *= share * share;
        }
        rarity.max(0.0)
    }

    /// Lets what is remembered lose weight.
    pub(super) fn fade(&mut self, keep: f32) {
        for weight in &mut self.at_least {
            // A weight that shrinks for ever ends in numbers that are slow.
            *weight = if *weight < 1e-9 { 0.0 } else { *weight * keep };
        }
        self.remembered *= keep;
        self.record *= keep;
        self.lay_anew_below(FORGOTTEN_ROWS);
    }

    /// Looks at the first rows: when one of them was so large that the others are in no bin, it
    /// says nothing about the series.
    pub(super) fn settle(&mut self) {
        self.lay_anew_below(SETTLED_SHARE * self.remembered);
    }

    /// The size that half of the remembered rows were below, as a standard deviation.
    pub(super) fn sigma(&self) -> f32 {
        let half = self.remembered / 2.0;
        let n_above = self.at_least.iter().take_while(|weight| **weight > half).count();
        SIGMAS_PER_MEDIAN * self.edge * SQRT_2.powi(i32::try_from(n_above).unwrap_or(0))
    }

    /// Starts again when less weight than this is in the bins.
    fn lay_anew_below(&mut self, weight: f32) {
        if self.at_least.first().is_some_and(|in_bins| *in_bins < weight) {
            *self = Self::default();
        }
    }

    /// Moves the bins up until this one is the last; by how many bins.
    fn move_up(&mut self, bin: f32) -> f32 {
        let by = (bin - BINS as f32).floor() + 1.0;
        let n = (by as usize).min(BINS);
        self.at_least.copy_within(n.., 0);
        for weight in self.at_least.iter_mut().rev().take(n) {
            *weight = 0.0;
        }
        self.edge *= (by / BINS_PER_OCTAVE).exp2();
        by
    }

    /// The weight of the sizes from here up, between two bins in proportion.
    fn seen_at_least(&self, bin: f32) -> f32 {
        if bin < 0.0 {
            return self.remembered;
        }
        let n = bin as usize;
        let part = bin - n as f32;
        let weight = |n: usize| self.at_least.get(n).copied().unwrap_or(0.0);
        weight(n) * (1.0 - part) + weight(n + 1) * part
    }
}

/// The logarithm to base 2 of a positive normal number, to 1e-5: the counts deserve no better.
fn fast_log2(x: f32) -> f32 {
    const MANTISSA_BITS: u32 = 23;
    const MANTISSA: u32 = (1 << MANTISSA_BITS) - 1;
    let bits = x.to_bits();
    let exponent = (bits >> MANTISSA_BITS) as f32 - 127.0;
    let mantissa = f32::from_bits((bits & MANTISSA) | 1.0_f32.to_bits());
    // The series of the inverse hyperbolic tangent, which converges fast on 1 to 2.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let zz = z * z;
    exponent + z * (2.885_39 + zz * (0.961_797 + zz * (0.577_078 + zz * (0.412_199 + zz * 0.4))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(sizes: impl IntoIterator<Item = f32>) -> Tail {
        let mut tail = Tail::default();
        for size in sizes {
            tail.judge(size, 1.0, 0.0);
        }
        tail
    }

    #[test]
    fn the_fast_logarithm_is_close() {
        for x in [1e-30_f32, 0.1, 0.999, 1.0, 1.5, 1.999, 2.0, 3.0, 1e9, 1e30] {
            assert!((fast_log2(x) - x.log2()).abs() < 1e-4 * x.log2().abs().max(1.0), "{x}");
        }
    }

    #[test]
    fn a_size_seen_often_is_not_rare() {
        let mut tail = filled((0..1000).map(|_| 1.0));
        assert!(tail.judge(1.0, 1.0, 0.0) < 0.1);
    }

    #[test]
    fn a_size_never_seen_is_as_rare_as_the_memory_allows() {
        let mut tail = filled((0..1000).map(|_| 1.0));
        let rarity = tail.judge(100.0, 1.0, 0.0);
        let power_law = BEYOND_RECORD_WEIGHT * 100.0_f32.ln();
        assert!((rarity - (1002.0_f32.ln() + power_law)).abs() < 0.01, "{rarity}");
    }

    #[test]
    fn an_event_that_came_before_is_less_rare() {
        let mut tail = filled((0..1000).map(|n| if n == 500 { 50.0 } else { 1.0 }));
        let again = tail.judge(50.0, 1.0, 0.0);
        let third = tail.judge(50.0, 1.0, 0.0);
        assert!(third < again && again < 7.0, "{again} {third}");
    }

    #[test]
    fn what_is_below_the_floor_stays_small() {
        let mut tail = filled((0..1000).map(|_| 1e-6));
        assert!(tail.judge(1.0, 1.0, 10.0) < 0.1);
    }

    #[test]
    fn one_huge_size_is_forgotten_in_time() {
        let mut tail = filled([1.0, 1e20, 1.0]);
        for _ in 0..100 {
            tail.fade(0.9);
            tail.judge(1.0, 1.0, 0.0);
        }
        let sigma = tail.sigma();
        assert!((0.5..4.0).contains(&sigma), "{sigma}");
    }

    #[test]
    fn first_rows_that_one_huge_size_hides_are_laid_anew() {
        let mut tail = filled((0..100).map(|n| if n == 3 { 1e6 } else { 1.0 }));
        tail.settle();
        assert!(tail.edge <= 0.0);
        let mut tail = filled((0..100).map(|_| 1.0));
        tail.settle();
        assert!(tail.edge > 0.0);
    }

    #[test]
    fn a_size_of_zero_says_nothing() {
        assert_eq!(Tail::default().judge(0.0, 1.0, 0.0).to_bits(), 0.0_f32.to_bits());
    }
}
