//! Doors with a proof, dead letters and their replay.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use nightcrew_config::settings::{Inbound, InboundAuth, Mapping, Secret, Settings};
use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;
use ring::hmac;
use serde_json::{Value, json};

use crate::outpost::{Answer, Outpost};

const SECRET: &str = "비밀-f742231b10e8888";

fn door(name: &str, source: Source, auth: InboundAuth) -> Inbound {
    let replay_window = Millis::from_secs(300);
    Inbound { name: name.to_owned(), source, auth, replay_window, mapping: None }
}

async fn outpost(doors: Vec<Inbound>) -> Outpost {
    Outpost::with(|settings: &mut Settings| settings.triage.inbound = doors).await
}

async fn send(
    outpost: &Outpost,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<String>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    outpost.send(request.body(Body::from(body.into())).unwrap()).await
}

async fn firing(outpost: &Outpost) -> Vec<Value> {
    let list = outpost.get("/api/v1/alerts?state=firing").await.json();
    list["items"].as_array().unwrap().clone()
}

fn grafana(status: &str) -> String {
    let labels = json!({"alertname": "DatasourceError", "grafana_folder": "결제"});
    json!({
        "receiver": "crew", "status": status, "orgId": 1, "version": "1",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {}, "fingerprint": "x",
            "startsAt": "2026-11-21T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
        }],
    })
    .to_string()
}

#[tokio::test]
async fn a_token_is_asked_for_and_the_open_door_of_that_format_is_shut() {
    let auth = InboundAuth::Token(Secret::new("sesame"));
    let outpost = outpost(vec![door("gf", Source::Grafana, auth)]).await;
    let hook = "/hooks/gf";
    let bare = send(&outpost, Method::POST, hook, &[], grafana("firing")).await;
    assert_eq!(bare.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bare.header("content-type"), "application/problem+json");
    assert!(bare.header("www-authenticate").starts_with("Bearer"));
    let wrong = [("authorization", "Bearer other")];
    let refused = send(&outpost, Method::POST, hook, &wrong, grafana("firing")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(!refused.text.contains("sesame"));
    let around = send(&outpost, Method::POST, "/hooks/grafana", &[], grafana("firing")).await;
    assert_eq!(around.status, StatusCode::NOT_FOUND);
    assert!(firing(&outpost).await.is_empty());

    let right = [("authorization", "Bearer sesame")];
    for method in [Method::POST, Method::PUT] {
        let taken = send(&outpost, method, hook, &right, grafana("firing")).await;
        assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    }
    assert_eq!(firing(&outpost).await.len(), 1);
    send(&outpost, Method::POST, hook, &right, grafana("resolved")).await;
    assert!(firing(&outpost).await.is_empty());
    let get = send(&outpost, Method::GET, hook, &right, "").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
    outpost.stop().await;
}

#[tokio::test]
async fn a_signed_message_is_taken_once() {
    let auth = InboundAuth::Signature(vec![Secret::new("old"), Secret::new(SECRET)]);
    let outpost = outpost(vec![door("gf", Source::Grafana, auth)]).await;
    let body = grafana("firing");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let mac: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signed = [("x-grafana-alerting-signature", mac.as_str())];
    let changed = body.replace("결제", "주문");
    let forged = send(&outpost, Method::POST, "/hooks/gf", &signed, changed).await;
    assert_eq!(forged.status, StatusCode::UNAUTHORIZED);
    let taken = send(&outpost, Method::POST, "/hooks/gf", &signed, body.clone()).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    let again = send(&outpost, Method::POST, "/hooks/gf", &signed, body).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "it was recorded by somebody");
    assert_eq!(again.json()["type"], "urn:nightcrew:problem:unbelieved");
    assert_eq!(firing(&outpost).await.len(), 1);
    outpost.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_replayed_once_the_door_is_mended() {
    let mut mapping = Mapping { alerts: Some("/list".to_owned()), ..Mapping::default() };
    mapping.labels.insert("alertname".to_owned(), "/name".to_owned());
    let generic =
        Inbound { mapping: Some(mapping), ..door("own", Source::Generic, InboundAuth::Open) };
    let outpost = outpost(vec![generic]).await;
    let body = json!({"alerts": [{"name": "느림"}]}).to_string();
    let refused = outpost.post("/hooks/own", body.clone()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    let id = refused.json()["dead_letter"].as_u64().unwrap();
    assert!(refused.json()["hint"].as_str().unwrap().contains(&format!("dead letter {id}")));
    let same = outpost.post("/hooks/own", body.clone()).await;
    assert_eq!(same.json()["dead_letter"], id, "a sender that repeats itself needs one letter");

    let list = outpost.get("/api/v1/dead-letters").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let letter = &list["items"][0];
    assert_eq!((&letter["id"], &letter["door"]), (&json!(id), &json!("own")));
    assert_eq!(letter["replayed_at"], json!(null));
    let detail = outpost.get(&format!("/api/v1/dead-letters/{id}")).await.json();
    assert_eq!(detail["body"], body);
    let replay = format!("/api/v1/dead-letters/{id}/replay");
    let still = outpost.post(&replay, "{}").await;
    assert_eq!(still.status, StatusCode::CONFLICT, "{}", still.text);

    let mut settings = Settings::clone(&outpost.handle().settings());
    settings.triage.inbound[0].mapping.as_mut().unwrap().alerts = Some("/alerts".to_owned());
    outpost.handle().reload(settings).await.unwrap();
    let replayed = outpost.post(&replay, "{}").await;
    assert_eq!(replayed.status, StatusCode::OK, "{}", replayed.text);
    let alerts = firing(&outpost).await;
    assert_eq!(alerts[0]["labels"]["alertname"], "느림");
    let list = outpost.get("/api/v1/dead-letters").await.json();
    assert!(list["items"][0]["replayed_at"].is_string());
    for (path, status) in [("7777", 404), ("x", 400)] {
        let answer = outpost.get(&format!("/api/v1/dead-letters/{path}")).await;
        assert_eq!(answer.status.as_u16(), status);
    }
    outpost.stop().await;
}

#[tokio::test]
async fn of_a_list_only_the_bad_ones_become_a_letter() {
    let outpost = Outpost::start().await;
    let body = json!([{"labels": {"alertname": "좋음"}}, {"labels": {"나쁨": 1}}]);
    let answer = outpost.post("/api/v2/alerts", body.to_string()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json().as_str().unwrap().ends_with("kept as dead letter 1"), "{}", answer.text);
    let letter = outpost.get("/api/v1/dead-letters/1").await.json();
    assert_eq!(letter["body"], r#"[{"labels":{"나쁨":1}}]"#);
    assert_eq!(letter["door"], "api/v2/alerts");
    assert_eq!(
        outpost.post("/api/v1/dead-letters/1/replay", "").await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(firing(&outpost).await.len(), 1, "a replay repeats no neighbour");
    outpost.stop().await;
}

#[tokio::test]
async fn an_opsgenie_client_creates_acknowledges_and_closes() {
    let auth = InboundAuth::Token(Secret::new("genie"));
    let outpost = outpost(vec![door("og", Source::Opsgenie, auth)]).await;
    let key = [("authorization", "GenieKey genie"), ("content-type", "application/json")];
    let body =
        json!({"message": "결제가 느림", "alias": "pay/1", "entity": "결제", "priority": "P1"});
    let create = || send(&outpost, Method::POST, "/v2/alerts", &key, body.to_string());
    let bare = send(&outpost, Method::POST, "/v2/alerts", &[], body.to_string()).await;
    assert_eq!(bare.status, StatusCode::UNAUTHORIZED);
    let created = create().await;
    assert_eq!(created.status, StatusCode::ACCEPTED, "{}", created.text);
    assert_eq!(created.json()["result"], "Request will be processed");
    let id = created.json()["requestId"].as_str().unwrap().to_owned();
    let state = outpost.get(&format!("/v2/alerts/requests/{id}")).await;
    assert_eq!(state.json()["data"]["success"], true);
    assert_eq!(firing(&outpost).await.len(), 1);

    let below = |call: &str| format!("/v2/alerts/pay%2F1/{call}?identifierType=alias");
    let taken = send(&outpost, Method::POST, &below("acknowledge"), &key, r#"{"user":"김"}"#).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text);
    let story = outpost.get("/api/v1/incidents/INC-1").await.text;
    assert!(story.contains("INC-1 acknowledged by 김"), "{story}");
    let closed = send(&outpost, Method::POST, &below("close"), &key, "{}").await;
    assert_eq!(closed.status, StatusCode::ACCEPTED, "{}", closed.text);
    assert!(firing(&outpost).await.is_empty());

    let bad = send(&outpost, Method::POST, "/v2/alerts", &key, r#"{"alias":"x"}"#).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let letter = bad.json()["dead_letter"].as_u64().unwrap();
    let kept = outpost.get(&format!("/api/v1/dead-letters/{letter}")).await.json();
    assert_eq!(kept["content_type"], "message/http");
    assert!(kept["body"].as_str().unwrap().starts_with("POST /v2/alerts HTTP/1.1\r\n"));
    assert!(!kept["body"].as_str().unwrap().contains("genie"), "no secret is kept");
    let replay = outpost.post(&format!("/api/v1/dead-letters/{letter}/replay"), "").await;
    assert_eq!(replay.status, StatusCode::CONFLICT, "{}", replay.text);
    outpost.stop().await;
}

fn sns(kind: &str, certificate: &str) -> String {
    json!({
        "Type": kind, "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:x", "Message": "{}",
        "Timestamp": "2026-11-21T00:00:00.000Z", "SignatureVersion": "1", "Signature": "AAAA",
        "SigningCertURL": certificate, "Token": "t",
        "SubscribeURL": "http://169.254.169.254/latest/meta-data",
    })
    .to_string()
}

#[tokio::test]
async fn amazon_is_not_asked_for_what_leads_elsewhere() {
    let outpost = Outpost::start().await;
    for (kind, url) in [
        ("SubscriptionConfirmation", "https://evil.example/x.pem"),
        ("Notification", "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"),
        ("Notification", "http://sns.eu-west-1.amazonaws.com/x.pem"),
    ] {
        let refused = outpost.post("/hooks/cloudwatch", sns(kind, url)).await;
        assert!(matches!(refused.status.as_u16(), 401 | 403), "{url}: {}", refused.text);
    }
    // The host is Amazon's, and there is nothing at that path.
    let url = "https://sns.eu-west-1.amazonaws.com/none.pem";
    let later = outpost.post("/hooks/cloudwatch", sns("Notification", url)).await;
    assert_eq!(later.status, StatusCode::SERVICE_UNAVAILABLE, "{}", later.text);
    assert!(later.json()["detail"].as_str().unwrap().contains("answered 404"), "{}", later.text);
    assert_eq!(later.header("retry-after"), "1");
    assert!(firing(&outpost).await.is_empty());
    outpost.stop().await;
}
