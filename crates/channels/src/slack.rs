//! Slack: the form of its messages, and incoming webhooks.
//!
//! Limits, in characters (Slack, "Reference: blocks" and "chat.postMessage"): text 40,000, which
//! Slack cuts at 4,000 where it can; header 150; section 3,000; 10 fields of 2,000; 50 blocks;
//! label of a button 75, its value 2,000.
//!
//! Text from outside stands in `plain_text` objects, where no markup acts and nobody is called, and
//! in the fallback `text` with `&`, `<` and `>` escaped, so that neither `<!channel>` nor a link
//! acts.  Only the operator's mentions stand in `mrkdwn`.
//!
//! Answers of a webhook: 200 with the text `ok` is delivered; an error is a word in the body
//! (`invalid_payload`, `no_service`, `channel_is_archived`) with 4xx.  400 means that the form does
//! not please, so the same message goes out once more as plain text.  429 carries `Retry-After`.

use nightcrew_config::settings::Secret;
use nightcrew_model::event::Delivery;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Value, json};

use crate::message::{ActionKind, Message};
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, body_text};
use crate::sign::sign;
use crate::text::{Piece, lines_within, one_line, within};

/// The longest header, in characters.
const HEADER_CHARS_MAX: usize = 150;

/// The longest text of a section, in characters.
const SECTION_CHARS_MAX: usize = 3_000;

/// The longest fallback text, in characters: past 4,000 Slack cuts by itself.
const TEXT_CHARS_MAX: usize = 4_000;

/// The longest text of a field, in characters.
const FIELD_CHARS_MAX: usize = 500;

/// The longest part of the fallback text that stands beside blocks, in characters: notifications
/// show it.
const BESIDE_CHARS_MAX: usize = 300;

/// What is wrong with the blocks, so that plain text may do.
pub(crate) const BAD_FORM: [&str; 7] = [
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_attachments",
    "invalid_payload",
    "msg_blocks_too_long",
    "block_mismatch",
    "invalid_arguments",
];

/// Posts to an incoming webhook.
pub(crate) async fn deliver(webhook_url: &Secret, message: &Message, http: &Http) -> Delivery {
    let url = webhook_url.expose();
    let secrets = Secrets::in_url(url);
    let request = |body: &Value| Request::post_json(url, body, REQUEST_TIMEOUT);
    let answer = match receiver::send(http, request(&rich(message)), &secrets).await {
        Ok(answer) => answer,
        Err(unsent) => return unsent,
    };
    if answer.status.as_u16() != 400 {
        return judge(&answer, &secrets);
    }
    tracing::warn!(
        notification.id = message.notification.0,
        "Slack refused the blocks{}; sending the message as plain text",
        secrets.quote(&body_text(&answer)),
    );
    match receiver::send(http, request(&plain(message)), &secrets).await {
        Ok(answer) => judge(&answer, &secrets),
        Err(unsent) => unsent,
    }
}

fn judge(answer: &Response, secrets: &Secrets) -> Delivery {
    let status = answer.status.as_u16();
    let word = body_text(answer);
    let said = secrets.quote(&word);
    if let Some(later) = receiver::later("Slack", answer, &said) {
        return later;
    }
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("Slack answered HTTP {status}{said}; {advice}"),
    };
    match (status, word.trim()) {
        (200..=299, "ok") => Delivery::Delivered { receipt: None },
        // What takes Slack's form without being Slack answers in JSON.
        (200..=299, _) if is_yes(&receiver::json(answer)) => Delivery::Delivered { receipt: None },
        (200..=299, word) if is_word(word) => {
            permanent("see the errors of incoming webhooks in Slack's documentation")
        }
        (200..=299, _) => receiver::not_the_service("Slack", answer, &said),
        (300..=399, _) => permanent(
            "redirects are not followed: set `webhook_url` to the URL that Slack shows for the \
             webhook",
        ),
        (_, "channel_is_archived") => {
            permanent("the conversation is archived: make a webhook for another one")
        }
        (_, "action_prohibited" | "posting_to_general_channel_denied") => permanent(
            "an administrator of the workspace forbids it: choose another conversation or ask for \
             it to be allowed",
        ),
        (401 | 403 | 404 | 410, _) => permanent(
            "the webhook was removed or its app was: create a new one in the settings of the app \
             (Incoming Webhooks) and set it as `webhook_url`",
        ),
        _ => permanent(
            "it takes the message neither as blocks nor as plain text: check that `webhook_url` \
             is the URL of an incoming webhook",
        ),
    }
}

fn is_yes(body: &Value) -> bool {
    body["ok"] == true || body["success"] == true
}

/// Whether this looks like one of Slack's error words: `invalid_token`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// The message in blocks.
pub(crate) fn rich(message: &Message) -> Value {
    let head = format!("{} {}", sign(message.kind), message.title);
    let mut blocks = vec![json!({
        "type": "header",
        "text": plain_text(&one_line(&head, HEADER_CHARS_MAX)),
    })];
    let called = called(&message.mentions);
    if !called.is_empty() {
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": called}}));
    }
    let facts = message.facts();
    if !facts.is_empty() {
        let fields = facts.iter().map(|(name, value)| {
            plain_text(&one_line(&format!("{name}: {value}"), FIELD_CHARS_MAX))
        });
        blocks.push(json!({"type": "section", "fields": fields.collect::<Vec<_>>()}));
    }
    let told = lines_within(&told(message), SECTION_CHARS_MAX);
    if !told.is_empty() {
        blocks.push(json!({"type": "section", "text": plain_text(&told)}));
    }
    let buttons: Vec<Value> = message
        .actions
        .iter()
        .filter_map(|action| {
            let value = action.button.as_ref()?;
            let mut button = json!({
                "type": "button",
                "text": plain_text(action.kind.label()),
                "action_id": format!("nightcrew_{}", action.kind.as_str()),
                "value": value,
            });
            match action.kind {
                ActionKind::Approve => button["style"] = json!("primary"),
                ActionKind::Deny => button["style"] = json!("danger"),
                ActionKind::Acknowledge | ActionKind::Resolve => {}
            }
            Some(button)
        })
        .collect();
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    let below = below(message);
    blocks.push(json!({"type": "context", "elements": [plain_text(&below.join("\n"))]}));
    let mut body = plain_body(&escaped(&head, BESIDE_CHARS_MAX));
    body["blocks"] = Value::Array(blocks);
    body
}

/// The message as plain text.
pub(crate) fn plain(message: &Message) -> Value {
    let mut lines = Vec::new();
    let called = called(&message.mentions);
    if !called.is_empty() {
        lines.push(called);
    }
    let head = format!("{} {}", sign(message.kind), message.title);
    lines.extend([head].into_iter().chain(told(message)).chain(below(message)).map(|line| {
        // A line may grow by the escapes of its signs, and is cut where it grows too far.
        escaped(&line, TEXT_CHARS_MAX / 4)
    }));
    plain_body(&lines_within(&lines, TEXT_CHARS_MAX))
}

fn plain_body(text: &str) -> Value {
    json!({
        "text": text,
        "mrkdwn": false,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn plain_text(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// The body of the message in lines.
fn told(message: &Message) -> Vec<String> {
    let notice = message.sending.notice().map(str::to_owned);
    let summary = (!message.summary.is_empty()).then(|| message.summary.clone());
    let story = message.lines().iter().map(|line| format!("• {line}"));
    notice.into_iter().chain(summary).chain(story).collect()
}

/// What stands below the message.
fn below(message: &Message) -> Vec<String> {
    let actions = message.actions.iter();
    let mut lines: Vec<String> =
        actions.map(|action| format!("{}: {}", action.kind.label(), action.command)).collect();
    if let Some(record) = &message.record {
        lines.push(format!("Record: {}", record.display()));
    }
    lines.push(format!("{:.0}  {}", message.at, message.dedup_key()));
    lines
}

/// The text with the three signs that Slack reads as entities ("Formatting text for app surfaces").
fn escaped(text: &str, chars_max: usize) -> String {
    let pieces = text.trim().chars().map(|c| match c {
        '&' => Piece::Entity("&amp;"),
        '<' => Piece::Entity("&lt;"),
        '>' => Piece::Entity("&gt;"),
        c => Piece::of(c),
    });
    within(pieces, chars_max)
}

/// Who is called, in one line: `<@U1>`, `<!subteam^S1>`, `<!here>`, `<!channel>` as they are,
/// anything else as text.
fn called(mentions: &[String]) -> String {
    let words: Vec<String> = mentions
        .iter()
        .map(|mention| {
            if is_mention(mention) {
                mention.clone()
            } else {
                escaped(mention, crate::message::MENTION_CHARS_MAX)
            }
        })
        .collect();
    words.join(" ")
}

fn is_mention(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
        return false;
    };
    let id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
    match (inside.strip_prefix('@'), inside.strip_prefix("!subteam^")) {
        (Some(user), _) => id(user),
        (_, Some(team)) => id(team),
        (None, None) => matches!(inside, "!here" | "!channel" | "!everyone"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_slacks_own_mentions_call_anybody() {
        let mentions = ["<@U123>", "<!subteam^S1>", "<!here>", "@kim", "<http://x|y>", "<@U1|x>"];
        assert_eq!(
            called(&mentions.map(str::to_owned)),
            "<@U123> <!subteam^S1> <!here> @kim &lt;http://x|y&gt; &lt;@U1|x&gt;"
        );
    }

    proptest! {
        #[test]
        fn nothing_from_outside_acts(text in "(\\PC|[&<>!@#]|가|🔥){0,60}", chars_max in 0usize..50) {
            let shown = escaped(&text, chars_max);
            prop_assert!(shown.chars().count() <= chars_max);
            prop_assert!(!shown.contains(['<', '>']));
            let bare = shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            prop_assert!(!bare.contains('&'), "an entity is cut in {}", shown);
        }
    }
}
