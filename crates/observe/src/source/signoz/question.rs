//! What a `SigNoz` is asked, as it wants to be asked.

use jiff::Timestamp;
use nightcrew_config::settings::source::{SignozQuestion, SignozSignal};
use nightcrew_model::unit::Millis;
use serde_json::{Value, json};

use crate::source::signoz::answer::Service;

/// A trace that shows how a service fails or is slow.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) service: String,
    /// Whether one that failed is wanted, or the slowest.
    pub(super) failing: bool,
    /// What was found, for people.
    pub(super) found: Option<String>,
}

fn begin(at: Timestamp, window: Millis) -> Timestamp {
    at.checked_sub(window.duration()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The list of services: times in nanoseconds, as texts.
pub(super) fn services(at: Timestamp, window: Millis) -> Value {
    let nanoseconds = |at: Timestamp| at.as_nanosecond().to_string();
    json!({ "start": nanoseconds(begin(at, window)), "end": nanoseconds(at), "tags": [] })
}

/// A question over time, by minutes: the last whole one counts.
pub(super) fn time_series(question: &SignozQuestion, at: Timestamp, window: Millis) -> Value {
    let query = match question {
        SignozQuestion::Promql(query) => json!({
            "type": "promql",
            "spec": { "name": "A", "query": query, "step": 60 },
        }),
        SignozQuestion::Builder { signal, filter, aggregation, group_by } => {
            let fields = group_by.iter().map(|name| json!({ "name": name }));
            json!({
                "type": "builder_query",
                "spec": {
                    "name": "A",
                    "signal": word(*signal),
                    "filter": { "expression": filter },
                    "aggregations": [{ "expression": aggregation }],
                    "groupBy": fields.collect::<Vec<_>>(),
                    "stepInterval": 60,
                    "disabled": false,
                },
            })
        }
    };
    envelope("time_series", at, window, &query)
}

fn word(signal: SignozSignal) -> &'static str {
    match signal {
        SignozSignal::Traces => "traces",
        SignozSignal::Logs => "logs",
        SignozSignal::Metrics => "metrics",
    }
}

/// One span: the newest that failed, or the slowest.
pub(super) fn trace(example: &Example, at: Timestamp, window: Millis) -> Value {
    let service = &example.service;
    let (filter, order) = if example.failing {
        (format!("service.name = '{service}' AND has_error = true"), "timestamp")
    } else {
        (format!("service.name = '{service}'"), "duration_nano")
    };
    let query = json!({
        "type": "builder_query",
        "spec": {
            "name": "A",
            "signal": "traces",
            "filter": { "expression": filter },
            "selectFields": [
                { "name": "trace_id" }, { "name": "name" }, { "name": "duration_nano" },
            ],
            "order": [{ "key": { "name": order }, "direction": "desc" }],
            "limit": 1,
        },
    });
    envelope("raw", at, window, &query)
}

fn envelope(kind: &str, at: Timestamp, window: Millis, query: &Value) -> Value {
    json!({
        "schemaVersion": "v1",
        "start": begin(at, window).as_millisecond(),
        "end": at.as_millisecond(),
        "requestType": kind,
        "compositeQuery": { "queries": [query] },
        "formatOptions": { "formatTableResultForUI": false, "fillGaps": false },
        "variables": {},
        "noCache": true,
    })
}

/// The service that fails most, and the slowest one, as far as their names can stand in a filter.
pub(super) fn worth_an_example(services: &[Service]) -> Vec<Example> {
    let plain = |service: &&Service| !service.name.contains(['\'', '\\']);
    let failing = services.iter().filter(plain).filter(|service| service.errors > 0.0);
    let worst = failing.max_by(|a, b| a.error_rate.total_cmp(&b.error_rate));
    let slowest = services.iter().filter(plain).filter(|service| service.calls > 0.0);
    let slowest = slowest.max_by(|a, b| a.p99.total_cmp(&b.p99));
    let example = |service: &Service, failing| Example {
        service: service.name.clone(),
        failing,
        found: None,
    };
    let worst = worst.map(|service| example(service, true));
    worst.into_iter().chain(slowest.map(|service| example(service, false))).collect()
}
