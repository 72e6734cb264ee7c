//! How well the crew saw: its detection, judged by what became of what it found.
//!
//! | figure | what it says | target |
//! |---|---|---|
//! | accuracy | of our own incidents that ended, how many needed somebody or something | 0.9 |
//! | completeness | of all incidents, how many our own detectors saw first | 1.0 |
//! | latency | from the sample that shows it to the decision | |
//!
//! An incident that went away while nobody acknowledged or ended it and nothing was tried was a
//! false alarm, as far as anybody can know.  Both targets are those of the second source document.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use nightcrew_model::alert::Source;
use nightcrew_model::chart::Method;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::IncidentId;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use serde::Serialize;

/// The accuracy that is aimed at.
pub const ACCURACY_TARGET: f64 = 0.9;

/// The completeness that is aimed at.
pub const COMPLETENESS_TARGET: f64 = 1.0;

/// How far back incidents count.
pub const WINDOW: Millis = Millis::from_secs(30 * 86_400);

/// How many incidents are remembered; the oldest go first.
pub const INCIDENTS_MAX: usize = 10_000;

/// How many firing alerts are remembered; of one beyond it, it is not known who saw it.
pub const ALERTS_MAX: usize = 100_000;

/// Who saw something first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    by: By,
    /// From the sample to the decision.
    latency: Millis,
}

/// By what it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// One of our methods.
    Us(Method),
    /// Another system, or a person.
    Others,
}

/// What is known of one incident.
#[derive(Clone, Copy, Debug)]
struct Known {
    opened: Timestamp,
    seen: Seen,
    /// Whether something was tried or somebody took care.
    touched: bool,
    ended: bool,
}

/// The fold: give it every decision, in order.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    firing: HashMap<Fingerprint, Seen>,
    incidents: HashMap<IncidentId, Known>,
    order: VecDeque<IncidentId>,
    /// How many findings only informed, by method.
    informed: BTreeMap<&'static str, u64>,
}

/// What one method saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MethodScore {
    /// Incidents that it saw first.
    pub incidents: u64,
    /// Of these, how many ended while nobody and nothing had to do with them.
    pub untouched: u64,
    /// Findings that only informed, since the journal begins.
    pub informed: u64,
}

/// How well the crew saw in a window of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DetectionScore {
    /// Incidents that our own detectors saw first.
    pub own: u64,
    /// Incidents that others told of first.
    pub told: u64,
    /// Our own incidents that ended.
    pub ended: u64,
    /// Of these, how many needed nobody and nothing.
    pub untouched: u64,
    /// The share of our own ended incidents that needed somebody or something; none: none ended.
    pub accuracy: Option<f64>,
    /// The share of all incidents that we saw first; none: there was none.
    pub completeness: Option<f64>,
    /// From the sample to the decision, the median of our own incidents, in milliseconds.
    pub latency_median_ms: Option<u64>,
    /// The same, the 95th percentile.
    pub latency_p95_ms: Option<u64>,
    /// By method.
    pub methods: BTreeMap<&'static str, MethodScore>,
}

impl Watching {
    /// Takes a decision in.
    pub fn apply(&mut self, decision: &Decision) {
        match &decision.fact {
            Fact::AlertFired { alert } => {
                let by = match alert.source {
                    Source::Detector => {
                        let chart = alert.chart.as_ref();
                        By::Us(chart.map_or(Method::Threshold, |chart| chart.method))
                    }
                    _ => By::Others,
                };
                if let (By::Us(method), Severity::Info) = (by, alert.severity) {
                    *self.informed.entry(method.as_str()).or_default() += 1;
                }
                if self.firing.len() < ALERTS_MAX {
                    let began = alert.starts_at.min(decision.at);
                    let latency = Millis::between(began, decision.at);
                    self.firing.insert(alert.fingerprint, Seen { by, latency });
                }
            }
            Fact::AlertResolved { fingerprint, .. } => {
                self.firing.remove(fingerprint);
            }
            Fact::IncidentOpened { incident, trigger, .. } => {
                let unknown = Seen { by: By::Others, latency: Millis(0) };
                let seen = self.firing.get(trigger).copied().unwrap_or(unknown);
                let opened = decision.at;
                let known = Known { opened, seen, touched: false, ended: false };
                self.incidents.insert(*incident, known);
                self.order.push_back(*incident);
                if self.order.len() > INCIDENTS_MAX
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.incidents.remove(&oldest);
                }
            }
            Fact::AttemptPlanned { attempt, .. } => self.touch(attempt.incident),
            Fact::IncidentAcknowledged { incident, .. } => self.touch(*incident),
            Fact::IncidentReopened { incident, .. } => self.end(*incident, false),
            Fact::IncidentResolved { incident, .. } => {
                if matches!(decision.reason, Reason::Asked { .. }) {
                    self.touch(*incident);
                }
                self.end(*incident, true);
            }
            _ => {}
        }
    }

    fn touch(&mut self, incident: IncidentId) {
        if let Some(known) = self.incidents.get_mut(&incident) {
            known.touched = true;
        }
    }

    fn end(&mut self, incident: IncidentId, ended: bool) {
        if let Some(known) = self.incidents.get_mut(&incident) {
            known.ended = ended;
        }
    }

    /// How well the crew saw in the [`WINDOW`] that ends now.
    #[must_use]
    pub fn score(&self, now: Timestamp) -> DetectionScore {
        let mut score = DetectionScore::default();
        let mut latencies = Vec::new();
        for (method, informed) in &self.informed {
            score.methods.entry(method).or_default().informed = *informed;
        }
        let is_recent = |known: &&Known| WINDOW.after(known.opened) > now;
        for known in self.incidents.values().filter(is_recent) {
            let By::Us(method) = known.seen.by else {
                score.told += 1;
                continue;
            };
            let of_method = score.methods.entry(method.as_str()).or_default();
            score.own += 1;
            of_method.incidents += 1;
            latencies.push(known.seen.latency.0);
            if known.ended {
                score.ended += 1;
            }
            if known.ended && !known.touched {
                score.untouched += 1;
                of_method.untouched += 1;
            }
        }
        latencies.sort_unstable();
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        score.accuracy = share(score.ended - score.untouched, score.ended);
        score.completeness = share(score.own, score.own + score.told);
        score.latency_median_ms = quantile(&latencies, 50);
        score.latency_p95_ms = quantile(&latencies, 95);
        score
    }
}

/// The smallest value that so many percent are not above.
fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_seen() {
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(quantile(&[7], 95), Some(7));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((quantile(&hundred, 50), quantile(&hundred, 95)), (Some(50), Some(95)));
    }
}
