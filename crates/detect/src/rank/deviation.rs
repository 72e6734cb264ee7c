//! How far one series went from what was normal for it, and since when.
//!
//! Both sides of the moment are cut into blocks of equal duration, and block means are compared:
//! a single wild sample weighs little, samples that repeat each other are not counted twice, and
//! what the tail of the normal side reached before is no surprise.
//!
//! **Invariant:** every number here is finite.

use crate::quantile::{as_f64, floor_index, median, quantile, sorted, spread};

/// The smallest number of samples on the normal side that says what is normal.
const BEFORE_SAMPLES_MIN: usize = 5;

/// The part of the normal side nearest the moment that is not trusted: the fault may be older
/// than the moment at which somebody saw it.  At most [`GUARD_SECONDS_MAX`].
const GUARD_SHARE: f64 = 0.3;

/// The longest stretch before the moment that is not trusted, in seconds.
const GUARD_SECONDS_MAX: f64 = 300.0;

/// How many times longer than the time after the moment the normal side is at most …
const LOOK_BACK_TIMES: f64 = 6.0;

/// … but no shorter than this many samples.
const LOOK_BACK_STEPS: f64 = 120.0;

/// How many blocks the time after the moment is cut into.
const BLOCKS: usize = 30;

/// The share of the highest (lowest) blocks that makes a peak.
const PEAK_SHARE: f64 = 0.1;

/// The smallest spread, as a share of the normal level: memory that was constant to the byte and
/// moves by one page has not gone far.
const FLOOR_SHARE: f64 = 0.02;

/// How many normal spreads away a block is when the change is said to have begun.
const ONSET_SPREADS: f64 = 4.0;

/// The share of the whole way to the peak that a block must have gone at the onset.
const ONSET_SHARE: f64 = 0.25;

/// A trend is taken away when no more than this share of the spread remains without it.
const TREND_SPREAD_SHARE: f64 = 0.5;

/// A change that holds for this many blocks lasts.
const LASTING_BLOCKS: usize = 5;

/// Beyond this deviation no change is stronger: one exploding counter must not win alone.
pub(super) const DEVIATION_MAX_SPREADS: f64 = 1_000.0;

/// The smallest number of steps that shows whether a series only counts up.
const COUNTER_STEPS_MIN: usize = 10;

/// One series as seconds from the moment and values, ascending in time.
pub(super) type Line = Vec<(f64, f64)>;

/// The smallest spread by what the same metric shows elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floor {
    /// Where there is a level.
    pub(super) usual: f64,
    /// Where there was nothing before: the first error in an hour is no outbreak.
    pub(super) from_nothing: f64,
}

/// Both sides of the moment, in blocks.
#[derive(Clone, Debug)]
pub(super) struct Sides {
    /// The level that was normal.
    pub(super) center: f64,
    /// The usual distance of a block from it, without any floor.
    spread: f64,
    /// The same, but no less than what the tail above and below it shows.
    spread_up: f64,
    spread_down: f64,
    /// The level of most of the time after the moment.
    pub(super) settled: f64,
    /// The mean of the highest blocks after the moment.
    high: f64,
    /// The mean of the lowest blocks after the moment.
    low: f64,
    /// Start and mean of every block after the moment.
    blocks: Vec<(f64, f64)>,
    /// What the highest and lowest blocks would be if it had only gone on as it did before.
    continued: (f64, f64),
}

/// Which way a series went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Deviation {
    /// In normal spreads; negative when it fell.
    pub(super) spreads: f64,
    /// How much it rose at most, in the unit of the metric.
    pub(super) rise: f64,
    /// 1 when it lasted, less the fewer blocks were away; a single spike tells little.
    pub(super) lasting: f64,
    /// Seconds from the moment; none when it never left the normal range for good.
    pub(super) onset: Option<f64>,
}

/// Whether a series may be a counter, by what is known of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    /// The name says so.
    Named,
    /// The name does not tell.
    Possible,
    /// It is a level, which may grow for long: memory, open files, latency.
    Never,
}

/// What a series has to say.
pub(super) enum Told {
    /// It has a normal side and goes on.
    Both(Sides),
    /// It has a normal side and stops with it, while others go on.
    Silent(f64),
    /// Too little to say anything.
    Nothing,
}

/// Orders the samples, leaves out what is not a number, takes the last of equal times, and turns
/// a counter into its rate.
pub(super) fn clean(samples: impl Iterator<Item = (f64, f64)>, counter: Counter) -> Line {
    let mut line: Line = samples.filter(|(at, value)| at.is_finite() && is_sane(*value)).collect();
    line.sort_by(|left, right| left.0.total_cmp(&right.0));
    line.reverse();
    line.dedup_by(|later, kept| later.0.total_cmp(&kept.0).is_eq());
    line.reverse();
    if counts_up(&line, counter) { rates(&line) } else { line }
}

/// Beyond this a sum of values could overflow.
fn is_sane(value: f64) -> bool {
    value.abs() < 1e150
}

/// Whether a series only ever grows (but for resets) and grows often, as counters do.
fn counts_up(line: &[(f64, f64)], counter: Counter) -> bool {
    let steps = line.iter().zip(line.iter().skip(1));
    let (mut n_up, mut n_down, mut n) = (0_usize, 0_usize, 0_usize);
    for (earlier, later) in steps {
        n += 1;
        n_up += usize::from(later.1 > earlier.1);
        n_down += usize::from(later.1 < earlier.1);
    }
    let grows_often = match counter {
        Counter::Named => n_up * 20 >= n,
        Counter::Possible => n_up * 10 >= n * 9,
        Counter::Never => false,
    };
    n >= COUNTER_STEPS_MIN && n_down * 100 <= n && grows_often
}

/// The growth in a second between samples; a reset counts from zero.
fn rates(line: &[(f64, f64)]) -> Line {
    line.iter()
        .zip(line.iter().skip(1))
        .filter(|(earlier, later)| later.0 > earlier.0)
        .map(|(earlier, later)| {
            let grown = if later.1 >= earlier.1 { later.1 - earlier.1 } else { later.1 };
            (later.0, grown / (later.0 - earlier.0))
        })
        .collect()
}

/// Compares both sides of second 0; `end` is when the last of all series ends.
pub(super) fn compare(line: &[(f64, f64)], end: f64) -> Told {
    let (Some(first), Some(last)) = (line.first(), line.last()) else {
        return Told::Nothing;
    };
    let step = (last.0 - first.0) / as_f64(line.len().max(2) - 1);
    // What was normal yesterday at noon is not what is normal now.
    let looks_back = (LOOK_BACK_TIMES * last.0).max(LOOK_BACK_STEPS * step);
    let line = line.split_at(line.partition_point(|(at, _)| *at < -looks_back)).1;
    let Some(first) = line.first() else {
        return Told::Nothing;
    };
    let guard = (GUARD_SHARE * -first.0).clamp(0.0, GUARD_SECONDS_MAX);
    let n_trusted = line.partition_point(|(at, _)| *at < -guard);
    let n_before = line.partition_point(|(at, _)| *at < 0.0);
    let split = if n_trusted >= BEFORE_SAMPLES_MIN { n_trusted } else { n_before };
    let (before, after) = line.split_at(split);
    if before.len() < BEFORE_SAMPLES_MIN {
        return Told::Nothing;
    }
    let values = sorted(before.iter().map(|(_, value)| *value));
    let Some(center) = median(&values) else {
        return Told::Nothing;
    };
    if line.len() == n_before {
        let is_silent =
            last.0 > -guard - 3.0 * step && end > 3.0 * step && end > last.0 + 3.0 * step;
        return if is_silent { Told::Silent(center) } else { Told::Nothing };
    }
    let start = after.first().map_or(0.0, |(at, _)| *at);
    let width = ((last.0 - start) / as_f64(BLOCKS)).max(step).max(f64::MIN_POSITIVE);
    let middle = first.0.midpoint(before.last().map_or(start, |(at, _)| *at));
    let (usual, growth) = usual(&blocks(before, width), middle);
    let usual_center = median(&usual).unwrap_or(center);
    let blocks = blocks(after, width);
    let reached = sorted(blocks.iter().map(|(_, mean)| *mean));
    let n_peak = floor_index(as_f64(reached.len()) * PEAK_SHARE).max(1);
    let normal = spread(&usual).unwrap_or(0.0);
    let reach = |share: f64, sigmas: f64| {
        quantile(&usual, share).map_or(0.0, |reached| (reached - usual_center).abs() / sigmas)
    };
    let (until_end, until_start) = (growth * (last.0 - middle), growth * (start - middle));
    Told::Both(Sides {
        center,
        continued: (
            center + until_end.max(until_start).max(0.0),
            center + until_end.min(until_start).min(0.0),
        ),
        spread: normal,
        // The 95th percentile of a normal distribution is 1.645 deviations away.
        spread_up: normal.max(reach(0.95, 1.645)),
        spread_down: normal.max(reach(0.05, 1.645)),
        settled: median(&reached).unwrap_or(center),
        high: mean(reached.iter().rev().take(n_peak)),
        low: mean(reached.iter().take(n_peak)),
        blocks,
    })
}

/// The levels of the normal side in ascending order, and their growth in a second: as they are,
/// or, where a trend explains most of how they spread, without it.
fn usual(blocks: &[(f64, f64)], middle: f64) -> (Vec<f64>, f64) {
    let plain = sorted(blocks.iter().map(|(_, mean)| *mean));
    let growth = growth(blocks);
    let level = sorted(blocks.iter().map(|(at, mean)| mean - growth * (at - middle)));
    match (spread(&plain), spread(&level)) {
        (Some(with), Some(without)) if without < TREND_SPREAD_SHARE * with => (level, growth),
        _ => (plain, 0.0),
    }
}

/// The growth in a second, where every quarter of the normal side is further than the one
/// before; 0 without such a trend.
fn growth(blocks: &[(f64, f64)]) -> f64 {
    let quarter = blocks.len() / 4;
    if quarter == 0 {
        return 0.0;
    }
    let quarters: Vec<(f64, f64)> = blocks
        .chunks_exact(quarter)
        .take(4)
        .map(|part| {
            let times: f64 = part.iter().map(|(at, _)| at).sum();
            let level = median(&sorted(part.iter().map(|(_, mean)| *mean))).unwrap_or(0.0);
            (times / as_f64(part.len()), level)
        })
        .collect();
    let steps = || quarters.iter().zip(quarters.iter().skip(1)).map(|(from, to)| to.1 - from.1);
    let (Some(first), Some(last)) = (quarters.first(), quarters.last()) else {
        return 0.0;
    };
    let is_trend = steps().all(|step| step > 0.0) || steps().all(|step| step < 0.0);
    if is_trend && last.0 > first.0 { (last.1 - first.1) / (last.0 - first.0) } else { 0.0 }
}

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let n = as_f64(values.len().max(1));
    values.sum::<f64>() / n
}

/// Start and mean of consecutive stretches of that width, in seconds; empty ones are left out.
fn blocks(line: &[(f64, f64)], width: f64) -> Vec<(f64, f64)> {
    let Some((start, _)) = line.first() else {
        return Vec::new();
    };
    line.chunk_by(|left, right| {
        floor_index((left.0 - start) / width) == floor_index((right.0 - start) / width)
    })
    .filter_map(|chunk| {
        let sum: f64 = chunk.iter().map(|(_, value)| value).sum();
        Some((chunk.first()?.0, sum / as_f64(chunk.len())))
    })
    .collect()
}

impl Sides {
    /// How large the series ever is; what a floor for its kind is a share of.
    pub(super) fn level(&self) -> f64 {
        self.center.abs().max(self.high.abs())
    }

    /// The stronger of the two ways it went, with a smallest spread of `floor`.
    pub(super) fn deviation(&self, floor: Floor) -> Deviation {
        let is_from_nothing = self.spread <= 0.0 && self.center.abs() <= floor.usual;
        let floor = if is_from_nothing { floor.from_nothing } else { floor.usual };
        let floor = floor.max(FLOOR_SHARE * self.center.abs()).max(f64::MIN_POSITIVE);
        let (up, down) = (self.spread_up.max(floor), self.spread_down.max(floor));
        // What lasts and what peaks count alike: a leak ends high, a burst settles again.  A
        // single spike moves the peak, not the level, so only the peak is held against the tail.
        let spread = self.spread.max(floor);
        let (going_up, going_down) = self.continued;
        let middle = |end: f64| self.center.midpoint(end);
        let settled_up = ((self.settled - middle(going_up)) / spread).max(0.0);
        let settled_down = ((middle(going_down) - self.settled) / spread).max(0.0);
        let rise = 0.5 * (((self.high - going_up) / up).max(0.0) + settled_up);
        let fall = 0.5 * (((going_down - self.low) / down).max(0.0) + settled_down);
        let (spreads, toward, spread) =
            if rise >= fall { (rise, self.high, up) } else { (-fall, self.low, down) };
        let spreads = spreads.clamp(-DEVIATION_MAX_SPREADS, DEVIATION_MAX_SPREADS);
        let (n_away, onset) = self.away(toward, spread);
        let rise = (self.high - self.center).max(0.0);
        let needed = LASTING_BLOCKS.min(self.blocks.len() / 3).max(1);
        let lasting = (as_f64(n_away) / as_f64(needed)).min(1.0);
        Deviation { spreads, rise, lasting, onset }
    }

    /// How many blocks have gone a good part of the way, and the first that is followed by
    /// another.
    fn away(&self, toward: f64, spread: f64) -> (usize, Option<f64>) {
        let way = (toward - self.center).abs();
        let needed = (ONSET_SPREADS * spread).max(ONSET_SHARE * way).min(way);
        let is_away = |mean: f64| {
            (mean - self.center).abs() >= needed && (mean > self.center) == (toward > self.center)
        };
        let n_away = self.blocks.iter().filter(|(_, mean)| is_away(*mean)).count();
        let next = self.blocks.iter().skip(1).map(|(_, mean)| *mean);
        let onset = self
            .blocks
            .iter()
            .zip(next)
            .find(|((_, mean), next)| {
                way >= ONSET_SPREADS * spread && is_away(*mean) && is_away(*next)
            })
            .map(|((at, _), _)| *at);
        (n_away, onset)
    }
}
