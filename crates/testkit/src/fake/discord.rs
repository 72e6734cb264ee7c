//! A Discord webhook ("Execute Webhook", "Edit Webhook Message", "Embed Limits").

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text;

/// A channel of Discord behind webhooks of any id and token.
#[derive(Clone, Debug, Default)]
pub struct Discord {
    desk: Arc<Desk>,
    held: Arc<Mutex<Held>>,
    server: Option<Arc<Server>>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<String>,
    refuses_embeds: bool,
    last: u64,
    messages: BTreeMap<u64, Value>,
}

over_http!(Discord);

impl Discord {
    /// Only webhooks with this token exist.
    pub fn only_token(&self, token: &str) {
        lock(&self.held).token = Some(token.to_owned());
    }

    /// Refuses every embed, as by a rule that this fake does not know.
    pub fn refuse_embeds(&self) {
        lock(&self.held).refuses_embeds = true;
    }

    /// The messages in the channel as they are now, by id.
    #[must_use]
    pub fn messages(&self) -> BTreeMap<u64, Value> {
        lock(&self.held).messages.clone()
    }

    /// Removes every message, as a person would.
    pub fn clear(&self) {
        lock(&self.held).messages.clear();
    }
}

fn error(status: u16, code: u64, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message, "code": code}))
}

/// The id of the message that a path names; none: a new message.
fn edited(received: &Received) -> Option<&str> {
    received.uri.path().split_once("/messages/").map(|(_, id)| id)
}

impl Service for Discord {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        let held = lock(&self.held);
        let path = received.uri.path().split("/messages/").next().unwrap_or_default();
        let token = path.rsplit('/').next().unwrap_or_default();
        if held.token.as_deref().is_some_and(|known| known != token) {
            let answer = error(401, 50_027, "Invalid Webhook Token");
            return Err(Ruling::Refused("unknown token".to_owned(), answer));
        }
        let method = if edited(received).is_some() { Method::PATCH } else { Method::POST };
        let checked = if received.method == method {
            text::json(received).and_then(|()| check(&received.body))
        } else {
            Err(format!("the method is {}", received.method))
        };
        let checked = checked.and_then(|()| {
            let embeds = received.body["embeds"].as_array().is_some_and(|all| !all.is_empty());
            if held.refuses_embeds && embeds { Err("no embeds here".to_owned()) } else { Ok(()) }
        });
        checked.map_err(|why| {
            Ruling::refused(why, |why| {
                let body =
                    json!({"message": "Invalid Form Body", "code": 50_035, "errors": {"_": why}});
                Answer::json(400, &body)
            })
        })
    }

    fn take(&self, received: &Received) -> Ruling {
        let mut held = lock(&self.held);
        let id = match edited(received) {
            Some(id) => match id.parse().ok().filter(|id| held.messages.contains_key(id)) {
                Some(id) => id,
                None => {
                    let answer = error(404, 10_008, "Unknown Message");
                    return Ruling::Refused(format!("no message {id}"), answer);
                }
            },
            None => {
                held.last += 1;
                held.last
            }
        };
        held.messages.insert(id, received.body.clone());
        let told = received.query("wait") == Some("true") || received.method == Method::PATCH;
        Ruling::Taken(if told {
            Answer::json(200, &json!({"id": id.to_string(), "type": 0}))
        } else {
            Answer::new(204, "")
        })
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        let body = json!({
            "message": "You are being rate limited.",
            "retry_after": after.as_secs_f64(),
            "global": false,
        });
        Answer::json(429, &body).header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        error(404, 10_015, "Unknown Webhook")
    }
}

fn check(body: &Value) -> Result<(), String> {
    let allowed = &body["allowed_mentions"];
    if allowed["parse"] != json!([]) {
        return Err("anybody may be mentioned".to_owned());
    }
    let content = body["content"].as_str().unwrap_or_default();
    for (kind, sign) in [("users", "<@"), ("roles", "<@&")] {
        for id in allowed[kind].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !content.contains(&format!("{sign}{id}>")) && !content.contains(&format!("<@!{id}>"))
            {
                return Err(format!("{id} may be mentioned and is not"));
            }
        }
    }
    for button in body["components"][0]["components"].as_array().into_iter().flatten() {
        if button["type"] != 2 || !(1..=100).contains(&text::chars(&button["custom_id"])) {
            return Err("a component is no button with an id".to_owned());
        }
    }
    text::calm(content)?;
    text::at_most("content", content.trim().chars().count(), 2_000)?;
    let none = Vec::new();
    let embeds = body["embeds"].as_array().unwrap_or(&none);
    if content.trim().is_empty() && embeds.is_empty() {
        return Err("cannot send an empty message (50006)".to_owned());
    }
    let mut total = 0;
    for embed in embeds {
        total += check_embed(embed)?;
    }
    text::at_most("embeds together", total, 6_000)
}

fn trimmed(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.trim().chars().count())
}

/// The number of characters of an embed.
fn check_embed(embed: &Value) -> Result<usize, String> {
    let none = Vec::new();
    let fields = embed["fields"].as_array().unwrap_or(&none);
    text::at_most("fields", fields.len(), 25)?;
    let mut total = 0;
    for field in fields {
        let (name, value) = (trimmed(&field["name"]), trimmed(&field["value"]));
        if name == 0 || value == 0 {
            return Err("a field is empty".to_owned());
        }
        text::at_most("name", name, 256)?;
        text::at_most("value", value, 1_024)?;
        total += name + value;
    }
    let (title, description) = (&embed["title"], &embed["description"]);
    let footer = trimmed(&embed["footer"]["text"]);
    text::at_most("title", trimmed(title), 256)?;
    text::at_most("description", trimmed(description), 4_096)?;
    text::at_most("footer", footer, 2_048)?;
    for shown in [title, description] {
        text::calm(shown.as_str().unwrap_or_default())?;
    }
    if embed["color"].as_u64().is_none_or(|colour| colour > 0xff_ff_ff) {
        return Err("color".to_owned());
    }
    let time = embed["timestamp"].as_str().unwrap_or_default();
    if time.parse::<jiff::Timestamp>().is_err() {
        return Err("timestamp".to_owned());
    }
    Ok(total + trimmed(title) + trimmed(description) + footer)
}
