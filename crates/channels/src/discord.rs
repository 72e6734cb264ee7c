//! Discord webhooks: one embed, or plain text where Discord does not take the embed.
//!
//! Limits, in characters (Discord API, "Create Message" and "Embed Limits"): content 2000; title
//! 256, description 4096, 25 fields with names of 256 and values of 1024, footer 2048; all texts
//! of the embeds together 6000.  An empty name or value is refused.
//!
//! Answers: 200 (the request asks to `wait` for the message) or 204 is delivered.  429 carries
//! `retry_after` in its body, `X-RateLimit-Reset-After` and `Retry-After`; the longest counts,
//! because the first one may be only the route's and the last one Cloudflare's.  400 means that
//! the form does not please, so the same message goes out once more as plain text.  401, 403 and
//! 404 do not mend themselves: the webhook was removed or its token changed.
//!
//! Nobody is mentioned (`allowed_mentions`) but the users and roles that the operator configured,
//! whatever the text says.
//!
//! A later message about the same subject that wakes nobody changes the earlier one; where that was
//! removed (404, code 10008), it is sent as one of its own.

use nightcrew_config::settings::Secret;
use nightcrew_model::decision::Receipt;
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Method, Request, Response};
use serde_json::{Value, json};

use crate::message::{ActionKind, MENTION_CHARS_MAX, Message};
use crate::receiver::{
    self, REQUEST_TIMEOUT, Secrets, body_text, from_seconds, header, retry_after,
};
use crate::sign::{colour, sign};
use crate::text::{Piece, lines_within, within};

/// The longest plain text, in characters.
const CONTENT_CHARS_MAX: usize = 2_000;

/// The longest title of an embed, in characters.
const TITLE_CHARS_MAX: usize = 256;

/// The longest description of an embed, in characters.
const DESCRIPTION_CHARS_MAX: usize = 4_096;

/// The longest value of a field, in characters.
const VALUE_CHARS_MAX: usize = 1_024;

/// The longest sum of the texts of an embed, in characters.
const EMBED_CHARS_MAX: usize = 6_000;

/// The longest summary inside the description, in characters: the story needs room, too.
const SUMMARY_CHARS_MAX: usize = 1_200;

/// The longest line of the story inside the description, in characters.
const LINE_CHARS_MAX: usize = 500;

/// The error code "webhooks posted to forum channels must have a `thread_name` or `thread_id`".
const CODE_FORUM_NEEDS_THREAD: u64 = 220_001;

/// The kind of component that holds others ("Component Reference") …
const COMPONENT_ROW: u8 = 1;

/// … a button …
const COMPONENT_BUTTON: u8 = 2;

/// … its usual look, …
const STYLE_PRIMARY: u8 = 1;

/// … that of a yes …
const STYLE_SUCCESS: u8 = 3;

/// … and that of a no.
const STYLE_DANGER: u8 = 4;

/// The error code "unknown message": it was removed by somebody.
const CODE_UNKNOWN_MESSAGE: u64 = 10_008;

pub(crate) async fn deliver(webhook_url: &Secret, message: &Message, http: &Http) -> Delivery {
    let secrets = Secrets::in_url(webhook_url.expose());
    let url = webhook_url.expose();
    if let Some(receipt) = message.replaces().filter(|receipt| is_id(&receipt.0)) {
        let earlier = Place { url: of_message(url, &receipt.0), method: Method::PATCH };
        let answer = match earlier.say(message, http, &secrets).await {
            Ok(answer) => answer,
            Err(unsent) => return unsent,
        };
        let gone =
            answer.status.as_u16() == 404 && Words::of(&answer).code == Some(CODE_UNKNOWN_MESSAGE);
        if !gone {
            return judge(&answer, &secrets);
        }
    }
    let anew = Place { url: waiting(url), method: Method::POST };
    match anew.say(message, http, &secrets).await {
        Ok(answer) => judge(&answer, &secrets),
        Err(unsent) => unsent,
    }
}

/// Where a message goes: a new one, or an earlier one that is changed.
struct Place {
    url: String,
    method: Method,
}

impl Place {
    /// The message as an embed, or as plain text where Discord does not take the embed.
    async fn say(
        &self,
        message: &Message,
        http: &Http,
        secrets: &Secrets,
    ) -> Result<Response, Delivery> {
        let request = |body: &Value| {
            Request::post_json(&self.url, body, REQUEST_TIMEOUT).method(self.method.clone())
        };
        let answer = receiver::send(http, request(&rich(message)), secrets).await?;
        if answer.status.as_u16() != 400 || Words::of(&answer).code == Some(CODE_FORUM_NEEDS_THREAD)
        {
            return Ok(answer);
        }
        tracing::warn!(
            notification.id = message.notification.0,
            "Discord refused an embed{}; sending the message as plain text",
            Words::of(&answer).quoted(secrets),
        );
        receiver::send(http, request(&plain(message)), secrets).await
    }
}

/// Whether this is the id of a message: digits.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The URL and its query, without what follows `#`.
fn parts(url: &str) -> (&str, Option<&str>) {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    match url.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (url, None),
    }
}

/// The URL with `wait=true`, so that 200 means that the message exists.
fn waiting(url: &str) -> String {
    match parts(url) {
        (base, Some(query)) if query.split('&').any(|pair| pair.starts_with("wait=")) => {
            format!("{base}?{query}")
        }
        (base, Some(query)) => format!("{base}?{query}&wait=true"),
        (base, None) => format!("{base}?wait=true"),
    }
}

/// The URL of one message of the webhook; the query names the thread in which it is.
fn of_message(url: &str, id: &str) -> String {
    let (base, query) = parts(url);
    let base = base.trim_end_matches('/');
    match query {
        Some(query) => format!("{base}/messages/{id}?{query}"),
        None => format!("{base}/messages/{id}"),
    }
}

fn rich(message: &Message) -> Value {
    let title = escaped(&format!("{} {}", sign(message.kind), message.title), TITLE_CHARS_MAX);
    let facts = message.facts();
    let mut fields: Vec<_> = facts.iter().map(|(name, value)| field(name, value, true)).collect();
    if let Some(record) = &message.record {
        fields.push(field("Record", &record.display().to_string(), false));
    }
    for action in &message.actions {
        fields.push(field(action.kind.label(), &action.command, false));
    }
    let footer = message.dedup_key();
    let count = |text: &str| text.chars().count();
    let in_fields: usize = fields.iter().map(|(name, value, _)| count(name) + count(value)).sum();
    let room = EMBED_CHARS_MAX.saturating_sub(count(&title) + count(&footer) + in_fields);
    let description = lines_within(&told(message), room.min(DESCRIPTION_CHARS_MAX));
    let fields: Vec<Value> = fields
        .into_iter()
        .map(|(name, value, inline)| json!({"name": name, "value": value, "inline": inline}))
        .collect();
    let called = Called::of(&message.mentions);
    let mut body = json!({
        "allowed_mentions": called.allowed(),
        "embeds": [{
            "title": title,
            "description": description,
            "color": colour(message.kind, message.severity),
            "fields": fields,
            "footer": {"text": footer},
            "timestamp": format!("{:.3}", message.at),
        }],
    });
    let buttons: Vec<Value> = message
        .actions
        .iter()
        .filter_map(|action| {
            let id = action.button.as_ref()?;
            let kind = COMPONENT_BUTTON;
            let style = match action.kind {
                ActionKind::Acknowledge | ActionKind::Resolve => STYLE_PRIMARY,
                ActionKind::Approve => STYLE_SUCCESS,
                ActionKind::Deny => STYLE_DANGER,
            };
            let label = action.kind.label();
            Some(json!({"type": kind, "style": style, "label": label, "custom_id": id}))
        })
        .collect();
    if !buttons.is_empty() {
        // Discord leaves them out of the messages of a webhook that belongs to no application.
        body["components"] = json!([{"type": COMPONENT_ROW, "components": buttons}]);
    }
    if !called.line.is_empty() {
        // Nobody is called by what stands in an embed.
        body["content"] = Value::String(called.line);
    }
    body
}

/// Who is called by name.
#[derive(Default)]
struct Called {
    users: Vec<String>,
    roles: Vec<String>,
    line: String,
}

impl Called {
    /// Reads `<@1>`, `<@!1>` (users) and `<@&1>` (roles); anything else is shown and calls nobody.
    fn of(mentions: &[String]) -> Self {
        let mut called = Self::default();
        let mut words = Vec::new();
        for mention in mentions {
            let inside = mention.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
            let (ids, id) = match inside {
                Some(inside) => match inside.strip_prefix('&') {
                    Some(role) => (&mut called.roles, role),
                    None => (&mut called.users, inside.strip_prefix('!').unwrap_or(inside)),
                },
                None => (&mut called.users, ""),
            };
            if !is_id(id) {
                words.push(escaped(mention, MENTION_CHARS_MAX));
                continue;
            }
            words.push(mention.clone());
            if !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        }
        called.line = words.join(" ");
        called
    }

    fn allowed(&self) -> Value {
        let mut allowed = json!({"parse": []});
        if !self.users.is_empty() {
            allowed["users"] = json!(self.users);
        }
        if !self.roles.is_empty() {
            allowed["roles"] = json!(self.roles);
        }
        allowed
    }
}

fn plain(message: &Message) -> Value {
    let called = Called::of(&message.mentions);
    let head = format!("{} {}", sign(message.kind), message.title);
    let mut lines = vec![escaped(&head, TITLE_CHARS_MAX)];
    lines.extend(told(message));
    if let Some(record) = &message.record {
        let record = escaped(&record.display().to_string(), VALUE_CHARS_MAX / 2);
        lines.push(format!("Record: {record}"));
    }
    let above = if called.line.is_empty() { 0 } else { called.line.chars().count() + 1 };
    let text = lines_within(&lines, CONTENT_CHARS_MAX.saturating_sub(above));
    let content = if above == 0 { text } else { format!("{}\n{text}", called.line) };
    json!({
        "allowed_mentions": called.allowed(),
        "content": content,
        // A message that is changed loses its embed.
        "embeds": [],
        "components": [],
    })
}

/// The body of the message in lines.
fn told(message: &Message) -> Vec<String> {
    let notice = message.sending.notice().map(|text| format!("*{text}*"));
    let summary = escaped(&message.summary, SUMMARY_CHARS_MAX);
    let summary = (!summary.is_empty()).then_some(summary);
    let story = message.lines().iter();
    let story = story.map(|line| format!("• {}", escaped(line, LINE_CHARS_MAX)));
    notice.into_iter().chain(summary).chain(story).collect()
}

fn field(name: &'static str, value: &str, inline: bool) -> (&'static str, String, bool) {
    let value = escaped(value, VALUE_CHARS_MAX / 2);
    let value = if value.is_empty() { "–".into() } else { value };
    (name, value, inline)
}

/// The text with every sign that Discord reads as markup behind a backslash.
fn escaped(text: &str, chars_max: usize) -> String {
    let pieces = text.trim().chars().map(|c| match c {
        '\\' | '`' | '*' | '_' | '~' | '|' | '<' | '>' | '#' | '[' | ']' | '@' => Piece::Escaped(c),
        c => Piece::of(c),
    });
    within(pieces, chars_max)
}

/// What Discord says in the body of an answer: `{"message", "code", "retry_after"}`, or the message
/// as it is now, with its `id`.
#[derive(Default)]
struct Words {
    message: String,
    code: Option<u64>,
    retry_after: Option<Millis>,
    id: Option<String>,
    in_json: bool,
}

impl Words {
    /// The words of an answer; a body in another form (Cloudflare's, a proxy's) is only a message.
    fn of(answer: &Response) -> Self {
        let Ok(Value::Object(body)) = serde_json::from_slice(&answer.body) else {
            return Self { message: body_text(answer), ..Self::default() };
        };
        let text = body.get("message").and_then(Value::as_str);
        let seconds = body.get("retry_after").and_then(Value::as_f64);
        Self {
            message: text.unwrap_or_default().to_owned(),
            code: body.get("code").and_then(Value::as_u64),
            in_json: true,
            id: body.get("id").and_then(Value::as_str).filter(|id| is_id(id)).map(str::to_owned),
            retry_after: seconds.and_then(from_seconds),
        }
    }

    fn quoted(&self, secrets: &Secrets) -> String {
        let said = secrets.quote(&self.message);
        match self.code {
            Some(code) if code > 0 => format!("{said} (code {code})"),
            _ => said,
        }
    }
}

fn judge(answer: &Response, secrets: &Secrets) -> Delivery {
    let status = answer.status.as_u16();
    let words = Words::of(answer);
    let said = words.quoted(secrets);
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("Discord answered HTTP {status}{said}; {advice}"),
    };
    match status {
        204 => Delivery::Delivered { receipt: None },
        200..=299 if words.in_json => Delivery::Delivered { receipt: words.id.map(Receipt) },
        200..=299 => receiver::not_the_service("Discord", answer, &said),
        408 | 429 | 500.. | ..200 => {
            let reset = header(answer, "x-ratelimit-reset-after")
                .and_then(|seconds| seconds.parse().ok())
                .and_then(from_seconds);
            Delivery::Retry {
                after: words.retry_after.max(reset).max(retry_after(answer)),
                error: format!("Discord answered HTTP {status}{said}"),
            }
        }
        401 | 403 | 404 => permanent(
            "the webhook was removed or its token changed: create a new one in the settings of \
             the Discord channel (Integrations, Webhooks) and set it as `webhook_url`",
        ),
        400 if words.code == Some(CODE_FORUM_NEEDS_THREAD) => permanent(
            "the webhook belongs to a forum channel: append `?thread_id=` and the id of a thread \
             to `webhook_url`, or use the webhook of a text channel",
        ),
        300..=399 => permanent(
            "redirects are not followed: set `webhook_url` to the URL that Discord shows when it \
             copies the webhook's URL",
        ),
        _ => permanent(
            "it takes the message neither as an embed nor as plain text: check that `webhook_url` \
             is the URL of a Discord webhook",
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn asks_to_wait_whatever_the_url_holds_already() {
        for (url, expected) in [
            ("https://d/x", "https://d/x?wait=true"),
            ("https://d/x?thread_id=1#top", "https://d/x?thread_id=1&wait=true"),
            ("https://d/x?wait=false", "https://d/x?wait=false"),
        ] {
            assert_eq!(waiting(url), expected);
        }
    }

    #[test]
    fn an_earlier_message_is_found_in_its_thread() {
        assert_eq!(of_message("https://d/x/", "9"), "https://d/x/messages/9");
        let threaded = of_message("https://d/x?thread_id=1#top", "9");
        assert_eq!(threaded, "https://d/x/messages/9?thread_id=1");
    }

    #[test]
    fn only_ids_call_anybody() {
        let called =
            Called::of(&["<@1>", "<@!1>", "<@&22>", "@everyone", "<@1x>"].map(str::to_owned));
        assert_eq!(called.line, r"<@1> <@!1> <@&22> \@everyone \<\@1x\>");
        assert_eq!(called.allowed(), json!({"parse": [], "users": ["1"], "roles": ["22"]}));
    }

    #[test]
    fn markup_of_outside_text_is_text() {
        assert_eq!(
            escaped("**굵게** [a](http://b) @everyone `x` <@1> ||s||", 200),
            r"\*\*굵게\*\* \[a\](http://b) \@everyone \`x\` \<\@1\> \|\|s\|\|"
        );
    }

    proptest! {
        #[test]
        fn escaping_is_never_cut_in_half(text in "(\\PC|[*_`\\\\]|가|🔥){0,60}", chars_max in 0usize..50) {
            let shown = escaped(&text, chars_max);
            prop_assert!(shown.chars().count() <= chars_max);
            let backslashes = shown.trim_end_matches('…').chars().rev().take_while(|c| *c == '\\').count();
            prop_assert_eq!(backslashes % 2, 0, "a backslash escapes nothing in {}", shown);
        }
    }
}
