//! Drift: what slowly becomes worse, long before any limit.
//!
//! A threshold sees a leak when it is nearly over, and a comparison with the last week sees only
//! what leaves the range of that week.  Here the order of the values is asked: does it go one
//! way, more surely than chance, and far enough to matter?
//!
//! **Invariant:** memory is bounded by [`BUCKETS_MAX`]; a wave of a known season is no drift.

use std::collections::VecDeque;

use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::point::Point;
use crate::quantile::{median, sorted};
use crate::trend::Trend;

/// The largest number of buckets that are remembered.
pub const BUCKETS_MAX: usize = 336;

/// The largest number of values of a bucket that its median is taken of; later ones are left out.
pub const BUCKET_VALUES_MAX: usize = 1_024;

/// The smallest number of buckets that says anything.
pub const BUCKETS_MIN: usize = 12;

/// Which way is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// Memory, latency, errors, disk usage.
    Higher,
    /// Free space, throughput, success.
    Lower,
}

/// What counts as a drift.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Which way is worse.
    pub worse: Worse,
    /// The time that one bucket holds.
    pub bucket: Millis,
    /// How many buckets make a season (24 of one hour: a day); none: there is no season.
    pub season_buckets: Option<u32>,
    /// How sure the direction must be, in standard deviations of chance.
    pub significance_min: f64,
    /// How far it must have gone over what is remembered, as a share of the level.
    pub change_share_min: f64,
}

impl Rule {
    /// Hours, a season of a day, four deviations, a tenth of the level.
    #[must_use]
    pub fn hourly(worse: Worse) -> Self {
        Self {
            worse,
            bucket: Millis::from_secs(3_600),
            season_buckets: Some(24),
            significance_min: 4.0,
            change_share_min: 0.1,
        }
    }
}

/// What a series does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// It slowly becomes worse.
    Worsening(Change),
    /// It slowly becomes better.
    Improving(Change),
    /// It goes one way, but not surely or not far enough.
    Steady(Change),
    /// There is too little to judge.
    Unknown(TooLittle),
}

/// How a series changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The growth in an hour, in the unit of the metric.
    pub slope_per_hour: f64,
    /// How far it went over what is remembered, as a share of its level then; negative when it
    /// fell.
    pub share: f64,
    /// How sure the direction is, in standard deviations of chance; negative when it falls.
    pub significance: f64,
    /// Over how many buckets.
    pub n_buckets: usize,
    /// How many times the usual distance of values from the line it went.
    pub clearness: f64,
}

/// Why nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TooLittle {
    /// How many buckets there are.
    pub n_buckets: usize,
    /// How many it takes.
    pub needed: usize,
}

/// Watches one series.
#[derive(Clone, Debug)]
pub struct Watch {
    rule: Rule,
    /// Number and median of each closed bucket, ascending.
    closed: VecDeque<(i64, f64)>,
    open: i64,
    values: Vec<f64>,
}

impl Watch {
    /// A watch that has seen nothing.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self { rule, closed: VecDeque::new(), open: i64::MIN, values: Vec::new() }
    }

    /// Takes one more value; one that is older than the open bucket, or no number, is left out.
    pub fn observe(&mut self, point: Point) {
        let width = i64::try_from(self.rule.bucket.0.max(1)).unwrap_or(i64::MAX);
        let bucket = point.at.as_millisecond().div_euclid(width);
        if !point.value.is_finite() || bucket < self.open {
            return;
        }
        if bucket > self.open {
            self.close();
            self.open = bucket;
        }
        if self.values.len() < BUCKET_VALUES_MAX {
            self.values.push(point.value);
        }
    }

    fn close(&mut self) {
        if let Some(level) = median(&sorted(self.values.drain(..))) {
            self.closed.push_back((self.open, level));
        }
        // A whole number of seasons, so that none weighs more than another.
        let season = self.season().unwrap_or(1);
        while self.closed.len() > BUCKETS_MAX / season * season {
            self.closed.pop_front();
        }
    }

    fn season(&self) -> Option<usize> {
        let season = usize::try_from(self.rule.season_buckets?).ok()?;
        (2..=BUCKETS_MAX / 2).contains(&season).then_some(season)
    }

    /// What the series does, by its closed buckets.
    #[must_use]
    pub fn judge(&self) -> Drift {
        let n_buckets = self.closed.len();
        let unknown = Drift::Unknown(TooLittle { n_buckets, needed: BUCKETS_MIN });
        if n_buckets < BUCKETS_MIN {
            return unknown;
        }
        let levels = self.levels();
        let Some(trend) = Trend::of(&levels) else {
            return unknown;
        };
        let (Some(first), Some(last)) = (levels.first(), levels.last()) else {
            return unknown;
        };
        let gone = trend.slope * (last.0 - first.0);
        let level =
            trend.at(first.0).abs().max(gone.abs() * LEVEL_SHARE_MIN).max(f64::MIN_POSITIVE);
        let change = Change {
            slope_per_hour: trend.slope * 3_600.0,
            share: gone / level,
            significance: trend.significance,
            n_buckets,
            clearness: gone.abs()
                / (trend.residual_high - trend.residual_low).max(f64::MIN_POSITIVE),
        };
        let is_sure = trend.significance.abs() >= self.rule.significance_min;
        if !is_sure || change.share.abs() < self.rule.change_share_min {
            return Drift::Steady(change);
        }
        match (self.rule.worse, gone > 0.0) {
            (Worse::Higher, true) | (Worse::Lower, false) => Drift::Worsening(change),
            (Worse::Higher, false) | (Worse::Lower, true) => Drift::Improving(change),
        }
    }

    /// Seconds and levels without their season.  With two whole seasons or more, each level gives
    /// up what its place in the season usually has; a drift goes through all places alike.
    #[must_use]
    pub fn levels(&self) -> Vec<(f64, f64)> {
        let width = self.rule.bucket.duration().as_secs_f64();
        let start = self.closed.front().map_or(0, |(bucket, _)| *bucket);
        #[expect(clippy::cast_precision_loss, reason = "a count of buckets is far below 2^53")]
        let seconds = |bucket: i64| (bucket - start) as f64 * width;
        let plain =
            || self.closed.iter().map(|(bucket, level)| (seconds(*bucket), *level)).collect();
        let Some(season) = self.season().filter(|season| self.closed.len() >= 2 * season) else {
            return plain();
        };
        let first_trend = Trend::of(&plain()).map_or(0.0, |trend| trend.slope);
        let place = |bucket: i64| {
            usize::try_from(bucket.rem_euclid(i64::try_from(season).unwrap_or(1))).unwrap_or(0)
        };
        let mut places: Vec<Vec<f64>> = vec![Vec::new(); season];
        for (bucket, level) in &self.closed {
            if let Some(values) = places.get_mut(place(*bucket)) {
                values.push(level - first_trend * seconds(*bucket));
            }
        }
        let usual: Vec<f64> =
            places.into_iter().map(|values| median(&sorted(values)).unwrap_or(0.0)).collect();
        let middle = median(&sorted(usual.iter().copied())).unwrap_or(0.0);
        self.closed
            .iter()
            .map(|(bucket, level)| {
                let own = usual.get(place(*bucket)).copied().unwrap_or(middle);
                (seconds(*bucket), level - (own - middle))
            })
            .collect()
    }
}

/// Where there was nothing at first, the way itself is the measure: a share is at most this often
/// the level.
const LEVEL_SHARE_MIN: f64 = 0.01;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn wobble(n: i64) -> f64 {
        f64::from(u8::try_from((n * 7_919 + 13).rem_euclid(101)).unwrap()) / 50.0 - 1.0
    }

    /// A value every ten minutes.
    fn watch(rule: Rule, hours: i64, value: impl Fn(f64) -> f64) -> Watch {
        let mut watch = Watch::new(rule);
        for n in 0..hours * 6 {
            let hour = f64::from(i32::try_from(n).unwrap()) / 6.0;
            let at = Timestamp::from_second(1_700_000_000 + n * 600).unwrap();
            watch.observe(Point { at, value: value(hour) + wobble(n) });
        }
        watch
    }

    #[test]
    fn a_leak_is_caught_long_before_its_limit_and_before_two_sigma() {
        // 100 MB and half a megabyte an hour, a daily wave of 6 MB, a limit of 500 MB.
        let leak =
            |hour: f64| 100.0 + 0.5 * hour + 6.0 * (hour / 24.0 * std::f64::consts::TAU).sin();
        let caught = (12..400)
            .step_by(4)
            .find(|hours| {
                matches!(
                    watch(Rule::hourly(Worse::Higher), *hours, leak).judge(),
                    Drift::Worsening(_)
                )
            })
            .unwrap();
        assert!(caught < 80, "{caught} hours, when it holds {} MB", leak(80.0));
        let levels: Vec<f64> = (0..400).map(|hour| leak(f64::from(hour))).collect();
        let two_sigma = levels.windows(169).position(|week| {
            let mean = week[..168].iter().sum::<f64>() / 168.0;
            let square = week[..168].iter().map(|level| (level - mean).powi(2)).sum::<f64>();
            week[168] > mean + 2.0 * (square / 168.0).sqrt()
        });
        assert!(
            two_sigma.is_none_or(|hour| i64::try_from(hour).unwrap() + 168 > 2 * caught),
            "{two_sigma:?}"
        );
    }

    #[test]
    fn a_wave_and_noise_are_no_drift() {
        let wave = |hour: f64| 100.0 + 40.0 * (hour / 24.0 * std::f64::consts::TAU).sin();
        for hours in (48..200).step_by(8) {
            let drift = watch(Rule::hourly(Worse::Higher), hours, wave).judge();
            assert!(matches!(drift, Drift::Steady(_)), "{hours}: {drift:?}");
        }
        let still = watch(Rule::hourly(Worse::Higher), 200, |_| 100.0).judge();
        assert!(matches!(still, Drift::Steady(_)), "{still:?}");
    }

    #[test]
    fn falling_free_space_worsens_and_rising_improves() {
        let rule = Rule { season_buckets: None, ..Rule::hourly(Worse::Lower) };
        assert!(matches!(watch(rule, 60, |hour| 500.0 - 2.0 * hour).judge(), Drift::Worsening(_)));
        assert!(matches!(watch(rule, 60, |hour| 500.0 + 2.0 * hour).judge(), Drift::Improving(_)));
    }

    #[test]
    fn too_little_is_unknown_and_memory_is_bounded() {
        let rule = Rule::hourly(Worse::Higher);
        assert!(matches!(watch(rule, 5, |_| 1.0).judge(), Drift::Unknown(_)));
        let long = watch(rule, 2_000, |_| 1.0);
        assert_eq!(long.closed.len(), BUCKETS_MAX);
        let mut full = Watch::new(rule);
        for _ in 0..2 * BUCKET_VALUES_MAX {
            full.observe(Point { at: Timestamp::UNIX_EPOCH, value: 1.0 });
        }
        assert_eq!(full.values.len(), BUCKET_VALUES_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_values_in_any_order_are_borne(
            points in prop::collection::vec((any::<i32>(), any::<f64>()), 0..300),
            season in prop::option::of(0..1_000_u32),
            bucket in 0..10_000_000_u64,
        ) {
            let rule = Rule {
                season_buckets: season,
                bucket: Millis(bucket),
                ..Rule::hourly(Worse::Higher)
            };
            let mut watch = Watch::new(rule);
            for (at, value) in points {
                let at = Timestamp::from_second(i64::from(at)).unwrap();
                watch.observe(Point { at, value });
            }
            if let Drift::Worsening(change) | Drift::Steady(change) = watch.judge() {
                prop_assert!(change.n_buckets <= BUCKETS_MAX);
            }
        }
    }
}
