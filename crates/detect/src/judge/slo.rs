//! Objectives: how fast their error budgets burn, and what is left of them.
//!
//! A pair of windows is judged as [`crate::burn`] says, with one more care: while less than the
//! long window was seen, the unseen part counts as no burning, so that the first minutes after a
//! start do not speak for three days.

use jiff::Timestamp;
use nightcrew_model::chart::{Chart, Method, POINTS_MAX, Point};
use nightcrew_model::condition::Truth;
use nightcrew_model::id::{ServiceName, SloName, Symptom, Target};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Unit};
use serde::Serialize;

use super::rules::{Events, Slo};
use crate::burn::{Budget, Burn, Burning, Counts, Pace};

/// How often an objective is judged.
const LOOK: Millis = Millis::from_secs(60);

/// How often the burn rate of the shortest window is noted for pictures.
const NOTE: Millis = Millis::from_secs(5 * 60);

/// A budget burns no more when no pair spoke for so long: few events come and go in the short
/// window.
const CALM: Millis = Millis::from_secs(15 * 60);

/// What an objective says now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: SloName,
    /// The service.
    pub service: ServiceName,
    /// The promised share of good events.
    pub promised: f64,
    /// Over how many hours.
    pub hours: usize,
    /// What is left of the budget.
    pub budget: Budget,
    /// Since when it is watched without a restart; none: nothing was seen yet.
    pub since: Option<Timestamp>,
    /// What each pair of windows says, the fastest first.
    pub paces: Vec<(Pace, Burning)>,
}

/// Watches one objective.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) slo: Slo,
    burn: Burn,
    first: Option<Timestamp>,
    next_look: Timestamp,
    /// Running counts of looks.
    n_total: f64,
    n_bad: f64,
    /// The latest reading of each counter.
    total: Option<(Timestamp, f64)>,
    part: Option<(Timestamp, f64)>,
    rates: Vec<Point>,
    firing: Option<Severity>,
    /// When a pair last spoke.
    last_burning: Timestamp,
    said: bool,
}

impl Watch {
    pub(super) fn new(slo: Slo) -> Self {
        Self {
            burn: Burn::new(slo.objective),
            slo,
            first: None,
            next_look: Timestamp::MIN,
            n_total: 0.0,
            n_bad: 0.0,
            total: None,
            part: None,
            rates: Vec::new(),
            firing: None,
            last_burning: Timestamp::MIN,
            said: false,
        }
    }

    /// Takes a sample, where it counts for this objective.
    pub(super) fn observe(&mut self, sample: &Sample, found: &mut Vec<Finding>) {
        if sample.target.service != self.slo.service {
            return;
        }
        let Some(counts) = self.counts(sample) else { return };
        self.first.get_or_insert(sample.at);
        self.burn.observe(counts);
        if sample.at < self.next_look {
            return;
        }
        self.next_look = LOOK.after(sample.at);
        self.judge(sample, found);
    }

    /// What the sample makes of the counts; none: nothing.
    fn counts(&mut self, sample: &Sample) -> Option<Counts> {
        let number = |observation: &Observation| match observation {
            Observation::Read(Reading::Quantity(quantity)) => Some(quantity.value()),
            Observation::Read(Reading::Status(_)) | Observation::Unknown(_) => None,
        };
        match &self.slo.events {
            Events::Looks(condition) if condition.metric == sample.metric => {
                let bad = match condition.evaluate(&sample.observation) {
                    Truth::True => 0.0,
                    Truth::False => 1.0,
                    Truth::Unknown => return None,
                };
                if self.n_total == 0.0 {
                    // The first look counts too.
                    self.burn.observe(Counts { at: sample.at, total: 0.0, bad: 0.0 });
                }
                self.n_total += 1.0;
                self.n_bad += bad;
                Some(Counts { at: sample.at, total: self.n_total, bad: self.n_bad })
            }
            Events::Looks(_) => None,
            Events::Bad { total, bad: part } | Events::Good { total, good: part } => {
                let now = (sample.at, number(&sample.observation)?);
                if &sample.metric == total {
                    self.total = Some(now);
                } else if &sample.metric == part {
                    self.part = Some(now);
                } else {
                    return None;
                }
                let (Some(total), Some(part)) = (self.total, self.part) else { return None };
                // Each reading counts once, with one of the same look: the later completes it.
                (self.total, self.part) = (None, None);
                if Millis::between(total.0.min(part.0), total.0.max(part.0)) > LOOK {
                    return None;
                }
                let is_bad = matches!(self.slo.events, Events::Bad { .. });
                let bad = if is_bad { part.1 } else { (total.1 - part.1).max(0.0) };
                Some(Counts { at: sample.at, total: total.1, bad })
            }
        }
    }

    fn judge(&mut self, sample: &Sample, found: &mut Vec<Finding>) {
        let paces = self.paces(sample.at);
        if let Some((_, Burning::Yes { short, .. } | Burning::No { short, .. })) = paces.first() {
            let is_due = self.rates.last().is_none_or(|last| NOTE.after(last.at) <= sample.at);
            if is_due {
                if self.rates.len() >= POINTS_MAX {
                    self.rates.remove(0);
                }
                self.rates.push(Point { at: sample.at, value: *short });
            }
        }
        if paces.iter().all(|(_, burning)| matches!(burning, Burning::Unknown(_))) {
            return;
        }
        let burning = paces.iter().find_map(|(pace, burning)| match burning {
            Burning::Yes { long, short } => Some((*pace, *long, *short)),
            Burning::No { .. } | Burning::Unknown(_) => None,
        });
        let severity = burning.map(|(pace, ..)| severity(pace));
        if burning.is_some() {
            self.last_burning = sample.at;
        }
        let is_calming = burning.is_none() && CALM.after(self.last_burning) > sample.at;
        if severity == self.firing && self.said || self.firing.is_some() && is_calming {
            return;
        }
        (self.firing, self.said) = (severity, true);
        let (level, rule, chart) = match burning {
            None => (Level::Clear, format!("the budget of {} does not burn", self.slo.name), None),
            Some((pace, long, short)) => {
                let (long_minutes, short_minutes) = pace.windows_minutes();
                let rule = format!(
                    "the error budget of {} burns {long:.1} times as fast as promised over {}, \
                     {short:.1} times over {}; the limit is {}{}",
                    self.slo.name,
                    minutes(long_minutes),
                    minutes(short_minutes),
                    pace.rate_min(),
                    left(self.burn.budget(sample.at)),
                );
                let chart = Chart {
                    method: Method::Burn,
                    unit: Unit::Count,
                    points: self.rates.clone(),
                    ahead: Vec::new(),
                    expected: None,
                    limit: Some(pace.rate_min()),
                    since: None,
                };
                (Level::Firing(severity_of(severity)), rule, Some(Box::new(chart)))
            }
        };
        found.push(Finding {
            target: Target::service(self.slo.service.clone()),
            symptom: Symptom::from(format!("slo_{}_burns", self.slo.name)),
            level,
            sample: sample.clone(),
            rule,
            chart,
        });
    }

    /// What every pair says, the unseen part of the long window taken as calm.
    fn paces(&self, now: Timestamp) -> Vec<(Pace, Burning)> {
        let seen = self.first.map_or(Millis(0), |first| Millis::between(first, now));
        let judged = self.burn.judge(now).into_iter();
        let careful = |(pace, burning): (Pace, Burning)| {
            let (long_minutes, short_minutes) = pace.windows_minutes();
            let share = |minutes: i64| {
                let window = minutes as f64 * 60_000.0;
                (seen.0 as f64 / window).min(1.0)
            };
            let burning = match burning {
                Burning::Yes { long, short } | Burning::No { long, short } => {
                    let (long, short) = (long * share(long_minutes), short * share(short_minutes));
                    if long >= pace.rate_min() && short >= pace.rate_min() {
                        Burning::Yes { long, short }
                    } else {
                        Burning::No { long, short }
                    }
                }
                Burning::Unknown(why) => Burning::Unknown(why),
            };
            (pace, burning)
        };
        judged.map(careful).collect()
    }

    /// What the objective says now.
    pub(super) fn standing(&self, now: Timestamp) -> Standing {
        Standing {
            name: self.slo.name.clone(),
            service: self.slo.service.clone(),
            promised: self.slo.objective.share(),
            hours: self.slo.objective.hours(),
            budget: self.burn.budget(now),
            since: self.first,
            paces: self.paces(now),
        }
    }

    /// From now on the level is said once more.
    pub(super) fn refresh(&mut self) {
        self.said = false;
    }
}

/// How bad it is when a pair speaks: the two that wake somebody are critical, the others warn.
fn severity(pace: Pace) -> Severity {
    if pace.wakes() { Severity::Critical } else { Severity::Warning }
}

fn severity_of(severity: Option<Severity>) -> Severity {
    severity.unwrap_or(Severity::Warning)
}

fn minutes(minutes: i64) -> Millis {
    Millis::from_secs(minutes.unsigned_abs().saturating_mul(60))
}

fn left(budget: Budget) -> String {
    match budget {
        Budget::Left { share } if share < 0.0 => {
            format!("; the budget is overspent by {:.0} %", -share * 100.0)
        }
        Budget::Left { share } => format!("; {:.0} % of the budget is left", share * 100.0),
        Budget::Unknown => String::new(),
    }
}
