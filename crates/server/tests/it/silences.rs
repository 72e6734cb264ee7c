//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::outpost::{Answer, Outpost};

const SILENCES: &str = "/api/v2/silences";

fn wanted() -> Value {
    json!({
        "matchers": [{"name": "service", "value": "결제", "isRegex": false, "isEqual": true}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "kim",
        "comment": "점검 <b>",
    })
}

async fn post(outpost: &Outpost, silence: &Value) -> Answer {
    let request = Request::post(SILENCES)
        .header("host", "localhost")
        .header("content-type", "application/json");
    outpost.send(request.body(Body::from(silence.to_string())).unwrap()).await
}

async fn made(outpost: &Outpost, silence: &Value) -> String {
    let answer = post(outpost, silence).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["silenceID"].as_str().unwrap().to_owned()
}

async fn alert(outpost: &Outpost) -> Value {
    outpost.get("/api/v2/alerts").await.json()[0].clone()
}

#[tokio::test]
async fn a_silence_keeps_an_alert_quiet_until_it_is_expired() {
    let outpost = Outpost::start().await;
    let body = r#"[{"labels":{"alertname":"x","service":"결제"}}]"#;
    assert_eq!(outpost.post("/api/v2/alerts", body).await.status, StatusCode::OK);
    assert_eq!(alert(&outpost).await["status"]["state"], "active");
    let id = made(&outpost, &wanted()).await;
    let status = alert(&outpost).await["status"].clone();
    assert_eq!((&status["state"], &status["silencedBy"]), (&json!("suppressed"), &json!([id])));
    let without = outpost.get("/api/v2/alerts?silenced=false").await.json();
    assert_eq!(without, json!([]));

    let path = format!("/api/v2/silence/{id}");
    let silence = outpost.get(&path).await;
    assert!(silence.text.contains("점검 \\u003cb\\u003e") && silence.text.ends_with('\n'));
    let silence = silence.json();
    assert_eq!(
        (&silence["status"]["state"], &silence["createdBy"]),
        (&json!("active"), &json!("kim"))
    );
    assert_eq!(silence["matchers"], wanted()["matchers"]);
    assert!(silence["startsAt"].as_str().unwrap() > "2026-02-01", "it does not begin in the past");

    assert_eq!(outpost.ask(Method::DELETE, &path, "").await.status, StatusCode::OK);
    assert_eq!(alert(&outpost).await["status"]["state"], "active");
    assert_eq!(outpost.get(&path).await.json()["status"]["state"], "expired");
    let again = outpost.ask(Method::DELETE, &path, "").await;
    assert_eq!((again.status, again.text.as_str()), (StatusCode::OK, ""), "it is over already");
    outpost.stop().await;
}

#[tokio::test]
async fn a_silence_is_changed_in_place_or_replaced() {
    let outpost = Outpost::start().await;
    let id = made(&outpost, &wanted()).await;
    let mut changed = outpost.get(&format!("/api/v2/silence/{id}")).await.json();
    changed["endsAt"] = json!("2101-01-01T00:00:00Z");
    assert_eq!(made(&outpost, &changed).await, id, "only its end changed");
    changed["matchers"][0]["value"] = json!("주문");
    let other = made(&outpost, &changed).await;
    assert_ne!(other, id, "what it muted so far stays on record under the old id");
    let list = outpost.get(SILENCES).await.json();
    let states: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|silence| {
            (silence["id"].as_str().unwrap(), silence["status"]["state"].as_str().unwrap())
        })
        .collect();
    assert_eq!(states, [(other.as_str(), "active"), (id.as_str(), "expired")]);
    let filtered = |query: &'static str| {
        let outpost = &outpost;
        async move {
            let list = outpost.get(&format!("{SILENCES}?filter={query}")).await.json();
            list.as_array().unwrap().len()
        }
    };
    assert_eq!(filtered("service%3D%22%EC%A3%BC%EB%AC%B8%22").await, 1);
    assert_eq!(filtered("service%3D~%22.*%22").await, 0, "a filter names the matcher itself");
    outpost.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_codes_of_alertmanager() {
    let outpost = Outpost::start().await;
    let with = |key: &str, value: Value| {
        let mut silence = wanted();
        silence[key] = value;
        silence
    };
    let unknown = "11111111-1111-4111-8111-111111111111";
    for (silence, status, text) in [
        (json!({}), 422, "{\"code\":602,\"message\":\"comment in body is required\"}\n"),
        (with("id", json!(unknown)), 404, "\"silence not found\"\n"),
        (with("id", json!("no-such")), 404, "\"silence not found\"\n"),
        (
            with("endsAt", json!("2026-01-02T00:00:00Z")),
            400,
            "\"Failed to create silence: end time can't be in the past\"\n",
        ),
    ] {
        let answer = post(&outpost, &silence).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, text));
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let form =
        Request::post(SILENCES).header("host", "localhost").header("content-type", "text/plain");
    let answer = outpost.send(form.body(Body::from(wanted().to_string())).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let get = outpost.get(&format!("/api/v2/silence/{unknown}")).await;
    assert_eq!((get.status, get.text.as_str()), (StatusCode::NOT_FOUND, ""));
    let gone = outpost.ask(Method::DELETE, &format!("/api/v2/silence/{unknown}"), "").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    for method in [Method::GET, Method::DELETE] {
        let answer = outpost.ask(method, "/api/v2/silence/no-such", "").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.json()["code"], 601);
    }
    assert_eq!(outpost.get(SILENCES).await.json(), json!([]), "nothing was made");
    outpost.stop().await;
}

#[tokio::test]
async fn windows_of_the_configuration_are_listed_and_stay() {
    let window = nightcrew_model::silence::Silence {
        id: "config/밤".into(),
        matchers: nightcrew_model::matcher::Matchers::parse("severity=info").unwrap(),
        starts_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        ends_at: "2100-01-01T00:00:00Z".parse().unwrap(),
        updated_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        created_by: "lee".into(),
        comment: "밤에는 조용히".to_owned(),
        repeats: Vec::new(),
    };
    let outpost =
        Outpost::with(|settings| settings.triage.mute_windows = vec![window.clone()]).await;
    let list = outpost.get(SILENCES).await.json();
    assert_eq!(
        (&list[0]["id"], &list[0]["status"]["state"]),
        (&json!("config/밤"), &json!("active"))
    );
    let mut changed = list[0].clone();
    changed["comment"] = json!("다른 까닭");
    assert_eq!(post(&outpost, &changed).await.status, StatusCode::NOT_FOUND);
    outpost.stop().await;
}
