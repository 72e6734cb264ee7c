//! What is said of each number of an answer: as what metric, in which unit, whose.

use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::id::{MetricName, ServiceName};

use crate::decode::{Context, condition};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::settings::source::{Asked, Given, Held, ServiceOf};
use crate::tree::At;

/// The words of units; the first word of each is the one that is suggested.
const UNITS: [(&str, Given); 37] = [
    ("nanoseconds", Given::Nanoseconds),
    ("ns", Given::Nanoseconds),
    ("microseconds", Given::Microseconds),
    ("us", Given::Microseconds),
    ("µs", Given::Microseconds),
    ("milliseconds", Given::Milliseconds),
    ("ms", Given::Milliseconds),
    ("seconds", Given::Seconds),
    ("s", Given::Seconds),
    ("days", Given::Days),
    ("d", Given::Days),
    ("ratio", Given::Ratio),
    ("ratio_left", Given::RatioLeft),
    ("percent", Given::Percent),
    ("%", Given::Percent),
    ("percent_left", Given::PercentLeft),
    ("bytes", Given::Bytes),
    ("By", Given::Bytes),
    ("B", Given::Bytes),
    ("kibibytes", Given::Kibibytes),
    ("KiB", Given::Kibibytes),
    ("mebibytes", Given::Mebibytes),
    ("MiB", Given::Mebibytes),
    ("megabytes", Given::Megabytes),
    ("MB", Given::Megabytes),
    ("bytes_per_second", Given::BytesPerSecond),
    ("By/s", Given::BytesPerSecond),
    ("B/s", Given::BytesPerSecond),
    ("bits_per_second", Given::BitsPerSecond),
    ("bit/s", Given::BitsPerSecond),
    ("per_second", Given::PerSecond),
    ("1/s", Given::PerSecond),
    ("per_minute", Given::PerMinute),
    ("1/min", Given::PerMinute),
    ("count", Given::Count),
    ("1", Given::Count),
    ("up", Given::Up),
];

/// What this machine's own collector measures.
const OWN_OF_HOST: [&str; 7] = [
    catalogue::CPU_USAGE,
    catalogue::MEMORY_USAGE,
    catalogue::SWAP_USAGE,
    catalogue::DISK_USAGE,
    catalogue::LOAD_1M,
    catalogue::NETWORK_RECEIVE,
    catalogue::NETWORK_TRANSMIT,
];

/// Reads `metric`, `unit`, `service` or `service_label`, `resource_label`.
pub(super) fn asked(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Asked> {
    let metric_at = fields.take("metric");
    let metric = metric_at.as_ref().and_then(|at| metric(at, cx));
    if metric_at.is_none() {
        cx.report
            .error(fields.at(), "`metric` is missing: as what the number is held")
            .hint("such as \"api_latency_ms\", or a name of your own");
    }
    let unit_at = fields.take("unit");
    let given = match &unit_at {
        Some(at) => unit(at, cx),
        None => {
            cx.report
                .error(fields.at(), "`unit` is missing: in which unit the source gives the number")
                .hint("such as \"seconds\", \"ratio\", \"bytes\", \"per_second\", \"count\"");
            None
        }
    };
    let service = service_of(fields, cx);
    let resource_label = fields.text("resource_label", &mut cx.report).map(str::to_owned);
    let (metric, given, service) = (metric?, given?, service?);
    let held = Held::of(given, &metric);
    if held.is_none()
        && let (Some(at), Some(known)) = (&unit_at, catalogue::metric(metric.as_str()))
    {
        let wanted = match known.kind {
            Kind::Number(unit) => format!("a number of{}", shown(unit.sign())),
            Kind::States(_) => "a state (`unit: \"up\"`: 1 for good, 0 for bad)".to_owned(),
        };
        cx.report
            .error(at, format!("{metric} is {wanted}, into which this unit does not go"))
            .hint("say the unit that the source gives, or hold it as a metric of another name");
    }
    if let ServiceOf::Fixed(name) = &service
        && *name == ServiceName::host()
        && OWN_OF_HOST.contains(&metric.as_str())
    {
        cx.report
            .error(fields.at(), format!("{metric} of this machine is measured here already"))
            .hint("give another service, or a metric of another name");
    }
    Some(Asked { metric, given, held: held?, service, resource_label })
}

fn shown(sign: &str) -> &str {
    if sign.is_empty() { " things" } else { sign }
}

pub(super) fn metric(at: &At<'_>, cx: &mut Context<'_>) -> Option<MetricName> {
    let name = fields::text(at, &mut cx.report)?;
    if condition::is_metric(name) {
        return Some(MetricName::from(name));
    }
    cx.report.expected(at, "the name of a metric").hint("letters, digits, `_`, `.`, `:` and `-`");
    None
}

fn unit(at: &At<'_>, cx: &mut Context<'_>) -> Option<Given> {
    let word = fields::text(at, &mut cx.report)?;
    let found = UNITS.iter().find(|(known, _)| *known == word).map(|(_, given)| *given);
    if found.is_none() {
        let long = UNITS.iter().map(|(word, _)| *word).filter(|word| word.len() > 3);
        cx.report.expected(at, "a unit").hint(suggestion(word, long));
    }
    found
}

/// `service` or `service_label`: exactly one.
fn service_of(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ServiceOf> {
    let service = fields.take("service");
    let label = fields.take("service_label");
    match (service, label) {
        (Some(at), None) => fixed(&at, cx).map(ServiceOf::Fixed),
        (None, Some(at)) => {
            let label = fields::text(&at, &mut cx.report)?;
            Some(ServiceOf::Label(label.to_owned()))
        }
        (None, None) => {
            cx.report
                .error(fields.at(), "nothing says whose number it is")
                .hint("add `service: \"checkout\"`, or `service_label: \"job\"`");
            None
        }
        (Some(_), Some(at)) => {
            cx.report
                .error(&at, "`service` and `service_label` both say whose number it is")
                .hint("keep one of the two");
            None
        }
    }
}

/// The name of a service.
pub(super) fn fixed(at: &At<'_>, cx: &mut Context<'_>) -> Option<ServiceName> {
    fields::text(at, &mut cx.report).map(ServiceName::from)
}
