//! A histogram of durations in logarithmic buckets: quantiles within 5 % in bounded memory, as
//! `DDSketch` (Masson, Rim, Lee 2019) does it.

use crate::signs::scan::float;

/// How many buckets there are: from 100 µs to more than an hour.
pub const BUCKETS: usize = 192;

/// The upper end of the first bucket, in seconds.
const FIRST_SECONDS: f64 = 0.000_1;

/// How much wider each bucket is than the one before: a value is within 5 % of its middle.
const GROWTH: f64 = 1.1;

/// A histogram whose counts can fade.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    counts: Vec<f32>,
    n: f64,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { counts: vec![0.0; BUCKETS], n: 0.0 }
    }
}

impl Sketch {
    /// Adds a duration; what is no finite, positive number is nothing.
    pub(crate) fn add(&mut self, seconds: f64) {
        if !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        if let Some(count) = self.counts.get_mut(bucket(seconds)) {
            *count += 1.0;
            self.n += 1.0;
        }
    }

    /// How many there are.
    pub(crate) fn n(&self) -> f64 {
        self.n
    }

    /// Lets what is there fade, and adds another's counts.
    pub(crate) fn fade_and_add(&mut self, part: f32, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = *count * part + more;
        }
        self.n = self.counts.iter().map(|count| f64::from(*count)).sum();
    }

    /// The duration below which that part of all lies; 0 when there is nothing.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let wanted = self.n * part;
        let mut sum = 0.0;
        let mut upper = FIRST_SECONDS;
        for count in &self.counts {
            sum += f64::from(*count);
            if sum > 0.0 && sum >= wanted {
                return upper / GROWTH.sqrt();
            }
            upper *= GROWTH;
        }
        0.0
    }

    /// How many are longer.
    pub(crate) fn n_over(&self, seconds: f64) -> f64 {
        self.counts.iter().skip(bucket(seconds) + 1).map(|count| f64::from(*count)).sum()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.counts.fill(0.0);
        self.n = 0.0;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is between 0 and the number of buckets"
)]
fn bucket(seconds: f64) -> usize {
    let last = float(BUCKETS as u64 - 1);
    ((seconds / FIRST_SECONDS).max(1.0).ln() / GROWTH.ln()).ceil().clamp(0.0, last) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_near_and_bad_numbers_are_nothing() {
        let mut sketch = Sketch::default();
        for n in 1..=1_000_u64 {
            sketch.add(float(n) / 1_000.0);
        }
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            sketch.add(bad);
        }
        assert!((sketch.n() - 1_000.0).abs() < 1e-9);
        for part in [0.1, 0.5, 0.95, 0.99] {
            assert!((sketch.quantile(part) / part - 1.0).abs() < 0.06, "{part}");
        }
        assert!((sketch.n_over(0.9) - 100.0).abs() < 50.0);
        sketch.clear();
        assert!(sketch.quantile(0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn no_number_panics(seconds in any::<f64>()) {
            let mut sketch = Sketch::default();
            sketch.add(seconds);
            let _ = (sketch.quantile(0.5), sketch.n_over(seconds));
        }
    }
}
