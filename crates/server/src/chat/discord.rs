//! Buttons in Discord (message components of an application's interactions endpoint).

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::button::Button;
use super::proof::{closed, ed25519, fresh, header};
use crate::app::App;
use crate::body;
use crate::limit::COMMAND_BODY_BYTES_MAX;
use crate::problem::Problem;

/// Interactions and their answers have numbers.
const PING: u8 = 1;
const MESSAGE_COMPONENT: u8 = 3;
const PONG: u8 = 1;
const CHANNEL_MESSAGE: u8 = 4;

/// Only whoever pressed the button sees the answer.
const EPHEMERAL: u8 = 64;

/// What Discord posts, as far as it is read.
#[derive(Debug, Deserialize)]
struct Interaction {
    r#type: u8,
    #[serde(default)]
    data: Data,
    /// Who pressed it in a server …
    member: Option<Member>,
    /// … or in a direct message.
    user: Option<User>,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    custom_id: String,
}

#[derive(Debug, Deserialize)]
struct Member {
    user: User,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

/// `POST /chat/discord`.
pub(crate) async fn discord(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let settings = app.handle.settings();
    let key = settings.triage.chat.discord.as_ref().ok_or_else(|| closed("discord"))?;
    let raw = body::read_raw(&app.bodies, &headers, body, COMMAND_BODY_BYTES_MAX).await?;
    let at = header(&headers, "x-signature-timestamp")?;
    let signature = header(&headers, "x-signature-ed25519")?;
    fresh(at, app.handle.clock().now())?;
    ed25519(key, &[at.as_bytes(), &raw.bytes], signature)?;
    let told: Interaction = serde_json::from_slice(&raw.bytes).map_err(|error| {
        Problem::bad_request(
            format!("the interaction cannot be read: {error}"),
            "this path takes interactions of Discord",
        )
    })?;
    let text = match told.r#type {
        PING => return Ok(Json(json!({ "type": PONG }))),
        MESSAGE_COMPONENT => match Button::parse(&told.data.custom_id) {
            Some(button) => {
                let user = told.member.map(|member| member.user).or(told.user);
                let by = user.map(|user| user.username).unwrap_or_default();
                button.press(&app, &by).await?
            }
            None => "this button is not known".to_owned(),
        },
        _ => "this is not known".to_owned(),
    };
    Ok(Json(json!({
        "type": CHANNEL_MESSAGE,
        "data": { "content": text, "flags": EPHEMERAL, "allowed_mentions": { "parse": [] } },
    })))
}
