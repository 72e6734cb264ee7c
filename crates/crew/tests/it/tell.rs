//! The outbox: people are told, also when the receiver needs a while.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use nightcrew_model::alert::Source;
use nightcrew_model::decision::Fact;
use nightcrew_runtime::http::Http;

use crate::stage::{alert, settings, start, until};

#[tokio::test]
async fn an_escalation_arrives_although_the_receiver_fails_first() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(
        folder.path(),
        r#"{
            host: { interval_seconds: 3600, disks: [] },
            channels: { pager: { type: "webhook", url: "http://receiver.test/hook", notify: ["escalated"] } },
        }"#,
    );
    let tries = Arc::new(AtomicU32::new(0));
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let receiver = {
        let (tries, bodies) = (tries.clone(), bodies.clone());
        Router::new().route(
            "/hook",
            post(async move |body: Bytes| {
                bodies
                    .lock()
                    .unwrap()
                    .push(serde_json::from_slice::<serde_json::Value>(&body).unwrap());
                if tries.fetch_add(1, Ordering::SeqCst) == 0 {
                    StatusCode::BAD_GATEWAY
                } else {
                    StatusCode::OK
                }
            }),
        )
    };
    let crew = start(settings, Http::Fake(receiver)).await;
    let handle = crew.handle().clone();
    let alerts = vec![alert(&[("alertname", "결제 실패"), ("service", "pay")])];
    handle.take_alerts(Source::Alertmanager, alerts).await.unwrap();
    until(&handle, |fact| matches!(fact, Fact::NotificationDelivered { .. })).await;
    crew.stop().await;
    let bodies = bodies.lock().unwrap();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0]["dedup_key"], bodies[1]["dedup_key"]);
    assert_eq!(bodies[1]["symptom"], "결제 실패");
    assert_eq!(bodies[1]["kind"], "escalated");
}
