//! Telegram's Bot API: `sendMessage` and `editMessageText`, with HTML.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text;

/// Telegram, with one chat.
#[derive(Clone, Debug, Default)]
pub struct Telegram {
    desk: Arc<Desk>,
    held: Arc<Mutex<Held>>,
    server: Option<Arc<Server>>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<String>,
    refuses_html: bool,
    moved_to: Option<i64>,
    last: i64,
    sent: BTreeMap<i64, Sent>,
}

/// A message in the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The chat.
    pub chat_id: String,
    /// What people read, without markup.
    pub text: String,
    /// The names that are called.
    pub mentions: Vec<String>,
    /// How often it was changed.
    pub edits: u32,
}

over_http!(Telegram);

impl Telegram {
    /// Only this bot exists.
    pub fn only_token(&self, token: &str) {
        lock(&self.held).token = Some(token.to_owned());
    }

    /// Refuses all HTML, as by a rule that this fake does not know.
    pub fn refuse_html(&self) {
        lock(&self.held).refuses_html = true;
    }

    /// The group is a supergroup with this id from now on.
    pub fn move_to(&self, chat: i64) {
        lock(&self.held).moved_to = Some(chat);
    }

    /// The messages as they are now, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.held).sent.values().cloned().collect()
    }

    /// Removes every message, as a person would.
    pub fn clear(&self) {
        lock(&self.held).sent.clear();
    }
}

fn failed(code: u16, description: &str) -> Answer {
    let body = json!({"ok": false, "error_code": code, "description": description});
    Answer::json(code, &body)
}

fn id(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Service for Telegram {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        let held = lock(&self.held);
        let bad = |why: String| {
            Err(Ruling::refused(why, |why| failed(400, &format!("Bad Request: {why}"))))
        };
        let mut path = received.uri.path().rsplit('/');
        let (method, bot) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
        let token = bot.strip_prefix("bot").unwrap_or_default();
        if token.is_empty() || held.token.as_deref().is_some_and(|known| known != token) {
            let why = "unknown bot".to_owned();
            return Err(Ruling::refused(why, |_| failed(401, "Unauthorized")));
        }
        if !["sendMessage", "editMessageText"].contains(&method) || received.method != Method::POST
        {
            return Err(Ruling::refused("unknown method", |_| failed(404, "Not Found")));
        }
        if let Err(why) = text::json(received) {
            return bad(why);
        }
        let body = &received.body;
        if body["chat_id"].is_null() {
            return bad("chat_id is empty".to_owned());
        }
        for button in body["reply_markup"]["inline_keyboard"][0].as_array().into_iter().flatten() {
            if button["callback_data"]
                .as_str()
                .is_none_or(|data| data.is_empty() || data.len() > 64)
            {
                return bad("BUTTON_DATA_INVALID".to_owned());
            }
        }
        let html = match body["parse_mode"].as_str() {
            None => false,
            Some("HTML") => true,
            Some(other) => return bad(format!("unsupported parse_mode {other}")),
        };
        if html && held.refuses_html {
            return bad("can't parse entities: no HTML here".to_owned());
        }
        match shown(body["text"].as_str().unwrap_or_default(), html) {
            Err(why) => bad(format!("can't parse entities: {why}")),
            Ok(text) if text.trim().is_empty() => bad("message text is empty".to_owned()),
            Ok(text) if text.encode_utf16().count() > 4_096 => {
                bad("message is too long".to_owned())
            }
            Ok(text) => text::calm(&text).or_else(bad),
        }
    }

    fn take(&self, received: &Received) -> Ruling {
        let mut held = lock(&self.held);
        let body = &received.body;
        let chat_id = id(&body["chat_id"]);
        if let Some(moved_to) = held.moved_to.filter(|moved_to| moved_to.to_string() != chat_id) {
            let mut answer = json!({
                "ok": false,
                "error_code": 400,
                "description": "Bad Request: group chat was upgraded to a supergroup chat",
            });
            answer["parameters"] = json!({"migrate_to_chat_id": moved_to});
            return Ruling::refused("the chat moved", |_| Answer::json(400, &answer));
        }
        let html = body["parse_mode"] == "HTML";
        let text = shown(body["text"].as_str().unwrap_or_default(), html).unwrap_or_default();
        let mut number = held.last + 1;
        let mut edits = 0;
        if received.uri.path().ends_with("/editMessageText") {
            number = body["message_id"].as_i64().unwrap_or_default();
            match held.sent.get(&number) {
                None => {
                    let why = "message to edit not found";
                    return Ruling::refused(why, |why| failed(400, &format!("Bad Request: {why}")));
                }
                Some(sent) if sent.text == text => {
                    let why = "message is not modified: specified new message content and reply \
                               markup are exactly the same as a current content";
                    return Ruling::refused(why, |why| failed(400, &format!("Bad Request: {why}")));
                }
                Some(sent) => edits = sent.edits + 1,
            }
        }
        held.last = held.last.max(number);
        let mentions = mentioned(&text);
        let sent = Sent { chat_id: chat_id.clone(), text, mentions, edits };
        held.sent.insert(number, sent);
        let chat = chat_id.parse::<i64>().unwrap_or(-1_001);
        let body = json!({"ok": true, "result": {"message_id": number, "chat": {"id": chat}}});
        Ruling::Taken(Answer::json(200, &body))
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        let seconds = after.as_secs();
        let description = format!("Too Many Requests: retry after {seconds}");
        let mut body = json!({"ok": false, "error_code": 429, "description": description});
        body["parameters"] = json!({"retry_after": seconds});
        Answer::json(429, &body)
    }

    fn error(&self, _: &Received) -> Answer {
        failed(400, "Bad Request: chat not found")
    }
}

/// The names that Telegram finds in a text: `@` and at least five letters, digits or underscores.
fn mentioned(text: &str) -> Vec<String> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let parts = text.split('@').skip(1);
    let names = parts.map(|part| part.chars().take_while(|c| of_name(*c)).collect::<String>());
    names.filter(|name| name.len() >= 5).collect()
}

/// What people read of HTML in which only `<b>`, `<i>`, `<code>`, `<pre>` and `<a href>` and four
/// entities are known.
fn shown(text: &str, html: bool) -> Result<String, String> {
    if !html {
        return Ok(text.to_owned());
    }
    let mut shown = String::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '&']) {
        let (before, sign) = rest.split_at(at);
        shown.push_str(before);
        let end = if sign.starts_with('&') { ';' } else { '>' };
        let (inside, behind) = sign
            .split_once(end)
            .ok_or_else(|| format!("unclosed {}", sign.chars().take(9).collect::<String>()))?;
        rest = behind;
        match inside.split_at(1) {
            ("&", "lt") => shown.push('<'),
            ("&", "gt") => shown.push('>'),
            ("&", "amp") => shown.push('&'),
            ("&", "quot") => shown.push('"'),
            ("<", tag) if tag.starts_with('/') => {
                if open.pop().as_deref() != tag.strip_prefix('/') {
                    return Err(format!("unexpected end tag {tag}"));
                }
            }
            ("<", tag) => {
                let name = tag.split(' ').next().unwrap_or_default();
                if !["b", "i", "code", "pre", "a"].contains(&name) {
                    return Err(format!("unsupported start tag {name}"));
                }
                open.push(name.to_owned());
            }
            (sign, inside) => return Err(format!("unexpected {sign}{inside}")),
        }
    }
    shown.push_str(rest);
    if open.is_empty() { Ok(shown) } else { Err("a tag is not closed".to_owned()) }
}
