//! Robust trends: the slope of Theil and Sen with the test of Mann and Kendall.
//!
//! The median of the slopes between all pairs of points (Sen, 1968) is moved by no quarter of
//! wild values; its interval comes from the ranks of those slopes.  Points that follow each other
//! are alike, so the count of independent points is reduced by their correlation (Hamed and Rao,
//! 1998, first lag).
//!
//! **Invariant:** at most [`POINTS_MAX`] points go into the pairs, so the cost is bounded.

use crate::quantile::{as_f64, median, quantile, sorted};

/// The largest number of points whose pairs are compared; more are thinned to medians of
/// neighbours.
pub const POINTS_MAX: usize = 256;

/// The smallest number of points that has a trend.
pub const POINTS_MIN: usize = 8;

/// A straight line through points, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The growth in a second.
    pub slope: f64,
    /// The slope that is too low with 95 % confidence.
    pub slope_low: f64,
    /// The slope that is too high with 95 % confidence.
    pub slope_high: f64,
    /// The value at second 0.
    pub intercept: f64,
    /// How many standard deviations the order of the values is from chance; its sign is that of
    /// the slope.
    pub significance: f64,
    /// How far 5 %, and 95 %, of the values lie from the line.
    pub residual_low: f64,
    /// See `residual_low`.
    pub residual_high: f64,
}

impl Trend {
    /// The value of the line at a second.
    #[must_use]
    pub fn at(&self, seconds: f64) -> f64 {
        self.intercept + self.slope * seconds
    }

    /// The trend of `(seconds, value)` in ascending order of time; none of fewer than
    /// [`POINTS_MIN`] finite points, or where all have one time.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let points = thinned(points);
        if points.len() < POINTS_MIN {
            return None;
        }
        let mut slopes = Vec::new();
        let mut order = 0.0;
        for (n, from) in points.iter().enumerate() {
            for to in points.iter().skip(n + 1) {
                if to.0 > from.0 {
                    slopes.push((to.1 - from.1) / (to.0 - from.0));
                    order += f64::from(i8::from(to.1 > from.1) - i8::from(to.1 < from.1));
                }
            }
        }
        let slopes = sorted(slopes);
        let slope = median(&slopes)?;
        let residuals: Vec<f64> = points
            .iter()
            .map(|(at, value)| value - slope * at)
            .filter(|it| it.is_finite())
            .collect();
        let n = as_f64(points.len());
        let inflation = inflation(&residuals);
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation).sqrt();
        let ascending = sorted(residuals);
        let intercept = median(&ascending)?;
        // Half the width of the 95 % interval, as a share of all pairs.
        let half = 1.96 * deviation / as_f64(slopes.len()) / 2.0;
        Some(Self {
            slope,
            slope_low: quantile(&slopes, 0.5 - half)?,
            slope_high: quantile(&slopes, 0.5 + half)?,
            intercept,
            significance: (order - order.signum()) / deviation,
            residual_low: quantile(&ascending, 0.05)? - intercept,
            residual_high: quantile(&ascending, 0.95)? - intercept,
        })
    }
}

/// Neighbours brought together until at most [`POINTS_MAX`] points remain.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|(at, value)| at.is_finite() && value.abs() < VALUE_MAX)
        .collect();
    let width = points.len().div_ceil(POINTS_MAX).max(1);
    if width == 1 {
        return points;
    }
    points
        .chunks(width)
        .filter_map(|part| {
            let at = part.get(part.len() / 2)?.0;
            Some((at, median(&sorted(part.iter().map(|(_, value)| *value)))?))
        })
        .collect()
}

/// Beyond this, sums and differences of values could overflow.
const VALUE_MAX: f64 = 1e150;

/// How much wider chance is because neighbours are alike: `(1 + r) / (1 - r)` for the first
/// autocorrelation of the signs of the residuals about their median.
fn inflation(residuals: &[f64]) -> f64 {
    let middle = median(&sorted(residuals.iter().copied())).unwrap_or(0.0);
    let side = |value: &f64| f64::from(i8::from(*value > middle) - i8::from(*value < middle));
    let n_used = residuals.iter().map(|value| side(value).abs()).sum::<f64>();
    let together: f64 = residuals
        .iter()
        .zip(residuals.iter().skip(1))
        .map(|(one, next)| side(one) * side(next))
        .sum();
    let likeness = (together / n_used.max(1.0)).clamp(0.0, 0.9);
    (1.0 + likeness) / (1.0 - likeness)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u32, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..n).map(|n| (f64::from(n), value(f64::from(n)))).collect()
    }

    #[test]
    fn a_quarter_of_wild_values_does_not_move_a_trend() {
        let points = line(100, |n| if n % 5.0 == 0.0 { 1e6 } else { 3.0 + 2.0 * n });
        let trend = Trend::of(&points).unwrap();
        assert!((trend.slope - 2.0).abs() < 0.3, "{trend:?}");
        assert!(trend.significance > 5.0);
        assert!(trend.slope_low <= trend.slope && trend.slope <= trend.slope_high);
    }

    #[test]
    fn a_wave_is_no_trend() {
        let points = line(200, |n| (n * 0.3).sin());
        assert!(Trend::of(&points).unwrap().significance.abs() < 2.0);
    }

    #[test]
    fn more_points_than_the_limit_are_brought_together() {
        assert_eq!(thinned(&line(100_000, |n| n)).len(), 256);
        let trend = Trend::of(&line(100_000, |n| n)).unwrap();
        assert!((trend.slope - 1.0).abs() < 1e-9);
    }

    #[test]
    fn too_little_has_no_trend() {
        assert_eq!(Trend::of(&[]), None);
        assert_eq!(Trend::of(&line(7, |n| n)), None);
        assert_eq!(Trend::of(&[(1.0, 2.0); 20]), None);
        assert_eq!(Trend::of(&[(f64::NAN, f64::INFINITY); 20]), None);
    }
}
