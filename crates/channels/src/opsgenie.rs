//! Opsgenie's alert API, and whatever speaks it.
//!
//! Create, acknowledge and close carry the key of the subject as alias, so that they meet the same
//! alert; a repeat of a create only counts up.  A plan that waits for an approval makes the alert of
//! its incident: somebody has to be woken within minutes, and when nobody answers, the escalation
//! that follows is of the same alert and wakes nobody twice.  The end of the question closes it, unless the escalation goes on with it.
//!
//! Limits ("Create Alert"), in characters: message 130, alias 512, description 15,000, entity 512,
//! source 100, note 25,000; 50 responders, 20 tags of 50; `details` 8,000 together.
//!
//! Answers: 202 is taken; the rest happens later.  422 says what is wrong with the alert, for good.
//! 429 and 5xx pass.

use nightcrew_config::settings::Secret;
use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_model::severity::Severity;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, body_text};
use crate::text::{lines_within, one_line};

/// The longest message, in characters.
const MESSAGE_CHARS_MAX: usize = 130;

/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 15_000;

/// The longest entity, in characters.
const ENTITY_CHARS_MAX: usize = 512;

/// The largest number of responders.
const RESPONDERS_MAX: usize = 50;

/// The largest number of tags.
const TAGS_MAX: usize = 20;

/// The longest tag, in characters.
const TAG_CHARS_MAX: usize = 50;

/// The longest note, in characters.
const NOTE_CHARS_MAX: usize = 25_000;

/// Where alerts go, and whose they are.
pub(crate) struct Integration<'a> {
    pub(crate) api_key: &'a Secret,
    pub(crate) api_url: &'a str,
    pub(crate) responders: &'a [String],
    pub(crate) tags: &'a [String],
}

pub(crate) async fn deliver(to: &Integration<'_>, message: &Message, http: &Http) -> Delivery {
    use NotificationKind as Kind;
    let alias = alias(message);
    let (path, body) = match message.kind {
        Kind::Escalated | Kind::ApprovalWanted | Kind::Firing | Kind::Digest | Kind::Test => {
            ("/v2/alerts".to_owned(), create(to, &alias, message))
        }
        Kind::Acknowledged => {
            (format!("/v2/alerts/{alias}/acknowledge?identifierType=alias"), note(message))
        }
        Kind::Resolved | Kind::ApprovalEnded => {
            (format!("/v2/alerts/{alias}/close?identifierType=alias"), note(message))
        }
        Kind::AllClear => {
            return Delivery::Permanent {
                error: "Opsgenie has nothing for a daily word that all is well: send `all_clear` \
                        to a chat or by mail"
                    .to_owned(),
            };
        }
    };
    let mut secrets = Secrets::in_url("");
    secrets.add(to.api_key.expose());
    let url = format!("{}{path}", to.api_url.trim_end_matches('/'));
    let request = Request::post_json(url, &body, REQUEST_TIMEOUT);
    let key = format!("GenieKey {}", to.api_key.expose());
    let Some(request) = receiver::authorised(request, &key) else {
        return Delivery::Permanent {
            error: "the key has characters that no key has; copy it anew into `api_key` of the \
                    channel"
                .to_owned(),
        };
    };
    match receiver::send(http, request, &secrets).await {
        Ok(answer) => judge(&answer, alias, &secrets),
        Err(unsent) => unsent,
    }
}

/// The key of the subject in the form that a path holds without being encoded.
fn alias(message: &Message) -> String {
    message.subject_key().replace('/', ":")
}

fn create(to: &Integration<'_>, alias: &str, message: &Message) -> Value {
    let title = if message.title.is_empty() { "Nightcrew" } else { &message.title };
    let mut body = json!({
        "message": one_line(title, MESSAGE_CHARS_MAX),
        "alias": alias,
        "description": lines_within(&description(message), DESCRIPTION_CHARS_MAX),
        "source": "Nightcrew",
        "priority": priority(message.severity),
        "details": details(message),
    });
    if let Some(content) = message.incident() {
        body["entity"] = json!(one_line(&content.key.target.to_string(), ENTITY_CHARS_MAX));
    }
    let responders: Vec<Value> =
        to.responders.iter().take(RESPONDERS_MAX).map(|text| responder(text)).collect();
    if !responders.is_empty() {
        body["responders"] = json!(responders);
    }
    if !to.tags.is_empty() {
        let tags = to.tags.iter().take(TAGS_MAX).map(|tag| one_line(tag, TAG_CHARS_MAX));
        body["tags"] = json!(tags.collect::<Vec<_>>());
    }
    body
}

/// `team:NAME`, `user:NAME`, `escalation:NAME` or `schedule:NAME`; a bare name is a team.
fn responder(text: &str) -> Value {
    let (kind, name) = match text.split_once(':') {
        Some((kind @ ("team" | "user" | "escalation" | "schedule"), name)) => (kind, name),
        _ => ("team", text),
    };
    let named_by = if kind == "user" { "username" } else { "name" };
    json!({"type": kind, named_by: name})
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "P1",
        Severity::Warning => "P3",
        Severity::Info => "P5",
    }
}

fn description(message: &Message) -> Vec<String> {
    let mut lines: Vec<String> = message.sending.notice().map(str::to_owned).into_iter().collect();
    if !message.summary.is_empty() {
        lines.push(message.summary.clone());
    }
    lines.extend(message.lines().iter().map(|line| format!("- {line}")));
    let actions = message.actions.iter();
    lines.extend(actions.map(|action| format!("{}: {}", action.kind.label(), action.command)));
    lines
}

fn details(message: &Message) -> Value {
    let mut details = Map::new();
    for (name, value) in message.facts() {
        details.insert(name.to_lowercase(), json!(value));
    }
    if let Some(record) = &message.record {
        details.insert("record".to_owned(), json!(record.display().to_string()));
    }
    details.insert("dedup_key".to_owned(), json!(message.dedup_key()));
    Value::Object(details)
}

fn note(message: &Message) -> Value {
    let title = std::slice::from_ref(&message.title).iter().cloned();
    let lines: Vec<String> = title.chain(description(message)).collect();
    json!({"source": "Nightcrew", "user": "Nightcrew", "note": lines_within(&lines, NOTE_CHARS_MAX)})
}

fn judge(answer: &Response, alias: String, secrets: &Secrets) -> Delivery {
    let status = answer.status.as_u16();
    let body = receiver::json(answer);
    if matches!(status, 200..=299) && body["requestId"].is_string() {
        return Delivery::Delivered { receipt: Some(Receipt(alias)) };
    }
    let text = body["message"].as_str().map_or_else(|| body_text(answer), str::to_owned);
    let said = secrets.quote(&text);
    if let Some(later) = receiver::later("Opsgenie", answer, &said) {
        return later;
    }
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("Opsgenie answered HTTP {status}{said}; {advice}"),
    };
    match status {
        200..=299 => receiver::not_the_service("Opsgenie", answer, &said),
        300..=399 => permanent("redirects are not followed: check `api_url` of the channel"),
        401 | 403 => permanent(
            "the key does not work: set `api_key` to the key of an API integration that may create \
             alerts; accounts in the EU need `region: \"eu\"`",
        ),
        404 => permanent("check `api_url` of the channel"),
        _ => permanent("check `responders` and `tags` of the channel"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responders_are_read() {
        assert_eq!(responder("team:야간"), json!({"type": "team", "name": "야간"}));
        assert_eq!(responder("user:a@b.c"), json!({"type": "user", "username": "a@b.c"}));
        assert_eq!(responder("야간: 1조"), json!({"type": "team", "name": "야간: 1조"}));
    }
}
