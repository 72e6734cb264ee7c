//! How often the series has a sample, learned from the samples.

/// The interval that the windows are written for, in milliseconds.
const REFERENCE_MS: f32 = 300_000.0;

/// The least and the greatest stretch of the windows.
const STRETCH: (f32, f32) = (0.02, 20.0);

/// An interval within this share of the usual one is the usual one.
const TOLERANCE: f32 = 0.01;

/// The first steps towards another interval, as a share of it; they shrink to a tenth.
const FIRST_STEP: f32 = 0.1;

/// A silence of this many usual intervals is a gap.
const GAP_INTERVALS: f32 = 10.0;

/// How many intervals must have been seen before a gap is one.
const GAP_SAMPLES_MIN: u32 = 20;

/// The usual interval: close to the median of all intervals, by small steps up and down.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Milliseconds; 0: not known yet.
    usual_ms: f32,
    n: u32,
}

/// A silence much longer than usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Silence {
    /// How long it was, in milliseconds.
    pub(super) lasted_ms: i64,
    /// The usual interval, in milliseconds.
    pub(super) usual_ms: i64,
}

impl Pace {
    /// Learns an interval.  One that does not go forward teaches nothing.
    pub(super) fn learn(&mut self, interval_ms: i64) -> Option<Silence> {
        if interval_ms <= 0 {
            return None;
        }
        let seen = interval_ms as f32;
        if self.usual_ms <= 0.0 {
            self.usual_ms = seen;
            return None;
        }
        self.n = self.n.saturating_add(1);
        let is_gap = self.n > GAP_SAMPLES_MIN && seen > GAP_INTERVALS * self.usual_ms;
        let silence = Silence { lasted_ms: interval_ms, usual_ms: self.usual_ms.round() as i64 };
        let step = 1.0 + FIRST_STEP / (1.0 + 0.05 * self.n as f32).min(10.0);
        if seen > self.usual_ms * (1.0 + TOLERANCE) {
            self.usual_ms *= step;
        } else if seen < self.usual_ms * (1.0 - TOLERANCE) {
            self.usual_ms /= step;
        } else {
            self.usual_ms = seen;
        }
        is_gap.then_some(silence)
    }

    /// The usual interval in milliseconds.
    pub(super) fn usual_ms(&self) -> f32 {
        if self.usual_ms > 0.0 { self.usual_ms } else { REFERENCE_MS }
    }

    /// How much longer, in rows, the windows are than written.  Halving the interval doubles the
    /// rows of an hour and makes a window 1.4 times as long: between a fixed number of rows, right
    /// for noise, and a fixed time, right for what the world does.
    pub(super) fn stretch(&self) -> f32 {
        (REFERENCE_MS / self.usual_ms()).sqrt().clamp(STRETCH.0, STRETCH.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(intervals: impl IntoIterator<Item = i64>) -> Pace {
        let mut pace = Pace::default();
        for interval in intervals {
            pace.learn(interval);
        }
        pace
    }

    #[test]
    fn the_usual_interval_is_found_among_odd_ones() {
        let pace = learned((0..200).map(|n| if n % 7 == 0 { 900_000 } else { 60_000 }));
        assert!((pace.usual_ms() - 60_000.0).abs() < 6_000.0, "{}", pace.usual_ms());
    }

    #[test]
    fn an_interval_that_does_not_go_forward_teaches_nothing() {
        let pace = learned([60_000, 0, -5, i64::MIN]);
        assert!((pace.usual_ms() - 60_000.0).abs() < 1.0);
    }

    #[test]
    fn a_gap_is_ten_usual_intervals() {
        let mut pace = learned((0..30).map(|_| 1000));
        assert_eq!(pace.learn(10_000), None);
        let mut pace = learned((0..30).map(|_| 1000));
        assert_eq!(pace.learn(10_001), Some(Silence { lasted_ms: 10_001, usual_ms: 1000 }));
    }

    #[test]
    fn the_stretch_is_bounded() {
        assert!((learned([1]).stretch() - STRETCH.1).abs() < 1e-6);
        assert!((learned([i64::MAX, i64::MAX]).stretch() - STRETCH.0).abs() < 1e-6);
        assert!((Pace::default().stretch() - 1.0).abs() < 1e-6);
    }
}
