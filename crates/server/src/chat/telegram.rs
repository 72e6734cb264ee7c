//! Buttons in Telegram (`callback_query` of a webhook that was set with a `secret_token`).

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::button::Button;
use super::proof::{closed, header, same};
use crate::app::App;
use crate::body;
use crate::limit::COMMAND_BODY_BYTES_MAX;
use crate::problem::Problem;

/// The longest text that answers a pressed button, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// What Telegram posts, as far as it is read.
#[derive(Debug, Deserialize)]
struct Update {
    callback_query: Option<Query>,
}

#[derive(Debug, Deserialize)]
struct Query {
    id: String,
    from: User,
    #[serde(default)]
    data: String,
}

#[derive(Debug, Deserialize)]
struct User {
    username: Option<String>,
    #[serde(default)]
    first_name: String,
}

/// `POST /chat/telegram`.  The answer of a webhook may be a call of the bot's API.
pub(crate) async fn telegram(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let settings = app.handle.settings();
    let secret = settings.triage.chat.telegram.as_ref().ok_or_else(|| closed("telegram"))?;
    same(secret.expose(), header(&headers, "x-telegram-bot-api-secret-token")?)?;
    let received = body::read(&app.bodies, &headers, body, COMMAND_BODY_BYTES_MAX).await?;
    let update: Update = serde_json::from_str(&received.text).map_err(|error| {
        Problem::bad_request(
            format!("the update cannot be read: {error}"),
            "this path takes updates of a Telegram bot",
        )
    })?;
    let Some(query) = update.callback_query else { return Ok(Json(json!({}))) };
    let text = match Button::parse(&query.data) {
        Some(button) => {
            let by = query.from.username.unwrap_or(query.from.first_name);
            button.press(&app, &by).await?
        }
        None => "this button is not known".to_owned(),
    };
    Ok(Json(json!({
        "method": "answerCallbackQuery",
        "callback_query_id": query.id,
        "text": text.chars().take(TEXT_CHARS_MAX).collect::<String>(),
    })))
}
