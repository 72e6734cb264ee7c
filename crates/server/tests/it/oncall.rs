//! `/api/v1/oncall`.

use axum::http::StatusCode;
use nightcrew_model::escalation::Person;
use nightcrew_model::interval::Zone;
use nightcrew_model::oncall::{Layer, Schedule, Turn};
use serde_json::json;

use crate::outpost::Outpost;

async fn outpost() -> Outpost {
    Outpost::with(|settings| {
        let triage = &mut settings.triage;
        for name in ["kim", "이"] {
            let person = Person { name: name.into(), channels: Vec::new() };
            triage.people.insert(name.into(), person);
        }
        let layer = Layer {
            name: "week".to_owned(),
            people: vec!["kim".into()],
            begins: "2026-01-05T09:00".parse().unwrap(),
            turn: Turn::Weeks(1),
            hours: Vec::new(),
        };
        let schedule = Schedule {
            name: "primary".into(),
            zone: Zone::named("Asia/Seoul").unwrap(),
            layers: vec![layer],
            overrides: Vec::new(),
        };
        triage.schedules.insert("primary".into(), schedule);
    })
    .await
}

#[tokio::test]
async fn somebody_stands_in_for_whoever_is_on_call() {
    let outpost = outpost().await;
    let list = outpost.get("/api/v1/oncall").await.json();
    assert_eq!(list, json!({"items": [{"schedule": "primary", "person": "kim", "until": null}]}));
    let now = outpost.handle().clock().now();
    let until = nightcrew_model::unit::Millis::from_secs(7_200).after(now);
    let body = |person: &str, until: &str| {
        json!({"person": person, "until": until, "by": "이"}).to_string()
    };
    let path = "/api/v1/oncall/primary/overrides";
    let set = outpost.post(path, body("이", &until.to_string())).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let list = outpost.get("/api/v1/oncall").await.json();
    assert_eq!(list["items"][0]["person"], "이");
    let shifts = outpost.get("/api/v1/oncall/primary?days=2").await.json();
    let people: Vec<_> =
        shifts["shifts"].as_array().unwrap().iter().map(|shift| &shift["person"]).collect();
    assert_eq!(
        (people, &shifts["zone"]),
        (vec![&json!("이"), &json!("kim")], &json!("Asia/Seoul"))
    );
    for (person, until, status) in [
        ("nobody", until.to_string(), 400),
        ("이", "2026-01-01T00:00:00Z".to_owned(), 400),
        ("이", "2999-01-01T00:00:00Z".to_owned(), 400),
        ("이", "내일".to_owned(), 400),
    ] {
        let answer = outpost.post(path, body(person, &until)).await;
        assert_eq!(answer.status.as_u16(), status, "{person} {until}: {}", answer.text);
    }
    let nowhere =
        outpost.post("/api/v1/oncall/none/overrides", body("이", &until.to_string())).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    for days in ["0", "93", "x"] {
        let answer = outpost.get(&format!("/api/v1/oncall/primary?days={days}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{days}");
    }
    outpost.stop().await;
}

#[tokio::test]
async fn a_calendar_can_be_subscribed_to() {
    let outpost = outpost().await;
    let feed = outpost.get("/api/v1/oncall/primary.ics").await;
    assert_eq!(feed.status, StatusCode::OK);
    assert_eq!(feed.header("content-type"), "text/calendar; charset=utf-8");
    assert!(feed.text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"), "{}", feed.text);
    assert!(feed.text.contains("\r\nSUMMARY:kim (primary)\r\n"), "{}", feed.text);
    outpost.stop().await;
}
