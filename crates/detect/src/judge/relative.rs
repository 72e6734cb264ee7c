//! Multiples of the period before: three times the errors, twice the latency.
//!
//! **Invariant:** a period that is too much does not become the one that is compared with, so
//! that an incident does not end by lasting; after [`SETTLED_PERIODS`] it does.

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_model::chart::{Band, Method};
use nightcrew_model::id::Target;
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample};
use nightcrew_model::unit::Millis;

use super::picture::{self, amount};
use super::rules::Relative;
use crate::point::Point;
use crate::requests::Requests;

/// The largest number of (rule, target) pairs that are followed.
pub const PAIRS_MAX: usize = 10_000;

/// A level that was too much for so many periods is the usual one from then on.
const SETTLED_PERIODS: u32 = 24;

/// A period says something once this share of it has passed …
const SHARE_MIN: f64 = 0.1;

/// … and it has so many values.
const VALUES_MIN: u32 = 5;

/// The periods of every rule and target.
#[derive(Debug, Default)]
pub(super) struct Relatives {
    rules: Vec<Relative>,
    followed: HashMap<(usize, Target), Followed>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    n: u32,
}

impl Mean {
    fn take(&mut self, value: f64) {
        self.sum += value;
        self.n = self.n.saturating_add(1);
    }

    fn value(self) -> Option<f64> {
        (self.n >= VALUES_MIN).then(|| self.sum / f64::from(self.n))
    }
}

/// The periods of one rule and target.
#[derive(Debug, Default)]
struct Followed {
    period: i64,
    now: Mean,
    usual: Option<f64>,
    n_exceeded: u32,
    firing: bool,
    said: bool,
    since: Timestamp,
}

impl Relatives {
    pub(super) fn new(rules: Vec<Relative>) -> Self {
        Self { rules, followed: HashMap::new() }
    }

    /// Goes by other rules; what is known of rules that stay is kept.
    pub(super) fn replace(&mut self, rules: Vec<Relative>) {
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

    pub(super) fn observe(
        &mut self,
        sample: &Sample,
        requests: &Requests,
        recent: &dyn Fn() -> Vec<Point>,
        found: &mut Vec<Finding>,
    ) {
        let Observation::Read(Reading::Quantity(quantity)) = &sample.observation else { return };
        let about = |rule: &Relative| rule.metric == sample.metric;
        if !self.rules.iter().any(about) {
            return;
        }
        let service = &sample.target.service;
        let own = self.rules.iter().any(|it| about(it) && it.service.as_ref() == Some(service));
        for (n, rule) in self.rules.iter().enumerate() {
            let applies = match &rule.service {
                Some(only) => only == service,
                None => !own,
            };
            let few = rule.min_requests.as_ref();
            if !about(rule)
                || !applies
                || few.is_some_and(|min| requests.are_few(min, service, sample.at))
            {
                continue;
            }
            let key = (n, sample.target.clone());
            if self.followed.len() >= PAIRS_MAX && !self.followed.contains_key(&key) {
                continue;
            }
            let followed = self.followed.entry(key).or_default();
            let Some((usual, now)) = followed.take(rule, sample.at, quantity.value()) else {
                continue;
            };
            let is_too_much = now >= rule.times * usual && now >= rule.at_least && now > 0.0;
            if followed.said && followed.firing == is_too_much {
                continue;
            }
            if is_too_much {
                followed.since = sample.at;
            }
            (followed.firing, followed.said) = (is_too_much, true);
            let unit = quantity.unit();
            let words = |is: &str| {
                format!(
                    "{} is {} on average, {is} {} times the {} of the {} before",
                    sample.metric,
                    amount(now, unit),
                    rule.times,
                    amount(usual, unit),
                    rule.period,
                )
            };
            let (level, rule_words, chart) = if is_too_much {
                let mut chart = picture::chart(Method::Relative, unit, recent());
                chart.expected = Some(Band { low: 0.0, high: usual });
                chart.limit = Some((rule.times * usual).max(rule.at_least));
                chart.since = Some(followed.since);
                (Level::Firing(rule.severity), words("at least"), Some(Box::new(chart)))
            } else {
                (Level::Clear, words("less than"), None)
            };
            found.push(Finding {
                target: sample.target.clone(),
                symptom: rule.symptom.clone(),
                level,
                sample: sample.clone(),
                rule: rule_words,
                chart,
            });
        }
    }

    /// From now on levels are said once more.
    pub(super) fn refresh(&mut self) {
        for followed in self.followed.values_mut() {
            followed.said = false;
        }
    }
}

impl Followed {
    /// Takes a value: the usual level and the one of this period, once both say something.
    fn take(&mut self, rule: &Relative, at: Timestamp, value: f64) -> Option<(f64, f64)> {
        let width_ms = i64::try_from(rule.period.0.max(1)).unwrap_or(i64::MAX);
        let period = at.as_millisecond().div_euclid(width_ms);
        if period < self.period {
            return None;
        }
        if period > self.period {
            self.close(rule, period - self.period);
            self.period = period;
        }
        self.now.take(value);
        let passed = at.as_millisecond().rem_euclid(width_ms) as f64 / width_ms as f64;
        if passed < SHARE_MIN {
            return None;
        }
        Some((self.usual?, self.now.value()?))
    }

    /// Ends a period.
    fn close(&mut self, rule: &Relative, distance: i64) {
        let ended = std::mem::take(&mut self.now).value();
        let Some(ended) = ended else {
            // What was long ago is no period before.
            if distance > i64::from(SETTLED_PERIODS) {
                self.usual = None;
            }
            return;
        };
        let exceeds = self.usual.is_some_and(|usual| {
            ended >= rule.times * usual && ended >= rule.at_least && ended > 0.0
        });
        self.n_exceeded = if exceeds { self.n_exceeded + 1 } else { 0 };
        if !exceeds || self.n_exceeded >= SETTLED_PERIODS {
            self.usual = Some(ended);
            self.n_exceeded = 0;
        }
    }
}

/// How often levels are said once more.
pub(super) const REFRESH: Millis = Millis::from_secs(3_600);
