//! What our own detectors found: the numbers behind it, its picture, the objectives.

use axum::http::StatusCode;
use jiff::Timestamp;
use nightcrew_model::chart::{Chart, Method, Point};
use nightcrew_model::event::Event;
use nightcrew_model::id::Target;
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Quantity, Unit};
use serde_json::json;

use crate::outpost::Outpost;

fn finding() -> Finding {
    let at = |n: i64| Timestamp::from_second(1_764_000_000 + n * 60).unwrap();
    let points: Vec<Point> =
        (0..30).map(|n| Point { at: at(n), value: 70.0 + n as f64 / 10.0 }).collect();
    let target = Target::part("host".into(), "/");
    Finding {
        target: target.clone(),
        symptom: "disk_space_low_soon".into(),
        level: Level::Firing(Severity::Info),
        sample: Sample {
            target,
            metric: "disk_usage".into(),
            at: at(29),
            observation: Observation::Read(Reading::Quantity(
                Quantity::new(72.9, Unit::Percent).unwrap(),
            )),
            detail: None,
        },
        rule: "disk_usage will reach 90 % in 8 d".to_owned(),
        chart: Some(Box::new(Chart {
            method: Method::Forecast,
            unit: Unit::Percent,
            points,
            ahead: Vec::new(),
            expected: None,
            limit: Some(90.0),
            since: None,
        })),
    }
}

#[tokio::test]
async fn a_finding_that_informs_has_a_picture_and_no_incident() {
    let outpost = Outpost::start().await;
    outpost.handle().submit(vec![Event::Found { finding: finding() }]).await.unwrap();
    let alerts = outpost.get("/api/v1/alerts").await.json();
    let alert = &alerts["items"][0];
    assert_eq!((&alert["severity"], &alert["source"]), (&json!("info"), &json!("detector")));
    let path = format!("/api/v1/alerts/{}", alert["fingerprint"].as_str().unwrap());
    let story = outpost.get(&path).await.json();
    assert_eq!(story["chart"]["method"], "forecast");
    assert_eq!(story["incident"], json!(null));
    let picture = outpost.get(&format!("{path}/chart.svg")).await;
    assert_eq!(picture.status, StatusCode::OK);
    assert_eq!(picture.header("content-type"), "image/svg+xml");
    let none = outpost.get("/api/v1/alerts/0000000000000001/chart.svg").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(outpost.get("/api/v1/slo").await.json(), json!({ "items": [] }));
    outpost.stop().await;
}
