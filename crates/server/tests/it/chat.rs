//! Buttons that are pressed in a chat.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use nightcrew_config::settings::Secret;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use crate::outpost::{Answer, Outpost};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SEED: [u8; 32] = [7; 32];

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap()
}

async fn outpost() -> Outpost {
    let outpost = Outpost::with(|settings| {
        let chat = &mut settings.triage.chat;
        chat.slack = Some(Secret::new(SECRET));
        chat.telegram = Some(Secret::new(SECRET));
        chat.discord = key().public_key().as_ref().try_into().ok();
    })
    .await;
    let alert = r#"[{"labels":{"alertname":"x","service":"결제","severity":"critical"}}]"#;
    assert_eq!(outpost.post("/api/v2/alerts", alert).await.status, StatusCode::OK);
    outpost
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn send(outpost: &Outpost, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::post(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    outpost.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn slack(outpost: &Outpost, secret: &str, age_seconds: i64, body: &str) -> Answer {
    let at = (outpost.handle().clock().now().as_second() - age_seconds).to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mac = hmac::sign(&key, format!("v0:{at}:{body}").as_bytes());
    let signature = format!("v0={}", hex(mac.as_ref()));
    let headers =
        [("x-slack-request-timestamp", at.as_str()), ("x-slack-signature", signature.as_str())];
    send(outpost, "/chat/slack", &headers, body).await
}

async fn texts(outpost: &Outpost) -> String {
    outpost.get("/api/v1/incidents/INC-1").await.text
}

#[tokio::test]
async fn a_button_in_slack_acknowledges() {
    let outpost = outpost().await;
    let payload = json!({
        "type": "block_actions", "user": {"username": "김"},
        "actions": [{"action_id": "ack", "value": "ack:INC-1"}],
    });
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish();
    for (secret, age) in [("other", 0), (SECRET, 301), (SECRET, -310)] {
        let refused = slack(&outpost, secret, age, &body).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(!refused.text.contains(SECRET));
    }
    let unsigned = send(&outpost, "/chat/slack", &[], &body).await;
    assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED);
    assert!(!texts(&outpost).await.contains("acknowledged by"));
    let pressed = slack(&outpost, SECRET, 10, &body).await;
    assert_eq!(pressed.status, StatusCode::OK, "{}", pressed.text);
    assert!(texts(&outpost).await.contains("INC-1 acknowledged by 김"));
    outpost.stop().await;
}

#[tokio::test]
async fn a_button_in_telegram_is_answered_with_a_sentence() {
    let outpost = outpost().await;
    let body = |data: &str| {
        json!({"update_id": 1, "callback_query": {"id": "7", "from": {"first_name": "이"}, "data": data}})
            .to_string()
    };
    let header = "x-telegram-bot-api-secret-token";
    let wrong = send(&outpost, "/chat/telegram", &[(header, "x")], &body("ack:INC-1")).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let answer = async |data: &str| {
        send(&outpost, "/chat/telegram", &[(header, SECRET)], &body(data)).await.json()
    };
    assert_eq!(
        answer("resolve:INC-1").await,
        json!({
            "method": "answerCallbackQuery", "callback_query_id": "7",
            "text": "INC-1 is resolved by 이",
        })
    );
    let again = answer("resolve:INC-1").await;
    assert_eq!(again["text"], "INC-1 is resolved already: nothing was changed");
    assert_eq!(answer("ack:INC-9").await["text"], "there is no INC-9");
    assert_eq!(answer("x").await["text"], "this button is not known");
    let other = send(&outpost, "/chat/telegram", &[(header, SECRET)], r#"{"message":{}}"#).await;
    assert_eq!(other.json(), json!({}));
    outpost.stop().await;
}

#[tokio::test]
async fn discord_is_believed_by_its_signature() {
    let outpost = outpost().await;
    let ask = async |signer: &Ed25519KeyPair, body: &str| {
        let at = outpost.handle().clock().now().as_second().to_string();
        let signature = hex(signer.sign(format!("{at}{body}").as_bytes()).as_ref());
        let headers =
            [("x-signature-timestamp", at.as_str()), ("x-signature-ed25519", signature.as_str())];
        send(&outpost, "/chat/discord", &headers, body).await
    };
    let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    assert_eq!(ask(&other, r#"{"type":1}"#).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&key(), r#"{"type":1}"#).await.json(), json!({"type": 1}));
    let pressed = json!({
        "type": 3, "data": {"custom_id": "ack:INC-1", "component_type": 2},
        "member": {"user": {"username": "박"}},
    });
    let answer = ask(&key(), &pressed.to_string()).await.json();
    assert_eq!(answer["data"]["content"], "INC-1 is acknowledged by 박");
    assert_eq!(answer["data"]["allowed_mentions"], json!({"parse": []}));
    outpost.stop().await;
}

#[tokio::test]
async fn a_service_without_a_secret_has_no_door() {
    let outpost = Outpost::start().await;
    for path in ["/chat/slack", "/chat/discord", "/chat/telegram"] {
        let answer = outpost.post(path, "{}").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.json()["hint"].as_str().unwrap().contains("chat."), "{}", answer.text);
    }
    outpost.stop().await;
}
