//! OTLP.  The files are what the OpenTelemetry SDK for Python 1.45 sent: `otlp/*.bin` as it sends it, `otlp/*.json` the
//! same in JSON, made by its own libraries.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use nightcrew_intake::otlp::limit::{ITEMS_MAX, SERIES_MAX};
use nightcrew_intake::otlp::meter::Meter;
use nightcrew_intake::otlp::{Encoding, Malformed, Signal, failure, log, metric, span, success};
use nightcrew_model::sample::{Observation, Sample};
use nightcrew_model::telemetry::{LogSeverity, SpanKind};
use proptest::prelude::*;
use serde_json::json;

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/otlp");
    fs::read(folder.join(name)).unwrap()
}

/// So many seconds after the process of the files began.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_230_000 + seconds).unwrap()
}

/// What samples tell, by target and metric.
fn told(samples: &[Sample]) -> BTreeMap<String, String> {
    let line = |sample: &Sample| {
        let value = match &sample.observation {
            Observation::Read(reading) => reading.to_string(),
            Observation::Unknown(why) => format!("unknown: {why}"),
        };
        (format!("{} {}", sample.target, sample.metric), value)
    };
    samples.iter().map(line).collect()
}

fn take(meter: &mut Meter, body: &[u8], encoding: Encoding, now: Timestamp) -> Vec<Sample> {
    let read = metric::read(body, encoding).unwrap();
    assert_eq!(read.rejected.message(), "");
    let taken = meter.take(read.items, now);
    assert_eq!(taken.rejected.message(), "");
    taken.items
}

#[test]
fn metrics_of_the_sdk_become_samples() {
    let mut meter = Meter::default();
    let first = take(&mut meter, &file("metrics-1.bin"), Encoding::Protobuf, at(31));
    let levels = [("결제 process.memory.usage", "67633152 B"), ("결제 queue.depth", "3")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(told(&first), BTreeMap::from(levels), "rates need two points");
    let second = take(&mut meter, &file("metrics-2.bin"), Encoding::Protobuf, at(61));
    insta::assert_debug_snapshot!(told(&second), @r#"
    {
        "결제 exp_count": "200/min",
        "결제 exp_p50": "500 ms",
        "결제 exp_p95": "957.6 ms",
        "결제 exp_p99": "991.37 ms",
        "결제 http.server.request.duration_count": "200/min",
        "결제 http.server.request.duration_p50": "500 ms",
        "결제 http.server.request.duration_p95": "950 ms",
        "결제 http.server.request.duration_p99": "990 ms",
        "결제 process.memory.usage": "67633152 B",
        "결제 queue.depth": "6",
        "결제:route=/주문 http.requests_rate": "400/min",
    }
    "#);
    assert!(second.iter().all(|sample| sample.at > at(59) && sample.at <= at(61)));
    let again = take(&mut meter, &file("metrics-2.bin"), Encoding::Protobuf, at(62));
    assert_eq!(again, [], "a repeated request says nothing new");
    let mut meter = Meter::default();
    take(&mut meter, &file("metrics-1.bin"), Encoding::Protobuf, at(31));
    let json = take(&mut meter, &file("metrics-2.json"), Encoding::Json, at(61));
    assert_eq!(told(&json), told(&second), "both encodings say the same");
}

#[test]
fn spans_of_the_sdk_keep_their_places_in_the_trace() {
    let read = span::read(&file("traces.bin"), Encoding::Protobuf).unwrap();
    assert_eq!(span::read(&file("traces.json"), Encoding::Json).unwrap(), read);
    let find = |service: &str, kind| {
        let mut spans = read.items.iter();
        spans.find(|span| span.service.as_str() == service && span.kind == kind).unwrap()
    };
    let (web, call) = (find("web", SpanKind::Server), find("web", SpanKind::Client));
    let (pay, query) = (find("결제", SpanKind::Server), find("결제", SpanKind::Client));
    assert_eq!((web.parent, call.parent), (None, Some(web.span)));
    assert_eq!((pay.parent, query.parent), (Some(call.span), Some(pay.span)));
    assert!(pay.failed && !web.failed && pay.duration_ms.unwrap() < 10_000.0);
    assert_eq!(query.peer.as_ref().unwrap().as_str(), "postgresql");
    assert_eq!(read.items.len(), 4);
}

#[test]
fn log_records_become_lines() {
    let read = log::read(&file("logs.bin"), Encoding::Protobuf, at(60)).unwrap();
    let [first, second] = read.items.as_slice() else { panic!("{read:?}") };
    assert_eq!((first.at, first.severity), (at(0), Some(LogSeverity::Error)));
    assert_eq!(first.body, "연결이 끊겼습니다");
    assert_eq!((second.at, second.severity), (at(1), Some(LogSeverity::Warn)));
    assert_eq!((second.service.as_str(), second.body.as_str()), ("결제", "{event=retry, n=3}"));
    assert_eq!(read.rejected.n, 1);
    assert!(read.rejected.message().contains("neither a body"));
    let far = log::read(&file("logs.bin"), Encoding::Protobuf, at(1_000_000)).unwrap();
    assert_eq!(far.items[0].at, at(1_000_000), "a clock that far off is not believed");
}

fn counter(value: f64, start: i64, seconds: i64, temporality: u8) -> Vec<u8> {
    let nanos = |at: Timestamp| at.as_nanosecond().to_string();
    json!({"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]},
        "scopeMetrics": [{"metrics": [{"name": "jobs", "sum": {
            "aggregationTemporality": temporality, "isMonotonic": true,
            "dataPoints": [{"startTimeUnixNano": nanos(at(start)),
                "timeUnixNano": nanos(at(seconds)), "asDouble": value}],
        }}]}],
    }]})
    .to_string()
    .into_bytes()
}

#[test]
fn counters_that_begin_anew_and_deltas_have_rates() {
    let mut meter = Meter::default();
    let mut rate = |value, start, seconds, temporality| {
        let body = counter(value, start, seconds, temporality);
        let told = told(&take(&mut meter, &body, Encoding::Json, at(seconds)));
        told.into_values().next()
    };
    assert_eq!(rate(100.0, 0, 10, 2), None);
    assert_eq!(rate(110.0, 0, 20, 2).unwrap(), "60/min");
    assert_eq!(rate(5.0, 25, 30, 2).unwrap(), "30/min", "it fell: what it shows came since");
    assert_eq!(rate(50.0, 39, 40, 2).unwrap(), "300/min", "it says that it began anew");
    let mut meter = Meter::default();
    let delta = told(&take(&mut meter, &counter(3.0, 0, 6, 1), Encoding::Json, at(6)));
    assert_eq!(delta["a jobs_rate"], "30/min", "a delta needs no earlier point");
}

#[test]
fn what_makes_no_sense_is_rejected_with_its_reason() {
    let mut meter = Meter::default();
    let mut reason = |value, seconds, temporality, now| {
        let read = metric::read(&counter(value, 0, seconds, temporality), Encoding::Json).unwrap();
        let mut rejected = read.rejected;
        rejected.merge(meter.take(read.items, now).rejected);
        assert_eq!(rejected.n, 1);
        rejected.message()
    };
    assert!(reason(1.0, 1_000, 2, at(0)).contains("ahead; set the clocks"));
    assert!(reason(1.0, 0, 2, at(4_000)).contains("older than"));
    assert!(reason(-1.0, 0, 2, at(0)).contains("a sum that only grows is -1"));
    assert!(reason(1.0, 0, 0, at(0)).contains("counts from its start or its last"));
    let host = json!({"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "host"}}]},
        "scopeMetrics": [{"metrics": [
            {"name": "x", "gauge": {"dataPoints": [{"asInt": 1}, {"asInt": 2}]}}]}],
    }]});
    let read = metric::read(host.to_string().as_bytes(), Encoding::Json).unwrap();
    assert_eq!((read.items.len(), read.rejected.n), (0, 2));
    assert!(read.rejected.message().contains("stands for this machine"));
}

/// A request with so many gauges, each a series of its own.
fn gauges(name: &str, n: usize, value: &str) -> Vec<u8> {
    let points: Vec<_> = (0..n)
        .map(|n| {
            json!({"asDouble": value,
                "attributes": [{"key": "n", "value": {"intValue": n.to_string()}}]})
        })
        .collect();
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": name, "unit": "%", "gauge": {"dataPoints": points}}]}]}]})
    .to_string()
    .into_bytes()
}

#[test]
fn points_of_a_request_and_series_in_all_are_bounded() {
    let read = metric::read(&gauges("a", ITEMS_MAX + 3, "1"), Encoding::Json).unwrap();
    assert_eq!((read.items.len(), read.rejected.n), (ITEMS_MAX, 3));
    let mut meter = Meter::default();
    assert_eq!(meter.take(read.items, at(0)).rejected.n, 0);
    let more = || metric::read(&gauges("b", 7, "1"), Encoding::Json).unwrap().items;
    let refused = meter.take(more(), at(1));
    assert_eq!((refused.items.len(), refused.rejected.n), (0, 7));
    assert!(refused.rejected.message().contains("send fewer attributes"));
    assert_eq!(meter.n_series(), SERIES_MAX);
    let later = meter.take(more(), at(3_000));
    assert_eq!((later.items.len(), meter.n_series()), (7, 7), "silent series made room");
}

#[test]
fn what_is_no_number_is_unknown() {
    for (value, why) in [("NaN", "NaN %"), ("Infinity", "inf %"), ("-3", "-3 %")] {
        let read = metric::read(&gauges("a", 1, value), Encoding::Json).unwrap();
        let told = told(&Meter::default().take(read.items, at(0)).items);
        assert_eq!(told["unknown_service:n=0 a"], format!("unknown: not plausible: {why}"));
    }
}

#[test]
fn answers_speak_the_encoding_of_the_request() {
    let mut rejected = metric::read(&gauges("", 3, "1"), Encoding::Json).unwrap().rejected;
    let json = success(Signal::Metrics, Encoding::Json, &rejected);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["partialSuccess"]["rejectedDataPoints"], "3");
    assert_eq!(json["partialSuccess"]["errorMessage"], "a metric has no name");
    let binary = success(Signal::Metrics, Encoding::Protobuf, &rejected);
    assert_eq!(binary, b"\x0a\x18\x08\x03\x12\x14a metric has no name");
    rejected = Default::default();
    assert_eq!(success(Signal::Logs, Encoding::Protobuf, &rejected), b"");
    assert_eq!(success(Signal::Traces, Encoding::Json, &rejected), b"{}");
    assert_eq!(failure(Encoding::Protobuf, "x"), b"\x12\x01x");
}

#[test]
fn a_body_that_is_no_message_is_malformed() {
    let metrics = |body: &[u8]| metric::read(body, Encoding::Protobuf).unwrap_err();
    assert_eq!(metrics(b"\x0a\x7f"), Malformed::Truncated);
    assert_eq!(metrics(b"\x08\x01\x0d\x01"), Malformed::WireType);
    let json = |body: &str| metric::read(body.as_bytes(), Encoding::Json).unwrap_err();
    assert!(matches!(json("{"), Malformed::Json(_)));
    assert_eq!(json("[]"), Malformed::Member("the body"));
    assert_eq!(json(r#"{"resourceMetrics":7}"#), Malformed::Member("resourceMetrics"));
    assert_eq!(Encoding::of("Application/JSON; charset=utf-8"), Some(Encoding::Json));
    assert_eq!(Encoding::of("text/plain"), None);
}

fn hurt(name: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let body = file(name);
    let n = body.len();
    (proptest::collection::vec((0..n, any::<u8>()), 0..8), 0..=n).prop_map(move |(bytes, end)| {
        let mut body = body.clone();
        for (place, byte) in bytes {
            body[place] = byte;
        }
        body.truncate(end);
        body
    })
}

proptest! {
    #[test]
    fn hurt_bodies_never_panic(
        metrics in hurt("metrics-2.bin"),
        traces in hurt("traces.bin"),
        logs in hurt("logs.bin"),
        json in hurt("metrics-2.json"),
    ) {
        let mut meter = Meter::default();
        for (body, encoding) in [(metrics, Encoding::Protobuf), (json, Encoding::Json)] {
            for now in [at(31), at(61), at(10_000)] {
                if let Ok(read) = metric::read(&body, encoding) {
                    meter.take(read.items, now);
                }
            }
        }
        let _ = span::read(&traces, Encoding::Protobuf);
        let _ = log::read(&logs, Encoding::Protobuf, at(0));
    }
}
