//! `thresholds`: limits per metric, with overrides per service.

use nightcrew_detect::judge::rules::Relative;
use nightcrew_detect::requests::MinRequests;
use nightcrew_detect::threshold::{Threshold, WINDOW_SAMPLES_MAX};
use nightcrew_model::catalogue;
use nightcrew_model::condition::Condition;
use nightcrew_model::id::{MetricName, ServiceName};
use nightcrew_model::unit::Millis;

use crate::decode::{Context, condition, detection};
use crate::fields::{self, Fields};
use crate::lint::limit;
use crate::problem::Place;
use crate::tree::{At, Value};

/// How many samples decide where neither the operator nor the defaults say.
const SAMPLES: Samples = Samples { needed: 3, of: 3 };

/// The longest time that a crossing must last.
const LASTING_MAX: Millis = Millis::from_secs(7 * 86_400);

/// The metric that counts requests, where the operator names no other.
pub(crate) const REQUESTS_METRIC: &str = "requests_per_min";

/// What `thresholds` says.
#[derive(Debug, Default)]
pub(crate) struct Thresholds {
    pub(crate) rules: Vec<Threshold>,
    /// Limits that are multiples of the period before.
    pub(crate) relatives: Vec<Relative>,
    /// Every metric that is spoken of, also the ones that are turned off with `null`.
    pub(crate) named: Vec<MetricName>,
    /// The services of overrides and where each is named.
    pub(crate) services: Vec<(ServiceName, Place)>,
}

/// K of N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Samples {
    needed: u32,
    of: u32,
}

/// What one object says: limits, samples, hysteresis.
#[derive(Clone, Debug)]
struct Limits {
    warning: Option<Condition>,
    critical: Option<Condition>,
    samples: Samples,
    hysteresis: f64,
    lasting: Millis,
    min_requests: Option<MinRequests>,
}

/// Reads `thresholds`; what a metric leaves open comes from `defaults`.
pub(crate) fn thresholds(at: &At<'_>, defaults: &[Threshold], cx: &mut Context<'_>) -> Thresholds {
    let mut found = Thresholds::default();
    for (metric, at) in fields::named(at, "an object of metrics", &mut cx.report) {
        if !condition::is_metric(metric) {
            cx.report
                .error(Place::new(at.key_span, at.path.clone()), "expected the name of a metric")
                .hint("letters, digits, `_`, `.`, `:` and `-`");
            continue;
        }
        found.named.push(MetricName::from(metric));
        if matches!(at.node.value, Value::Null | Value::Bool(false)) {
            continue;
        }
        let default =
            defaults.iter().find(|rule| rule.metric.as_str() == metric && rule.service.is_none());
        one_metric(metric, &at, default, &mut found, cx);
    }
    found
}

fn one_metric(
    metric: &str,
    at: &At<'_>,
    default: Option<&Threshold>,
    found: &mut Thresholds,
    cx: &mut Context<'_>,
) {
    let base = Limits {
        warning: None,
        critical: None,
        samples: default.map_or(SAMPLES, |rule| Samples { needed: rule.needed, of: rule.of }),
        hysteresis: default.map_or(0.0, |rule| rule.hysteresis),
        lasting: default.map_or(Millis(0), |rule| rule.lasting),
        min_requests: None,
    };
    let Some(mut fields) =
        Fields::open(at, "an object with `warning` and `critical`", &mut cx.report)
    else {
        return;
    };
    let general = limits(metric, &mut fields, &base, cx);
    let relative = relative(metric, None, &mut fields, &general, cx);
    let services = fields.take("services");
    fields.finish(&mut cx.report);
    let is_absolute = general.warning.is_some() || general.critical.is_some();
    if !is_absolute && relative.is_none() && services.is_none() {
        cx.report
            .warning(at, "the threshold has no limit, so it never fires")
            .hint("add `warning` or `critical`, or write `null` to turn it off");
    }
    found.relatives.extend(relative);
    if is_absolute {
        found.rules.push(rule(metric, None, &general));
    }
    let Some(services) = services else { return };
    for (service, at) in fields::named(&services, "an object of services", &mut cx.report) {
        let place = Place::new(at.key_span, at.path.clone());
        let name = ServiceName::from(service);
        found.services.push((name.clone(), place));
        let Some(mut fields) =
            Fields::open(&at, "an object with `warning` and `critical`", &mut cx.report)
        else {
            continue;
        };
        let own = limits(metric, &mut fields, &general, cx);
        found.relatives.extend(self::relative(metric, Some(&name), &mut fields, &own, cx));
        fields.finish(&mut cx.report);
        if own.warning.is_some() || own.critical.is_some() || is_absolute {
            found.rules.push(rule(metric, Some(name), &own));
        }
    }
}

fn rule(metric: &str, service: Option<ServiceName>, limits: &Limits) -> Threshold {
    let metric = MetricName::from(metric);
    Threshold {
        symptom: catalogue::symptom_of(&metric),
        metric,
        service,
        warning: limits.warning.clone(),
        critical: limits.critical.clone(),
        needed: limits.samples.needed,
        of: limits.samples.of,
        hysteresis: limits.hysteresis,
        lasting: limits.lasting,
        min_requests: limits.min_requests.clone(),
    }
}

fn limits(metric: &str, fields: &mut Fields<'_>, base: &Limits, cx: &mut Context<'_>) -> Limits {
    let mut read =
        |key: &str, inherited: Option<&Condition>, cx: &mut Context<'_>| match fields.take(key) {
            None => inherited.cloned(),
            Some(at) if matches!(at.node.value, Value::Null) => None,
            Some(at) => {
                let limit = condition::limit(&at, metric, cx);
                if let Some(limit) = &limit {
                    limit::plausible(limit, &at, &mut cx.report);
                }
                limit
            }
        };
    let warning = read("warning", base.warning.as_ref(), cx);
    let critical = read("critical", base.critical.as_ref(), cx);
    let samples = samples(fields, cx).unwrap_or(base.samples);
    let hysteresis_at = fields.take("hysteresis");
    let hysteresis = match fields.number("hysteresis", &mut cx.report) {
        Some(number) if number >= 0.0 => number,
        Some(_) => {
            if let Some(at) = hysteresis_at {
                cx.report.expected(&at, "0 or more");
            }
            base.hysteresis
        }
        None => base.hysteresis,
    };
    if let (Some(warning), Some(critical)) = (&warning, &critical) {
        limit::ordered(warning, critical, fields.at(), &mut cx.report);
    }
    let lasting = fields.duration("for", Millis(0)..=LASTING_MAX, &mut cx.report);
    let lasting = lasting.unwrap_or(base.lasting);
    let min_requests = min_requests(fields, base.min_requests.as_ref(), cx);
    Limits { warning, critical, samples, hysteresis, lasting, min_requests }
}

fn relative(
    metric: &str,
    service: Option<&ServiceName>,
    fields: &mut Fields<'_>,
    limits: &Limits,
    cx: &mut Context<'_>,
) -> Option<Relative> {
    let at = fields.take("relative")?;
    if matches!(at.node.value, Value::Null | Value::Bool(false)) {
        return None;
    }
    detection::relative(&at, metric, service, limits.min_requests.as_ref(), cx)
}

/// Reads `min_requests` and the metric that counts them.
pub(crate) fn min_requests(
    fields: &mut Fields<'_>,
    inherited: Option<&MinRequests>,
    cx: &mut Context<'_>,
) -> Option<MinRequests> {
    let metric_at = fields.take("requests_metric");
    let metric = metric_at.as_ref().and_then(|at| detection::metric(at, cx));
    let count = fields.integer("min_requests", 0..=1_000_000_000, &mut cx.report).map(f64::from);
    let metric = metric.or_else(|| inherited.map(|min| min.metric.clone()));
    let Some(count) = count.or_else(|| inherited.map(|min| min.count)) else {
        if let Some(at) = metric_at {
            cx.report
                .warning(&at, "without `min_requests` it is not asked how many there were")
                .hint("add `min_requests: 20`");
        }
        return None;
    };
    let metric = metric.unwrap_or_else(|| MetricName::from(REQUESTS_METRIC));
    (count > 0.0).then_some(MinRequests { metric, count })
}

/// Reads `for: "3 of 5"`, `for: 3` or `samples: 3`.
fn samples(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Samples> {
    let range = 1..=WINDOW_SAMPLES_MAX;
    let plain = |needed| Samples { needed, of: needed };
    let samples_at = fields.take("samples");
    let all = fields.integer("samples", range.clone(), &mut cx.report);
    let Some(at) = fields.take("for") else {
        return all.map(plain);
    };
    if let Some(samples) = samples_at {
        cx.report
            .error(&samples, "`for` and `samples` both say how many samples decide")
            .hint("keep one of the two");
        return None;
    }
    if fields::as_number(&at).is_some() {
        return fields::integer(&at, range, &mut cx.report).map(plain);
    }
    let read = at.node.text().and_then(k_of_n);
    if read.is_none() {
        cx.report
            .expected(&at, "K of N samples, with 1 ≤ K ≤ N ≤ 64")
            .hint("write it like \"3 of 5\"");
    }
    read
}

fn k_of_n(text: &str) -> Option<Samples> {
    let (needed, of) = text.split_once(" of ")?;
    let samples = Samples { needed: needed.trim().parse().ok()?, of: of.trim().parse().ok()? };
    (1 <= samples.needed && samples.needed <= samples.of && samples.of <= WINDOW_SAMPLES_MAX)
        .then_some(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Thresholds, Vec<String>) {
        decode_one(text, |at, cx| thresholds(at, &[], cx))
    }

    #[test]
    fn overrides_inherit_what_they_do_not_say() {
        let (found, problems) = read(
            "{ disk_usage: { warning: 80, critical: 90, for: '2 of 3', hysteresis: 1, \
             services: { 웹: { critical: '>= 95' } } }, load_1m: null }",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(found.named.len(), 2);
        let [general, own] = &found.rules[..] else { panic!("{found:?}") };
        assert_eq!((general.needed, general.of), (2, 3));
        assert_eq!(own.service, Some("웹".into()));
        assert_eq!(own.warning, general.warning);
        assert_eq!(own.critical.as_ref().unwrap().to_string(), "disk_usage >= 95");
        assert_eq!((own.needed, own.of), (2, 3));
        assert_eq!(own.symptom, "disk_space_low".into());
    }

    #[test]
    fn a_limit_may_last_be_a_multiple_and_want_requests() {
        let (found, problems) = read(
            "{ error_rate_per_min: { warning: 5, for_minutes: 5, min_requests: 20, \
             relative: { times: 3, at_least: 0.01 }, \
             services: { 웹: { relative: { times: 5, period_minutes: 30, min_requests: 0 } } } } }",
        );
        assert_eq!(problems, [""; 0]);
        let min = MinRequests { metric: REQUESTS_METRIC.into(), count: 20.0 };
        let [general, own] = &found.rules[..] else { panic!("{found:?}") };
        assert_eq!((general.lasting, own.lasting), (Millis(300_000), Millis(300_000)));
        assert_eq!(own.min_requests, Some(min.clone()));
        let [all, web] = &found.relatives[..] else { panic!("{found:?}") };
        assert_eq!((all.times, all.period), (3.0, Millis::from_secs(3_600)));
        assert_eq!((&all.min_requests, all.at_least), (&Some(min), 0.01));
        assert_eq!((&web.service, web.times), (&Some("웹".into()), 5.0));
        assert_eq!((&web.min_requests, web.period), (&None, Millis::from_secs(1_800)));
    }

    #[test]
    fn bad_limits_and_samples_are_told() {
        let cases = [
            ("{ cpu_usage: { for: '5 of 3', critical: 1.5 } }", "cpu_usage.for: expected K of N"),
            ("{ cpu_usage: { for: '1 of 65', critical: 2 } }", "cpu_usage.for: expected K of N"),
            ("{ cpu_usage: { samples: 65, critical: 2 } }", "cpu_usage.samples: expected a whole"),
            ("{ cpu_usage: { for: 2, samples: 2, critical: 2 } }", "cpu_usage.samples: `for` and"),
            ("{ cpu_usage: { critical: 2, hysteresis: -1 } }", "cpu_usage.hysteresis: expected 0"),
            ("{ cpu_usage: {} }", "cpu_usage: the threshold has no limit"),
            ("{ cpu_usage: { relative: { times: 1 } } }", "relative.times: expected how many"),
            ("{ cpu_usage: { requests_metric: 'r', critical: 2 } }", "without `min_requests`"),
            ("{ cpu_usage: { crit: 3 } }", "cpu_usage.crit: unknown key"),
            ("{ cpu_usage: 90 }", "cpu_usage: expected an object"),
            ("{ 'a b': { critical: 1 } }", "[\"a b\"]: expected the name of a metric"),
        ];
        for (text, expected) in cases {
            let (_, problems) = read(text);
            let said = problems.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
