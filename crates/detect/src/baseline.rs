//! Relative thresholds: an error rate of three times, a latency of twice what it was.
//!
//! A value is compared with the period before it and with the week before it (168 hours): the
//! period alone would call every morning an incident, and the week alone would learn a slow
//! ramp.
//!
//! **Invariant:** what was seen too seldom to say anything is unknown, never fine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::id::ServiceName;
use serde::Serialize;

use crate::quantile::{as_f64, median, sorted};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Failed requests as a share of all, 0 to 1.
    ErrorRate,
    /// A latency in milliseconds, such as the 99th percentile.
    Latency,
}

/// When an increase counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// How many times the usual value is too much.
    pub increase: f64,
    /// What is no trouble, however large the increase: in the unit of the measure.
    pub harmless: f64,
    /// How many requests a period must have had to say anything.
    pub requests_min: u64,
    /// For how many periods in a row it must hold.
    pub periods_needed: u32,
}

impl Rule {
    /// Three times for errors above 1 %, twice for latencies above 100 ms; at least 20 requests,
    /// two periods in a row.
    #[must_use]
    pub fn usual(measure: Measure) -> Self {
        let (increase, harmless) = match measure {
            Measure::ErrorRate => (3.0, 0.01),
            Measure::Latency => (2.0, 100.0),
        };
        Self { increase, harmless, requests_min: 20, periods_needed: 2 }
    }
}

/// The rules for every service, and those of services that have their own.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// For services without a rule of their own; a measure that is missing has the usual rule.
    pub all: BTreeMap<Measure, Rule>,
    /// For one service.
    pub own: BTreeMap<(ServiceName, Measure), Rule>,
}

impl Rules {
    /// The rule for a measure of a service.
    #[must_use]
    pub fn of(&self, service: &ServiceName, measure: Measure) -> Rule {
        let own = self.own.get(&(service.clone(), measure));
        own.or_else(|| self.all.get(&measure)).copied().unwrap_or_else(|| Rule::usual(measure))
    }
}

/// One period of one measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// When it ended.
    pub at: Timestamp,
    /// How many requests it had.
    pub requests: u64,
    /// The value of the measure.
    pub value: f64,
}

/// What a value was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The last period that was as it should be.
    Previous,
    /// The median of the last 168 hours.
    Week,
}

/// What a period means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As usual.
    Usual,
    /// As at this hour a week ago, although more than just before.
    Seasonal {
        /// What it was a week ago.
        week_ago: f64,
    },
    /// Too much, but not yet for long enough.
    Pending(Increase),
    /// Too much for long enough.
    Exceeded(Increase),
    /// Nobody knows.
    Unknown(Why),
}

/// An increase that counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Increase {
    /// The value.
    pub value: f64,
    /// What it is usually.
    pub usual: f64,
    /// By what that is known.
    pub reference: Reference,
    /// For how many periods in a row.
    pub n_periods: u32,
}

/// Why nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Too few requests to say anything.
    FewRequests,
    /// The value is no number.
    NotANumber,
    /// There is nothing yet to compare with.
    NoReference,
}

/// How many hours a week has.
pub const WEEK_HOURS: usize = 168;

/// From this number of known hours on, the week has a usual value.
pub const HOURS_MIN: usize = 24;

/// The values of the last 168 hours, one mean an hour.
#[derive(Clone, Debug)]
pub struct Week {
    /// Hour since 1970, sum, number; by the place of the hour in the week.
    cells: Vec<(i64, f64, u32)>,
}

impl Default for Week {
    fn default() -> Self {
        Self { cells: vec![(i64::MIN, 0.0, 0); WEEK_HOURS] }
    }
}

impl Week {
    /// Takes one more value; what is no number, or older than what its place holds, is left out.
    pub fn observe(&mut self, at: Timestamp, value: f64) {
        let hour = hour_of(at);
        let Some(cell) = self.cells.get_mut(place_of(hour)) else {
            return;
        };
        if !value.is_finite() || cell.0 > hour {
            return;
        }
        if cell.0 < hour {
            *cell = (hour, 0.0, 0);
        }
        cell.1 += value;
        cell.2 = cell.2.saturating_add(1);
    }

    /// The median of the hours of the week before the hour of `at`; none of fewer than
    /// [`HOURS_MIN`].
    #[must_use]
    pub fn typical(&self, at: Timestamp) -> Option<f64> {
        let now = hour_of(at);
        let week = i64::try_from(WEEK_HOURS).unwrap_or(i64::MAX);
        let known = self.cells.iter().filter(|cell| cell.0 < now && cell.0 >= now - week);
        let means = sorted(known.map(mean));
        if means.len() < HOURS_MIN { None } else { median(&means) }
    }

    /// The mean of the same hour a week ago, if nothing of this hour was taken yet.
    #[must_use]
    pub fn week_ago(&self, at: Timestamp) -> Option<f64> {
        let now = hour_of(at);
        let week = i64::try_from(WEEK_HOURS).unwrap_or(i64::MAX);
        self.cells.get(place_of(now)).filter(|cell| cell.0 == now - week).map(mean)
    }
}

fn mean((_, sum, n): &(i64, f64, u32)) -> f64 {
    sum / f64::from((*n).max(1))
}

fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3_600)
}

fn place_of(hour: i64) -> usize {
    let week = i64::try_from(WEEK_HOURS).unwrap_or(1);
    usize::try_from(hour.rem_euclid(week)).unwrap_or(0)
}

/// Watches one measure of one service.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    week: Week,
    /// The mean of the same hour a week ago, kept while this hour lasts.
    week_ago: Option<(i64, f64)>,
    previous: Option<f64>,
    n_exceeded: u32,
}

impl Watch {
    /// A watch that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a period means.  What is too much is not learned as usual by the comparison with the
    /// period before, so that an incident does not end by lasting.
    pub fn judge(&mut self, period: &Period, rule: &Rule) -> Verdict {
        if !period.value.is_finite() {
            return Verdict::Unknown(Why::NotANumber);
        }
        if period.requests < rule.requests_min {
            return Verdict::Unknown(Why::FewRequests);
        }
        let hour = hour_of(period.at);
        if self.week_ago.is_none_or(|(known, _)| known != hour) {
            self.week_ago = self.week.week_ago(period.at).map(|value| (hour, value));
        }
        let typical = self.week.typical(period.at);
        self.week.observe(period.at, period.value);
        let is_too_much = |usual: f64| {
            period.value > rule.harmless && period.value > rule.increase * usual.max(0.0)
        };
        let references = [(Reference::Previous, self.previous), (Reference::Week, typical)];
        if references.iter().all(|(_, usual)| usual.is_none()) {
            self.previous = Some(period.value);
            return Verdict::Unknown(Why::NoReference);
        }
        let found = references
            .into_iter()
            .filter_map(|(reference, usual)| Some((reference, usual?)))
            .find(|(_, usual)| is_too_much(*usual));
        let Some((reference, usual)) = found else {
            self.previous = Some(period.value);
            self.n_exceeded = 0;
            return Verdict::Usual;
        };
        if let Some((_, week_ago)) = self.week_ago.filter(|(_, value)| !is_too_much(*value)) {
            self.previous = Some(period.value);
            self.n_exceeded = 0;
            return Verdict::Seasonal { week_ago };
        }
        self.n_exceeded = self.n_exceeded.saturating_add(1);
        let n_periods = self.n_exceeded;
        let increase = Increase { value: period.value, usual, reference, n_periods };
        if n_periods >= rule.periods_needed {
            Verdict::Exceeded(increase)
        } else {
            Verdict::Pending(increase)
        }
    }
}

/// The share of requests that failed; none of no requests.
#[must_use]
pub fn error_rate(failed: usize, requests: usize) -> Option<f64> {
    (requests > 0).then(|| as_f64(failed.min(requests)) / as_f64(requests))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn period(hour: i64, value: f64) -> Period {
        let at = Timestamp::from_second(1_700_000_000 + hour * 3_600).unwrap();
        Period { at, requests: 1_000, value }
    }

    /// A letter a period: `?` unknown, `-` usual, `s`easonal, `p`ending, `!` exceeded.
    fn says(measure: Measure, values: impl IntoIterator<Item = f64>) -> String {
        let mut watch = Watch::new();
        let rule = Rule::usual(measure);
        (0..)
            .zip(values)
            .map(|(hour, value)| match watch.judge(&period(hour, value), &rule) {
                Verdict::Unknown(_) => '?',
                Verdict::Usual => '-',
                Verdict::Seasonal { .. } => 's',
                Verdict::Pending(_) => 'p',
                Verdict::Exceeded(_) => '!',
            })
            .collect()
    }

    #[test]
    fn three_times_the_errors_and_twice_the_latency_are_too_much() {
        let cases = [
            (Measure::ErrorRate, [0.01, 0.029, 0.05, 0.2, 0.2, 0.01], "?--p!-"),
            (Measure::ErrorRate, [0.001, 0.009, 0.001, 0.009, 0.0, 0.0], "?-----"),
            (Measure::Latency, [200.0, 390.0, 200.0, 410.0, 410.0, 410.0], "?--p!!"),
            (Measure::Latency, [10.0, 90.0, 10.0, 90.0, 10.0, 90.0], "?-----"),
            (Measure::Latency, [f64::NAN, 200.0, f64::INFINITY, 200.0, 500.0, 600.0], "???-p!"),
        ];
        for (measure, values, expected) in cases {
            assert_eq!(says(measure, values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_slow_ramp_is_seen_against_the_week() {
        let ramp =
            (0..100_u32).map(|hour| if hour < 48 { 200.0 } else { f64::from(hour) * 10.0 - 280.0 });
        let said = says(Measure::Latency, ramp);
        assert!(said.bytes().take(60).skip(1).all(|letter| letter == b'-'), "{said}");
        assert!(said.ends_with("!!!!"), "{said}");
    }

    #[test]
    fn the_same_hour_a_week_ago_explains_a_busy_morning() {
        let day = |hour: u32| if hour % 24 == 9 { 500.0 } else { 200.0 };
        let said = says(Measure::Latency, (0..400_u32).map(day));
        let (first_week, then) = said.split_at(WEEK_HOURS);
        assert!(first_week.starts_with("?--------p"), "the first time it is news: {said}");
        assert!(!then.contains(['p', '!']) && then.contains('s'), "{said}");
    }

    #[test]
    fn few_requests_say_nothing_and_services_have_their_own_rules() {
        let mut rules = Rules::default();
        let own = Rule { increase: 10.0, ..Rule::usual(Measure::Latency) };
        rules.own.insert(("ads".into(), Measure::Latency), own);
        assert_eq!(rules.of(&"ads".into(), Measure::Latency), own);
        assert_eq!(rules.of(&"web".into(), Measure::Latency), Rule::usual(Measure::Latency));
        let few = Period { requests: 19, ..period(0, 9_999.0) };
        assert_eq!(Watch::new().judge(&few, &own), Verdict::Unknown(Why::FewRequests));
        assert_eq!(error_rate(1, 4), Some(0.25));
        assert_eq!(error_rate(0, 0), None);
    }

    proptest! {
        #[test]
        fn any_periods_in_any_order_are_borne(
            periods in prop::collection::vec((-500..500_i64, any::<u64>(), any::<f64>()), 0..300),
        ) {
            let mut watch = Watch::new();
            for (hour, requests, value) in periods {
                let period = Period { requests, ..period(hour, value) };
                watch.judge(&period, &Rule::usual(Measure::ErrorRate));
            }
            prop_assert_eq!(watch.week.cells.len(), WEEK_HOURS);
        }
    }
}
