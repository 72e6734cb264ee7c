//! `PagerDuty`, Events API v2.
//!
//! `trigger`, `acknowledge` and `resolve` carry the key of the subject as their `dedup_key`, so
//! that they meet the same incident, and a repeat makes no second one.  A plan that waits for an
//! approval triggers the incident, with its full severity: somebody has to be woken within minutes,
//! and when nobody answers, the escalation that follows meets the same incident and is not lost in
//! one of low urgency.  The end of the question resolves it, unless the escalation goes on with it.
//!
//! Limits ("Send an alert event"): summary 1,024 characters, `dedup_key` 255, the whole event
//! 512 KB; where it is larger, `custom_details` go.
//!
//! Answers: 202 is taken.  400 says in `errors` what is wrong with the event, for good.  429 and 5xx
//! pass.

use nightcrew_config::settings::Secret;
use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_model::severity::Severity;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Map, Value, json};

use crate::message::{About, Message};
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, body_text};
use crate::text::one_line;

/// The longest summary, in characters.
const SUMMARY_CHARS_MAX: usize = 1_024;

/// The longest other text of the payload, in characters.
const FIELD_CHARS_MAX: usize = 255;

/// The largest event, in bytes.
const EVENT_BYTES_MAX: usize = 512 << 10;

pub(crate) async fn deliver(
    url: &str,
    routing_key: &Secret,
    message: &Message,
    http: &Http,
) -> Delivery {
    let Some(event) = event(routing_key, message) else {
        return Delivery::Permanent {
            error: "PagerDuty has no event for a daily word that all is well: send `all_clear` to \
                    a chat or by mail"
                .to_owned(),
        };
    };
    let mut secrets = Secrets::in_url("");
    secrets.add(routing_key.expose());
    let request = Request::post_json(url, &event, REQUEST_TIMEOUT);
    match receiver::send(http, request, &secrets).await {
        Ok(answer) => judge(&answer, message, &secrets),
        Err(unsent) => unsent,
    }
}

/// The event; none where the service has none for this.
fn event(routing_key: &Secret, message: &Message) -> Option<Value> {
    use NotificationKind as Kind;
    let action = match message.kind {
        Kind::Escalated | Kind::ApprovalWanted | Kind::Firing | Kind::Digest | Kind::Test => {
            "trigger"
        }
        Kind::Acknowledged => "acknowledge",
        Kind::Resolved | Kind::ApprovalEnded => "resolve",
        Kind::AllClear => return None,
    };
    let mut event = json!({
        "routing_key": routing_key.expose(),
        "event_action": action,
        "dedup_key": message.subject_key(),
        "client": "Nightcrew",
    });
    if action == "trigger" {
        event["payload"] = payload(message);
        if let Some(url) = message.group().map(|group| group.external_url.as_str())
            && (url.starts_with("http://") || url.starts_with("https://"))
        {
            event["client_url"] = json!(url);
            event["links"] = json!([{"href": url, "text": "Nightcrew"}]);
        }
        if event.to_string().len() > EVENT_BYTES_MAX
            && let Some(payload) = event["payload"].as_object_mut()
        {
            payload.remove("custom_details");
        }
    }
    Some(event)
}

fn payload(message: &Message) -> Value {
    let summary = if message.title.is_empty() { "Nightcrew" } else { &message.title };
    let mut payload = json!({
        "summary": one_line(summary, SUMMARY_CHARS_MAX),
        "source": source(message),
        "severity": severity(message.severity),
        "timestamp": format!("{:.3}", message.at),
        "custom_details": details(message),
    });
    if let Some(content) = message.incident() {
        payload["component"] = json!(content.key.target.to_string());
        payload["group"] = json!(content.key.target.service);
        payload["class"] = json!(content.key.symptom);
    }
    if let Some(content) = message.group() {
        payload["group"] = json!(one_line(&content.group_labels.to_string(), FIELD_CHARS_MAX));
    }
    payload
}

/// What has the trouble; never empty.
fn source(message: &Message) -> String {
    let of = match &message.about {
        About::Incident(content) => content.key.target.to_string(),
        About::Group(content) => {
            let common = content.common_labels();
            let named = ["instance", "host", "service", "job"];
            let named = named.iter().find_map(|name| common.get(name).map(str::to_owned));
            named.unwrap_or_else(|| content.receiver.to_string())
        }
        About::Digest(content) => content.scope.to_string(),
        About::Crew(_) => message.installation.clone(),
    };
    let of = one_line(&of, FIELD_CHARS_MAX);
    if of.is_empty() { "nightcrew".to_owned() } else { of }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn details(message: &Message) -> Value {
    let mut details = Map::new();
    let mut add = |name: &str, value: Value| drop(details.insert(name.to_owned(), value));
    add("summary", json!(message.summary));
    add("story", json!(message.lines()));
    for (name, value) in message.facts() {
        add(name, json!(value));
    }
    if let Some(notice) = message.sending.notice() {
        add("notice", json!(notice));
    }
    if let Some(record) = &message.record {
        add("record", json!(record.display().to_string()));
    }
    for action in &message.actions {
        add(action.kind.as_str(), json!(action.command));
    }
    if let Some(content) = message.group() {
        let alerts = content.alerts.iter();
        let alerts: Vec<Value> = alerts
            .map(|alert| json!({"status": alert.status.as_str(), "labels": alert.labels}))
            .collect();
        add("alerts", json!(alerts));
        add("common_annotations", json!(content.common_annotations()));
    }
    Value::Object(details)
}

fn judge(answer: &Response, message: &Message, secrets: &Secrets) -> Delivery {
    let status = answer.status.as_u16();
    let body = receiver::json(answer);
    if matches!(status, 200..=299) && body["status"] == "success" {
        return Delivery::Delivered { receipt: Some(Receipt(message.subject_key())) };
    }
    let errors = body["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let errors: Vec<&str> = body["message"].as_str().into_iter().chain(errors).collect();
    let said = if errors.is_empty() { body_text(answer) } else { errors.join("; ") };
    let said = secrets.quote(&said);
    if let Some(later) = receiver::later("PagerDuty", answer, &said) {
        return later;
    }
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("PagerDuty answered HTTP {status}{said}; {advice}"),
    };
    match status {
        200..=299 => receiver::not_the_service("PagerDuty", answer, &said),
        300..=399 => permanent("redirects are not followed: check `url` of the channel"),
        400 => permanent(
            "where it is about the key: `routing_key` is the integration key (32 characters) of \
             an Events API v2 integration",
        ),
        401 | 403 => permanent("the integration was removed: create a new one and set its key"),
        404 => permanent("check `url` of the channel"),
        _ => permanent("it does not take this event: check `url` of the channel"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nightcrew_model::id::NotificationId;

    use super::*;
    use crate::group::{AlertContent, AlertStatus, GroupContent};

    #[test]
    fn an_event_that_is_too_large_loses_its_details() {
        let mut content = GroupContent::new("team".into(), "{}:{}".into());
        for n in 0..5_000 {
            let labels: nightcrew_model::labels::Labels =
                [("instance", format!("{n}")), ("text", "가".repeat(50))].into_iter().collect();
            content.alerts.push(AlertContent {
                fingerprint: labels.fingerprint(),
                labels,
                annotations: Default::default(),
                status: AlertStatus::Firing,
                starts_at: Timestamp::UNIX_EPOCH,
                ends_at: None,
                generator_url: String::new(),
            });
        }
        let about = About::Group(content);
        let kind = NotificationKind::Firing;
        let message = Message::new(NotificationId(1), kind, about, Timestamp::UNIX_EPOCH);
        let event = event(&Secret::new("k"), &message).unwrap();
        assert!(event.to_string().len() < EVENT_BYTES_MAX);
        assert_eq!(event["payload"].get("custom_details"), None);
        assert_eq!(event["payload"]["source"], "team");
    }
}
