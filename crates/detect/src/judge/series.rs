//! What the judge remembers of one series, and what its methods say of each value.

use jiff::Timestamp;
use nightcrew_model::chart::Method;
use nightcrew_model::id::{MetricName, ServiceName};
use nightcrew_model::sample::{Finding, Sample};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Unit};

use super::anomaly::{Change, Departure, Departures, LASTING_CELLS};
use super::cells::{Cells, DAY_CELLS, HOUR_CELLS};
use super::flat::{self, Flat};
use super::heard::Heard;
use super::outlook;
use super::picture::{self, amount};
use super::recent::Recent;
use super::rules::{Detection, Forecast};
use super::told::{Told, Verdict};
use crate::anomaly::Scorer;
use crate::anomaly::why::Why;
use crate::drift::Worse;
use crate::forecast::Limit;
use crate::quantile::{median, sorted};
use crate::unit_sanity::{self, Doubt, Sanity};

/// How often a series has its turn to be looked at as a whole, in cells.
const TURN_CELLS: usize = HOUR_CELLS / 4;

/// How many turns an hour has, at the last of which the whole memory is looked at.
const TURNS_AN_HOUR: u32 = 4;

/// How many doubtful values in a row are told.
const DOUBTS_NEEDED: u8 = 3;

/// For how many cells a series stands still before that is told.
const FLAT_CELLS: usize = 3;

/// How bad the findings of each method are here; none: the method is off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Severities {
    pub(super) anomaly: Option<Severity>,
    pub(super) drift: Option<Severity>,
    pub(super) flat_line: Option<Severity>,
    pub(super) missing: Option<Severity>,
    pub(super) unit_sanity: Option<Severity>,
    pub(super) forecast: Option<Severity>,
}

impl Severities {
    pub(super) fn of(rules: &Detection, service: &ServiceName, metric: &MetricName) -> Self {
        Self {
            anomaly: rules.anomaly.of(service, metric),
            drift: rules.drift.of(service, metric),
            flat_line: rules.flat_line.of(service, metric),
            missing: rules.missing.of(service, metric),
            unit_sanity: rules.unit_sanity.of(service, metric),
            forecast: rules.forecast.policy.of(service, metric),
        }
    }
}

/// One series.
#[derive(Debug, Default)]
pub(super) struct Series {
    pub(super) severities: Severities,
    /// The limit that counts, where it has one.
    pub(super) limit: Option<Limit>,
    pub(super) heard: Heard,
    pub(super) told: Told,
    /// None while only states were seen.
    pub(super) numbers: Option<Box<Numbers>>,
}

/// The numbers of one series.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) unit: Unit,
    pub(super) recent: Recent,
    cells: Cells,
    scorer: Scorer,
    departures: Departures,
    flat: Flat,
    /// What it usually is, by the turns.
    typical: Option<f64>,
    n_doubts: u8,
    doubted_since: Timestamp,
    /// The last reading of a counter, and when.
    counted: Option<(Timestamp, f64)>,
    next_turn_ms: i64,
    n_turns: u32,
    /// How many turns in a row the limit was foretold, and the drift seen.
    n_foretold: u8,
    n_drifted: u8,
}

impl Numbers {
    pub(super) fn new(unit: Unit, resolution: Millis) -> Self {
        Self {
            unit,
            recent: Recent::default(),
            cells: Cells::new(resolution),
            scorer: Scorer::new(),
            departures: Departures::default(),
            flat: Flat::default(),
            typical: None,
            n_doubts: 0,
            doubted_since: Timestamp::UNIX_EPOCH,
            counted: None,
            next_turn_ms: 0,
            n_turns: 0,
            n_foretold: 0,
            n_drifted: 0,
        }
    }

    /// The growth of a counter in a minute; none at its first reading, and none when it began
    /// anew and so nothing is known of the time between.
    pub(super) fn growth(&mut self, at: Timestamp, count: f64) -> Option<f64> {
        let (then, before) = self.counted.replace((at, count))?;
        let minutes = at.duration_since(then).as_secs_f64() / 60.0;
        (count >= before && minutes > 0.0).then(|| (count - before) / minutes)
    }
}

/// What a value is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It is judged and learned.
    Learn,
    /// It is neither compared with limits nor learned.
    Refuse,
    /// It is compared with limits, but not learned.
    Doubt,
}

impl Series {
    /// Whether a value can be in its unit; tells where values in a row cannot.
    pub(super) fn sanity(
        &mut self,
        sample: &Sample,
        value: f64,
        found: &mut Vec<Finding>,
    ) -> Worth {
        let Some(numbers) = &mut self.numbers else { return Worth::Learn };
        let unit = numbers.unit;
        let worth = if unit_sanity::cannot_be(unit, value) {
            Worth::Refuse
        } else if numbers.is_jump(value) {
            Worth::Doubt
        } else {
            Worth::Learn
        };
        let Some(severity) = self.severities.unit_sanity else { return worth };
        if worth == Worth::Learn {
            numbers.n_doubts = 0;
            if self.told.is_firing(Method::UnitSanity) {
                let rule = format!("{} is as it was in its unit", sample.metric);
                self.told.say(Method::UnitSanity, sample, Verdict::Clear(rule), found);
            }
            return worth;
        }
        if numbers.n_doubts == 0 {
            numbers.doubted_since = sample.at;
        }
        numbers.n_doubts = numbers.n_doubts.saturating_add(1);
        if numbers.n_doubts < DOUBTS_NEEDED || self.told.is_firing(Method::UnitSanity) {
            return worth;
        }
        let judged = unit_sanity::judge(unit, &[value; unit_sanity::VALUES_MIN], numbers.typical);
        let rule = format!("{}: {judged}", sample.metric);
        let points = numbers.recent.points().chain([crate::point::Point { at: sample.at, value }]);
        let mut chart = picture::chart(Method::UnitSanity, unit, points);
        chart.since = Some(numbers.doubted_since);
        let severity = if worth == Worth::Refuse { severity } else { Severity::Info };
        self.told.say(Method::UnitSanity, sample, Verdict::Firing { severity, rule, chart }, found);
        worth
    }

    /// Judges a value and learns it.
    pub(super) fn learn(
        &mut self,
        sample: &Sample,
        value: f64,
        phase_ms: i64,
        (rules, found): (&Detection, &mut Vec<Finding>),
    ) {
        let Some(numbers) = &mut self.numbers else { return };
        let at_ms = sample.at.as_millisecond();
        numbers.recent.push(at_ms, value);
        let anomaly = numbers.scorer.score(at_ms, value);
        let (unit, least_ms) = (numbers.unit, numbers.cells.span_ms(FLAT_CELLS));
        if let Some(severity) = self.severities.flat_line {
            let is_known = numbers.cells.is_warm();
            let changed = numbers.flat.observe(sample.at, value, is_known, least_ms);
            if let Some(changed) = changed {
                let verdict = flat_words(sample, numbers, changed, severity);
                self.told.say(Method::FlatLine, sample, verdict, found);
            } else if is_known
                && self.told.wants_clear(Method::FlatLine)
                && !self.told.is_firing(Method::FlatLine)
            {
                let rule = format!("{} moves", sample.metric);
                self.told.say(Method::FlatLine, sample, Verdict::Clear(rule), found);
            }
        }
        let place = (unit, &numbers.cells);
        let changed = numbers.departures.row(sample.at, value, anomaly.score, place);
        if let Some(changed) = changed {
            self.departed(sample, changed, Some(anomaly.why), found);
        }
        let Some(numbers) = &mut self.numbers else { return };
        if !numbers.cells.observe(at_ms, value) {
            return;
        }
        let changed = numbers.departures.cell(sample.at, unit, &numbers.cells);
        let is_calm = numbers.cells.is_warm() && !numbers.departures.is_open();
        match changed {
            Some(changed) => self.departed(sample, changed, None, found),
            None if is_calm && self.told.wants_clear(Method::Anomaly) => {
                self.departed(sample, Change::Over, None, found);
            }
            None => self.told.repeat(found),
        }
        self.turn(sample, phase_ms, (rules, found));
    }

    /// Tells of a departure, or of its end.
    fn departed(
        &mut self,
        sample: &Sample,
        change: Change,
        why: Option<Why>,
        found: &mut Vec<Finding>,
    ) {
        let (Some(numbers), Some(severity)) = (&self.numbers, self.severities.anomaly) else {
            return;
        };
        let verdict = match change {
            Change::Over => Verdict::Clear(format!("{} is as usual", sample.metric)),
            Change::Began(departure) => {
                let rule = departure_words(sample, numbers, departure, why);
                let points = numbers.recent.points();
                let mut chart = picture::chart(Method::Anomaly, numbers.unit, points);
                chart.expected = Some(picture::band(departure.base, departure.record));
                chart.since = Some(departure.since);
                Verdict::Firing { severity, rule, chart }
            }
        };
        self.told.say(Method::Anomaly, sample, verdict, found);
    }

    /// Looks at the series as a whole when it is its turn.
    fn turn(
        &mut self,
        sample: &Sample,
        phase_ms: i64,
        (rules, found): (&Detection, &mut Vec<Finding>),
    ) {
        let Some(numbers) = &mut self.numbers else { return };
        let at_ms = sample.at.as_millisecond();
        let every_ms = numbers.cells.span_ms(TURN_CELLS).max(1);
        if numbers.next_turn_ms == 0 {
            numbers.next_turn_ms = at_ms.saturating_add(phase_ms.rem_euclid(every_ms));
        }
        if at_ms < numbers.next_turn_ms {
            return;
        }
        numbers.next_turn_ms = at_ms.saturating_add(every_ms);
        numbers.n_turns = numbers.n_turns.wrapping_add(1);
        let usual = sorted(numbers.cells.newest(0, DAY_CELLS));
        numbers.typical = if usual.len() < HOUR_CELLS { None } else { median(&usual) };
        let is_hour = numbers.n_turns.is_multiple_of(TURNS_AN_HOUR);
        self.foretell(sample, &rules.forecast, is_hour, found);
        if is_hour {
            self.worsen(sample, found);
            self.told.refresh();
        }
    }

    fn foretell(
        &mut self,
        sample: &Sample,
        rule: &Forecast,
        whole: bool,
        found: &mut Vec<Finding>,
    ) {
        let (Some(numbers), Some(limit), Some(severity)) =
            (&mut self.numbers, self.limit, self.severities.forecast)
        else {
            return;
        };
        if !outlook::fills(sample.metric.as_str(), numbers.unit) {
            return;
        }
        let look = outlook::Look { unit: numbers.unit, cells: &numbers.cells, limit, whole };
        let verdict = outlook::forecast(sample, look, (rule, severity));
        let Some(verdict) = verdict else { return };
        match &verdict {
            Verdict::Clear(_) => numbers.n_foretold = 0,
            Verdict::Firing { .. } => {
                numbers.n_foretold = numbers.n_foretold.saturating_add(1);
                if numbers.n_foretold < outlook::LOOKS_NEEDED {
                    return;
                }
            }
        }
        self.told.say(Method::Forecast, sample, verdict, found);
    }

    fn worsen(&mut self, sample: &Sample, found: &mut Vec<Finding>) {
        let (Some(numbers), Some(severity)) = (&mut self.numbers, self.severities.drift) else {
            return;
        };
        let worse: Option<Worse> = outlook::worse(sample.metric.as_str(), self.limit);
        let Some(worse) = worse else { return };
        let verdict = outlook::worsening(sample, numbers.unit, &numbers.cells, worse, severity);
        let Some(verdict) = verdict else { return };
        match &verdict {
            Verdict::Clear(_) => numbers.n_drifted = 0,
            Verdict::Firing { .. } => {
                numbers.n_drifted = numbers.n_drifted.saturating_add(1);
                if numbers.n_drifted < outlook::LOOKS_NEEDED {
                    return;
                }
            }
        }
        self.told.say(Method::Drift, sample, verdict, found);
    }
}

impl Numbers {
    /// Whether a value is what is usual, times a factor between units.
    fn is_jump(&self, value: f64) -> bool {
        // What a network carries does go up a thousandfold.
        let is_judged = match self.unit {
            Unit::Milliseconds | Unit::Megabytes | Unit::Bytes | Unit::Days => true,
            Unit::Percent | Unit::Ratio | Unit::BytesPerSecond | Unit::PerMinute | Unit::Count => {
                false
            }
        };
        let Some(typical) = self.typical.filter(|_| is_judged) else { return false };
        // Fitting a factor costs more than this look.
        let ratio = value / typical;
        let is_far = ratio > 800.0 || ratio > 0.0 && ratio < 1.0 / 800.0;
        is_far
            && matches!(
                unit_sanity::judge(self.unit, &[value; unit_sanity::VALUES_MIN], Some(typical)),
                Sanity::Doubtful { because: Doubt::JumpOfAUnit, .. }
            )
    }

    /// Whether doubts lasted so long that what is seen must be what is.
    pub(super) fn is_accepted(&self, at: Timestamp) -> bool {
        let day_ms = self.cells.span_ms(DAY_CELLS);
        self.n_doubts > 0
            && at.as_millisecond().saturating_sub(self.doubted_since.as_millisecond()) > day_ms
    }
}

fn departure_words(
    sample: &Sample,
    numbers: &Numbers,
    departure: Departure,
    why: Option<Why>,
) -> String {
    let Departure { base, size, record, strong, .. } = departure;
    let way = if size > 0.0 { "rose" } else { "fell" };
    let (before, now) = (amount(base, numbers.unit), amount(base + size, numbers.unit));
    let lasting = if strong {
        "for three samples".to_owned()
    } else {
        format!("for {}", Millis(numbers.cells.width().0.saturating_mul(LASTING_CELLS)))
    };
    let kind = match why {
        Some(Why::Deviation { kind, .. }) => format!(" ({kind})"),
        Some(Why::Usual | Why::NotANumber | Why::Repeated | Why::Gap { .. }) | None => {
            String::new()
        }
    };
    format!(
        "{} {way} from {before} to {now} or further {lasting}{kind}; it never went farther than {} \
         from its level before",
        sample.metric,
        amount(record, numbers.unit),
    )
}

fn flat_words(
    sample: &Sample,
    numbers: &Numbers,
    change: flat::Change,
    severity: Severity,
) -> Verdict {
    match change {
        flat::Change::Moves => Verdict::Clear(format!("{} moves again", sample.metric)),
        flat::Change::Stopped { since, run, longest } => {
            let rule = format!(
                "{} does not move any more: {run} equal values in a row, at most {longest} before",
                sample.metric
            );
            let mut chart =
                picture::chart(Method::FlatLine, numbers.unit, numbers.cells.points(HOUR_CELLS));
            chart.since = Some(since);
            Verdict::Firing { severity, rule, chart }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::recent::RECENT_MAX;
    use super::*;

    /// What a series may cost without its week of means.
    const HOT_BYTES_MAX: usize = 2_048;

    #[test]
    fn a_series_is_small() {
        let hot = size_of::<Series>() + size_of::<Numbers>() + RECENT_MAX * size_of::<(u32, f32)>();
        assert!(hot <= HOT_BYTES_MAX, "{hot}");
    }
}
