//! When a share or a count is larger than before, beyond chance.

/// How many standard deviations a share must be above what was normal.
pub const DEVIATIONS_MIN: f64 = 5.0;

/// How many times what was normal.
pub const RISE_MIN: f64 = 2.0;

/// The fewest occurrences that mean anything.
pub const OCCURRENCES_MIN: f64 = 8.0;

/// How many occurrences more than that are still chance, where few are expected.
const SPARE_OCCURRENCES: f64 = 3.0;

/// A part of a number of things.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    /// How many of them.
    pub(crate) part: f64,
    /// Of how many.
    pub(crate) of: f64,
}

impl Share {
    /// The ratio; 0 of nothing.
    pub(crate) fn ratio(self) -> f64 {
        if self.of > 0.0 { self.part / self.of } else { 0.0 }
    }

    /// Whether this share is beyond chance larger than what was normal: the two-proportion test
    /// (pooled), a rise that matters, and enough occurrences.
    pub(crate) fn is_above(self, normal: Self, rise_min: f64) -> bool {
        if self.part < OCCURRENCES_MIN || normal.of <= 0.0 {
            return false;
        }
        // Half an occurrence more, so that "never before" is no certainty.
        let before = (normal.part + 0.5) / (normal.of + 1.0);
        let pooled = (self.part + normal.part + 0.5) / (self.of + normal.of + 1.0);
        let deviation = (pooled * (1.0 - pooled) * (1.0 / self.of + 1.0 / normal.of)).sqrt();
        let rise = self.ratio() - before;
        // The normal approximation is too sure of small counts: a Poisson count has a longer tail.
        let expected = before * self.of;
        let chance_max = expected + DEVIATIONS_MIN * expected.sqrt() + SPARE_OCCURRENCES;
        self.part >= chance_max
            && rise >= rise_min
            && self.ratio() >= RISE_MIN * before
            && rise >= DEVIATIONS_MIN * deviation
    }
}

/// Whether a count is beyond chance larger than the mean of the windows before: as a Poisson
/// count, with room for bursts.
pub(crate) fn is_count_above(count: f64, mean: f64) -> bool {
    count >= OCCURRENCES_MIN + 2.0 && count >= 3.0 * mean + DEVIATIONS_MIN * mean.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_rises_beyond_chance_or_not() {
        let normal = Share { part: 10.0, of: 2_000.0 };
        assert!(Share { part: 20.0, of: 200.0 }.is_above(normal, 0.01));
        assert!(!Share { part: 3.0, of: 200.0 }.is_above(normal, 0.01));
        assert!(!Share { part: 9.0, of: 100.0 }.is_above(Share { part: 60.0, of: 2_000.0 }, 0.01));
        assert!(!Share { part: 12.0, of: 2_000.0 }.is_above(normal, 0.01));
        assert!(!Share::default().is_above(Share::default(), 0.01));
    }

    #[test]
    fn a_count_rises_beyond_chance_or_not() {
        assert!(is_count_above(30.0, 2.0) && is_count_above(10.0, 0.0));
        assert!(!is_count_above(9.0, 0.0) && !is_count_above(30.0, 12.0));
    }
}
