//! Buttons in Slack (Block Kit interactivity, `block_actions`).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::button::Button;
use super::proof::{closed, fresh, header, hmac_sha256, refused};
use crate::app::App;
use crate::body;
use crate::limit::COMMAND_BODY_BYTES_MAX;
use crate::problem::Problem;

/// What Slack posts, as far as it is read.
#[derive(Debug, Deserialize)]
struct Interaction {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Debug, Default, Deserialize)]
struct User {
    #[serde(default)]
    id: String,
    username: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Action {
    #[serde(default)]
    value: String,
}

/// `POST /chat/slack`.  Slack wants a 200 within three seconds; what else is pressed is not ours.
pub(crate) async fn slack(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let settings = app.handle.settings();
    let secret = settings.triage.chat.slack.as_ref().ok_or_else(|| closed("slack"))?;
    let raw = body::read_raw(&app.bodies, &headers, body, COMMAND_BODY_BYTES_MAX).await?;
    let at = header(&headers, "x-slack-request-timestamp")?;
    let mac = header(&headers, "x-slack-signature")?;
    let mac =
        mac.strip_prefix("v0=").ok_or_else(|| refused("the signature is not of version 0"))?;
    fresh(at, app.handle.clock().now())?;
    hmac_sha256(secret.expose(), &[b"v0:", at.as_bytes(), b":", &raw.bytes], mac)?;
    let Some((button, by)) = pressed(&raw.bytes)? else { return Ok(StatusCode::OK) };
    button.press(&app, &by).await?;
    Ok(StatusCode::OK)
}

/// The button and who pressed it; none where it is not one of ours.
fn pressed(body: &[u8]) -> Result<Option<(Button, String)>, Problem> {
    let fields = form_urlencoded::parse(body);
    let payload = fields.into_iter().find(|(name, _)| name == "payload").map(|(_, value)| value);
    // Slack asks now and then whether the certificate is good; that has no payload.
    let Some(payload) = payload else { return Ok(None) };
    let told: Interaction = serde_json::from_str(&payload).map_err(|error| {
        Problem::bad_request(
            format!("the payload cannot be read: {error}"),
            "this path takes interactions of Slack",
        )
    })?;
    if told.r#type != "block_actions" {
        return Ok(None);
    }
    let User { id, username, name } = told.user;
    let by = username.or(name).unwrap_or(id);
    Ok(told
        .actions
        .iter()
        .find_map(|action| Button::parse(&action.value))
        .map(|button| (button, by)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn form(payload: &serde_json::Value) -> Vec<u8> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string()).finish().into_bytes()
    }

    #[test]
    fn reads_who_pressed_which_button() {
        let payload = json!({
            "type": "block_actions", "user": {"id": "U1", "username": "김"}, "trigger_id": "1",
            "actions": [{"action_id": "a", "value": "ack:INC-7", "type": "button"}],
        });
        let (button, by) = pressed(&form(&payload)).unwrap().unwrap();
        assert_eq!((button, by.as_str()), (Button::parse("ack:INC-7").unwrap(), "김"));
        for other in [
            json!({"type": "view_submission"}),
            json!({"type": "block_actions", "actions": []}),
            json!({"type": "block_actions", "actions": [{"value": "other"}]}),
        ] {
            assert_eq!(pressed(&form(&other)).unwrap(), None, "{other}");
        }
        assert_eq!(pressed(b"ssl_check=1&token=x").unwrap(), None);
        assert!(pressed(b"payload=%7B").is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = pressed(&body);
            let _ = pressed(&[b"payload=", &body[..]].concat());
        }
    }
}
