//! A stand-in for `SigNoz`, by its documented answers.

use nightcrew_config::settings::source::{
    Given, ServicesApi, Signoz, SignozQuery, SignozQuestion, SignozSignal, SourceKind,
};
use nightcrew_model::sample::Sample;
use nightcrew_model::unit::Millis;
use nightcrew_observe::source::Source;
use serde_json::{Value, json};

use crate::sources::{StandIn, asked, by_label, clock, endpoint, said, source};

fn settings() -> Signoz {
    Signoz {
        endpoint: endpoint(),
        services: ServicesApi::Newest,
        window: Millis::from_secs(300),
        expected: Vec::new(),
        queries: Vec::new(),
        exemplars: false,
        alerts: false,
    }
}

fn signoz(it: Signoz) -> Source {
    source(SourceKind::Signoz(it))
}

fn checkout() -> Value {
    json!({
        "serviceName": "checkout", "p99": 250_000_000.0, "avgDuration": 9e7, "numCalls": 600,
        "callRate": 2.0, "numErrors": 75, "errorRate": 12.5, "num4XX": 0, "fourXXRate": 0,
        "dataWarning": { "topLevelOps": [] },
    })
}

const V2: &str = "/api/v2/services";
const QUERY: &str = "/api/v5/query_range";

fn enveloped(data: &Value) -> Vec<u8> {
    json!({ "status": "success", "data": data }).to_string().into_bytes()
}

async fn look(source: &mut Source, stand_in: &StandIn) -> Vec<Sample> {
    source.look(&stand_in.http(), &clock()).await
}

#[tokio::test(start_paused = true)]
async fn services_come_with_rate_errors_and_duration_in_our_units() {
    let expected = [
        "checkout latency_p99_ms 250 ms",
        "checkout error_ratio 0.13",
        "checkout error_rate_per_min 15/min",
        "checkout requests_per_min 120/min",
    ];
    let stand_in = StandIn::new();
    stand_in.say(V2, enveloped(&json!([checkout()])));
    let samples = look(&mut signoz(settings()), &stand_in).await;
    assert_eq!(said(&samples), expected);
    let body: Value = serde_json::from_str(&stand_in.asked(V2)[0]).unwrap();
    assert_eq!(body["end"], "1800000000000000000");
    assert_eq!(body["start"], "1799999700000000000");
    // The first form is a bare array, and asked where the second is not there.
    let stand_in = StandIn::new();
    stand_in.say("/api/v1/services", json!([checkout()]).to_string());
    let mut source = signoz(settings());
    assert_eq!(said(&look(&mut source, &stand_in).await), expected);
    assert_eq!(said(&look(&mut source, &stand_in).await), expected);
    assert_eq!(stand_in.asked(V2).len(), 1, "what is not there is asked for once");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_absent_is_unknown_and_not_healthy() {
    let stand_in = StandIn::new();
    let mut source = signoz(Signoz { expected: vec!["cart".into()], ..settings() });
    stand_in.say(V2, enveloped(&json!([checkout()])));
    let samples = look(&mut source, &stand_in).await;
    assert_eq!(said(&samples)[0], "cart latency_p99_ms unknown (the answer does not have it)");
    assert_eq!(said(&samples)[1], "checkout latency_p99_ms 250 ms");
    stand_in.say(V2, enveloped(&Value::Null));
    let samples = look(&mut source, &stand_in).await;
    assert_eq!(samples.len(), 9);
    assert!(
        said(&samples).iter().all(|said| said.ends_with("unknown (the answer does not have it)"))
    );
    // Of no call there is neither a duration nor a ratio, but a rate.
    let mut idle = checkout();
    for key in ["numCalls", "callRate", "numErrors", "errorRate", "p99"] {
        idle[key] = json!(0);
    }
    stand_in.say(V2, enveloped(&json!([idle])));
    let said = said(&look(&mut source, &stand_in).await);
    assert!(said.contains(&"checkout error_ratio unknown (nothing was counted)".to_owned()));
    assert!(said.contains(&"checkout requests_per_min 0/min".to_owned()), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_unknown() {
    let cases = [
        (json!({ "status": "error", "error": { "message": "clickhouse" } }), "clickhouse"),
        (json!({ "status": "success", "data": [{ "serviceName": "x" }] }), "not what was expected"),
        (json!("sign in"), "not what was expected"),
    ];
    for (body, expected) in cases {
        let stand_in = StandIn::new();
        stand_in.say(V2, body.to_string());
        let it = Signoz { expected: vec!["cart".into()], ..settings() };
        let samples = look(&mut signoz(it), &stand_in).await;
        assert!(said(&samples)[0].contains(expected), "{body}: {samples:?}");
        assert!(said(&samples).iter().all(|said| said.contains(" unknown (")), "{samples:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn points_of_spans_that_are_not_over_are_skipped() {
    let asked = asked("latency_p99_ms", Given::Nanoseconds, by_label("service.name"));
    let query = SignozQuery {
        question: SignozQuestion::Builder {
            signal: SignozSignal::Traces,
            filter: "http.method = 'GET'".to_owned(),
            aggregation: "p99(duration_nano)".to_owned(),
            group_by: vec!["service.name".to_owned()],
        },
        asked,
    };
    let it = Signoz { services: ServicesApi::Off, queries: vec![query], ..settings() };
    let stand_in = StandIn::new();
    let series = |name: &str, values: Value| json!({ "labels": [{ "key": { "name": "service.name" }, "value": name }], "values": values });
    let values = json!([
        { "timestamp": 1_799_999_880_000_i64, "value": 1e8 },
        { "timestamp": 1_799_999_940_000_i64, "value": 2e8 },
        { "timestamp": 1_800_000_000_000_i64, "value": 9e9, "partial": true },
    ]);
    let only_partial = json!([{ "timestamp": 1_800_000_000_000_i64, "value": 1, "partial": true }]);
    let nan = json!([{ "timestamp": 1_800_000_000_000_i64, "value": "NaN" }]);
    let series = [series("cart", values), series("new", only_partial), series("odd", nan)];
    let results = json!([{ "queryName": "A", "aggregations": [{ "index": 0, "series": series }] }]);
    stand_in
        .say(QUERY, enveloped(&json!({ "type": "time_series", "data": { "results": results } })));
    let samples = look(&mut signoz(it), &stand_in).await;
    assert_eq!(
        said(&samples),
        [
            "cart latency_p99_ms 200 ms",
            "new latency_p99_ms unknown (the answer does not have it)",
            "odd latency_p99_ms unknown (not plausible: NaN ms)",
        ]
    );
    let body: Value = serde_json::from_str(&stand_in.asked(QUERY)[0]).unwrap();
    assert_eq!(
        (&body["requestType"], &body["end"]),
        (&json!("time_series"), &json!(1_800_000_000_000_i64))
    );
    let spec = &body["compositeQuery"]["queries"][0]["spec"];
    assert_eq!(spec["aggregations"][0]["expression"], "p99(duration_nano)");
    assert_eq!(spec["groupBy"][0]["name"], "service.name");
}

#[tokio::test(start_paused = true)]
async fn a_failing_service_comes_with_a_trace() {
    let stand_in = StandIn::new();
    stand_in.say(V2, enveloped(&json!([checkout()])));
    let row = json!({ "timestamp": "2027-01-15T08:00:00Z", "data": {
        "trace_id": "4bf92f3577b34da6", "name": "POST /pay", "duration_nano": 1_234_000_000_i64 } });
    let results = json!([{ "queryName": "A", "rows": [row] }]);
    stand_in.say(QUERY, enveloped(&json!({ "type": "raw", "data": { "results": results } })));
    let samples = look(&mut signoz(Signoz { exemplars: true, ..settings() }), &stand_in).await;
    let detail = "trace 4bf92f3577b34da6: POST /pay, 1234 ms";
    assert_eq!(samples[0].detail.as_deref(), Some(detail));
    assert_eq!(samples[1].detail.as_deref(), Some(detail));
    let asked = stand_in.asked(QUERY);
    assert!(asked[0].contains("service.name = 'checkout' AND has_error = true"), "{asked:?}");
    assert!(asked[1].contains("duration_nano"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn firing_rules_are_alerts() {
    let stand_in = StandIn::new();
    let rule = |id: Value, state: &str| {
        json!({ "id": id, "state": state, "alert": "느린 결제", "labels": { "severity": "critical",
            "service": "checkout" }, "annotations": { "summary": "p99" } })
    };
    let rules = json!([rule(json!("0195"), "firing"), rule(json!(7), "inactive")]);
    // Older releases have the first path only, and a list within an object.
    stand_in.say("/api/v1/rules", enveloped(&json!({ "rules": rules })));
    let it = Signoz { services: ServicesApi::Off, alerts: true, ..settings() };
    let mut source = signoz(it);
    look(&mut source, &stand_in).await;
    let alerts = source.alerts().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].labels.get("alertname"), Some("느린 결제"));
    assert_eq!(alerts[0].labels.get("ruleId"), Some("0195"));
    stand_in.say("/api/v2/rules", enveloped(&json!([])));
    look(&mut source, &stand_in).await;
    assert_eq!(source.alerts().unwrap().len(), 1, "the path that is there stays");
}
