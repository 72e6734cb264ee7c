//! `GET /api/v1/events`.

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use futures_util::StreamExt as _;
use nightcrew_server::limit::STREAMS_MAX;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::outpost::{Outpost, soon};

/// One reader of a stream.
struct Reader {
    body: BodyDataStream,
    text: String,
}

/// One event of a stream.
#[derive(Debug)]
struct Event {
    id: u64,
    name: String,
    data: Value,
}

impl Reader {
    async fn open(outpost: &Outpost, path: &str, last: Option<u64>) -> Self {
        let mut request = Request::get(path).header("host", "localhost");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = outpost.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line =
                        block.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                    line.unwrap_or_else(|| panic!("no {name} in {block}")).to_owned()
                };
                let event = Event {
                    id: field("id").parse().unwrap(),
                    name: field("event"),
                    data: serde_json::from_str(&field("data")).unwrap(),
                };
                self.text = rest.to_owned();
                return event;
            }
            let chunk = soon("an event", self.body.next()).await.unwrap().unwrap();
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
    }
}

async fn report(outpost: &Outpost, name: &str) {
    let body = format!(r#"[{{"labels":{{"alertname":"{name}","service":"주문"}}}}]"#);
    assert_eq!(outpost.post("/api/v2/alerts", body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn events_come_live_and_in_order() {
    let outpost = Outpost::start().await;
    let mut reader = Reader::open(&outpost, "/api/v1/events", None).await;
    report(&outpost, "지연").await;
    let first = reader.next().await;
    assert_eq!(first.name, "alert_fired");
    assert_eq!(first.data["text"], "alert fired: 주문 지연 (warning)");
    assert_eq!(first.data["reason"], "reported through alerts-api");
    let second = reader.next().await;
    assert_eq!((second.id, second.name.as_str()), (first.id + 1, "incident_opened"));
    assert_eq!(second.data["incident"], "INC-1");
    assert_eq!(second.data["position"], second.id);
    assert_eq!(second.data["stream"], "incident/INC-1");
    outpost.stop().await;
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_nothing() {
    let outpost = Outpost::start().await;
    report(&outpost, "a").await;
    let mut reader = Reader::open(&outpost, "/api/v1/events?from=0", None).await;
    let seen = reader.next().await;
    assert_eq!(seen.id, 1);
    drop(reader);
    report(&outpost, "b").await;
    let last = outpost.handle().journal().last_position().0;
    let mut again = Reader::open(&outpost, "/api/v1/events?from=9", Some(seen.id)).await;
    for wanted in seen.id + 1..=last {
        assert_eq!(again.next().await.id, wanted);
    }
    let mut beyond = Reader::open(&outpost, "/api/v1/events", Some(1_000_000)).await;
    report(&outpost, "c").await;
    assert!(beyond.next().await.id > last, "what is known already does not come again");
    outpost.stop().await;
}

#[tokio::test]
async fn streams_have_a_limit_and_give_their_place_back() {
    let outpost = Outpost::start().await;
    let mut readers = Vec::new();
    for _ in 0..STREAMS_MAX {
        readers.push(Reader::open(&outpost, "/api/v1/events", None).await);
    }
    let refused = outpost.get("/api/v1/events").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.json()["detail"].as_str().unwrap().contains("64 event streams"));
    readers.pop();
    Reader::open(&outpost, "/api/v1/events", None).await;
    outpost.stop().await;
}
