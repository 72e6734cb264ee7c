//! Alerts: what a source says is wrong.

use std::fmt;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chart::Chart;
use crate::id::{ServiceName, Symptom, Target};
use crate::labels::{Fingerprint, Labels};
use crate::sample::Sample;
use crate::severity::Severity;

/// A transition that the life cycle does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// The state it was in.
    pub state: &'static str,
    /// What happened.
    pub event: &'static str,
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot happen to what is {}", self.event, self.state)
    }
}

impl std::error::Error for Illegal {}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The limit is crossed, but not yet for long enough.
    Pending,
    /// It is wrong.
    Firing,
    /// It is no longer wrong.
    Resolved,
}

/// What can happen to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertEvent {
    /// The limit has been crossed for long enough, or a source says that it fires.
    Confirmed,
    /// It is no longer wrong.
    Cleared,
    /// It is wrong again, but not yet for long enough.
    Breached,
}

impl AlertState {
    /// The next state.
    ///
    /// # Errors
    /// When the life cycle has no such transition.
    pub fn apply(self, event: AlertEvent) -> Result<Self, Illegal> {
        match (self, event) {
            (Self::Pending | Self::Resolved, AlertEvent::Confirmed) => Ok(Self::Firing),
            (Self::Pending | Self::Firing, AlertEvent::Cleared) => Ok(Self::Resolved),
            (Self::Resolved, AlertEvent::Breached) => Ok(Self::Pending),
            (Self::Firing, AlertEvent::Confirmed | AlertEvent::Breached)
            | (Self::Pending, AlertEvent::Breached)
            | (Self::Resolved, AlertEvent::Cleared) => {
                Err(Illegal { state: self.as_str(), event: event.as_str() })
            }
        }
    }

    /// The state in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl AlertEvent {
    /// Every event.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Cleared, Self::Breached];

    fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmation",
            Self::Cleared => "clearing",
            Self::Breached => "a breach",
        }
    }
}

/// Through which door an alert came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Our own detectors.
    Detector,
    /// `POST /api/v2/alerts`: Prometheus, vmalert, amtool.
    AlertsApi,
    /// The webhook of an Alertmanager.
    Alertmanager,
    /// Grafana's unified alerting.
    Grafana,
    /// `SigNoz`.
    Signoz,
    /// `PagerDuty`, webhook v3.
    Pagerduty,
    /// The Opsgenie-compatible alert API.
    Opsgenie,
    /// Datadog.
    Datadog,
    /// New Relic.
    Newrelic,
    /// Sentry.
    Sentry,
    /// `CloudWatch` alarms through SNS.
    Cloudwatch,
    /// Uptime Kuma.
    Uptime,
    /// A configured field mapping.
    Generic,
    /// A heartbeat that is no longer heard.
    Watchdog,
    /// The list of alerts of a Prometheus, which is asked for it.
    Prometheus,
}

impl Source {
    /// Every door.
    pub const ALL: [Self; 15] = [
        Self::Detector,
        Self::AlertsApi,
        Self::Alertmanager,
        Self::Grafana,
        Self::Signoz,
        Self::Pagerduty,
        Self::Opsgenie,
        Self::Datadog,
        Self::Newrelic,
        Self::Sentry,
        Self::Cloudwatch,
        Self::Uptime,
        Self::Generic,
        Self::Watchdog,
        Self::Prometheus,
    ];

    /// The word of the configuration, the API and the records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::AlertsApi => "alerts-api",
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Signoz => "signoz",
            Self::Pagerduty => "pagerduty",
            Self::Opsgenie => "opsgenie",
            Self::Datadog => "datadog",
            Self::Newrelic => "newrelic",
            Self::Sentry => "sentry",
            Self::Cloudwatch => "cloudwatch",
            Self::Uptime => "uptime",
            Self::Generic => "generic",
            Self::Watchdog => "watchdog",
            Self::Prometheus => "prometheus",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One alert as its source tells it, checked but not yet judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncomingAlert {
    /// Its labels; at least one.
    pub labels: Labels,
    /// Its annotations.
    #[serde(default)]
    pub annotations: Labels,
    /// Since when; none where the source does not say.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// Until when; none where the source does not say (or says Go's zero time).
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// Where a person can look.
    #[serde(default)]
    pub generator_url: String,
}

/// An alert as Nightcrew holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identity: the hash of its labels.
    pub fingerprint: Fingerprint,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// How bad it is, from the `severity` label.
    pub severity: Severity,
    /// Through which door it came.
    pub source: Source,
    /// Since when it is wrong.
    pub starts_at: Timestamp,
    /// When it ended, or when it ends unless its source repeats it; none: only its source ends it.
    pub ends_at: Option<Timestamp>,
    /// When its source last said something new about it.
    pub updated_at: Timestamp,
    /// Where a person can look.
    pub generator_url: String,
    /// What it is about.
    pub target: Target,
    /// What is wrong with it.
    pub symptom: Symptom,
    /// The sample behind it, for alerts of our own detectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Sample>,
    /// The numbers behind it, where a detector gave more than the sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Box<Chart>>,
}

impl Alert {
    /// Whether it only informs: a conclusion of our own detectors that wakes nobody.
    #[must_use]
    pub fn only_informs(&self) -> bool {
        self.source == Source::Detector && self.severity == Severity::Info
    }
}

/// The labels that name the service of an alert, the most telling first.
pub const SERVICE_LABELS: [&str; 6] =
    ["service", "service_name", "app", "job", "instance", "alertname"];

/// The labels that name what is wrong, the most telling first.
pub const SYMPTOM_LABELS: [&str; 3] = ["symptom_type", "symptom", "alertname"];

/// The service and symptom that the labels of an alert name.  Where nothing names one, the
/// fingerprint stands in, so that unrelated alerts never collapse into one incident.
#[must_use]
pub fn identify(labels: &Labels) -> (Target, Symptom) {
    let first = |names: &[&str]| names.iter().find_map(|name| labels.get(name)).map(str::to_owned);
    let fallback = || labels.fingerprint().to_string();
    let service = ServiceName::from(first(&SERVICE_LABELS).unwrap_or_else(fallback));
    let symptom = Symptom::from(first(&SYMPTOM_LABELS).unwrap_or_else(fallback));
    let resource = labels.get("mountpoint").or_else(|| labels.get("resource"));
    let target = match resource {
        Some(resource) => Target::part(service, resource),
        None => Target::service(service),
    };
    (target, symptom)
}

/// The service and symptom that the labels of an alert name, as [`identify`] does, apart for each
/// value of further labels: `name=value` of each that the alert has, by name, follows the part of
/// the service.  `service` and `symptom_type` stand for what [`identify`] does anyway.
#[must_use]
pub fn identify_by(labels: &Labels, fields: &[String]) -> (Target, Symptom) {
    let (mut target, symptom) = identify(labels);
    let further =
        fields.iter().filter(|name| !["service", "symptom_type"].contains(&name.as_str()));
    let mut parts: Vec<(&str, &str)> =
        further.filter_map(|name| Some((name.as_str(), labels.get(name)?))).collect();
    if parts.is_empty() {
        return (target, symptom);
    }
    parts.sort_unstable();
    parts.dedup();
    let mut resource = target.resource.map_or_else(String::new, |part| part.as_str().to_owned());
    for (name, value) in parts {
        let comma = if resource.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _ = if value.contains([',', '=', '"']) {
            write!(resource, "{comma}{name}={value:?}")
        } else {
            write!(resource, "{comma}{name}={value}")
        };
    }
    target.resource = Some(resource.into());
    (target, symptom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_order_of_events_keeps_the_life_cycle(events in prop::collection::vec(prop::sample::select(AlertEvent::ALL.to_vec()), 0..40)) {
            let mut state = AlertState::Pending;
            for event in events {
                let before = state;
                match state.apply(event) {
                    Ok(next) => {
                        prop_assert_ne!(next, before, "an accepted event changes the state");
                        prop_assert!(before != AlertState::Firing || next == AlertState::Resolved);
                        state = next;
                    }
                    Err(illegal) => prop_assert_eq!(illegal.state, before.as_str()),
                }
            }
        }
    }

    #[test]
    fn further_fields_keep_alerts_apart() {
        let by = |labels: &[(&str, &str)], fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
            let (target, symptom) = identify_by(&labels.iter().copied().collect(), &fields);
            format!("{target} {symptom}")
        };
        let labels =
            [("alertname", "A"), ("service", "결제"), ("env", "prod"), ("region", "eu,\"1\"")];
        assert_eq!(by(&labels, &["service", "symptom_type"]), "결제 A");
        assert_eq!(by(&labels, &[]), "결제 A");
        assert_eq!(by(&labels, &["nothing_has_it"]), "결제 A");
        let full = r#"결제:env=prod,region="eu,\"1\"" A"#;
        assert_eq!(by(&labels, &["region", "service", "env", "env"]), full);
        let disk = [("service", "host"), ("mountpoint", "/var"), ("env", "prod")];
        assert_eq!(by(&disk, &["env"]).split(' ').next(), Some("host:/var,env=prod"));
    }

    #[test]
    fn alerts_without_names_do_not_collapse() {
        let a: Labels = [("x", "1")].into_iter().collect();
        let b: Labels = [("x", "2")].into_iter().collect();
        assert_ne!(identify(&a), identify(&b));
    }
}
