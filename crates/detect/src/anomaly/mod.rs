//! The streaming anomaly score: one number for every sample of any series, with the same
//! parameters for all of them.
//!
//! Nine kinds of deviation are measured at once: steps, distances from averages over several
//! windows, averages of near rows against averages of far ones, movement against usual movement,
//! distance from what is usual at this time of the day.  Each is judged against its own history
//! (`tail`): how many rows of *this* series deviated at least so much?  What repeats (a daily
//! peak, a nightly batch) is counted and soon surprises nobody; a constant noise of any shape
//! needs no model.  What comes at the same hour every week is expected (`week`).  The rarities
//! are joined by a norm close to their maximum, and after an alarm the score is held down for a
//! share of the rows seen so far: an episode alarms once.
//!
//! **Invariant:** every statistic is a ratio of differences of values, so the score does not
//! change when the series is scaled, moved or mirrored.  The state has a fixed size and no heap.
//!
//! It knows no thresholds ([`crate::threshold`]) and does not decide what a missing series means.

mod levels;
mod pace;
mod season;
mod tail;
mod week;
pub mod why;

use serde::{Deserialize, Serialize};

use levels::{Levels, MOVEMENT_WINDOWS, Range, WINDOWS};
use pace::Pace;
use season::Season;
use tail::Tail;
use week::{HOUR_MS, Week};
use why::{Evidence, Kind, Why};

/// The score from which a sample is an alarm.
pub const THRESHOLD: f64 = 0.5;

/// The rarity, in nats, that alone reaches the threshold: one row in 1100.
const ALARM_NATS: f32 = 7.0;

/// The rows, at the reference interval, after which a row has lost most of its weight.
const MEMORY_ROWS: f32 = 6000.0;

/// The rows between two fadings of the memory.
const FADE_ROWS: u64 = 32;

/// The first rows, which have no score: too little is known of the series.
const WARM_UP_ROWS: f64 = 100.0;

/// After an alarm the score is held down for this share of the rows seen ...
const QUIET_SHARE: f64 = 0.035;

/// ... and for this many rows, at the reference interval, at least.
const QUIET_ROWS_MIN: f64 = 40.0;

/// What a score that is held down is multiplied by.
const QUIET_FACTOR: f64 = 0.5;

/// A deviation below this share of the range of the series matters little, however rare it is.
const FLOOR_SHARE: f64 = 0.005;

/// The rows, at the reference interval, in which the range closes on what is left of it.
const RANGE_ROWS: f64 = 1500.0;

/// The doubt about what was never seen, in rows, for an event that lasts one row; it grows with
/// the square root of the rows that an event lasts.
const DOUBT_ROWS: f32 = 0.5;

/// A flat line is unusual when it is this many times as long as any before it ...
const FLAT_LINE_TIMES: u32 = 10;

/// ... and has this many rows at least.
const FLAT_LINE_ROWS_MIN: u32 = 60;

/// The largest distance from the first value, in units of the first step, that is told apart.
const DISTANCE_MAX: f64 = 1e30;

/// A deviation whose rarity is this share of the greatest explains the score as well.
const NEARLY_AS_RARE: f32 = 0.95;

/// The joined rarities, as a share of what alarms, from which the hour of the week is remembered.
const RARE: f32 = 0.95;

/// From this score on it is worked out what spoke.
const WORTH_WORDS: f64 = 0.25;

/// What one sample is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// How unusual it is, from 0 to 1.
    pub score: f64,
    /// Whether the score reaches [`THRESHOLD`].
    pub alarm: bool,
    /// What spoke.
    pub why: Why,
}

impl Anomaly {
    /// A sample without a score.
    fn none(why: Why) -> Self {
        Self { score: 0.0, alarm: false, why }
    }
}

/// How many deviations are measured.
const MEASURES: usize = 9;

/// The time over which something is expected.
enum Window {
    /// The row before.
    Row,
    /// So many rows at the reference interval.
    Rows(f32),
    /// The days before.
    Day,
}

/// What a deviation is, over what its expectation comes from and how long an event of it lasts.
struct Measure {
    kind: Kind,
    window: Window,
    /// The rows that an event lasts, at the reference interval.
    event: f32,
}

/// The deviations in the order in which [`Scorer::measure`] gives them.
const MEASURED: [Measure; MEASURES] = {
    let [w0, w1, w2, w3, w4, w5] = WINDOWS;
    let [m0, m1] = MOVEMENT_WINDOWS;
    [
        Measure { kind: Kind::Spike, window: Window::Row, event: 1.0 },
        Measure { kind: Kind::Spike, window: Window::Rows(w1), event: 1.0 },
        Measure { kind: Kind::Spike, window: Window::Rows(w3), event: 1.0 },
        Measure { kind: Kind::LevelShift, window: Window::Rows(w2), event: w0 },
        Measure { kind: Kind::LevelShift, window: Window::Rows(w3), event: w1 },
        Measure { kind: Kind::Drift, window: Window::Rows(w4), event: w2 },
        Measure { kind: Kind::Variance, window: Window::Rows(m1), event: m0 },
        Measure { kind: Kind::Drift, window: Window::Rows(w5), event: 1.0 },
        Measure { kind: Kind::Pattern, window: Window::Day, event: 1.0 },
    ]
};

/// An expected and a seen value, both as distances from the first value in units of the first
/// step.
#[derive(Clone, Copy, Debug)]
struct Pair {
    expected: f64,
    seen: f64,
}

/// The state of one series: give it every sample as it comes.
#[derive(Clone, Debug)]
pub struct Scorer {
    tails: [Tail; MEASURES],
    season: Season,
    week: Week,
    levels: Levels,
    range: Range,
    pace: Pace,
    n_rows: u64,
    /// The row of the last alarm; 0: none yet.
    alarm_row: u64,
    last_at_ms: i64,
    /// How far into an hour the first sample was, in milliseconds: hours and parts of the day
    /// begin there, so that it does not matter when the series began.
    hour_begins_ms: u32,
    first_value: f64,
    last_value: f64,
    /// The last value as a distance from the first one in units.
    last_distance: f64,
    /// The size of the first step; 0: the value has not changed yet.
    unit: f64,
    flat_rows: u32,
    flat_rows_longest: u32,
}

impl Default for Scorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Scorer {
    /// A scorer that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tails: Default::default(),
            season: Season::default(),
            week: Week::default(),
            levels: Levels::default(),
            range: Range::default(),
            pace: Pace::default(),
            n_rows: 0,
            alarm_row: 0,
            last_at_ms: 0,
            hour_begins_ms: 0,
            first_value: 0.0,
            last_value: 0.0,
            last_distance: 0.0,
            unit: 0.0,
            flat_rows: 0,
            flat_rows_longest: 0,
        }
    }

    /// Scores a sample, then learns it.  The time is in milliseconds since 1970.
    ///
    /// Samples count in the order in which they come: one whose time is earlier than the last is
    /// scored too, and only the usual interval does not learn from it.
    pub fn score(&mut self, at_ms: i64, value: f64) -> Anomaly {
        if !value.is_finite() {
            return Anomaly::none(Why::NotANumber);
        }
        if self.n_rows == 0 {
            (self.first_value, self.last_value) = (value, value);
            (self.last_at_ms, self.n_rows) = (at_ms, 1);
            self.hour_begins_ms = u32::try_from(at_ms.rem_euclid(HOUR_MS)).unwrap_or(0);
            return Anomaly::none(Why::Usual);
        }
        let is_same = value.to_bits() == self.last_value.to_bits();
        if is_same && at_ms == self.last_at_ms {
            return Anomaly::none(Why::Repeated);
        }
        let silence = self.pace.learn(at_ms.saturating_sub(self.last_at_ms));
        self.n_rows += 1;
        let stretch = self.pace.stretch();
        self.fade(stretch);
        let floor = (FLOOR_SHARE * self.range.width()) as f32;
        let hour_ms = at_ms.saturating_sub(i64::from(self.hour_begins_ms));
        let (pairs, n_pairs) = self.measure(hour_ms, value, stretch);
        let rarities = self.judge(&pairs, n_pairs, floor, stretch);
        let flat_line = self.flat_line(is_same);
        let weekly = self.week.discount(hour_ms);
        (self.last_at_ms, self.last_value) = (at_ms, value);
        if (self.n_rows as f64) < WARM_UP_ROWS * f64::from(stretch.min(1.0)) {
            return Anomaly::none(Why::Usual);
        }

        let joined = rarities.iter().fold(0.0, |sum, rarity| {
            let share = rarity / ALARM_NATS;
            let squared = share * share;
            sum + squared * squared * squared
        });
        let joined = joined.cbrt().sqrt();
        if joined >= RARE {
            self.week.mark();
        }
        let joined = f64::from(joined * weekly).max(if flat_line.is_some() { 1.0 } else { 0.0 });
        let score = self.held_down(joined / (1.0 + joined), stretch);
        let why = match (flat_line, silence) {
            (Some(rows), _) => self.flat_line_words(rows),
            (None, Some(silence)) if score < THRESHOLD => {
                Why::Gap { silence_ms: silence.lasted_ms, usual_ms: silence.usual_ms }
            }
            (None, _) if score >= WORTH_WORDS => self.deviation_words(&pairs, &rarities, stretch),
            (None, _) => Why::Usual,
        };
        Anomaly { score, alarm: score >= THRESHOLD, why }
    }

    /// Lets the memory fade.
    fn fade(&mut self, stretch: f32) {
        if self.n_rows == WARM_UP_ROWS as u64 {
            self.tails.iter_mut().for_each(Tail::settle);
        }
        if self.n_rows.is_multiple_of(FADE_ROWS) {
            let keep = (1.0 - 1.0 / (MEMORY_ROWS * stretch)).powi(FADE_ROWS as i32);
            self.tails.iter_mut().for_each(|tail| tail.fade(keep));
        }
    }

    /// What was expected and what is seen, for each of [`MEASURED`] that can be told yet, and how
    /// many these are; the levels learn the value.
    fn measure(&mut self, hour_ms: i64, value: f64, stretch: f32) -> ([Pair; MEASURES], usize) {
        let from_first = value - self.first_value;
        if self.unit <= 0.0 {
            self.unit = from_first.abs().min(f64::MAX);
        }
        let distance = if self.unit > 0.0 { from_first / self.unit } else { 0.0 };
        let seen = distance.clamp(-DISTANCE_MAX, DISTANCE_MAX);
        let last = self.last_distance;
        self.last_distance = seen;

        let [_, near, _, far, _, farthest] = self.levels.level;
        let [_, usual_movement] = self.levels.movement;
        let stretch_wide = f64::from(stretch);
        self.levels.learn(seen, (seen - last).abs(), stretch_wide, self.n_rows as f64);
        let [l0, l1, l2, l3, l4, _] = self.levels.level;
        let [movement, _] = self.levels.movement;
        self.range.learn(seen, l4, 1.0 / (RANGE_ROWS * stretch_wide));
        let usual = self.season.learn(hour_ms, seen, self.pace.usual_ms());

        let value_from = |expected: f64| Pair { expected, seen };
        let pairs = [
            value_from(last),
            value_from(near),
            value_from(far),
            Pair { expected: l2, seen: l0 },
            Pair { expected: l3, seen: l1 },
            Pair { expected: l4, seen: l2 },
            Pair { expected: usual_movement, seen: movement },
            value_from(farthest),
            value_from(usual.unwrap_or(seen)),
        ];
        (pairs, if usual.is_some() { MEASURES } else { MEASURES - 1 })
    }

    /// How rare each deviation is, in nats.
    fn judge(
        &mut self,
        pairs: &[Pair; MEASURES],
        n_pairs: usize,
        floor: f32,
        stretch: f32,
    ) -> [f32; MEASURES] {
        let mut rarities = [0.0; MEASURES];
        let judged = self.tails.iter_mut().zip(&mut rarities).zip(pairs).zip(&MEASURED);
        for (((tail, rarity), pair), measure) in judged.take(n_pairs) {
            let size = (pair.seen - pair.expected).abs() as f32;
            let doubt = DOUBT_ROWS * (measure.event * stretch).sqrt();
            *rarity = tail.judge(size, doubt, floor);
        }
        rarities
    }

    /// The length of a flat line, in rows, at the row where it gets unusual.
    fn flat_line(&mut self, is_same: bool) -> Option<u32> {
        if !is_same {
            self.flat_rows_longest = self.flat_rows_longest.max(self.flat_rows);
            self.flat_rows = 0;
            return None;
        }
        self.flat_rows = self.flat_rows.saturating_add(1);
        let unusual_rows =
            self.flat_rows_longest.saturating_mul(FLAT_LINE_TIMES).max(FLAT_LINE_ROWS_MIN);
        (self.unit > 0.0 && self.flat_rows == unusual_rows).then_some(self.flat_rows)
    }

    /// The score, or less of it while the episode of the last alarm lasts.
    fn held_down(&mut self, score: f64, stretch: f32) -> f64 {
        let quiet_rows =
            (QUIET_SHARE * self.n_rows as f64).max(QUIET_ROWS_MIN * f64::from(stretch));
        let since_alarm = self.n_rows.saturating_sub(self.alarm_row) as f64;
        if self.alarm_row > 0 && since_alarm < quiet_rows {
            return score * QUIET_FACTOR;
        }
        if score >= THRESHOLD {
            self.alarm_row = self.n_rows;
        }
        score
    }

    /// The rarest deviation in the unit of the series; of nearly equal ones the simplest.
    fn deviation_words(
        &self,
        pairs: &[Pair; MEASURES],
        rarities: &[f32; MEASURES],
        stretch: f32,
    ) -> Why {
        let rarest = rarities.iter().fold(0.0_f32, |rarest, rarity| rarest.max(*rarity));
        let mut candidates = rarities.iter().zip(pairs).zip(&MEASURED).zip(&self.tails);
        let first = candidates.find(|(((rarity, _), _), _)| **rarity >= NEARLY_AS_RARE * rarest);
        let Some((((rarity, pair), measure), tail)) = first else {
            return Why::Usual;
        };
        let sigma = f64::from(tail.sigma());
        let distance = (pair.seen - pair.expected).abs();
        let origin = if measure.kind == Kind::Variance { 0.0 } else { self.first_value };
        let usual_ms = self.pace.usual_ms();
        let window_ms = match measure.window {
            Window::Row => usual_ms as i64,
            Window::Rows(rows) => (rows * stretch * usual_ms) as i64,
            Window::Day => season::DAY_MS,
        };
        Why::Deviation {
            kind: measure.kind,
            evidence: Evidence {
                expected: origin + pair.expected * self.unit,
                seen: origin + pair.seen * self.unit,
                sigmas: if sigma > 0.0 { distance / sigma } else { 0.0 },
                rarity_nats: f64::from(*rarity),
                window_ms,
            },
        }
    }

    /// A flat line of so many rows, in words.
    fn flat_line_words(&self, rows: u32) -> Why {
        let [_, usual_movement] = self.levels.movement;
        Why::Deviation {
            kind: Kind::FlatLine,
            evidence: Evidence {
                expected: usual_movement * self.unit,
                seen: 0.0,
                sigmas: 0.0,
                rarity_nats: f64::from(ALARM_NATS),
                window_ms: (f64::from(rows) * f64::from(self.pace.usual_ms())) as i64,
            },
        }
    }
}
