//! What the judge goes by: thresholds, how each method reports, objectives, dependencies.

use std::collections::BTreeMap;

use nightcrew_model::condition::Condition;
use nightcrew_model::id::{MetricName, ServiceName, SloName, Symptom};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::burn::Objective;
use crate::requests::MinRequests;
use crate::threshold::Threshold;

/// Everything that the judge goes by.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rules {
    /// Absolute limits.
    pub thresholds: Vec<Threshold>,
    /// The other methods.
    pub detection: Detection,
    /// The promises about services.
    pub slos: Vec<Slo>,
    /// What each service needs.
    pub needs: BTreeMap<ServiceName, Vec<ServiceName>>,
}

/// How the methods beside thresholds report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// The time of one cell of a series' memory: 12 of them are its hour, 288 its day.
    pub resolution: Millis,
    /// What is unlike anything of the series before.
    pub anomaly: Policy,
    /// What becomes worse slowly.
    pub drift: Policy,
    /// What does not move any more.
    pub flat_line: Policy,
    /// What is not heard of any more.
    pub missing: Policy,
    /// What cannot be in its unit.
    pub unit_sanity: Policy,
    /// What will cross its limit.
    pub forecast: Forecast,
    /// What is a multiple of the period before.
    pub relatives: Vec<Relative>,
}

/// The usual time of one cell.
pub const RESOLUTION: Millis = Millis::from_secs(5 * 60);

impl Default for Detection {
    /// Our own conclusions inform; a wrong unit, and a limit that is near, warn.
    fn default() -> Self {
        Self {
            resolution: RESOLUTION,
            anomaly: Policy::all(Severity::Info),
            drift: Policy::all(Severity::Info),
            flat_line: Policy::all(Severity::Info),
            missing: Policy::all(Severity::Info),
            unit_sanity: Policy::all(Severity::Warning),
            forecast: Forecast::default(),
            relatives: Vec::new(),
        }
    }
}

/// Of what a method reports, and how badly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// How bad it is; none: the method is off.
    pub severity: Option<Severity>,
    /// Only of these metrics; none: of every metric.
    pub metrics: Option<Vec<MetricName>>,
    /// Exceptions; of several that apply the last one counts.
    pub overrides: Vec<Override>,
}

/// What holds for some services or metrics instead.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Override {
    /// Only for this service; none: for every one.
    pub service: Option<ServiceName>,
    /// Only for this metric; none: for every one.
    pub metric: Option<MetricName>,
    /// How bad it is; none: the method is off.
    pub severity: Option<Severity>,
}

impl Policy {
    /// Of every metric.
    #[must_use]
    pub fn all(severity: Severity) -> Self {
        Self { severity: Some(severity), metrics: None, overrides: Vec::new() }
    }

    /// How bad a finding of the method is; none: it is off here.
    #[must_use]
    pub fn of(&self, service: &ServiceName, metric: &MetricName) -> Option<Severity> {
        let applies = |one: &&Override| {
            one.service.as_ref().is_none_or(|own| own == service)
                && one.metric.as_ref().is_none_or(|own| own == metric)
        };
        if let Some(own) = self.overrides.iter().rev().find(applies) {
            return own.severity;
        }
        let is_meant = self.metrics.as_ref().is_none_or(|metrics| metrics.contains(metric));
        self.severity.filter(|_| is_meant)
    }
}

/// How limits are foretold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// How bad it is when the limit is reached within `page_within`.
    pub policy: Policy,
    /// How far it looks ahead; what is reached later than `page_within` informs.
    pub horizon: Millis,
    /// What is reached within this time is as bad as the policy says.
    pub page_within: Millis,
}

impl Default for Forecast {
    /// Two weeks ahead; a warning from three days on.
    fn default() -> Self {
        Self {
            policy: Policy::all(Severity::Warning),
            horizon: Millis::from_secs(14 * 86_400),
            page_within: Millis::from_secs(3 * 86_400),
        }
    }
}

/// A multiple of the period before that is too much.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Relative {
    /// The metric.
    pub metric: MetricName,
    /// Only for this service; none: for every one.
    pub service: Option<ServiceName>,
    /// The symptom that it finds.
    pub symptom: Symptom,
    /// How many times the mean of the period before is too much; above 1.
    pub times: f64,
    /// The period.
    pub period: Millis,
    /// What is no trouble however large the increase, in the unit of the metric.
    pub at_least: f64,
    /// How many requests it takes for the metric to say anything; none: it always does.
    pub min_requests: Option<MinRequests>,
    /// How bad it is.
    pub severity: Severity,
}

/// A promise about a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slo {
    /// Its name.
    pub name: SloName,
    /// The service.
    pub service: ServiceName,
    /// What is counted.
    pub events: Events,
    /// What is promised.
    pub objective: Objective,
}

/// What an objective counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Events {
    /// Each look at a metric is an event, good when the condition holds.
    Looks(Condition),
    /// Counters since their beginning: all events, and the bad ones.
    Bad {
        /// The counter of all events.
        total: MetricName,
        /// The counter of the bad ones.
        bad: MetricName,
    },
    /// Counters since their beginning: all events, and the good ones.
    Good {
        /// The counter of all events.
        total: MetricName,
        /// The counter of the good ones.
        good: MetricName,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_override_that_applies_counts() {
        let own = |service: Option<&str>, metric: Option<&str>, severity| Override {
            service: service.map(Into::into),
            metric: metric.map(Into::into),
            severity,
        };
        let policy = Policy {
            severity: Some(Severity::Info),
            metrics: Some(vec!["cpu_usage".into()]),
            overrides: vec![
                own(Some("web"), None, None),
                own(Some("web"), Some("api_latency_ms"), Some(Severity::Warning)),
            ],
        };
        let of = |service: &str, metric: &str| policy.of(&service.into(), &metric.into());
        assert_eq!(of("host", "cpu_usage"), Some(Severity::Info));
        assert_eq!(of("host", "load_1m"), None, "it is not listed");
        assert_eq!(of("web", "cpu_usage"), None);
        assert_eq!(of("web", "api_latency_ms"), Some(Severity::Warning));
    }
}
