//! The level and the movement of the series over windows from two rows to some thousand.

/// The windows of the levels, in rows at the reference interval.
pub(super) const WINDOWS: [f32; 6] = [2.0, 8.0, 32.0, 128.0, 512.0, 1500.0];

/// The windows of the movement, in rows at the reference interval.
pub(super) const MOVEMENT_WINDOWS: [f32; 2] = [8.0, 256.0];

/// Exponentially weighted averages of the value and of the size of its steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    /// The average value over each of [`WINDOWS`].
    pub(super) level: [f64; WINDOWS.len()],
    /// The average size of a step over each of [`MOVEMENT_WINDOWS`].
    pub(super) movement: [f64; MOVEMENT_WINDOWS.len()],
}

impl Levels {
    /// Takes a value in.  While fewer rows than a window were seen the average is over all.
    pub(super) fn learn(&mut self, value: f64, step: f64, stretch: f64, n_rows: f64) {
        let (per_stretch, per_row) = (1.0 / stretch, 1.0 / n_rows.max(1.0));
        let weight = |window: f32| (per_stretch / f64::from(window)).clamp(per_row, 1.0);
        for (level, window) in self.level.iter_mut().zip(WINDOWS) {
            *level = nearer(*level, value, weight(window));
        }
        for (movement, window) in self.movement.iter_mut().zip(MOVEMENT_WINDOWS) {
            *movement = nearer(*movement, step, weight(window));
        }
    }
}

/// An average moved towards a value.
fn nearer(average: f64, value: f64, weight: f64) -> f64 {
    // Near enough is there: a remainder that shrinks for ever ends in numbers that are slow.
    const NEAR_ENOUGH: f64 = 1e-100;
    let rest = value - average;
    if rest.abs() < NEAR_ENOUGH { value } else { average + weight * rest }
}

/// The span of the values, which closes slowly when the series keeps to a part of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// How wide it is.
    pub(super) fn width(&self) -> f64 {
        self.high - self.low
    }

    /// Takes a value in; the ends come nearer to the level by a share of their distance.
    pub(super) fn learn(&mut self, value: f64, level: f64, share: f64) {
        self.high -= (self.high - level).max(0.0) * share;
        self.low += (level - self.low).max(0.0) * share;
        self.high = self.high.max(value);
        self.low = self.low.min(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_are_averaged_evenly() {
        let mut levels = Levels::default();
        for n in 1..=4 {
            levels.learn(f64::from(n), 1.0, 1.0, f64::from(n));
        }
        assert!(levels.level.iter().skip(1).all(|level| (level - 2.5).abs() < 1e-9));
    }

    #[test]
    fn a_range_closes_on_what_is_left() {
        let mut range = Range::default();
        range.learn(100.0, 0.0, 0.01);
        assert!((range.width() - 100.0).abs() < 1e-9);
        for _ in 0..1000 {
            range.learn(0.0, 0.0, 0.01);
        }
        assert!(range.width() < 1.0);
    }
}
