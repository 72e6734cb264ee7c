//! Forecast: when does a level reach its limit, as an interval and not as a date.
//!
//! The robust line of what came after the last clean-up, its slope with a 95 % interval, and the
//! distances that values had from that line.  The earliest crossing takes the steepest slope and
//! the highest distance, the latest the flattest and the lowest.
//!
//! **Invariant:** without a sure trend nothing is foretold but what the usual distances reach.

use jiff::{SignedDuration, Timestamp};
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::point::Point;
use crate::quantile::{as_f64, median, quantile, sorted};
use crate::trend::{POINTS_MIN, Trend};

/// The largest number of buckets that a history is brought into.
const BUCKETS: usize = 200;

/// How sure a trend must be, in standard deviations of chance.
const SIGNIFICANCE_MIN: f64 = 3.0;

/// A step against the trend is a clean-up when it is this many times the usual step.
const CLEAN_UP_STEPS: f64 = 8.0;

/// … and at least this share of the whole range.
const CLEAN_UP_SHARE: f64 = 0.2;

/// A limit and the side from which it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "side", content = "at")]
pub enum Limit {
    /// Trouble begins at or above it.
    Above(f64),
    /// Trouble begins at or below it.
    Below(f64),
}

/// When a limit is reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// It is reached already.
    Already {
        /// The level now.
        level: f64,
    },
    /// It is reached in this time.
    Within {
        /// At the soonest.
        earliest: Timestamp,
        /// Most likely.
        likely: Timestamp,
        /// At the latest; none: perhaps not within the horizon.
        latest: Option<Timestamp>,
        /// The growth in a day, in the unit of the metric.
        slope_per_day: f64,
    },
    /// It may be reached, but is not likely to be within the horizon.
    Perhaps {
        /// At the soonest.
        earliest: Timestamp,
    },
    /// It is not reached within the horizon.
    Never(Why),
    /// There is too little to judge.
    Unknown {
        /// How many buckets of values there are since the last clean-up.
        n_buckets: usize,
    },
}

/// Why a limit is not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is no sure trend.
    NoTrend,
    /// The trend goes away from the limit.
    GoesAway,
    /// The trend is too flat.
    TooFar,
}

/// When the last of `points` is followed by a crossing of `limit`, looking `horizon` ahead.
///
/// Points may be in any order; what is not finite is left out.  A level that was brought back
/// (a disk cleaned, a process restarted) is judged by what came after.
#[must_use]
pub fn crossing(points: &[Point], limit: Limit, horizon: Millis) -> Crossing {
    // A limit below is a limit above of the negated series.
    let (sign, limit) = match limit {
        Limit::Above(limit) => (1.0, limit),
        Limit::Below(limit) => (-1.0, -limit),
    };
    let mut points: Vec<&Point> = points.iter().filter(|point| point.value.is_finite()).collect();
    points.sort_by_key(|point| point.at);
    let Some(now) = points.last().map(|point| point.at) else {
        return Crossing::Unknown { n_buckets: 0 };
    };
    let line: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.at.duration_since(now).as_secs_f64(), sign * point.value))
        .collect();
    let buckets = since_clean_up(&buckets(&line));
    let n_buckets = buckets.len();
    let Some(level) = recent(&buckets) else {
        return Crossing::Unknown { n_buckets };
    };
    if level >= limit {
        return Crossing::Already { level: sign * level };
    }
    if n_buckets < POINTS_MIN {
        return Crossing::Unknown { n_buckets };
    }
    let Some(trend) = Trend::of(&buckets) else {
        return Crossing::Unknown { n_buckets };
    };
    foretell(&trend, level, limit, Ahead { now, horizon, sign })
}

/// Where to look from, how far, and which way is up.
#[derive(Clone, Copy)]
struct Ahead {
    now: Timestamp,
    horizon: Millis,
    sign: f64,
}

impl Ahead {
    fn moment(&self, seconds: f64) -> Option<Timestamp> {
        let within = seconds <= self.horizon.duration().as_secs_f64();
        let span = SignedDuration::try_from_secs_f64(seconds.max(0.0)).ok().filter(|_| within)?;
        self.now.checked_add(span).ok()
    }
}

fn foretell(trend: &Trend, level: f64, limit: f64, ahead: Ahead) -> Crossing {
    let is_sure = trend.significance.abs() >= SIGNIFICANCE_MIN;
    // A trend that bends is followed from where it is now, not from where the line says.
    let base = trend.at(0.0).midpoint(level);
    let reach = |slope: f64, residual: f64| {
        let missing = (limit - base - residual).max(0.0);
        if missing <= 0.0 { Some(0.0) } else { (slope > 0.0).then(|| missing / slope) }
    };
    let slope_high = if is_sure { trend.slope_high } else { 0.0 };
    let earliest = reach(slope_high, trend.residual_high).and_then(|it| ahead.moment(it));
    let likely = reach(trend.slope, 0.0).filter(|_| is_sure).and_then(|it| ahead.moment(it));
    match (earliest, likely) {
        (Some(earliest), Some(likely)) => Crossing::Within {
            earliest: earliest.min(likely),
            likely,
            latest: reach(trend.slope_low, trend.residual_low)
                .and_then(|it| ahead.moment(it))
                .map(|latest| latest.max(likely)),
            slope_per_day: ahead.sign * trend.slope * 86_400.0,
        },
        (Some(earliest), None) => Crossing::Perhaps { earliest },
        (None, _) if !is_sure => Crossing::Never(Why::NoTrend),
        (None, _) if trend.slope <= 0.0 => Crossing::Never(Why::GoesAway),
        (None, _) => Crossing::Never(Why::TooFar),
    }
}

/// Medians over stretches of equal duration.
fn buckets(line: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let start = line.first().map_or(0.0, |(at, _)| *at);
    let width = (-start / as_f64(BUCKETS)).max(f64::MIN_POSITIVE);
    let place = |at: f64| ((at - start) / width).floor();
    line.chunk_by(|one, next| place(one.0).total_cmp(&place(next.0)).is_eq())
        .filter_map(|part| {
            let middle = part.get(part.len() / 2)?.0;
            Some((middle, median(&sorted(part.iter().map(|(_, value)| *value)))?))
        })
        .collect()
}

/// What came after the last large step down.
fn since_clean_up(buckets: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let steps: Vec<f64> =
        buckets.iter().zip(buckets.iter().skip(1)).map(|(one, next)| next.1 - one.1).collect();
    let usual = median(&sorted(steps.iter().map(|step| step.abs()))).unwrap_or(0.0);
    let levels = sorted(buckets.iter().map(|(_, level)| *level));
    let range = quantile(&levels, 1.0).unwrap_or(0.0) - quantile(&levels, 0.0).unwrap_or(0.0);
    let large = (CLEAN_UP_STEPS * usual).max(CLEAN_UP_SHARE * range);
    let from = steps.iter().rposition(|step| *step < 0.0 && -step >= large).map_or(0, |n| n + 1);
    // A dip of one bucket that came back at once is no clean-up.
    let is_dip = steps.get(from).is_some_and(|back| from > 0 && *back >= large);
    let from = if is_dip { 0 } else { from };
    buckets.iter().skip(from).copied().collect()
}

/// The level of the last few buckets.
fn recent(buckets: &[(f64, f64)]) -> Option<f64> {
    median(&sorted(buckets.iter().rev().take(3).map(|(_, level)| *level)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: f64 = 24.0;
    const HORIZON: Millis = Millis::from_secs(30 * 86_400);

    /// Hourly values over two weeks, ending at hour 0.
    fn hourly(value: impl Fn(f64) -> f64) -> Vec<Point> {
        (-336..=0)
            .map(|hour: i32| Point {
                at: at(f64::from(hour)),
                value: value(f64::from(hour)) + f64::from((hour * 7_919).rem_euclid(101)) / 101.0
                    - 0.5,
            })
            .collect()
    }

    fn at(hour: f64) -> Timestamp {
        Timestamp::from_second(1_700_000_000)
            .unwrap()
            .checked_add(SignedDuration::from_secs_f64(hour * 3_600.0))
            .unwrap()
    }

    fn days(moment: Timestamp) -> f64 {
        moment.duration_since(at(0.0)).as_secs_f64() / 86_400.0
    }

    #[test]
    fn a_disk_that_is_full_in_three_days_is_foretold() {
        // 2 % a day, 84 % now.
        let points = hourly(|hour| 84.0 + 2.0 * hour / DAY);
        let Crossing::Within { earliest, likely, latest, slope_per_day } =
            crossing(&points, Limit::Above(90.0), HORIZON)
        else {
            panic!("not foretold");
        };
        assert!((days(likely) - 3.0).abs() < 0.3, "{likely}");
        assert!(earliest <= likely && days(earliest) > 2.0, "{earliest}");
        assert!(latest.is_some_and(|latest| latest >= likely && days(latest) < 4.0), "{latest:?}");
        assert!((slope_per_day - 2.0).abs() < 0.1);
    }

    #[test]
    fn free_space_is_the_same_from_above() {
        let points = hourly(|hour| 16.0 - 2.0 * hour / DAY);
        let found = crossing(&points, Limit::Below(10.0), HORIZON);
        assert!(
            matches!(found, Crossing::Within { likely, slope_per_day, .. }
                if (days(likely) - 3.0).abs() < 0.3 && slope_per_day < 0.0),
            "{found:?}"
        );
    }

    #[test]
    fn a_clean_up_begins_anew() {
        let points = hourly(|hour| {
            if hour < -100.0 {
                90.0 + 2.0 * (hour + 100.0) / DAY
            } else {
                50.0 + 2.0 * (hour + 100.0) / DAY
            }
        });
        let found = crossing(&points, Limit::Above(90.0), HORIZON);
        assert!(
            matches!(found, Crossing::Within { likely, .. } if (days(likely) - 15.8).abs() < 1.5),
            "{found:?}"
        );
    }

    #[test]
    fn what_does_not_grow_never_crosses() {
        let says = |value: &dyn Fn(f64) -> f64, limit| crossing(&hourly(value), limit, HORIZON);
        assert_eq!(says(&|_| 50.0, Limit::Above(90.0)), Crossing::Never(Why::NoTrend));
        let falls = |hour: f64| 50.0 - hour / DAY;
        assert_eq!(says(&falls, Limit::Above(90.0)), Crossing::Never(Why::GoesAway));
        let slow = |hour: f64| 20.0 + 0.2 * hour / DAY;
        assert_eq!(says(&slow, Limit::Above(90.0)), Crossing::Never(Why::TooFar));
        assert!(matches!(says(&|_| 95.0, Limit::Above(90.0)), Crossing::Already { .. }));
        assert_eq!(crossing(&[], Limit::Above(1.0), HORIZON), Crossing::Unknown { n_buckets: 0 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_points_give_an_ordered_answer(
            points in prop::collection::vec((any::<i32>(), any::<f64>()), 0..100),
            limit in any::<f64>(),
            horizon in any::<u64>(),
        ) {
            let points: Vec<Point> = points
                .into_iter()
                .map(|(at, value)| Point {
                    at: Timestamp::from_second(i64::from(at)).unwrap(),
                    value,
                })
                .collect();
            let found = crossing(&points, Limit::Above(limit), Millis(horizon));
            if let Crossing::Within { earliest, likely, latest, .. } = found {
                prop_assert!(earliest <= likely);
                prop_assert!(latest.is_none_or(|latest| latest >= likely));
            }
        }
    }
}
