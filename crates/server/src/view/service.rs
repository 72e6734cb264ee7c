//! Services: what was last seen of each, against its thresholds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_config::settings::{Service, Settings};
use nightcrew_journal::row::IncidentRow;
use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::condition::{Condition, Operand, Truth};
use nightcrew_model::id::ServiceName;
use nightcrew_model::sample::{Observation, Reading, Sample, Status, Unknown};
use nightcrew_model::unit::{Millis, Unit};
use serde::Serialize;

/// How many intervals a sample may be old before it says nothing.
const INTERVALS_OLD_MAX: u64 = 3;

/// How much older than that it may be, because a busy machine looks late.
const SLACK: Millis = Millis::from_secs(30);

/// A service.
#[derive(Serialize)]
pub(crate) struct ServiceView {
    name: String,
    state: State,
    /// Whether the configuration names it, or only somebody reported about it.
    configured: bool,
    /// The open incidents about it.
    incidents: Vec<String>,
    samples: Vec<SampleView>,
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Everything that was looked at is fresh and as it should be.
    Healthy,
    /// Something is wrong with it, or an incident about it is open.
    Failing,
    /// Something could not be looked at.
    Unknown,
    /// Nothing was looked at yet.
    NoData,
}

/// The latest sample of one metric.
#[derive(Serialize)]
struct SampleView {
    metric: String,
    /// The part of the service, such as a mount point.
    resource: Option<String>,
    /// When the look began.
    at: Timestamp,
    /// A number with its unit, a status, or why neither is known.
    #[serde(flatten)]
    seen: Seen,
    detail: Option<String>,
    level: Level,
    /// The number at which it is a warning.
    warning: Option<f64>,
    /// The number at which it is critical.
    critical: Option<f64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Seen {
    Number { value: f64, unit: &'static str, text: String },
    Status { status: &'static str, text: String },
    Unknown { unknown: String, text: String },
}

/// What a sample means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warning,
    Critical,
    Unknown,
    /// There is nothing to look at, such as swap space on a machine without it.
    Absent,
}

/// Every service that is configured or was looked at, by name, the host first.
pub(crate) fn services(
    settings: &Settings,
    latest: Vec<Sample>,
    open: &[IncidentRow],
    now: Timestamp,
) -> Vec<ServiceView> {
    let mut by_name: BTreeMap<ServiceName, Vec<Sample>> =
        settings.services.keys().map(|name| (name.clone(), Vec::new())).collect();
    by_name.entry(ServiceName::host()).or_default();
    for sample in latest {
        by_name.entry(sample.target.service.clone()).or_default().push(sample);
    }
    let mut views: Vec<ServiceView> = by_name
        .into_iter()
        .map(|(name, samples)| service(settings, &name, samples, open, now))
        .collect();
    // The sort is stable: behind the host the names stay in order.
    views.sort_by_key(|view| view.name != ServiceName::HOST);
    views
}

fn service(
    settings: &Settings,
    name: &ServiceName,
    samples: Vec<Sample>,
    open: &[IncidentRow],
    now: Timestamp,
) -> ServiceView {
    let configured = settings.services.get(name);
    let period = match configured {
        Some(service) => longest_period(service),
        None => Millis(settings.host.interval.0 + settings.host.timeout.0),
    };
    // What others are asked about a service comes in their time.
    let sources = settings.sources.iter().filter(|_| *name != ServiceName::host());
    let asked = sources.map(|source| Millis(source.interval.0 + source.timeout.0));
    let old_after = old_after(asked.max().unwrap_or_default().max(period));
    let samples: Vec<SampleView> =
        samples.into_iter().map(|sample| view(settings, sample, old_after, now)).collect();
    let about = open.iter().filter(|incident| incident.summary.key.target.service == *name);
    let incidents: Vec<String> = about.map(|incident| incident.id.to_string()).collect();
    let has = |level: Level| samples.iter().any(|sample| sample.level == level);
    let state = if !incidents.is_empty() || has(Level::Critical) {
        State::Failing
    } else if samples.is_empty() {
        State::NoData
    } else if has(Level::Unknown) {
        State::Unknown
    } else {
        State::Healthy
    };
    let is_host = name.as_str() == ServiceName::HOST;
    let configured = configured.is_some() || is_host;
    ServiceView { name: name.to_string(), state, configured, incidents, samples }
}

/// The longest time between two looks at a service, with the time that a look takes.
fn longest_period(service: &Service) -> Millis {
    let checks = service.checks.iter().map(|check| check.interval.0 + check.timeout.0);
    Millis(checks.chain([service.interval.0]).max().unwrap_or(0))
}

fn old_after(period: Millis) -> Millis {
    Millis(period.0.saturating_mul(INTERVALS_OLD_MAX).saturating_add(SLACK.0))
}

fn view(settings: &Settings, sample: Sample, old_after: Millis, now: Timestamp) -> SampleView {
    let age = Millis::between(sample.at, now);
    let observation = if age > old_after {
        let why = format!("the last look was {age} ago");
        Observation::Unknown(Unknown::Failed(why))
    } else {
        sample.observation
    };
    let (warning, critical) = limits(settings, &sample.target.service, sample.metric.as_str());
    let level = level(&observation, sample.metric.as_str(), warning, critical);
    let number = |limit: Option<&Condition>| match limit?.operand {
        Operand::Number(number) => Some(number),
        Operand::Status(_) => None,
    };
    let (warning, critical) = (number(warning), number(critical));
    SampleView {
        metric: sample.metric.to_string(),
        resource: sample.target.resource.map(|resource| resource.to_string()),
        at: sample.at,
        seen: seen(&observation),
        detail: sample.detail,
        level,
        warning,
        critical,
    }
}

/// The limits of a metric of a service: its own, else those for every service.
fn limits<'a>(
    settings: &'a Settings,
    service: &ServiceName,
    metric: &str,
) -> (Option<&'a Condition>, Option<&'a Condition>) {
    let rules = || settings.thresholds.iter().filter(|rule| rule.metric.as_str() == metric);
    let own = rules().find(|rule| rule.service.as_ref() == Some(service));
    let rule = own.or_else(|| rules().find(|rule| rule.service.is_none()));
    rule.map_or((None, None), |rule| (rule.warning.as_ref(), rule.critical.as_ref()))
}

fn level(
    observation: &Observation,
    metric: &str,
    warning: Option<&Condition>,
    critical: Option<&Condition>,
) -> Level {
    let crossed = |limit: Option<&Condition>| {
        limit.is_some_and(|limit| limit.evaluate(observation) == Truth::True)
    };
    let is_state =
        catalogue::metric(metric).is_some_and(|known| matches!(known.kind, Kind::States(_)));
    match observation {
        Observation::Unknown(Unknown::Absent) if !is_state => Level::Absent,
        Observation::Unknown(_) => Level::Unknown,
        Observation::Read(Reading::Status(Status::Stopped | Status::Failing)) => Level::Critical,
        Observation::Read(_) if crossed(critical) => Level::Critical,
        Observation::Read(_) if crossed(warning) => Level::Warning,
        Observation::Read(_) => Level::Ok,
    }
}

fn seen(observation: &Observation) -> Seen {
    let text = observation.to_string();
    match observation {
        Observation::Read(Reading::Quantity(quantity)) => {
            Seen::Number { value: quantity.value(), unit: unit(quantity.unit()), text }
        }
        Observation::Read(Reading::Status(status)) => {
            Seen::Status { status: status.as_str(), text }
        }
        Observation::Unknown(why) => Seen::Unknown { unknown: why.to_string(), text },
    }
}

/// The name of a unit, which programs rely on.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "percent",
        Unit::Ratio => "ratio",
        Unit::Bytes => "bytes",
        Unit::Megabytes => "megabytes",
        Unit::BytesPerSecond => "bytes_per_second",
        Unit::Milliseconds => "milliseconds",
        Unit::Days => "days",
        Unit::PerMinute => "per_minute",
        Unit::Count => "count",
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::Target;
    use nightcrew_model::unit::Quantity;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sample(metric: &str, observation: Observation) -> Sample {
        let target = Target::service(ServiceName::host());
        Sample { target, metric: metric.into(), at: at(1_000), observation, detail: None }
    }

    fn percent(value: f64) -> Observation {
        Observation::Read(Reading::Quantity(Quantity::new(value, Unit::Percent).unwrap()))
    }

    fn host_state(latest: Vec<Sample>, now: Timestamp) -> State {
        let settings = Settings::zero("data".into());
        services(&settings, latest, &[], now).remove(0).state
    }

    #[test]
    fn no_data_is_not_good_news() {
        assert_eq!(host_state(vec![], at(1_000)), State::NoData);
        let fine = || sample(catalogue::CPU_USAGE, percent(4.0));
        assert_eq!(host_state(vec![fine()], at(1_010)), State::Healthy);
        assert_eq!(host_state(vec![fine()], at(2_000)), State::Unknown, "too old");
        let failed = Observation::Unknown(Unknown::Failed("읽을 수 없음".into()));
        let failed = sample(catalogue::MEMORY_USAGE, failed);
        assert_eq!(host_state(vec![fine(), failed], at(1_010)), State::Unknown);
    }

    #[test]
    fn what_a_machine_does_not_have_is_not_unknown() {
        let absent = |metric| sample(metric, Observation::Unknown(Unknown::Absent));
        assert_eq!(host_state(vec![absent(catalogue::SWAP_USAGE)], at(1_000)), State::Healthy);
        assert_eq!(host_state(vec![absent(catalogue::PROCESS_STATUS)], at(1_000)), State::Unknown);
    }

    #[test]
    fn a_stopped_process_is_failing_without_any_threshold() {
        let stopped = Observation::Read(Reading::Status(Status::Stopped));
        let stopped = sample(catalogue::PROCESS_STATUS, stopped);
        assert_eq!(host_state(vec![stopped], at(1_000)), State::Failing);
    }
}
