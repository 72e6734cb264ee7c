//! What each service refuses.  A fake that takes everything proves nothing.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use nightcrew_testkit::fake::{Discord, Github, Opsgenie, Pagerduty, Slack, Telegram, Webhook};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Sends one request and returns the status and the body of the answer.
async fn ask(router: Router, method: &str, path: &str, auth: &str, body: &Value) -> (u16, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://fake{path}"))
        .header("content-type", "application/json")
        .header("user-agent", "test");
    if !auth.is_empty() {
        request = request.header("authorization", auth);
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// The value with one part of it replaced.
fn but(mut body: Value, pointer: &str, value: Value) -> Value {
    match body.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => body[pointer.trim_start_matches('/')] = value,
    }
    body
}

#[tokio::test]
async fn discord() {
    let fake = Discord::default();
    let good = json!({"allowed_mentions": {"parse": []}, "content": "안녕"});
    for (bad, why) in [
        (but(good.clone(), "/allowed_mentions", json!({"parse": ["users"]})), "mentioned"),
        (but(good.clone(), "/allowed_mentions", json!(null)), "mentioned"),
        (but(good.clone(), "/content", json!("가".repeat(2_001))), "at most 2000"),
        (but(good.clone(), "/content", json!(" ")), "empty message"),
        (but(good.clone(), "/content", json!("\u{202e}")), "\\u{202e}"),
        (but(good.clone(), "/embeds", json!([{"title": "x".repeat(257)}])), "title"),
        (
            but(
                good.clone(),
                "/embeds",
                json!([{"title": "x", "fields": [{"name": "", "value": "x"}]}]),
            ),
            "field",
        ),
    ] {
        let (status, _) = ask(fake.router(), "POST", "/api/webhooks/1/t", "", &bad).await;
        assert_eq!(status, 400, "{bad}");
        let refused = fake.refused().pop().unwrap();
        assert!(refused.contains(why), "{refused}");
    }
    let (status, body) = ask(fake.router(), "POST", "/api/webhooks/1/t?wait=true", "", &good).await;
    assert_eq!((status, body.contains("\"id\":\"1\"")), (200, true), "{body}");
    let path = "/api/webhooks/1/t/messages/7";
    assert_eq!(ask(fake.router(), "PATCH", path, "", &good).await.0, 404);
    assert_eq!(fake.messages().len(), 1);
}

#[tokio::test]
async fn slack() {
    let fake = Slack::default();
    let good = json!({"channel": "C", "text": "a &lt; b <@U1>"});
    let header =
        |text: String| json!([{"type": "header", "text": {"type": "plain_text", "text": text}}]);
    let section =
        |text: &str| json!([{"type": "section", "text": {"type": "mrkdwn", "text": text}}]);
    for bad in [
        but(good.clone(), "/text", json!("<script>")),
        but(good.clone(), "/text", json!("a & b")),
        but(good.clone(), "/text", json!("")),
        but(good.clone(), "/text", json!("x".repeat(40_001))),
        but(good.clone(), "/blocks", header("x".repeat(151))),
        but(good.clone(), "/blocks", header(String::new())),
        but(good.clone(), "/blocks", section("<b>")),
        but(good.clone(), "/blocks", section(&"x".repeat(3_001))),
        but(good.clone(), "/blocks", json!([{"type": "unknown"}])),
    ] {
        let (status, body) =
            ask(fake.router(), "POST", "/api/chat.postMessage", "Bearer x", &bad).await;
        assert_eq!((status, body.contains("\"ok\":false")), (200, true), "{bad}: {body}");
        assert_eq!(ask(fake.router(), "POST", "/services/x", "", &bad).await.0, 400, "{bad}");
    }
    let (_, body) = ask(fake.router(), "POST", "/api/chat.postMessage", "", &good).await;
    assert!(body.contains("invalid_auth"), "{body}");
    assert!(fake.posts().is_empty());
    let (_, body) = ask(fake.router(), "POST", "/services/x", "", &good).await;
    assert_eq!(body, "ok");
}

#[tokio::test]
async fn telegram() {
    let fake = Telegram::default();
    let good = json!({"chat_id": 1, "text": "<b>가</b> &lt;", "parse_mode": "HTML"});
    let keyboard =
        |data: String| json!({"inline_keyboard": [[{"text": "x", "callback_data": data}]]});
    for (bad, why) in [
        (but(good.clone(), "/text", json!("a < b")), "can't parse entities"),
        (but(good.clone(), "/text", json!("a & b")), "can't parse entities"),
        (but(good.clone(), "/text", json!("<b>a</i>")), "can't parse entities"),
        (but(good.clone(), "/text", json!("<b>a")), "can't parse entities"),
        (but(good.clone(), "/text", json!("<script>a</script>")), "can't parse entities"),
        (but(good.clone(), "/text", json!("🔥".repeat(2_049))), "too long"),
        (but(good.clone(), "/text", json!("<b> </b>")), "empty"),
        (but(good.clone(), "/parse_mode", json!("Markdown")), "parse_mode"),
        (but(good.clone(), "/chat_id", json!(null)), "chat_id"),
        (but(good.clone(), "/reply_markup", keyboard("x".repeat(65))), "BUTTON_DATA_INVALID"),
    ] {
        let (status, body) = ask(fake.router(), "POST", "/bot1:x/sendMessage", "", &bad).await;
        assert_eq!((status, body.contains(why)), (400, true), "{bad}: {body}");
    }
    // The entities do not count.
    let long = but(good.clone(), "/text", json!("&lt;".repeat(4_096)));
    assert_eq!(ask(fake.router(), "POST", "/bot1:x/sendMessage", "", &long).await.0, 200);
    assert_eq!(ask(fake.router(), "POST", "/bot/sendMessage", "", &good).await.0, 401);
    assert_eq!(ask(fake.router(), "POST", "/bot1:x/getMe", "", &good).await.0, 404);
}

#[tokio::test]
async fn pagerduty() {
    let fake = Pagerduty::default();
    let good = json!({
        "routing_key": "k", "event_action": "trigger", "dedup_key": "가",
        "payload": {"summary": "x", "source": "x", "severity": "info", "timestamp": "2026-11-21T03:00:00Z"},
    });
    for bad in [
        but(good.clone(), "/routing_key", json!("")),
        but(good.clone(), "/dedup_key", json!("x".repeat(256))),
        but(good.clone(), "/event_action", json!("escalate")),
        but(good.clone(), "/payload/summary", json!("x".repeat(1_025))),
        but(good.clone(), "/payload/source", json!("")),
        but(good.clone(), "/payload/severity", json!("page")),
        but(good.clone(), "/payload/timestamp", json!("yesterday")),
        but(good.clone(), "/payload/source", json!("x".repeat(512 << 10))),
    ] {
        assert_eq!(ask(fake.router(), "POST", "/v2/enqueue", "", &bad).await.0, 400);
    }
    let resolve = json!({"routing_key": "k", "event_action": "resolve", "dedup_key": "가"});
    for body in [&good, &good, &resolve, &good] {
        assert_eq!(ask(fake.router(), "POST", "/v2/enqueue", "", body).await.0, 202);
    }
    let incident = fake.incidents().remove("가").unwrap();
    assert_eq!((incident.opened, incident.triggers, incident.open), (2, 3, true));
}

#[tokio::test]
async fn opsgenie() {
    let fake = Opsgenie::default();
    let good = json!({"message": "가", "alias": "a", "priority": "P1", "details": {"a": "b"}});
    for bad in [
        but(good.clone(), "/message", json!("x".repeat(131))),
        but(good.clone(), "/alias", json!("x".repeat(513))),
        but(good.clone(), "/description", json!("x".repeat(15_001))),
        but(good.clone(), "/priority", json!("P0")),
        but(good.clone(), "/details", json!({"a": 1})),
        but(good.clone(), "/responders", json!([{"type": "user", "name": "x"}])),
    ] {
        let (status, body) = ask(fake.router(), "POST", "/v2/alerts", "GenieKey k", &bad).await;
        assert_eq!(status, 422, "{bad}: {body}");
    }
    assert_eq!(ask(fake.router(), "POST", "/v2/alerts", "", &good).await.0, 403);
    assert_eq!(ask(fake.router(), "POST", "/v2/alerts", "GenieKey k", &good).await.0, 202);
    let close = "/v2/alerts/a/close";
    assert_eq!(ask(fake.router(), "POST", close, "GenieKey k", &json!({})).await.0, 422);
    let close = format!("{close}?identifierType=alias");
    assert_eq!(ask(fake.router(), "POST", &close, "GenieKey k", &json!({})).await.0, 202);
    assert_eq!(fake.creates()["a"], 1);
    assert!(!fake.alerts()["a"].open);
}

#[tokio::test]
async fn github() {
    let fake = Github::default();
    fake.only_token("k");
    let good = json!({"title": "가", "body": "x"});
    let issues = "/repos/a/b/issues";
    for bad in [
        but(good.clone(), "/title", json!("x".repeat(257))),
        but(good.clone(), "/title", json!("")),
        but(good.clone(), "/body", json!("x".repeat(65_537))),
    ] {
        assert_eq!(ask(fake.router(), "POST", issues, "Bearer k", &bad).await.0, 422);
    }
    assert_eq!(ask(fake.router(), "POST", issues, "Bearer other", &good).await.0, 401);
    assert_eq!(ask(fake.router(), "POST", issues, "Bearer k", &good).await.0, 201);
    let closed = json!({"state": "closed"});
    assert_eq!(
        ask(fake.router(), "PATCH", &format!("{issues}/1"), "Bearer k", &closed).await.0,
        200
    );
    assert_eq!(
        ask(fake.router(), "PATCH", &format!("{issues}/2"), "Bearer k", &closed).await.0,
        410
    );
    let (status, body) = ask(fake.router(), "GET", issues, "Bearer k", &Value::Null).await;
    assert_eq!((status, body.contains("\"state\":\"closed\"")), (200, true), "{body}");
}

#[tokio::test]
async fn webhook() {
    let fake = Webhook::default();
    assert_eq!(ask(fake.router(), "POST", "/any", "", &json!({"a": "가"})).await.0, 200);
    assert_eq!(fake.bodies(), [json!({"a": "가"})]);
    let request = Request::post("http://fake/any").body(Body::from("{}")).unwrap();
    assert_eq!(fake.router().oneshot(request).await.unwrap().status(), 415);
}
