//! `POST /hooks/alertmanager`.

use axum::http::StatusCode;
use serde_json::json;

use crate::outpost::Outpost;

const HOOK: &str = "/hooks/alertmanager";

#[tokio::test]
async fn a_webhook_of_alertmanager_fires_and_resolves() {
    let outpost = Outpost::start().await;
    let firing = include_str!("../payloads/alertmanager_webhook.json");
    assert_eq!(outpost.post(HOOK, firing).await.status, StatusCode::OK);
    let alert = outpost.get("/api/v1/alerts/ae798f6140c1fd61").await.json();
    assert_eq!((&alert["state"], &alert["ends_at"]), (&json!("firing"), &json!(null)));
    assert_eq!(alert["source"], "alertmanager");
    let resolved = include_str!("../payloads/alertmanager_webhook_resolved.json");
    assert_eq!(outpost.post(HOOK, resolved).await.status, StatusCode::OK);
    let alert = outpost.get("/api/v1/alerts/ae798f6140c1fd61").await.json();
    assert_eq!(alert["state"], "resolved");
    outpost.stop().await;
}

#[tokio::test]
async fn each_alert_has_its_own_status_and_its_own_mistakes() {
    let outpost = Outpost::start().await;
    let hook = |status| {
        json!({
            "version": "4", "status": "firing", "truncatedAlerts": 3,
            "alerts": [
                {"status": "firing", "labels": {"alertname": "계속"}},
                {"status": status, "labels": {"alertname": "끝"}},
                {"status": "firing", "labels": {}},
            ],
        })
        .to_string()
    };
    let answer = outpost.post(HOOK, hook("firing")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["detail"], "alert 2: at least one label pair required");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    outpost.post(HOOK, hook("resolved")).await;
    let firing = outpost.get("/api/v1/alerts?state=firing").await.json();
    assert_eq!(firing["items"].as_array().unwrap().len(), 1);
    assert_eq!(firing["items"][0]["labels"]["alertname"], "계속");
    let metrics = outpost.get("/metrics").await.text;
    assert!(metrics.contains("\nnightcrew_alerts_truncated_total 6\n"), "{metrics}");
    assert!(metrics.contains("\nnightcrew_alerts_bad_total 2\n"), "{metrics}");
    outpost.stop().await;
}

#[tokio::test]
async fn what_is_no_webhook_is_refused_with_a_hint() {
    let outpost = Outpost::start().await;
    for body in ["", "[]", "{}", "{\"alerts\":7}"] {
        let answer = outpost.post(HOOK, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.json()["hint"].as_str().unwrap().contains("dead letter"), "{}", answer.text);
    }
    outpost.stop().await;
}
