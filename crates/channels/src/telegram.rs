//! Telegram bots: `sendMessage`, and `editMessageText` for what changes an earlier message.
//!
//! Limits (Telegram Bot API): text 1 to 4,096 UTF-16 code units after its entities are read;
//! `callback_data` 64 bytes.  The text is HTML, in which `&`, `<` and `>` are escaped; a word
//! joiner behind every `@` from outside keeps it from calling anybody, because Telegram reads
//! `@name` in any text.
//!
//! Answers: `{"ok": true, "result": {"message_id", "chat"}}`, or `{"ok": false, "error_code",
//! "description", "parameters"}` with the status of the code.  429 carries
//! `parameters.retry_after`.  400 with `parameters.migrate_to_chat_id` means that the group has a
//! new id: the same message goes there at once.  400 "can't parse entities" brings plain text.
//! "message is not modified" means that it says so already.
//!
//! The token stands in the path of every URL, so no URL is ever part of an error.

use nightcrew_config::settings::Secret;
use nightcrew_model::decision::Receipt;
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Value, json};

use crate::message::Message;
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, body_text, from_seconds, retry_after};
use crate::sign::sign;
use crate::text::{Count, lines_within_count};

/// The longest text, in UTF-16 code units after its entities are read.
const TEXT_UNITS_MAX: usize = 4_096;

/// What keeps an `@` from calling anybody.
const WORD_JOINER: char = '\u{2060}';

/// What is wrong with the message that is to be changed, so that a message of its own has to do.
const GONE: [&str; 4] = [
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "message identifier is not specified",
];

/// Where messages go.
pub(crate) struct Chat<'a> {
    pub(crate) token: &'a Secret,
    pub(crate) chat_id: &'a str,
    pub(crate) thread_id: Option<i64>,
    pub(crate) api_url: &'a str,
}

pub(crate) async fn deliver(chat: &Chat<'_>, message: &Message, http: &Http) -> Delivery {
    let token = chat.token.expose();
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    if token.is_empty() || !token.chars().all(of_token) {
        return Delivery::Permanent {
            error: "the token is not one of a Telegram bot; copy it anew from @BotFather into \
                    `token` of the channel"
                .to_owned(),
        };
    }
    let mut secrets = Secrets::in_url(chat.api_url);
    secrets.add(token);
    secrets.add(&format!("bot{token}"));
    let call = Call { chat, message, http, secrets: &secrets };
    if let Some((id, number)) = message.replaces().and_then(earlier) {
        let place = json!({"chat_id": id, "message_id": number});
        match call.in_some_form("editMessageText", place).await {
            Err(unsent) => return unsent,
            Ok(answer) => {
                let words = Words::of(&answer);
                if words.says("message is not modified") {
                    return Delivery::Delivered { receipt: message.edits.clone() };
                }
                if !GONE.iter().any(|gone| words.says(gone)) {
                    return judge(&answer, &secrets);
                }
            }
        }
    }
    let mut place = json!({"chat_id": chat.chat_id});
    if let Some(thread) = chat.thread_id {
        place["message_thread_id"] = json!(thread);
    }
    let answer = match call.in_some_form("sendMessage", place.clone()).await {
        Ok(answer) => answer,
        Err(unsent) => return unsent,
    };
    let Some(moved_to) = Words::of(&answer).moved_to else {
        return judge(&answer, &secrets);
    };
    tracing::warn!(
        notification.id = message.notification.0,
        "the Telegram group is a supergroup now: set `chat_id` of the channel to {moved_to}",
    );
    place["chat_id"] = json!(moved_to);
    match call.in_some_form("sendMessage", place).await {
        Ok(answer) => judge(&answer, &secrets),
        Err(unsent) => unsent,
    }
}

/// The chat and the number of an earlier message; none where the receipt is not one of ours.
fn earlier(receipt: &Receipt) -> Option<(i64, i64)> {
    let (chat, number) = receipt.0.split_once(':')?;
    Some((chat.parse().ok()?, number.parse().ok()?))
}

struct Call<'a> {
    chat: &'a Chat<'a>,
    message: &'a Message,
    http: &'a Http,
    secrets: &'a Secrets,
}

impl Call<'_> {
    /// One method, with HTML, or with plain text where Telegram does not take the HTML.
    async fn in_some_form(&self, method: &str, place: Value) -> Result<Response, Delivery> {
        let mut body = place;
        body["link_preview_options"] = json!({"is_disabled": true});
        body["text"] = Value::String(html(self.message));
        body["parse_mode"] = json!("HTML");
        if let Some(keyboard) = keyboard(self.message) {
            body["reply_markup"] = keyboard;
        }
        let answer = self.once(method, &body).await?;
        let words = Words::of(&answer);
        let form = ["can't parse entities", "message is too long", "reply markup", "button"];
        if !form.iter().any(|form| words.says(form)) {
            return Ok(answer);
        }
        tracing::warn!(
            notification.id = self.message.notification.0,
            "Telegram refused the text{}; sending the message as plain text",
            self.secrets.quote(&words.description),
        );
        body["text"] = Value::String(plain(self.message));
        if let Some(fields) = body.as_object_mut() {
            fields.remove("parse_mode");
            fields.remove("reply_markup");
        }
        self.once(method, &body).await
    }

    async fn once(&self, method: &str, body: &Value) -> Result<Response, Delivery> {
        let base = self.chat.api_url.trim_end_matches('/');
        let url = format!("{base}/bot{}/{method}", self.chat.token.expose());
        receiver::send(self.http, Request::post_json(url, body, REQUEST_TIMEOUT), self.secrets)
            .await
    }
}

/// The lines of a message, as text, within the limit; the first is the title.
fn lines(message: &Message, units_max: usize) -> String {
    let mut lines = vec![format!("{} {}", sign(message.kind), message.title)];
    lines.extend(message.sending.notice().map(str::to_owned));
    if !message.summary.is_empty() {
        lines.push(message.summary.clone());
    }
    lines.extend(message.facts().into_iter().map(|(name, value)| format!("{name}: {value}")));
    lines.extend(message.lines().iter().map(|line| format!("• {line}")));
    let actions = message.actions.iter();
    lines.extend(actions.map(|action| format!("{}: {}", action.kind.label(), action.command)));
    if let Some(record) = &message.record {
        lines.push(format!("Record: {}", record.display()));
    }
    lines.push(format!("{:.0} {}", message.at, message.dedup_key()));
    for line in &mut lines {
        *line = calm(line);
    }
    lines_within_count(&lines, units_max, Count::Utf16)
}

/// Text in which no `@` calls anybody.
fn calm(text: &str) -> String {
    let mut calm = String::with_capacity(text.len());
    for c in text.chars() {
        calm.push(c);
        if c == '@' {
            calm.push(WORD_JOINER);
        }
    }
    calm
}

fn html(message: &Message) -> String {
    let called = called(&message.mentions, escaped);
    let room = TEXT_UNITS_MAX.saturating_sub(units(&called) + 1);
    let text = lines(message, room);
    let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let mut html = format!("<b>{}</b>\n{}", escaped(head), escaped(rest));
    if !called.is_empty() {
        html = format!("{called}\n{html}");
    }
    html
}

fn plain(message: &Message) -> String {
    let called = called(&message.mentions, str::to_owned);
    let text = lines(message, TEXT_UNITS_MAX.saturating_sub(units(&called) + 1));
    if called.is_empty() { text } else { format!("{called}\n{text}") }
}

/// Who is called: `@name` as it is, an id as a link to the user, anything else as text.
fn called(mentions: &[String], written: impl Fn(&str) -> String) -> String {
    let name = |text: &str| {
        let name = text.strip_prefix('@').unwrap_or_default();
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let words = mentions.iter().map(|mention| {
        if name(mention) {
            return mention.clone();
        }
        match mention.strip_prefix("tg://user?id=") {
            Some(id) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) => {
                // In plain text it is a link that a person can press, which calls nobody.
                let link = written("<");
                if link == "<" {
                    mention.clone()
                } else {
                    format!("<a href=\"tg://user?id={id}\">{id}</a>")
                }
            }
            _ => written(&calm(mention)),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn keyboard(message: &Message) -> Option<Value> {
    let buttons: Vec<Value> = message
        .actions
        .iter()
        .filter_map(|action| {
            let data = action.button.as_ref()?;
            Some(json!({"text": action.kind.label(), "callback_data": data}))
        })
        .collect();
    (!buttons.is_empty()).then(|| json!({"inline_keyboard": [buttons]}))
}

/// What Telegram says.
#[derive(Default)]
struct Words {
    description: String,
    retry_after: Option<Millis>,
    moved_to: Option<i64>,
}

impl Words {
    fn of(answer: &Response) -> Self {
        let body = receiver::json(answer);
        let text = body["description"].as_str();
        Self {
            description: text.map_or_else(|| body_text(answer), str::to_owned),
            retry_after: body["parameters"]["retry_after"].as_f64().and_then(from_seconds),
            moved_to: body["parameters"]["migrate_to_chat_id"].as_i64(),
        }
    }

    fn says(&self, words: &str) -> bool {
        self.description.to_lowercase().contains(words)
    }
}

fn judge(answer: &Response, secrets: &Secrets) -> Delivery {
    let status = answer.status.as_u16();
    let body = receiver::json(answer);
    if status == 200 && body["ok"] == true {
        let result = &body["result"];
        let ids = result["chat"]["id"].as_i64().zip(result["message_id"].as_i64());
        let receipt = ids.map(|(chat, message)| Receipt(format!("{chat}:{message}")));
        return Delivery::Delivered { receipt };
    }
    let words = Words::of(answer);
    let said = secrets.quote(&words.description);
    if receiver::is_later(status) || words.retry_after.is_some() {
        return Delivery::Retry {
            after: words.retry_after.max(retry_after(answer)),
            error: format!("Telegram answered HTTP {status}{said}"),
        };
    }
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("Telegram answered HTTP {status}{said}; {advice}"),
    };
    match status {
        200..=299 => receiver::not_the_service("Telegram", answer, &said),
        300..=399 => permanent("redirects are not followed: check `api_url` of the channel"),
        401 | 404 => permanent(
            "the token does not work: copy it anew from @BotFather into `token` of the channel",
        ),
        403 => permanent(
            "the bot may not write there: add it to the chat, or start a conversation with it",
        ),
        _ if words.moved_to.is_some() => permanent("the group moved again: check `chat_id`"),
        _ if words.says("chat not found") => permanent(
            "set `chat_id` to the id of the chat (groups have negative ids) and add the bot to it",
        ),
        _ if words.says("thread not found") => {
            permanent("the topic was removed: check `thread_id` of the channel")
        }
        _ => permanent("check `chat_id` and `thread_id` of the channel"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_operators_names_call_anybody() {
        let mentions = ["@kim_1", "tg://user?id=12", "@every one", "<b>"].map(str::to_owned);
        assert_eq!(
            called(&mentions, escaped),
            "@kim_1 <a href=\"tg://user?id=12\">12</a> @\u{2060}every one &lt;b&gt;"
        );
        assert_eq!(
            called(&mentions, str::to_owned),
            "@kim_1 tg://user?id=12 @\u{2060}every one <b>"
        );
    }
}
