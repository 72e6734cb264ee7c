//! `/api/v1/locks`, and what people do to incidents.

use axum::http::StatusCode;
use serde_json::json;

use crate::outpost::Outpost;

#[tokio::test]
async fn a_lock_is_taken_prolonged_and_released_by_its_holder() {
    let outpost = Outpost::start().await;
    let ask = |owner: &str, seconds: u64| {
        json!({
            "name": "stress-test", "owner": owner, "reason": "부하 시험", "services": ["결제"],
            "blocks": ["auto_restart"], "expires_in_seconds": seconds,
        })
        .to_string()
    };
    let taken = outpost.post("/api/v1/locks", ask("kim", 600)).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    let first = taken.json()["fence"].as_u64().unwrap();
    let other = outpost.post("/api/v1/locks", ask("lee", 600)).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.json()["detail"].as_str().unwrap().contains("held by kim"), "{}", other.text);
    let longer = outpost.post("/api/v1/locks", ask("kim", 1_200)).await.json();
    let second = longer["fence"].as_u64().unwrap();
    assert!(second > first);
    let list = outpost.get("/api/v1/locks").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&list["items"][0]["held"], &list["items"][0]["blocks"]),
        (&json!(true), &json!(["auto_restart"]))
    );

    let release = |fence: u64| json!({"fence": fence, "by": "kim"}).to_string();
    let path = "/api/v1/locks/stress-test/release";
    assert_eq!(outpost.post(path, release(first)).await.status, StatusCode::CONFLICT);
    assert_eq!(outpost.post(path, release(second)).await.status, StatusCode::OK);
    assert_eq!(outpost.post(path, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(outpost.get("/api/v1/locks").await.json(), json!({"items": []}));
    outpost.stop().await;
}

#[tokio::test]
async fn an_incident_is_acknowledged_and_resolved() {
    let outpost = Outpost::start().await;
    let alert = r#"[{"labels":{"alertname":"x","service":"결제","severity":"critical"}}]"#;
    outpost.post("/api/v2/alerts", alert).await;
    let change = |word: &str| format!("/api/v1/incidents/INC-1/{word}");
    let taken = outpost.post(&change("acknowledge"), r#"{"by":"김"}"#).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    assert_eq!(taken.json()["id"], "INC-1");
    let detail = outpost.get("/api/v1/incidents/INC-1").await.json();
    let facts: Vec<_> =
        detail["timeline"].as_array().unwrap().iter().map(|entry| &entry["text"]).collect();
    assert!(facts.contains(&&json!("INC-1 acknowledged by 김")), "{facts:?}");
    assert_eq!(detail["escalation"]["acknowledged_by"], "김");
    assert_eq!(outpost.post(&change("unacknowledge"), "").await.status, StatusCode::OK);
    let resolved = outpost.post(&change("resolve"), "").await.json();
    assert_eq!(resolved["state"], "resolved");
    let again = outpost.post(&change("resolve"), "").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.json()["detail"], "INC-1 is resolved and cannot be resolved now");

    for (path, body, status) in [
        ("/api/v1/incidents/INC-9/acknowledge", "", 404),
        ("/api/v1/incidents/x/acknowledge", "", 400),
        ("/api/v1/incidents/INC-1/acknowledge", "{", 400),
        ("/api/v1/incidents/INC-1/acknowledge", r#"{"by":""}"#, 400),
        ("/api/v1/incidents/INC-1/forget", "", 404),
    ] {
        let answer = outpost.post(path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    outpost.stop().await;
}

#[tokio::test]
async fn a_channel_is_tried_out() {
    let outpost = Outpost::start().await;
    let queued = outpost.post("/api/v1/channels/console/test", r#"{"by":"kim"}"#).await;
    assert_eq!(queued.status, StatusCode::OK, "{}", queued.text);
    assert!(queued.json()["notification"].as_str().unwrap().starts_with("N-"));
    let unknown = outpost.post("/api/v1/channels/none/test", "").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    outpost.stop().await;
}
