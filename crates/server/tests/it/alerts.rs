//! `POST` and `GET /api/v2/alerts`.

use axum::http::{Method, StatusCode};
use nightcrew_intake::limit::ALERTS_MAX;
use nightcrew_server::limit::ALERTS_BODY_BYTES_MAX;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::outpost::Outpost;

const ALERTS: &str = "/api/v2/alerts";

fn names(alerts: &Value) -> Vec<String> {
    let alerts = alerts.as_array().unwrap();
    let mut names: Vec<String> = alerts
        .iter()
        .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_posted_is_durable_and_read_back() {
    let outpost = Outpost::start().await;
    let alert = json!([{
        "labels": {"alertname": "디스크가득참", "service": "결제", "severity": "critical", "empty": ""},
        "annotations": {"summary": "<img src=x onerror=alert(1)>"},
        "startsAt": "2026-11-21T03:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
    }]);
    let answer = outpost.post(ALERTS, alert.to_string()).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));

    let held = outpost.get(ALERTS).await.json();
    let held = &held[0];
    assert_eq!(held["labels"]["alertname"], "디스크가득참");
    assert_eq!(held["labels"].get("empty"), None);
    assert_eq!(held["startsAt"], "2026-11-21T03:00:00.123Z");
    assert_eq!(
        held["status"],
        json!({"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []})
    );
    assert_eq!(held["receivers"], json!([{"name": "console"}]));
    assert_eq!(held["generatorURL"], "http://prometheus/graph");
    for required in ["endsAt", "updatedAt", "fingerprint", "annotations"] {
        assert!(!held[required].is_null(), "{required}");
    }

    let fingerprint = held["fingerprint"].as_str().unwrap();
    let same = outpost.get(&format!("/api/v1/alerts/{fingerprint}")).await.json();
    assert_eq!((&same["state"], &same["service"]), (&json!("firing"), &json!("결제")));
    outpost.stop().await;
}

#[tokio::test]
async fn the_good_ones_of_a_request_are_stored_and_the_bad_ones_are_named() {
    let outpost = Outpost::start().await;
    let body = r#"[{"labels":{"alertname":"good"}},{"labels":{}},{"labels":{"alertname":"also"}},{"labels":{"a":1}}]"#;
    let answer = outpost.post(ALERTS, body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let complaint = answer.json();
    let complaint = complaint.as_str().unwrap();
    assert!(
        complaint.starts_with("alert 1: at least one label pair required; alert 3: "),
        "{complaint}"
    );
    assert_eq!(names(&outpost.get(ALERTS).await.json()), ["also", "good"]);
    outpost.stop().await;
}

#[tokio::test]
async fn a_resolved_alert_is_no_longer_listed() {
    let outpost = Outpost::start().await;
    let fires = r#"[{"labels":{"alertname":"x"},"startsAt":"2026-01-01T00:00:00Z"}]"#;
    assert_eq!(outpost.post(ALERTS, fires).await.status, StatusCode::OK);
    assert_eq!(names(&outpost.get(ALERTS).await.json()), ["x"]);
    let over = r#"[{"labels":{"alertname":"x"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:05:00Z"}]"#;
    assert_eq!(outpost.post(ALERTS, over).await.status, StatusCode::OK);
    assert_eq!(outpost.get(ALERTS).await.json(), json!([]));
    assert_eq!(
        outpost.get("/api/v1/alerts?state=resolved").await.json()["items"][0]["state"],
        "resolved"
    );
    outpost.stop().await;
}

#[tokio::test]
async fn what_is_no_array_of_alerts_is_refused() {
    let outpost = Outpost::start().await;
    let bodies: [(Vec<u8>, &str); 8] = [
        (b"".to_vec(), "cannot be read"),
        (b"{}".to_vec(), "expected an array of alerts"),
        (b"null".to_vec(), "expected an array of alerts"),
        (b"[{]".to_vec(), "cannot be read"),
        (b"[] x".to_vec(), "cannot be read"),
        (b"[\"\xff\"]".to_vec(), "not UTF-8 from byte 2"),
        (b"[".repeat(1_000_000), "cannot be read"),
        (format!("[{}1]", "1,".repeat(ALERTS_MAX)).into_bytes(), "50001 alerts"),
    ];
    for (body, why) in bodies {
        let answer = outpost.post(ALERTS, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.json().as_str().unwrap().contains(why), "{}", answer.text);
    }
    assert_eq!(outpost.post(ALERTS, "[]").await.status, StatusCode::OK);
    assert_eq!(outpost.get(ALERTS).await.json(), json!([]));
    outpost.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_a_hint() {
    let outpost = Outpost::start().await;
    let answer = outpost.post(ALERTS, vec![b' '; ALERTS_BODY_BYTES_MAX + 1]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["hint"], "send it in several requests");
    outpost.stop().await;
}

#[tokio::test]
async fn filters_choose_by_labels_and_receiver() {
    let outpost = Outpost::start().await;
    let body = json!([
        {"labels": {"alertname": "a", "severity": "critical", "team": "결제"}},
        {"labels": {"alertname": "b", "severity": "warning"}},
    ]);
    assert_eq!(outpost.post(ALERTS, body.to_string()).await.status, StatusCode::OK);
    let cases: [(&str, &[&str]); 9] = [
        ("filter=severity%3D%22critical%22", &["a"]),
        ("filter=severity%3D~%22crit.*%7Cwarn.*%22&filter=alertname!%3Da", &["b"]),
        ("filter=team%3D%22%EA%B2%B0%EC%A0%9C%22", &["a"]),
        ("filter=team%3D%22%22", &["b"]),
        ("active=false", &[]),
        ("active=true&silenced=false&inhibited=false&unprocessed=false", &["a", "b"]),
        ("receiver=cons.*", &["a", "b"]),
        ("receiver=cons", &[]),
        ("", &["a", "b"]),
    ];
    for (query, wanted) in cases {
        let answer = outpost.get(&format!("{ALERTS}?{query}")).await;
        assert_eq!(names(&answer.json()), wanted, "{query}");
    }
    for query in ["filter=severity", "filter=a%3D~%22(%22", "receiver=(", "active=maybe"] {
        let answer = outpost.get(&format!("{ALERTS}?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.text);
        assert!(answer.json().is_string());
    }
    outpost.stop().await;
}

#[tokio::test]
async fn a_large_request_is_stored_whole() {
    let outpost = Outpost::start().await;
    let summary = "긴 설명 ".repeat(100);
    let alerts: Vec<Value> = (0..300)
        .map(|n| json!({"labels": {"alertname": format!("n{n:03}")}, "annotations": {"summary": summary}}))
        .collect();
    assert_eq!(outpost.post(ALERTS, Value::from(alerts).to_string()).await.status, StatusCode::OK);
    assert_eq!(outpost.get(ALERTS).await.json().as_array().unwrap().len(), 300);
    outpost.stop().await;
}

#[tokio::test]
async fn a_crew_that_stops_takes_nothing() {
    let outpost = Outpost::start().await;
    let router = outpost.router.clone();
    outpost.stop().await;
    let request = axum::http::Request::post(ALERTS).header("host", "localhost");
    let request = request.body(axum::body::Body::from(r#"[{"labels":{"a":"1"}}]"#)).unwrap();
    let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let outpost = Outpost::start().await;
    let answer = outpost.ask(Method::DELETE, ALERTS, "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.json()["type"], "urn:nightcrew:problem:method-not-allowed");
    let allowed: Vec<&str> = answer.header("allow").split(',').collect();
    assert!(allowed.contains(&"GET") && allowed.contains(&"POST"), "{allowed:?}");
    outpost.stop().await;
}

/// Any element that a client could send.
fn element() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        "[a-z가-힣]{0,6}".prop_map(Value::from),
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
    ];
    let labels = prop::collection::btree_map("(alertname|[a-z가-힣]{0,4})", value, 0..4);
    let time = prop_oneof![
        Just(Value::Null),
        Just(json!("0001-01-01T00:00:00Z")),
        Just(json!("2026-01-01T00:00:00Z")),
        Just(json!("9999-12-31T23:59:59Z")),
        Just(json!("내일")),
    ];
    prop_oneof![
        4 => (labels, time.clone(), time).prop_map(|(labels, start, end)| {
            json!({"labels": labels, "startsAt": start, "endsAt": end})
        }),
        1 => Just(json!(7)),
    ]
}

#[test]
fn a_200_means_that_every_alert_that_fires_is_stored() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outpost = runtime.block_on(Outpost::start());
    let bodies = prop::collection::vec(element(), 0..4);
    proptest!(ProptestConfig::with_cases(32), |(alerts in bodies)| {
        let body = Value::from(alerts.clone()).to_string();
        runtime.block_on(async {
            let answer = outpost.post(ALERTS, body).await;
            prop_assert!(matches!(answer.status.as_u16(), 200 | 400), "{answer:?}");
            if answer.status != StatusCode::OK {
                return Ok(());
            }
            let held = outpost.get(ALERTS).await.json();
            for alert in &alerts {
                let has_end = alert["endsAt"].as_str().is_some_and(|end| end.starts_with("2026"));
                let wanted: serde_json::Map<String, Value> = alert["labels"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(_, value)| value.as_str().is_some_and(|value| !value.is_empty()))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                let wanted = Value::Object(wanted);
                let found = held.as_array().unwrap().iter().any(|one| one["labels"] == wanted);
                prop_assert!(found || has_end, "{wanted} is lost");
            }
            Ok(())
        })?;
    });
    runtime.block_on(outpost.stop());
}
