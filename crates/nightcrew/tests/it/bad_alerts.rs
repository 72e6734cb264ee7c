//! What comes in through the doors and is not as it should be.

use std::fmt::Write as _;

use serde_json::json;

use crate::crew::{Crew, quiet};
use crate::stage::Stage;

const ALERTS: &str = "/api/v2/alerts";

/// After whatever came in, the crew is ready and takes a good alert.
fn assert_unharmed(crew: &Crew<'_>) {
    assert_eq!(crew.get("/readyz").unwrap().status, 200);
    let good = json!([{ "labels": { "alertname": "멀쩡함" } }]).to_string();
    assert_eq!(crew.post(ALERTS, good).status, 200);
    assert!(crew.alert("alertname", "멀쩡함").is_some());
}

#[test]
fn what_is_no_list_of_alerts_is_refused_whole() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 9] = [
        b"",
        b"not json",
        b"{",
        b"{}",
        b"null",
        b"[{\"labels\":{\"alertname\":\"x\"}}",
        b"[{\"labels\":{\"alertname\":\"x\"}}] and more",
        b"[{\"labels\":{\"alertname\":\"\xed\x95\"}}]",
        deep.as_bytes(),
    ];
    for body in bodies {
        for path in [ALERTS, "/hooks/alertmanager"] {
            let answer = crew.post(path, body);
            let sent = String::from_utf8_lossy(body);
            let sent: String = sent.chars().take(40).collect();
            assert_eq!(answer.status, 400, "{path} {sent:?}: {}", answer.body);
            assert!(answer.body.len() > 10, "{path} {sent:?} has no reason");
        }
    }
    assert_eq!(crew.json("/api/v1/alerts")["items"], json!([]));
    assert_unharmed(&crew);
    crew.stop();
    assert!(!stage.output("up", "err").contains("panicked"));
}

#[test]
fn the_good_half_of_a_request_is_stored_and_the_bad_half_named() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let body = json!([
        { "labels": { "alertname": "첫째" } },
        { "labels": {} },
        { "labels": { "alertname": "셋째", "비어있음": "" } },
        { "labels": { "alertname": "넷째" }, "startsAt": "yesterday" },
    ]);
    let answer = crew.post(ALERTS, body.to_string());
    assert_eq!(answer.status, 400);
    for named in ["alert 1: at least one label", "alert 3: startsAt", "yesterday"] {
        assert!(answer.body.contains(named), "{}", answer.body);
    }
    assert!(!answer.body.contains("alert 0") && !answer.body.contains("alert 2"));
    // What was stored survives a crash: it was durable before the answer.
    crew.kill();
    let crew = Crew::listening(&stage);
    assert!(crew.alert("alertname", "첫째").is_some());
    let third = crew.alert("alertname", "셋째").unwrap();
    assert_eq!(third["labels"], json!({ "alertname": "셋째" }));
    assert!(crew.alert("alertname", "넷째").is_none());
}

#[test]
fn what_is_too_large_is_refused_and_said_so() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let huge = vec![b' '; 50 << 20];
    let answer = crew.post(ALERTS, huge);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.json()["hint"].is_string(), "{}", answer.body);
    let mut labels = String::from("\"alertname\":\"많음\"");
    for n in 0..10_000 {
        write!(labels, ",\"l{n}\":\"v\"").unwrap();
    }
    let answer = crew.post(ALERTS, format!("[{{\"labels\":{{{labels}}}}}]"));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("alert 0: labels: more than 512 of them"), "{}", answer.body);
    let long = json!([{ "labels": { "alertname": "x".repeat(1 << 20) } }]).to_string();
    let answer = crew.post(ALERTS, long);
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 1_000, "the answer repeats what was sent");
    assert_unharmed(&crew);
}

#[test]
fn odd_times_mean_what_an_alertmanager_makes_of_them() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let zero = "0001-01-01T00:00:00Z";
    let labels = |name: &str| json!({ "alertname": name });
    let post = |alert: serde_json::Value| crew.post(ALERTS, json!([alert]).to_string());

    let unset = post(json!({ "labels": labels("zero"), "startsAt": zero, "endsAt": zero }));
    assert_eq!(unset.status, 200, "{}", unset.body);
    let told = crew.alert("alertname", "zero").unwrap();
    assert_eq!(told["state"], "firing");
    assert_ne!(told["starts_at"], zero);

    let (start, end) = ("2026-11-21T02:00:00Z", "2026-11-21T01:00:00Z");
    let reversed = post(json!({ "labels": labels("reversed"), "startsAt": start, "endsAt": end }));
    assert_eq!(reversed.status, 400);
    assert!(reversed.body.contains("start time must be before end time"), "{}", reversed.body);

    let begin = "2020-01-01T00:00:00Z";
    let over =
        json!({ "labels": labels("over"), "startsAt": begin, "endsAt": "2020-01-01T01:00:00Z" });
    assert_eq!(post(over).status, 200);
    assert!(crew.alert("alertname", "over").is_none(), "it never fired");
    assert_eq!(crew.incident("over", "over"), None);

    let far = json!({ "labels": labels("far"), "endsAt": "9999-12-31T23:59:59Z" });
    let far = post(far);
    assert!(matches!(far.status, 200 | 400), "{}", far.body);
    assert_unharmed(&crew);
}

#[test]
fn a_page_of_another_site_cannot_speak_to_the_crew() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let ask = |head: &str| {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(crew.address()).unwrap();
        write!(stream, "POST {ALERTS} HTTP/1.0\r\n{head}Content-Length: 2\r\n\r\n[]").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(ask("Host: localhost\r\n"), "200");
    assert_eq!(ask("Host: evil.example\r\n"), "403");
    assert_eq!(ask("Host: localhost\r\nOrigin: http://evil.example\r\n"), "403");
}
