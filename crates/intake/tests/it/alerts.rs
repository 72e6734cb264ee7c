//! The doors whose alerts name themselves: Alertmanager's API, its webhook and its relatives.

use jiff::Timestamp;
use nightcrew_intake::door::{alertmanager, alerts_api};
use nightcrew_intake::limit::{
    ALERTS_MAX, ANNOTATIONS_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX, REASON_CHARS_MAX,
};
use nightcrew_intake::parsed::{Parsed, Unparsable};
use nightcrew_model::alert::{IncomingAlert, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::payload::{now, one};

fn posted(alerts: &Value) -> Parsed {
    alerts_api::parse(alerts.to_string().as_bytes()).unwrap()
}

fn first(alert: &Value) -> Result<IncomingAlert, String> {
    let parsed = posted(&json!([alert]));
    let complaint = parsed.complaint();
    parsed.alerts.into_iter().next().ok_or_else(|| complaint.unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_last_of_two_equal_names_wins_and_an_empty_value_is_no_label() {
    let body =
        r#"[{"labels":{"x":"1"},"labels":{"서비스":"가","\uc11c비스":"나","x":"","y":null}}]"#;
    let parsed = alerts_api::parse(body.as_bytes()).unwrap();
    assert_eq!(parsed.alerts[0].labels.to_string(), r#"{서비스="나"}"#);
}

#[test]
fn the_zero_time_is_no_time() {
    for zero in ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", ""] {
        let alert =
            first(&json!({"labels": {"a": "1"}, "startsAt": zero, "endsAt": zero})).unwrap();
        assert_eq!((alert.starts_at, alert.ends_at), (None, None));
    }
    let null = json!({"labels": {"a": "1"}, "startsAt": null, "generatorURL": null});
    assert_eq!(first(&null).unwrap().starts_at, None);
}

#[test]
fn says_where_an_alert_is_wrong() {
    for (alert, why) in [
        (json!({}), "at least one label pair required"),
        (json!({"labels": null}), "at least one label pair required"),
        (json!({"labels": {"a": ""}}), "at least one label pair required"),
        (json!({"labels": {"": "1"}}), "labels: a name is empty"),
        (
            json!({"labels": {"결제": 5}}),
            "labels: 결제: invalid type: integer `5`, expected a string",
        ),
        (json!({"labels": {"a": {"b": "c"}}}), "labels: a: invalid type: map, expected a string"),
        (json!({"labels": []}), "labels: invalid type: sequence, expected an object"),
        (json!({"labels": {"a": "1"}, "annotations": {"a": true}}), "annotations: a: invalid type"),
        (json!({"labels": {"a": "1"}, "generatorURL": {}}), "generatorURL: invalid type: map"),
        (json!(null), "invalid type: null, expected an alert"),
        (
            json!({"labels": {"a": "1"}, "startsAt": "어제"}),
            "startsAt: \"어제\" is not an RFC 3339",
        ),
        (json!({"labels": {"a": "1"}, "endsAt": 7}), "endsAt: invalid type: integer `7`"),
        (
            json!({"labels": {"a": "1"}, "startsAt": "2026-11-21T03:00:00Z", "endsAt": "2026-11-21T02:00:00Z"}),
            "start time must be before end time",
        ),
    ] {
        let complaint = first(&alert).unwrap_err();
        assert!(complaint.starts_with(&format!("alert 0: {why}")), "{complaint}");
        assert!(complaint.chars().count() <= REASON_CHARS_MAX + 12);
    }
}

#[test]
fn labels_have_a_limit_and_annotations_are_cut() {
    let pairs = |n: usize| -> serde_json::Map<String, Value> {
        (0..n).map(|n| (format!("l{n}"), json!("v"))).collect()
    };
    assert_eq!(first(&json!({"labels": pairs(LABELS_MAX)})).unwrap().labels.len(), LABELS_MAX);
    let complaint = first(&json!({"labels": pairs(LABELS_MAX + 1)})).unwrap_err();
    assert!(complaint.starts_with("alert 0: labels: more than 512 of them"), "{complaint}");
    let long = |bytes: usize| json!({"labels": {"a": "x".repeat(bytes)}});
    assert!(first(&long(LABELS_BYTES_MAX - 1)).is_ok());
    assert_eq!(
        first(&long(LABELS_BYTES_MAX)).unwrap_err(),
        "alert 0: labels: 65537 bytes, at most 65536"
    );
    let alert = first(&json!({
        "labels": {"a": "1"},
        "annotations": {"summary": "결제", "description": "x".repeat(ANNOTATIONS_BYTES_MAX)},
        "generatorURL": "x".repeat(ANNOTATIONS_BYTES_MAX + 1),
    }))
    .unwrap();
    assert_eq!(alert.annotations.get("summary"), Some("결제"));
    assert!(alert.annotations.get("description").unwrap().ends_with('…'));
    assert_eq!(alert.generator_url, "");
}

#[test]
fn a_request_has_a_limit() {
    let body = |n: usize| format!("[{}]", vec![r#"{"labels":{"a":"1"}}"#; n].join(","));
    let parsed = alerts_api::parse(body(ALERTS_MAX).as_bytes()).unwrap();
    assert_eq!(parsed.alerts.len(), ALERTS_MAX);
    let refused = alerts_api::parse(body(ALERTS_MAX + 1).as_bytes());
    assert_eq!(refused, Err(Unparsable::TooMany { n: ALERTS_MAX + 1 }));
}

#[test]
fn what_nobody_reads_may_nest_as_deep_as_it_wants() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(r#"[{{"labels":{{"a":"1"}},"more":{deep}}}]"#);
    assert_eq!(alerts_api::parse(body.as_bytes()).unwrap().alerts.len(), 1);
    let body = format!(r#"[{{"labels":{{"a":{deep}}}}},{{"labels":{{"b":"1"}}}}]"#);
    let parsed = alerts_api::parse(body.as_bytes()).unwrap();
    assert_eq!((parsed.alerts.len(), parsed.partial.len()), (1, 1));
}

#[test]
fn a_body_that_is_no_list_of_alerts_is_refused() {
    for body in ["", "{}", "null", "7", "[", "[{}] x", "\"[]\"", "[\u{feff}]"] {
        assert!(alerts_api::parse(body.as_bytes()).is_err(), "{body}");
        assert!(alertmanager::parse(body.as_bytes(), now()).is_err(), "{body}");
    }
    assert_eq!(alerts_api::parse(b"[\"\xff\"]"), Err(Unparsable::NotUtf8 { at: 2 }));
    for body in [r#"{"alerts":null}"#, r#"{"alerts":{}}"#, r#"{"status":"firing"}"#] {
        let said = alertmanager::parse(body.as_bytes(), now()).unwrap_err().to_string();
        assert!(said.starts_with("alerts: "), "{said}");
    }
    assert_eq!(alerts_api::parse(b"[]").unwrap(), Parsed::default());
}

#[test]
fn a_webhook_is_read_alert_by_alert_and_its_group_says_nothing() {
    let parsed = one(Source::Alertmanager, "mixed").parsed().unwrap();
    let ends: Vec<_> = parsed.alerts.iter().map(|alert| alert.ends_at).collect();
    assert_eq!(ends, [None, Some(at("2026-11-21T00:40:00Z"))]);
    assert_eq!((parsed.partial.len(), parsed.n_truncated), (2, 7));
    let resolved = one(Source::Alertmanager, "resolved").parsed().unwrap();
    let fingerprint = resolved.alerts[0].labels.fingerprint();
    assert_eq!(fingerprint.to_string(), "ae798f6140c1fd61", "as Alertmanager has it");
    let grafana = one(Source::Grafana, "mixed").parsed().unwrap();
    let over: Vec<_> = grafana.alerts.iter().map(|alert| alert.ends_at.is_some()).collect();
    assert_eq!(over, [false, true]);
}

#[test]
fn a_sender_whose_clock_is_ahead_ends_what_it_began() {
    let body = |status: &str| {
        json!({"alerts": [{
            "status": status, "labels": {"a": "1"},
            "startsAt": "2026-11-21T03:05:00Z", "endsAt": "2026-11-21T03:10:00Z",
        }]})
        .to_string()
    };
    let firing = alertmanager::parse(body("firing").as_bytes(), now()).unwrap();
    assert_eq!(firing.alerts[0].starts_at, Some(now()));
    let resolved = alertmanager::parse(body("resolved").as_bytes(), now()).unwrap();
    assert_eq!(resolved.alerts[0].ends_at, Some(now()));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("2026-11-21T03:00:00Z")),
        Just(json!("firing")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name =
            prop_oneof!["labels", "annotations", "startsAt", "endsAt", "status", "\\PC{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}\",:a-z0-9\\\\ 가]{0,80}") {
        let _ = alerts_api::parse(text.as_bytes());
        let _ = alertmanager::parse(text.as_bytes(), now());
    }

    #[test]
    fn every_element_is_either_taken_or_named(alerts in prop::collection::vec(json_value(), 0..8)) {
        let n_alerts = alerts.len();
        let parsed = posted(&Value::from(alerts.clone()));
        prop_assert_eq!(parsed.n_elements(), n_alerts);
        prop_assert_eq!(parsed.complaint().is_none(), parsed.alerts.len() == n_alerts);
        for alert in &parsed.alerts {
            prop_assert!(!alert.labels.is_empty());
            if let (Some(start), Some(end)) = (alert.starts_at, alert.ends_at) {
                prop_assert!(start <= end);
            }
        }
        let hook = json!({ "alerts": alerts }).to_string();
        let hook = alertmanager::parse(hook.as_bytes(), now()).unwrap();
        prop_assert_eq!(hook.n_elements(), n_alerts);
    }
}
