//! `/api/v1/metrics`: what was measured.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::outpost::Outpost;

const MEMORY: &str = "memory_usage%7Bservice%3D%22host%22%7D";

#[tokio::test]
async fn what_was_measured_is_listed_queried_and_exported() {
    let outpost = Outpost::start().await;
    let list = format!("/api/v1/metrics?selector={MEMORY}");
    let answer = outpost.until(&list, |answer| answer.json()["items"][0]["value"].is_f64()).await;
    let (listed, item) = (answer.json(), answer.json()["items"][0].clone());
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!((&item["metric"], &item["unit"]), (&json!("memory_usage"), &json!("percent")));
    let query = format!("/api/v1/metrics/query?selector={MEMORY}&since=1h");
    let found = |answer: &crate::outpost::Answer| answer.json()["series"][0]["points"].is_array();
    let answer = outpost.until(&query, found).await.json();
    assert_eq!(answer["columns"], json!(["at_ms", "value"]));
    let series = &answer["series"][0];
    assert_eq!(
        (&series["metric"], &series["unit"], &series["labels"]),
        (&json!("memory_usage"), &json!("percent"), &json!({"service": "host"}))
    );
    assert!(series["points"][0][1].is_f64());
    let stepped = outpost.get(&format!("{query}&step=5m")).await.json();
    assert_eq!((&stepped["step_ms"], &stepped["columns"][2]), (&json!(300_000), &json!("min")));
    let text = outpost.get(&format!("/api/v1/metrics/export?selector={MEMORY}")).await;
    assert!(
        text.text.starts_with("memory_usage{service=\"host\",unit=\"percent\"} "),
        "{}",
        text.text
    );
    assert!(text.header("content-type").starts_with("text/plain; version=0.0.4"));
    let csv = outpost.get(&format!("/api/v1/metrics/export?selector={MEMORY}&format=csv")).await;
    assert!(csv.text.starts_with("time,series,value\r\n"));
    assert!(csv.header("content-type").starts_with("text/csv"));
    let status = outpost.get("/api/v1/status").await.json();
    assert_eq!(
        (&status["series"]["open"], &status["series"]["trouble"]),
        (&json!(true), &Value::Null)
    );
    let metrics = outpost.get("/metrics").await.text;
    assert!(metrics.contains("nightcrew_series_writable 1\n"), "{metrics}");
    outpost.stop().await;
}

#[tokio::test]
async fn questions_that_make_no_sense_are_told_what_does() {
    let outpost = Outpost::start().await;
    let open = |answer: &crate::outpost::Answer| answer.json()["series"]["open"] == json!(true);
    outpost.until("/api/v1/status", open).await;
    for (query, said) in [
        ("selector=up%7B", "brace"),
        ("since=soon", "since"),
        ("until=soon", "until"),
        ("step=0s", "step"),
        ("since=2030-01-01T00:00:00Z", "ends before it starts"),
    ] {
        let answer = outpost.get(&format!("/api/v1/metrics/query?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(said), "{}", answer.text);
        assert_ne!(answer.json()["hint"], json!(""));
    }
    let answer = outpost.get("/api/v1/metrics/export?format=xml").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let answer = outpost.get("/api/v1/metrics?limit=0").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    outpost.stop().await;
}
