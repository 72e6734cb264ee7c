//! `detection`: how the methods beside thresholds report, and `relative` limits of thresholds.

use nightcrew_detect::judge::rules::{Detection, Forecast, Override, Policy, Relative};
use nightcrew_detect::requests::MinRequests;
use nightcrew_model::id::{MetricName, ServiceName, Symptom};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::decode::{Context, condition, threshold};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::{At, Value};

/// The shortest and the longest time of a cell of a series' memory.
const RESOLUTION: std::ops::RangeInclusive<Millis> = Millis(1_000)..=Millis::from_secs(3_600);

/// The shortest and the longest time that is looked ahead.
const HORIZON: std::ops::RangeInclusive<Millis> =
    Millis::from_secs(60)..=Millis::from_secs(366 * 86_400);

/// The shortest and the longest period that is compared with the one before.
const PERIOD: std::ops::RangeInclusive<Millis> =
    Millis::from_secs(10)..=Millis::from_secs(7 * 86_400);

/// The period, where the operator names none.
const PERIOD_USUAL: Millis = Millis::from_secs(3_600);

/// Reads `detection`.  The services that it names are left with their places.
pub(crate) fn detection(
    at: &At<'_>,
    found: &mut Detection,
    services: &mut Vec<(ServiceName, Place)>,
    cx: &mut Context<'_>,
) {
    let Some(mut fields) = Fields::open(at, "an object of methods", &mut cx.report) else {
        return;
    };
    if let Some(resolution) = fields.duration("resolution", RESOLUTION, &mut cx.report) {
        found.resolution = resolution;
    }
    let methods = [
        ("anomaly", &mut found.anomaly),
        ("drift", &mut found.drift),
        ("flat_line", &mut found.flat_line),
        ("missing", &mut found.missing),
        ("unit_sanity", &mut found.unit_sanity),
    ];
    for (key, policy) in methods {
        let Some(at) = fields.take(key) else { continue };
        if let Some(mut fields) = open(&at, policy, cx) {
            read_policy(&mut fields, policy, services, cx);
            fields.finish(&mut cx.report);
        }
    }
    if let Some(at) = fields.take("forecast") {
        forecast(&at, &mut found.forecast, services, cx);
    }
    fields.finish(&mut cx.report);
}

/// The fields of a method; `false` turns it off.
fn open<'a>(at: &At<'a>, policy: &mut Policy, cx: &mut Context<'_>) -> Option<Fields<'a>> {
    if matches!(at.node.value, Value::Null | Value::Bool(false)) {
        policy.severity = None;
        return None;
    }
    Fields::open(at, "false, or an object with `severity`", &mut cx.report)
}

fn forecast(
    at: &At<'_>,
    found: &mut Forecast,
    services: &mut Vec<(ServiceName, Place)>,
    cx: &mut Context<'_>,
) {
    let Some(mut fields) = open(at, &mut found.policy, cx) else { return };
    read_policy(&mut fields, &mut found.policy, services, cx);
    if let Some(horizon) = fields.duration("horizon", HORIZON, &mut cx.report) {
        found.horizon = horizon;
    }
    if let Some(within) = fields.duration("page_within", HORIZON, &mut cx.report) {
        found.page_within = within;
    }
    if found.page_within > found.horizon {
        let place = fields.place_of_duration("page_within").unwrap_or_else(|| at.into());
        cx.report
            .error(place, format!("it looks only {} ahead", found.horizon))
            .hint("give a longer `horizon_days`, or a shorter `page_within_days`");
    }
    fields.finish(&mut cx.report);
}

fn read_policy(
    fields: &mut Fields<'_>,
    policy: &mut Policy,
    services: &mut Vec<(ServiceName, Place)>,
    cx: &mut Context<'_>,
) {
    if let Some(said) = severity_of(fields, cx) {
        policy.severity = said;
    }
    if let Some(at) = fields.take("metrics") {
        let texts = fields::texts(&at, &mut cx.report);
        let metrics = texts.iter().filter_map(|(at, _)| metric(at, cx));
        policy.metrics = Some(metrics.collect());
    }
    let Some(at) = fields.take("overrides") else { return };
    for at in fields::items(&at, &mut cx.report) {
        let what = "an object with `service`, `metric` and `severity`";
        let Some(mut fields) = Fields::open(&at, what, &mut cx.report) else { continue };
        let metric = fields.take("metric").and_then(|at| metric(&at, cx));
        let service = fields.take("service").and_then(|at| {
            let name = ServiceName::from(fields::text(&at, &mut cx.report)?);
            services.push((name.clone(), (&at).into()));
            Some(name)
        });
        let severity = severity_of(&mut fields, cx);
        fields.finish(&mut cx.report);
        if severity.is_none() {
            cx.report
                .error(&at, "the override does not say what holds instead")
                .hint("add `severity`: \"info\", \"warning\", \"critical\" or \"off\"");
        }
        if service.is_none() && metric.is_none() {
            cx.report
                .error(&at, "the override does not say for what it holds")
                .hint("add `service`, `metric` or both");
        }
        policy.overrides.push(Override { service, metric, severity: severity.flatten() });
    }
}

/// Reads `severity`: outside none where nothing is said, inside none for `off`.
#[expect(clippy::option_option, reason = "`off` is something else than nothing")]
fn severity_of(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Option<Severity>> {
    let at = fields.take("severity")?;
    if let Value::Bool(false) = at.node.value {
        return Some(None);
    }
    let words = ["info", "warning", "critical", "off"];
    match fields::text(&at, &mut cx.report)? {
        "info" => Some(Some(Severity::Info)),
        "warning" => Some(Some(Severity::Warning)),
        "critical" => Some(Some(Severity::Critical)),
        "off" => Some(None),
        other => {
            cx.report
                .expected(&at, "\"info\", \"warning\", \"critical\" or \"off\"")
                .hint(suggestion(other, words));
            None
        }
    }
}

/// The name of a metric.
pub(crate) fn metric(at: &At<'_>, cx: &mut Context<'_>) -> Option<MetricName> {
    let text = fields::text(at, &mut cx.report)?;
    if condition::is_metric(text) {
        return Some(MetricName::from(text));
    }
    cx.report.expected(at, "the name of a metric").hint("letters, digits, `_`, `.`, `:` and `-`");
    None
}

/// Reads `relative` of a threshold: how many times the period before is too much.
pub(crate) fn relative(
    at: &At<'_>,
    name: &str,
    service: Option<&ServiceName>,
    inherited: Option<&MinRequests>,
    cx: &mut Context<'_>,
) -> Option<Relative> {
    let mut fields = Fields::open(at, "an object with `times`", &mut cx.report)?;
    let times_at = fields.take("times");
    let times = fields.number("times", &mut cx.report);
    let period = fields.duration("period", PERIOD, &mut cx.report).unwrap_or(PERIOD_USUAL);
    let at_least = fields.number("at_least", &mut cx.report).unwrap_or(0.0);
    let min_requests = threshold::min_requests(&mut fields, inherited, cx);
    let severity = severity_of(&mut fields, cx).unwrap_or(Some(Severity::Warning));
    fields.finish(&mut cx.report);
    let place = times_at.as_ref().map_or_else(|| Place::from(at), Place::from);
    let Some(times) = times.filter(|times| *times > 1.0) else {
        cx.report
            .error(place, "expected how many times the period before is too much, above 1")
            .hint("write `times: 3`");
        return None;
    };
    Some(Relative {
        metric: name.into(),
        service: service.cloned(),
        symptom: Symptom::from(format!("{name}_increased")),
        times,
        period,
        at_least,
        min_requests,
        severity: severity?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Detection, Vec<String>) {
        decode_one(text, |at, cx| {
            let mut found = Detection::default();
            detection(at, &mut found, &mut Vec::new(), cx);
            found
        })
    }

    #[test]
    fn methods_are_turned_off_and_overridden() {
        let (found, problems) = read(
            "{ resolution_minutes: 1, anomaly: { severity: 'warning', metrics: ['cpu_usage'], \
             overrides: [{ service: '웹', severity: 'off' }] }, drift: false, \
             forecast: { horizon_days: 7, page_within_days: 1 } }",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(found.resolution, Millis::from_secs(60));
        assert_eq!(found.drift.severity, None);
        assert_eq!(found.anomaly.of(&"db".into(), &"cpu_usage".into()), Some(Severity::Warning));
        assert_eq!(found.anomaly.of(&"웹".into(), &"cpu_usage".into()), None);
        assert_eq!(found.anomaly.of(&"db".into(), &"load_1m".into()), None);
        assert_eq!(found.forecast.horizon, Millis::from_secs(7 * 86_400));
    }

    #[test]
    fn what_cannot_be_is_told() {
        let cases = [
            ("{ anomaly: { severity: 'loud' } }", "anomaly.severity: expected \"info\""),
            ("{ anomaly: { severity: 'warnin' } }", "did you mean `warning`?"),
            ("{ anomalies: {} }", "anomalies: unknown key (did you mean `anomaly`?)"),
            ("{ drift: 3 }", "drift: expected false, or an object"),
            ("{ drift: { overrides: [{ severity: 'off' }] } }", "does not say for what it holds"),
            ("{ drift: { overrides: [{ service: 'a' }] } }", "does not say what holds instead"),
            ("{ drift: { metrics: ['a b'] } }", "expected the name of a metric"),
            (
                "{ forecast: { horizon_days: 1, page_within_days: 3 } }",
                "forecast.page_within_days: it looks only 24 h ahead",
            ),
            ("{ resolution_ms: 10 }", "resolution_ms: expected from 1 s to"),
        ];
        for (text, expected) in cases {
            let said = read(text).1.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
