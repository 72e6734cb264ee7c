//! Slack: incoming webhooks (any path with `/services/`), and `chat.postMessage` and `chat.update`
//! of the Web API ("Reference: blocks", "Incoming webhooks", "Rate limits").

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text::{self, chars};

/// A workspace of Slack.
#[derive(Clone, Debug, Default)]
pub struct Slack {
    desk: Arc<Desk>,
    held: Arc<Mutex<Held>>,
    server: Option<Arc<Server>>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<String>,
    refuses_blocks: bool,
    error: Option<String>,
    posts: BTreeMap<u64, Post>,
}

/// A message in a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// The conversation; empty for a webhook.
    pub channel: String,
    /// Its text.
    pub text: String,
    /// Its blocks; null where it has none.
    pub blocks: Value,
    /// How often it was changed.
    pub edits: u32,
}

over_http!(Slack);

/// The id that Slack gives every conversation here, whatever its name.
const CHANNEL: &str = "C0NIGHT";

impl Slack {
    /// Only this token may use the Web API.
    pub fn only_token(&self, token: &str) {
        lock(&self.held).token = Some(token.to_owned());
    }

    /// Refuses all blocks, as by a rule that this fake does not know.
    pub fn refuse_blocks(&self) {
        lock(&self.held).refuses_blocks = true;
    }

    /// The word of [`super::Mode::ErrorBody`] (`channel_not_found` by default).
    pub fn error_word(&self, word: &str) {
        lock(&self.held).error = Some(word.to_owned());
    }

    /// The messages as they are now, oldest first.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        lock(&self.held).posts.values().cloned().collect()
    }

    /// Removes every message, as a person would.
    pub fn clear(&self) {
        lock(&self.held).posts.clear();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Webhook,
    Post,
    Update,
}

impl Door {
    fn of(received: &Received) -> Self {
        let path = received.uri.path();
        if path.ends_with("/chat.postMessage") {
            Self::Post
        } else if path.ends_with("/chat.update") {
            Self::Update
        } else {
            Self::Webhook
        }
    }

    fn refusal(self, word: &str, why: &str) -> Answer {
        match self {
            Self::Webhook => Answer::new(400, word),
            Self::Post | Self::Update => {
                let body =
                    json!({"ok": false, "error": word, "response_metadata": {"messages": [why]}});
                Answer::json(200, &body)
            }
        }
    }
}

impl Service for Slack {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        let door = Door::of(received);
        let held = lock(&self.held);
        let refuse =
            |word: &str, why: String| Err(Ruling::refused(why, |why| door.refusal(word, why)));
        if received.method != Method::POST {
            return refuse("invalid_method", format!("the method is {}", received.method));
        }
        if door != Door::Webhook {
            let bearer =
                received.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
            let known = held.token.as_deref().is_none_or(|token| bearer == Some(token));
            if bearer.is_none() || !known {
                return refuse("invalid_auth", "not this token".to_owned());
            }
        }
        if let Err(why) = text::json(received) {
            return refuse("invalid_payload", why);
        }
        if let Err(why) = check_text(&received.body) {
            return refuse("invalid_payload", why);
        }
        if let Err(why) = check_blocks(&received.body["blocks"]) {
            return refuse("invalid_blocks", why);
        }
        let blocks = received.body["blocks"].as_array().is_some_and(|all| !all.is_empty());
        if held.refuses_blocks && blocks {
            return refuse("invalid_blocks", "no blocks here".to_owned());
        }
        Ok(())
    }

    fn take(&self, received: &Received) -> Ruling {
        let door = Door::of(received);
        let mut held = lock(&self.held);
        let text = |name: &str| received.body[name].as_str().unwrap_or_default().to_owned();
        let number = match door {
            Door::Webhook | Door::Post => held.posts.last_key_value().map_or(0, |(n, _)| *n) + 1,
            Door::Update => {
                let ts = text("ts");
                let number = ts.strip_suffix(".000100").and_then(|n| n.parse().ok());
                let known =
                    number.filter(|n| held.posts.contains_key(n) && text("channel") == CHANNEL);
                match known {
                    Some(number) => number,
                    None => {
                        return Ruling::refused(format!("no message {ts}"), |why| {
                            door.refusal("message_not_found", why)
                        });
                    }
                }
            }
        };
        let edits = held.posts.get(&number).map_or(0, |post| post.edits + 1);
        let post = Post {
            channel: text("channel"),
            text: text("text"),
            blocks: received.body["blocks"].clone(),
            edits,
        };
        held.posts.insert(number, post);
        Ruling::Taken(match door {
            Door::Webhook => Answer::new(200, "ok"),
            Door::Post | Door::Update => {
                let ts = format!("{number}.000100");
                Answer::json(200, &json!({"ok": true, "channel": CHANNEL, "ts": ts}))
            }
        })
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        Answer::json(429, &json!({"ok": false, "error": "ratelimited"}))
            .header("retry-after", after.as_secs())
    }

    fn error(&self, received: &Received) -> Answer {
        if Door::of(received) == Door::Webhook {
            return Answer::new(404, "no_service");
        }
        let word = lock(&self.held).error.clone();
        let word = word.unwrap_or_else(|| "channel_not_found".to_owned());
        Answer::json(200, &json!({"ok": false, "error": word}))
    }
}

fn check_text(body: &Value) -> Result<(), String> {
    let text = text::required(body, "text")?;
    text::at_most("text", text.chars().count(), 40_000)?;
    text::calm(text)?;
    formatted(text)
}

/// Text that Slack formats: `<…>` holds what acts, so it must be a user, a group, a link or one of
/// the special words; `&` begins one of three entities.
fn formatted(text: &str) -> Result<(), String> {
    for part in text.split('<').skip(1) {
        let inside = part.split_once('>').map(|(inside, _)| inside);
        let known = inside.is_some_and(|inside| {
            ["@U", "@W", "!subteam^", "!here", "!channel"]
                .iter()
                .any(|sign| inside.starts_with(sign))
        });
        if !known {
            return Err(format!("unescaped markup: <{part}"));
        }
    }
    for part in text.split('&').skip(1) {
        if !["amp;", "lt;", "gt;"].iter().any(|entity| part.starts_with(entity)) {
            return Err(format!("unescaped markup: &{part}"));
        }
    }
    Ok(())
}

fn check_blocks(blocks: &Value) -> Result<(), String> {
    let none = Vec::new();
    let blocks = blocks.as_array().unwrap_or(&none);
    if blocks.len() > 50 {
        return Err("more than 50 blocks".to_owned());
    }
    for block in blocks {
        match block["type"].as_str() {
            Some("header") => {
                if block["text"]["type"] != "plain_text" {
                    return Err("a header is plain_text".to_owned());
                }
                object(&block["text"], 150)?;
            }
            Some("section") => {
                let fields = block["fields"].as_array().unwrap_or(&none);
                if fields.is_empty() {
                    object(&block["text"], 3_000)?;
                }
                if fields.len() > 10 {
                    return Err("more than 10 fields".to_owned());
                }
                fields.iter().try_for_each(|field| object(field, 2_000))?;
            }
            Some("context") => {
                let elements = block["elements"].as_array().unwrap_or(&none);
                if elements.is_empty() || elements.len() > 10 {
                    return Err("a context has 1 to 10 elements".to_owned());
                }
                elements.iter().try_for_each(|element| object(element, 3_000))?;
            }
            Some("actions") => {
                for button in block["elements"].as_array().unwrap_or(&none) {
                    object(&button["text"], 75)?;
                    text::required(button, "action_id")?;
                    text::at_most("value", chars(&button["value"]), 2_000)?;
                }
            }
            other => return Err(format!("a block of the type {other:?}")),
        }
    }
    Ok(())
}

/// A text object.
fn object(object: &Value, chars_max: usize) -> Result<(), String> {
    let shown = text::required(object, "text")?;
    text::at_most("a text", shown.chars().count(), chars_max)?;
    text::calm(shown)?;
    match object["type"].as_str() {
        Some("plain_text") => Ok(()),
        Some("mrkdwn") => formatted(shown),
        other => Err(format!("a text of the type {other:?}")),
    }
}
