//! The webhook.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response};
use nightcrew_channels::channel;
use nightcrew_channels::console::Console;
use nightcrew_channels::message::Sending;
use nightcrew_config::settings::WebhookBody;
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;
use serde_json::Value;

use crate::fixture::{TOKEN, deliver, group, message, permanent, webhook, webhook_at};

type Taken = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

fn receiver() -> (Router, Taken) {
    let taken = Taken::default();
    let to = Arc::clone(&taken);
    let router = Router::new().fallback(move |headers: HeaderMap, body: String| async move {
        let body = serde_json::from_str(&body).unwrap();
        to.lock().unwrap().push((headers, body));
        "ok"
    });
    (router, taken)
}

fn answering(status: u16, headers: &'static [(&'static str, &'static str)], body: &str) -> Router {
    let body = body.to_owned();
    Router::new().fallback(move || async move {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Body::from(body)).unwrap()
    })
}

#[tokio::test]
async fn the_body_has_its_documented_fields() {
    let (router, taken) = receiver();
    let delivery = deliver(&webhook(&[("X-Team", "야간")]), &message(), router).await;
    assert_eq!(delivery, Delivery::Delivered { receipt: None });
    let (headers, body) = taken.lock().unwrap().remove(0);
    assert_eq!(headers["idempotency-key"], "nightcrew-INC-42-escalated-7-1795230005");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["x-team"].as_bytes(), "야간".as_bytes());
    insta::assert_json_snapshot!(body, @r#"
    {
      "actions": [],
      "at": "2026-11-21T03:00:05.25Z",
      "dedup_key": "nightcrew-INC-42-escalated-7-1795230005",
      "digest": null,
      "group": null,
      "incident": "INC-42",
      "installation": "night-1",
      "kind": "escalated",
      "mentions": [],
      "possible_repeat": false,
      "record": "incidents/2026-11-21-INC-42.md",
      "resource": "/var",
      "service": "host",
      "severity": "critical",
      "story": [
        "Detected: disk_usage = 97 %",
        "Tried: clean_files /var/log; removed 0 files",
        "With a person now: INC-42/1 did not heal it"
      ],
      "subject": "INC-42",
      "subject_key": "nightcrew/night-1/INC-42/1795229880",
      "summary": "디스크가 가득 찼고, 정리해도 줄지 않았습니다.",
      "symptom": "disk_space_low",
      "title": "INC-42 needs a person: host:/var disk_space_low",
      "version": 1
    }
    "#);
}

#[tokio::test]
async fn a_repeat_carries_the_same_key_and_says_that_it_may_be_one() {
    let (router, taken) = receiver();
    let first = message();
    let mut again = message();
    again.sending = Sending::PossibleRepeat;
    deliver(&webhook(&[]), &first, router.clone()).await;
    // No configured header can take the key away.
    let greedy = webhook(&[("Idempotency-Key", "mine")]);
    deliver(&greedy, &again, router).await;
    let taken = taken.lock().unwrap();
    assert_eq!(taken[0].0["idempotency-key"], taken[1].0["idempotency-key"]);
    assert_eq!(taken[0].1["dedup_key"], taken[1].1["dedup_key"]);
    assert_eq!(taken[0].1["possible_repeat"], false);
    assert_eq!(taken[1].1["possible_repeat"], true);
}

#[tokio::test]
async fn the_answer_decides() {
    let told = async |status, headers, body: &str| {
        deliver(&webhook(&[]), &message(), answering(status, headers, body)).await
    };
    let retry = |status, after: Option<u64>| Delivery::Retry {
        after: after.map(Millis::from_secs),
        error: format!("the receiver answered HTTP {status}"),
    };
    for status in [200, 201, 202, 204] {
        assert_eq!(told(status, &[], "").await, Delivery::Delivered { receipt: None });
    }
    assert_eq!(told(429, &[("retry-after", "30")], "").await, retry(429, Some(30)));
    assert_eq!(told(503, &[("retry-after", "30")], "").await, retry(503, Some(30)));
    let dated: &[(&str, &str)] = &[
        ("date", "Sat, 21 Nov 2026 03:00:00 GMT"),
        ("retry-after", "Sat, 21 Nov 2026 03:02:00 GMT"),
    ];
    assert_eq!(told(503, dated, "").await, retry(503, Some(120)));
    for status in [408, 425, 500, 502, 504, 599] {
        assert_eq!(told(status, &[], "<html>…</html>").await, retry(status, None));
    }
    for (status, advice) in [
        (301, "set `url` of the channel to the final address"),
        (400, "check `body`"),
        (401, "credentials"),
        (404, "check `url`"),
        (422, "check `body`"),
    ] {
        let error =
            permanent(told(status, &[("location", "https://x/t0ken")], "invalid_payload").await);
        assert!(error.contains(advice), "{error}");
        assert!(error.contains(": `invalid_payload`"), "{error}");
        let echo = format!("no route /hook/{TOKEN}");
        let error = permanent(told(status, &[], &echo).await);
        assert!(!error.contains("no route"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_is_quoted_only_in_part() {
    let long = "잘못됨 ".repeat(100_000);
    let router = answering(400, &[], &long);
    let error = permanent(deliver(&webhook(&[]), &message(), router).await);
    assert!(error.chars().count() < 400, "{error}");
    assert!(error.contains("잘못됨"));
}

#[tokio::test]
async fn a_header_that_http_does_not_allow_is_permanent_and_keeps_its_value_secret() {
    for (name, value) in [("bad name", "t0ken-value"), ("x-key", "t0ken\nvalue")] {
        let (router, taken) = receiver();
        let channel = webhook(&[(name, value)]);
        let error = permanent(deliver(&channel, &message(), router).await);
        assert!(error.contains(name), "{error}");
        assert!(taken.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_is_tried_again() {
    let router = Router::new().fallback(std::future::pending::<String>);
    assert_eq!(
        deliver(&webhook(&[]), &message(), router).await,
        Delivery::Retry { after: None, error: "no answer within 10 s".into() }
    );
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_the_url_stays_secret() {
    // Another test of this process may have installed it already.
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut channel = webhook(&[]);
    channel.kind = nightcrew_config::settings::ChannelKind::Webhook {
        url: nightcrew_config::settings::Secret::new(format!("http://127.0.0.1:{port}/{TOKEN}")),
        headers: Default::default(),
        body: nightcrew_config::settings::WebhookBody::Nightcrew,
    };
    let console = Console::new(std::io::sink());
    let delivery = channel::deliver(&channel, &message(), &Http::net(), &console).await;
    let Delivery::Retry { after: None, error } = delivery else {
        panic!("{delivery:?}");
    };
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains(TOKEN), "{error}");
}

#[tokio::test]
async fn a_group_is_told_with_all_its_alerts() {
    let (router, taken) = receiver();
    let message = group(200);
    deliver(&webhook(&[]), &message, router.clone()).await;
    let alertmanager = webhook_at("https://example.org", &[], WebhookBody::Alertmanager);
    deliver(&alertmanager, &message, router).await;
    let taken = taken.lock().unwrap();
    let ours = &taken[0].1;
    assert_eq!(ours["group"]["alerts"].as_array().unwrap().len(), 200);
    assert_eq!(ours["group"]["common_labels"], serde_json::json!({"alertname": "디스크"}));
    assert_eq!(ours["incident"], Value::Null);
    assert_eq!(ours["subject_key"], message.subject_key());
    let theirs = &taken[1].1;
    assert_eq!(theirs["alerts"].as_array().unwrap().len(), 200);
    assert_eq!(theirs["version"], "4");
    assert_eq!(theirs["groupKey"], "{}:{alertname=\"디스크\"}");
    assert_eq!(theirs["externalURL"], "http://127.0.0.1:7979");
}

#[tokio::test]
async fn a_template_renders_the_body_and_its_errors_are_permanent() {
    let (router, taken) = receiver();
    let told = async |source: &str| {
        let body = WebhookBody::Template(source.to_owned());
        deliver(&webhook_at("https://example.org", &[], body), &group(2), router.clone()).await
    };
    let source = r#"{
        "text": {{ title ~ " (" ~ severity ~ ")" }},
        "names": [{% for alert in group.alerts %}{{ alert.labels.instance }}{% if not loop.last %},{% endif %}{% endfor %}],
        "raw": {{ alertmanager.groupLabels }}
    }"#;
    assert_eq!(told(source).await, Delivery::Delivered { receipt: None });
    assert_eq!(
        taken.lock().unwrap()[0].1,
        serde_json::json!({
            "text": "[FIRING:2] 디스크 (warning)",
            "names": ["0", "1"],
            "raw": {"alertname": "디스크"},
        })
    );
    let error = permanent(told("{\n\"a\": {{ group.nothing.more }}}").await);
    assert!(error.contains("`body` of the channel does not work: line 2: "), "{error}");
    assert_eq!(taken.lock().unwrap().len(), 1);
}
