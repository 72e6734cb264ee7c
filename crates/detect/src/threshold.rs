//! Absolute thresholds: warning and critical limits, K of N samples, hysteresis.
//!
//! A finding is a level, repeated with every sample that says something.  What could not be read
//! says nothing: it neither crosses a limit nor clears a finding.

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_model::alert::{AlertEvent, AlertState};
use nightcrew_model::condition::{Condition, Operand, Operator, Truth};
use nightcrew_model::id::{MetricName, ServiceName, Symptom, Target};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::requests::{MinRequests, Requests};

/// One rule about one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// The metric it looks at.
    pub metric: MetricName,
    /// Only for this service; none: for every target that has the metric.
    pub service: Option<ServiceName>,
    /// The symptom that it finds.
    pub symptom: Symptom,
    /// When it is a warning; none: never.
    pub warning: Option<Condition>,
    /// When it is critical; none: never.
    pub critical: Option<Condition>,
    /// How many samples of the last `of` must cross a limit.
    pub needed: u32,
    /// How many samples are remembered; at least `needed`, at most [`WINDOW_SAMPLES_MAX`].
    pub of: u32,
    /// How far back inside the limit a number must be before the finding clears, in the unit of
    /// the metric; 0 for states.
    pub hysteresis: f64,
    /// For how long samples must have crossed before it fires, beside their number; 0: the number
    /// alone counts.
    pub lasting: Millis,
    /// How many requests it takes for the metric to say anything; none: it always does.
    pub min_requests: Option<MinRequests>,
}

/// The largest number of samples that a rule remembers.
pub const WINDOW_SAMPLES_MAX: u32 = 64;

/// The largest number of (rule, target) pairs that are followed; a pair beyond it is not followed
/// and counted in [`Detector::n_left_out`].
pub const PAIRS_MAX: usize = 50_000;

/// Every threshold and what it remembers of every target.
#[derive(Debug)]
pub struct Detector {
    rules: Vec<Threshold>,
    followed: HashMap<(usize, Target), Followed>,
    n_left_out: u64,
}

impl Detector {
    /// A detector that has seen nothing yet.  Where a rule names a service, the rules for every
    /// service do not look at that metric of it.
    #[must_use]
    pub fn new(rules: Vec<Threshold>) -> Self {
        Self { rules, followed: HashMap::new(), n_left_out: 0 }
    }

    /// Goes by other rules from now on.  What is remembered of a rule that stays as it was is kept.
    pub fn replace(&mut self, rules: Vec<Threshold>) {
        let place = |old: usize| {
            let old = self.rules.get(old)?;
            rules.iter().position(|rule| rule == old)
        };
        let kept = std::mem::take(&mut self.followed).into_iter();
        self.followed = kept
            .filter_map(|((rule, target), followed)| Some(((place(rule)?, target), followed)))
            .collect();
        self.rules = rules;
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Threshold] {
        &self.rules
    }

    /// How many looks were not judged because too many pairs are followed already.
    #[must_use]
    pub fn n_left_out(&self) -> u64 {
        self.n_left_out
    }

    /// What a sample means, by every rule about its metric.
    pub fn observe(&mut self, sample: &Sample) -> Vec<Finding> {
        self.observe_with(sample, &Requests::default())
    }

    /// The same, where a rule may say nothing because there were too few requests.
    pub fn observe_with(&mut self, sample: &Sample, requests: &Requests) -> Vec<Finding> {
        let is_about = |rule: &Threshold| {
            rule.metric == sample.metric && rule.service.as_ref() == Some(&sample.target.service)
        };
        let own = self.rules.iter().any(is_about);
        let mut findings = Vec::new();
        for (n, rule) in self.rules.iter().enumerate() {
            let applies = if own { is_about(rule) } else { rule.service.is_none() };
            if rule.metric != sample.metric || !applies {
                continue;
            }
            let service = &sample.target.service;
            if rule
                .min_requests
                .as_ref()
                .is_some_and(|min| requests.are_few(min, service, sample.at))
            {
                continue;
            }
            let key = (n, sample.target.clone());
            if self.followed.len() >= PAIRS_MAX && !self.followed.contains_key(&key) {
                self.n_left_out += 1;
                continue;
            }
            let followed = self.followed.entry(key).or_default();
            if let Some(level) = followed.judge(rule, sample) {
                findings.push(Finding {
                    target: sample.target.clone(),
                    symptom: rule.symptom.clone(),
                    level,
                    sample: sample.clone(),
                    rule: rule.words(level),
                    chart: None,
                });
            }
        }
        findings
    }
}

impl Threshold {
    /// The rule in words, for the level that was found.
    fn words(&self, level: Level) -> String {
        let limit = match level {
            Level::Firing(Severity::Critical) => self.critical.as_ref().or(self.warning.as_ref()),
            Level::Firing(Severity::Info | Severity::Warning) | Level::Pending | Level::Clear => {
                self.warning.as_ref().or(self.critical.as_ref())
            }
        };
        let Some(limit) = limit else {
            return format!("{} has no limit", self.metric);
        };
        match level {
            Level::Firing(_) | Level::Pending if self.lasting > Millis(0) => {
                format!("{limit} in {} of {} samples, for {}", self.needed, self.of, self.lasting)
            }
            Level::Firing(_) | Level::Pending => {
                format!("{limit} in {} of {} samples", self.needed, self.of)
            }
            Level::Clear => format!("{} in {} samples in a row", limit.negated(), self.needed),
        }
    }

    /// Whether a reading is back inside a limit by the hysteresis.
    fn is_inside(&self, limit: &Condition, observation: &Observation) -> bool {
        let back = match (limit.operator, limit.operand) {
            (Operator::Greater | Operator::GreaterOrEqual, Operand::Number(at)) => {
                Operand::Number(at - self.hysteresis)
            }
            (Operator::Less | Operator::LessOrEqual, Operand::Number(at)) => {
                Operand::Number(at + self.hysteresis)
            }
            (Operator::Equal | Operator::NotEqual, operand) | (_, operand @ Operand::Status(_)) => {
                operand
            }
        };
        let limit = Condition { operand: back, ..limit.clone() };
        limit.evaluate(observation) == Truth::False
    }
}

/// The last samples against one limit, newest in the lowest bit.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    crossed: u64,
    inside: u64,
}

impl Marks {
    fn push(&mut self, rule: &Threshold, limit: Option<&Condition>, observation: &Observation) {
        let (crossed, inside) = match limit {
            None => (false, true),
            Some(limit) => {
                (limit.evaluate(observation) == Truth::True, rule.is_inside(limit, observation))
            }
        };
        self.crossed = self.crossed << 1 | u64::from(crossed);
        self.inside = self.inside << 1 | u64::from(inside);
    }

    fn is_crossed(self, rule: &Threshold) -> bool {
        (self.crossed & low_bits(rule.of)).count_ones() >= rule.needed
    }

    fn is_pending(self, rule: &Threshold) -> bool {
        self.crossed & low_bits(rule.of) != 0
    }

    /// Whether the newest sample is back inside the limit.
    fn is_inside(self) -> bool {
        self.inside & 1 == 1
    }

    fn is_clear(self, rule: &Threshold) -> bool {
        self.inside & low_bits(rule.needed) == low_bits(rule.needed)
    }
}

fn low_bits(n: u32) -> u64 {
    u64::MAX.checked_shr(u64::BITS.saturating_sub(n)).unwrap_or(0)
}

/// What a rule remembers of one target.
#[derive(Debug)]
struct Followed {
    warning: Marks,
    critical: Marks,
    state: AlertState,
    severity: Severity,
    /// The first of the samples in a row of which some cross.
    since: Option<Timestamp>,
}

impl Default for Followed {
    fn default() -> Self {
        Self {
            warning: Marks::default(),
            critical: Marks::default(),
            state: AlertState::Resolved,
            severity: Severity::Warning,
            since: None,
        }
    }
}

impl Followed {
    /// The level after one more sample; none while the samples say neither.
    fn judge(&mut self, rule: &Threshold, sample: &Sample) -> Option<Level> {
        if !rule.understands(&sample.observation) {
            return None;
        }
        self.critical.push(rule, rule.critical.as_ref(), &sample.observation);
        self.warning.push(rule, rule.warning.as_ref(), &sample.observation);
        let clear = self.warning.is_clear(rule) && self.critical.is_clear(rule);
        let crossed = if self.critical.is_crossed(rule) {
            Some(Severity::Critical)
        } else if self.warning.is_crossed(rule)
            || self.critical.is_pending(rule) && self.warning_covers(rule)
        {
            Some(Severity::Warning)
        } else {
            None
        };
        self.since = self.is_pending(rule).then(|| self.since.unwrap_or(sample.at));
        let lasted = self.since.map_or(Millis(0), |since| Millis::between(since, sample.at));
        // What fires already need not last again.
        let fires = self.state == AlertState::Firing || lasted >= rule.lasting;
        let crossed = crossed.filter(|_| fires);
        let event = match (self.state, crossed) {
            (AlertState::Firing, Some(severity)) if !clear => {
                // It falls back to a warning only when it is well inside the critical limit.
                if severity > self.severity || self.critical.is_clear(rule) {
                    self.severity = severity;
                }
                None
            }
            (AlertState::Pending | AlertState::Resolved, Some(severity)) if !clear => {
                self.severity = severity;
                Some(AlertEvent::Confirmed)
            }
            (AlertState::Pending | AlertState::Firing, _) if clear => Some(AlertEvent::Cleared),
            (AlertState::Resolved, None) if !clear && self.is_pending(rule) => {
                Some(AlertEvent::Breached)
            }
            (AlertState::Pending | AlertState::Firing | AlertState::Resolved, _) => None,
        };
        if let Some(event) = event
            && let Ok(next) = self.state.apply(event)
        {
            self.state = next;
        }
        match self.state {
            // A good sample that is not yet enough to clear says neither.
            AlertState::Firing if self.warning.is_inside() && self.critical.is_inside() => None,
            AlertState::Firing => Some(Level::Firing(self.severity)),
            AlertState::Pending => Some(Level::Pending),
            AlertState::Resolved => clear.then_some(Level::Clear),
        }
    }

    /// A sample beyond the critical limit is beyond the warning limit too, where there is one.
    fn warning_covers(&self, rule: &Threshold) -> bool {
        rule.warning.is_some()
            && ((self.warning.crossed | self.critical.crossed) & low_bits(rule.of)).count_ones()
                >= rule.needed
    }

    fn is_pending(&self, rule: &Threshold) -> bool {
        self.warning.is_pending(rule) || self.critical.is_pending(rule)
    }
}

impl Threshold {
    /// Whether the observation is a reading of the kind that the limits compare.
    fn understands(&self, observation: &Observation) -> bool {
        let Observation::Read(reading) = observation else {
            return false;
        };
        self.critical.iter().chain(&self.warning).any(|limit| {
            matches!(
                (limit.operand, reading),
                (Operand::Number(_), Reading::Quantity(_))
                    | (Operand::Status(_), Reading::Status(_))
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use nightcrew_model::sample::{Status, Unknown};
    use nightcrew_model::unit::{Quantity, Unit};
    use proptest::prelude::*;

    use super::*;

    fn limit(operator: Operator, operand: Operand) -> Option<Condition> {
        Some(Condition { metric: "m".into(), operator, operand })
    }

    fn rule(needed: u32, of: u32) -> Threshold {
        Threshold {
            metric: "m".into(),
            service: None,
            symptom: "m_high".into(),
            warning: limit(Operator::Greater, Operand::Number(75.0)),
            critical: limit(Operator::Greater, Operand::Number(90.0)),
            needed,
            of,
            hysteresis: 5.0,
            lasting: Millis(0),
            min_requests: None,
        }
    }

    fn sample(observation: Observation) -> Sample {
        Sample {
            target: Target::service("host".into()),
            metric: "m".into(),
            at: Timestamp::UNIX_EPOCH,
            observation,
            detail: None,
        }
    }

    fn read(value: f64) -> Observation {
        Observation::Read(Reading::Quantity(Quantity::new(value, Unit::Percent).unwrap()))
    }

    /// Feeds numbers (`?` for what could not be read) and prints a letter a sample: `-` nothing
    /// said, `c`lear, `p`ending, `W`arning, `C`ritical.
    fn levels(rule: Threshold, values: &str) -> String {
        let mut detector = Detector::new(vec![rule]);
        let mut printed = String::new();
        for value in values.split_whitespace() {
            let observation =
                value.parse().map_or(Observation::Unknown(Unknown::BreakerOpen), read);
            let level = detector.observe(&sample(observation)).first().map(|found| found.level);
            let letter = match level {
                None => '-',
                Some(Level::Clear) => 'c',
                Some(Level::Pending) => 'p',
                Some(Level::Firing(Severity::Critical)) => 'C',
                Some(Level::Firing(_)) => 'W',
            };
            write!(printed, "{letter}").unwrap();
        }
        printed
    }

    #[test]
    fn fires_when_k_of_n_samples_cross() {
        assert_eq!(levels(rule(3, 5), "95 50 95 50 95 95"), "ppppCC");
        assert_eq!(levels(rule(1, 1), "50 95 50"), "cCc");
        assert_eq!(levels(rule(2, 2), "80 80 80"), "pWW");
        assert_eq!(levels(rule(2, 2), "80 95 95 95"), "pWCC");
    }

    #[test]
    fn clears_only_well_inside_the_limit() {
        // 72 is below the warning limit of 75, but not by the hysteresis of 5.
        assert_eq!(levels(rule(1, 1), "80 72 72 69 80"), "WWWcW");
        // 87 is below the critical limit of 90, but not by 5; 84 is.
        assert_eq!(levels(rule(1, 1), "95 87 84 60"), "CCWc");
    }

    #[test]
    fn what_could_not_be_read_neither_fires_nor_clears() {
        assert_eq!(levels(rule(2, 3), "95 ? ? 95"), "p--C");
        assert_eq!(levels(rule(2, 2), "95 95 ? ? 10 ? 10"), "pC----c");
    }

    #[test]
    fn a_fresh_detector_is_silent_until_it_has_seen_enough() {
        assert_eq!(levels(rule(3, 3), "10 10 10 10"), "--cc");
    }

    #[test]
    fn states_are_compared_as_states() {
        let mut stopped = rule(1, 1);
        stopped.warning = None;
        stopped.critical = limit(Operator::Equal, Operand::Status(Status::Stopped));
        let mut detector = Detector::new(vec![stopped]);
        let found = detector.observe(&sample(Observation::Read(Reading::Status(Status::Stopped))));
        assert_eq!(found[0].level, Level::Firing(Severity::Critical));
        assert_eq!(found[0].rule, "m == 'stopped' in 1 of 1 samples");
        assert!(detector.observe(&sample(read(3.0))).is_empty(), "a number is no state");
    }

    #[test]
    fn a_crossing_must_last_where_the_rule_says_how_long() {
        let mut lasting = rule(1, 1);
        lasting.lasting = Millis::from_secs(30);
        let mut detector = Detector::new(vec![lasting]);
        let mut said = String::new();
        for (second, value) in [95, 95, 95, 95, 60, 95, 95].into_iter().enumerate() {
            let at = Timestamp::from_second(i64::try_from(second).unwrap() * 10).unwrap();
            let sample = Sample { at, ..sample(read(f64::from(value))) };
            let level = detector.observe(&sample).first().map(|found| found.level);
            said.push(match level {
                None => '-',
                Some(Level::Clear) => 'c',
                Some(Level::Pending) => 'p',
                Some(Level::Firing(_)) => 'F',
            });
        }
        assert_eq!(said, "pppFcpp");
    }

    #[test]
    fn other_rules_keep_what_is_known_of_those_that_stay() {
        let mut detector = Detector::new(vec![rule(1, 1), rule(3, 3)]);
        for _ in 0..2 {
            detector.observe(&sample(read(95.0)));
        }
        detector.replace(vec![rule(2, 2), rule(3, 3)]);
        let levels: Vec<Level> =
            detector.observe(&sample(read(95.0))).into_iter().map(|found| found.level).collect();
        assert_eq!(levels, [Level::Pending, Level::Firing(Severity::Critical)]);
    }

    #[test]
    fn a_rule_for_a_service_replaces_the_rule_for_all() {
        let mut own = rule(1, 1);
        own.service = Some("host".into());
        own.warning = limit(Operator::Greater, Operand::Number(98.0));
        own.critical = None;
        own.hysteresis = 1.0;
        let mut detector = Detector::new(vec![rule(1, 1), own]);
        let found = detector.observe(&sample(read(95.0)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Clear, "95 is critical for others, not here");
    }

    proptest! {
        #[test]
        fn fires_exactly_when_enough_of_the_last_samples_cross(
            values in prop::collection::vec(prop::sample::select(vec![50.0, 95.0]), 1..80),
            of in 1..8u32,
            needed in 1..8u32,
        ) {
            let needed = needed.min(of);
            let mut detector = Detector::new(vec![rule(needed, of)]);
            let mut firing = false;
            for (n, value) in values.iter().enumerate() {
                let window = &values[n.saturating_sub(of as usize - 1)..=n];
                let n_high = window.iter().filter(|value| **value > 90.0).count();
                let recent = &values[n.saturating_sub(needed as usize - 1)..=n];
                let clear = recent.len() == needed as usize && recent.iter().all(|value| *value < 70.0);
                firing = if clear { false } else { firing || n_high >= needed as usize };
                let level = detector.observe(&sample(read(*value))).first().map(|found| found.level);
                prop_assert_eq!(matches!(level, Some(Level::Firing(_))), firing && *value > 90.0);
            }
        }
    }
}
