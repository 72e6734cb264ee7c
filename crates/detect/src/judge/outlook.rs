//! What the long memory of a series says: when its limit is reached, and whether it becomes
//! worse slowly.  Costly, so each series has its turn only now and then.

use jiff::Timestamp;
use nightcrew_model::chart::{Chart, Method};
use nightcrew_model::sample::Sample;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Unit};

use super::cells::{CELLS_MAX, Cells, DAY_CELLS, HOUR_CELLS};
use super::picture;
use super::rules;
use super::told::Verdict;
use crate::drift::{self, Drift, Worse};
use crate::forecast::{Crossing, Limit, crossing};
use crate::point::Point;
use crate::quantile::{median, sorted};
use crate::rank::Kind;

/// Nothing is foretold farther ahead than so many times what was seen …
const HISTORY_TIMES: u64 = 10;

/// … and before two days are remembered only so many times: perhaps it is emptied every night.
const YOUNG_TIMES: u64 = 1;

/// What was foretold stays so until the limit is this many horizons away.
const FAR_TIMES: u64 = 2;

/// From two days on the day's wave is known; before, only what fills without falling is followed.
const SEASON_CELLS: usize = 2 * DAY_CELLS;

/// What fills falls by at most this share of what it rises.
const FALL_SHARE: f64 = 0.05;

/// How many times the usual distances from its line a drift must go.
const CLEARNESS_MIN: f64 = 3.0;

/// A drift goes farther between its ends than this share of the level.
const RISE_SHARE_MIN: f64 = 0.03;

/// How many looks in a row must say the same.
pub(super) const LOOKS_NEEDED: u8 = 2;

/// The newest part of the memory, which is looked at by itself: what began to fill this morning
/// is nothing in the trend of a week.
const NEWEST_CELLS: usize = 6 * HOUR_CELLS;

/// What one stretch of the memory says of the limit.
enum Reach {
    /// It is reached then.
    At { earliest: Timestamp, likely: Timestamp, latest: Timestamp, history: Millis },
    /// It is not, and why.
    Off(&'static str),
    /// Nobody knows.
    Unknown,
}

/// What a forecast looks at.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) unit: Unit,
    pub(super) cells: &'a Cells,
    pub(super) limit: Limit,
    /// Whether the whole memory is looked at too, which costs most.
    pub(super) whole: bool,
}

/// When the limit is reached, as a verdict; none: nobody knows yet, or nothing is new.
pub(super) fn forecast(
    sample: &Sample,
    Look { unit, cells, limit, whole }: Look<'_>,
    (rule, severity): (&rules::Forecast, Severity),
) -> Option<Verdict> {
    let newest = reach(cells, NEWEST_CELLS, limit, (sample.at, rule));
    let is_longer = cells.len() > NEWEST_CELLS;
    let whole_says = if is_longer && whole {
        reach(cells, CELLS_MAX, limit, (sample.at, rule))
    } else {
        Reach::Unknown
    };
    let (earliest, likely, latest, history) = match (newest, whole_says) {
        (Reach::At { earliest, likely, latest, history }, _)
        | (_, Reach::At { earliest, likely, latest, history }) => {
            (earliest, likely, latest, history)
        }
        // The newest hours alone do not say that a week has no trend.
        (Reach::Off(_), Reach::Unknown) if is_longer => return None,
        (Reach::Off(why), Reach::Off(_) | Reach::Unknown) | (Reach::Unknown, Reach::Off(why)) => {
            return Some(Verdict::Clear(format!("{} {why}", sample.metric)));
        }
        (Reach::Unknown, Reach::Unknown) => return None,
    };
    if was_emptied_below(cells, limit) {
        return Some(Verdict::Clear(format!("{} is emptied in time as a rule", sample.metric)));
    }
    // What a day's wave does to memory or CPU is not known on the first days; a disk has none.
    let left = Millis::between(sample.at, likely);
    let is_believed = cells.len() >= SEASON_CELLS || Kind::of(sample.metric.as_str()) == Kind::Disk;
    let is_near = left <= rule.page_within
        && Millis::between(sample.at, latest).0 / FAR_TIMES <= rule.page_within.0;
    let severity = if is_near && is_believed { severity } else { Severity::Info };
    let (Limit::Above(at) | Limit::Below(at)) = limit;
    let word = format!(
        "{} will reach {} in {left} (between {} and {}), by its trend of {history}",
        sample.metric,
        picture::amount(at, unit),
        Millis::between(sample.at, earliest),
        Millis::between(sample.at, latest),
    );
    let points = cells.points(CELLS_MAX);
    let level = points.last().map_or(at, |point| point.value);
    let mut chart = picture::chart(Method::Forecast, unit, points);
    chart.limit = Some(at);
    chart.ahead = picture::line((sample.at, level), (likely, at));
    Some(Verdict::Firing { severity, rule: word, chart })
}

/// What the newest `n` cells say of the limit.
fn reach(
    cells: &Cells,
    n: usize,
    limit: Limit,
    (now, rule): (Timestamp, &rules::Forecast),
) -> Reach {
    let is_young = n.min(cells.len()) < SEASON_CELLS;
    let raw = cells.points(n);
    if rises_too_little(&raw, is_young, limit, rule.horizon) {
        return Reach::Off("stays off its limit");
    }
    if is_young && !only_fills(&raw, limit) {
        return Reach::Unknown;
    }
    let points = if is_young { raw } else { without_season(cells, &raw) };
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Reach::Unknown;
    };
    let history = Millis::between(first.at, last.at);
    let times = if is_young { YOUNG_TIMES } else { HISTORY_TIMES };
    match crossing(&points, limit, rule.horizon) {
        Crossing::Within { earliest, likely, latest: Some(latest), .. } => {
            if Millis::between(now, likely).0 > history.0.saturating_mul(times) {
                return Reach::Unknown;
            }
            Reach::At { earliest, likely, latest, history }
        }
        Crossing::Within { latest: None, .. }
        | Crossing::Perhaps { .. }
        | Crossing::Unknown { .. } => Reach::Unknown,
        Crossing::Already { .. } => Reach::Off("is at its limit"),
        Crossing::Never(_) => Reach::Off("stays off its limit"),
    }
}

/// Hours without the wave of the day.
fn without_season(cells: &Cells, points: &[Point]) -> Vec<Point> {
    let Some(first) = points.first().map(|point| point.at) else { return Vec::new() };
    let hour_ms = cells.span_ms(HOUR_CELLS).max(1);
    let start = first.as_millisecond().div_euclid(hour_ms).saturating_mul(hour_ms);
    hourly(cells, Worse::Higher, points)
        .levels()
        .into_iter()
        .filter_map(|(seconds, value)| {
            let at_ms = start.saturating_add((seconds * 1_000.0) as i64 + hour_ms / 2);
            Some(Point { at: Timestamp::from_millisecond(at_ms).ok()?, value })
        })
        .collect()
}

/// The cells in hours, with a season of a day.
fn hourly(cells: &Cells, worse: Worse, points: &[Point]) -> drift::Watch {
    let bucket = Millis(cells.width().0.saturating_mul(HOUR_CELLS as u64));
    let mut watch = drift::Watch::new(drift::Rule { bucket, ..drift::Rule::hourly(worse) });
    for point in points {
        watch.observe(*point);
    }
    watch
}

/// How far it went between the ends of the history, and in how many seconds: quarters of a young
/// one, whole days of another, in which the day's wave is the same.
fn rise(points: &[Point], is_young: bool) -> Option<(f64, f64, f64)> {
    let (first, last) = (points.first()?, points.last()?);
    let span = last.at.duration_since(first.at).as_secs_f64();
    let n = if is_young { points.len() / 4 } else { DAY_CELLS.min(points.len() / 2) };
    let n = n.max(1);
    let level = |part: &[Point]| median(&sorted(part.iter().map(|point| point.value)));
    let from = level(points.get(..n)?)?;
    let to = level(points.get(points.len() - n..)?)?;
    let share = 1.0 - n as f64 / points.len() as f64;
    (span > 0.0 && share > 0.0).then_some((from, to, span * share))
}

/// Whether even twice the rise between the ends of the history would not reach the limit: then
/// no line needs to be fitted.
fn rises_too_little(points: &[Point], is_young: bool, limit: Limit, horizon: Millis) -> bool {
    let Some((from, to, seconds)) = rise(points, is_young) else { return false };
    let reach = to + 2.0 * (to - from) / seconds * horizon.duration().as_secs_f64();
    match limit {
        Limit::Above(at) => to < at && reach < at,
        Limit::Below(at) => to > at && reach > at,
    }
}

/// In so many parts a history is brought before it is asked whether it falls: the noise of single
/// cells is no fall.
const FILL_PARTS: usize = 24;

/// Whether it hardly ever goes back.
fn only_fills(points: &[Point], limit: Limit) -> bool {
    let sign = if matches!(limit, Limit::Above(_)) { 1.0 } else { -1.0 };
    let parts = points.chunks(points.len().div_ceil(FILL_PARTS).max(1));
    let levels: Vec<f64> = parts
        .filter_map(|part| median(&sorted(part.iter().map(|point| sign * point.value))))
        .collect();
    let (mut up, mut down) = (0.0, 0.0);
    for (one, next) in levels.iter().zip(levels.iter().skip(1)) {
        up += (next - one).max(0.0);
        down += (one - next).max(0.0);
    }
    down <= FALL_SHARE * up
}

/// Whether it was emptied at least twice before it came to its limit, and is not fuller now than
/// it was then.
fn was_emptied_below(cells: &Cells, limit: Limit) -> bool {
    let (sign, at) = match limit {
        Limit::Above(at) => (1.0, at),
        Limit::Below(at) => (-1.0, -at),
    };
    let values: Vec<f64> = cells.newest(0, CELLS_MAX).map(|value| sign * value).collect();
    let (Some(now), Some(low), Some(high)) = (
        values.first().copied(),
        values.iter().copied().reduce(f64::min),
        values.iter().copied().reduce(f64::max),
    ) else {
        return false;
    };
    // Newest first, so an emptying is a rise from one cell to the next.
    let large = (high - low) * 0.3;
    let peaks = values.iter().zip(values.iter().skip(1));
    let n_emptied = peaks.filter(|(after, before)| *before - *after > large).count();
    n_emptied >= 2 && high < at && now <= high
}

/// Whether the series becomes worse slowly, as a verdict; none: nobody knows yet.
pub(super) fn worsening(
    sample: &Sample,
    unit: Unit,
    cells: &Cells,
    worse: Worse,
    severity: Severity,
) -> Option<Verdict> {
    if cells.len() < SEASON_CELLS {
        return None;
    }
    let points = cells.points(CELLS_MAX);
    let bucket = Millis(cells.width().0.saturating_mul(HOUR_CELLS as u64));
    let steady = || Verdict::Clear(format!("{} keeps its level", sample.metric));
    // Where the ends hardly differ, no line needs to be fitted.
    if let Some((from, to, _)) = rise(&points, false)
        && (to - from).abs() < RISE_SHARE_MIN * from.abs()
    {
        return Some(steady());
    }
    let watch = hourly(cells, worse, &points);
    let change = match watch.judge() {
        Drift::Worsening(change) => change,
        Drift::Improving(_) | Drift::Steady(_) => return Some(steady()),
        Drift::Unknown(_) => return None,
    };
    if change.clearness < CLEARNESS_MIN {
        return Some(steady());
    }
    let span = Millis(bucket.0.saturating_mul(change.n_buckets as u64));
    let way = if change.share > 0.0 { "rose" } else { "fell" };
    let per_day = change.slope_per_hour * 24.0;
    let rule = format!(
        "{} {way} by {:.0} % over {span}, {} a day, {:.1} deviations from chance",
        sample.metric,
        change.share.abs() * 100.0,
        picture::amount(per_day, unit),
        change.significance.abs(),
    );
    let mut chart: Chart = picture::chart(Method::Drift, unit, points.iter().copied());
    chart.since = points.first().map(|point| point.at);
    Some(Verdict::Firing { severity, rule, chart })
}

/// Which way is worse for a metric: by its limit, else by what its name speaks about; none: no
/// way is.
pub(super) fn worse(metric: &str, limit: Option<Limit>) -> Option<Worse> {
    match (limit, Kind::of(metric)) {
        (Some(Limit::Above(_)), _) => Some(Worse::Higher),
        (Some(Limit::Below(_)), _) => Some(Worse::Lower),
        (None, Kind::Latency | Kind::Errors | Kind::Memory | Kind::Handles) => Some(Worse::Higher),
        (
            None,
            Kind::Load | Kind::Cpu | Kind::Disk | Kind::Network | Kind::Restarts | Kind::Other,
        ) => None,
    }
}

/// Whether the limit of a metric is reached by filling up.
pub(super) fn fills(metric: &str, unit: Unit) -> bool {
    match unit {
        Unit::Percent | Unit::Bytes | Unit::Megabytes => true,
        Unit::Ratio => matches!(Kind::of(metric), Kind::Disk | Kind::Memory | Kind::Cpu),
        Unit::BytesPerSecond | Unit::Milliseconds | Unit::Days | Unit::PerMinute | Unit::Count => {
            false
        }
    }
}
