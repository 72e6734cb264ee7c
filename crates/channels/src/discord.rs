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
//! Nobody is mentioned (`allowed_mentions`), whatever the text says.

use nightcrew_config::settings::Secret;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::event::Delivery;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Value, json};

use crate::message::Message;
use crate::receiver::{
    self, REQUEST_TIMEOUT, Secrets, body_text, from_seconds, header, retry_after,
};
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

pub(crate) async fn deliver(webhook_url: &Secret, message: &Message, http: &Http) -> Delivery {
    let secrets = Secrets::in_url(webhook_url.expose());
    let url = waiting(webhook_url.expose());
    let request = |body: &Value| Request::post_json(&url, body, REQUEST_TIMEOUT);
    let answer = match receiver::send(http, request(&rich(message)), &secrets).await {
        Ok(answer) => answer,
        Err(unsent) => return unsent,
    };
    if answer.status.as_u16() != 400 || Words::of(&answer).code == Some(CODE_FORUM_NEEDS_THREAD) {
        return judge(&answer, &secrets);
    }
    tracing::warn!(
        notification.id = message.notification.0,
        "Discord refused an embed{}; sending the message as plain text",
        Words::of(&answer).quoted(&secrets),
    );
    match receiver::send(http, request(&plain(message)), &secrets).await {
        Ok(answer) => judge(&answer, &secrets),
        Err(unsent) => unsent,
    }
}

/// The URL with `wait=true`, so that 200 means that the message exists.
fn waiting(url: &str) -> String {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    match url.split_once('?') {
        Some((_, query)) if query.split('&').any(|pair| pair.starts_with("wait=")) => {
            url.to_owned()
        }
        Some(_) => format!("{url}&wait=true"),
        None => format!("{url}?wait=true"),
    }
}

fn rich(message: &Message) -> Value {
    let title = escaped(&format!("{} {}", sign(message.kind), message.title), TITLE_CHARS_MAX);
    let mut fields = vec![
        field("Incident", &message.incident.to_string(), true),
        field("Service", &message.key.target.to_string(), true),
        field("Symptom", message.key.symptom.as_str(), true),
        field("Severity", &message.severity.to_string(), true),
    ];
    if let Some(record) = &message.record {
        fields.push(field("Record", &record.display().to_string(), false));
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
    json!({
        "allowed_mentions": {"parse": []},
        "embeds": [{
            "title": title,
            "description": description,
            "color": colour(message.kind, message.severity),
            "fields": fields,
            "footer": {"text": footer},
            "timestamp": format!("{:.3}", message.at),
        }],
    })
}

fn plain(message: &Message) -> Value {
    let head = format!("{} {}", sign(message.kind), message.title);
    let mut lines = vec![escaped(&head, TITLE_CHARS_MAX)];
    lines.extend(told(message));
    if let Some(record) = &message.record {
        let record = escaped(&record.display().to_string(), VALUE_CHARS_MAX / 2);
        lines.push(format!("Record: {record}"));
    }
    json!({
        "allowed_mentions": {"parse": []},
        "content": lines_within(&lines, CONTENT_CHARS_MAX),
    })
}

/// The body of the message in lines.
fn told(message: &Message) -> Vec<String> {
    let notice = message.sending.notice().map(|text| format!("*{text}*"));
    let summary = escaped(&message.summary, SUMMARY_CHARS_MAX);
    let summary = (!summary.is_empty()).then_some(summary);
    let story = message.story.iter();
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

fn sign(kind: NotificationKind) -> char {
    match kind {
        NotificationKind::Escalated => '🚨',
        NotificationKind::Resolved => '✅',
    }
}

/// Red, orange or blue for what needs a person, green for what is over.
fn colour(kind: NotificationKind, severity: Severity) -> u32 {
    match (kind, severity) {
        (NotificationKind::Resolved, _) => 0x2e_a0_43,
        (NotificationKind::Escalated, Severity::Critical) => 0xd7_2b_3f,
        (NotificationKind::Escalated, Severity::Warning) => 0xe3_83_1f,
        (NotificationKind::Escalated, Severity::Info) => 0x2f_81_f7,
    }
}

/// What Discord says in the body of an error: `{"message", "code", "retry_after"}`.
#[derive(Default)]
struct Words {
    message: String,
    code: Option<u64>,
    retry_after: Option<Millis>,
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
        200..=299 => Delivery::Delivered,
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
