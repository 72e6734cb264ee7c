//! A JSON POST to any URL.
//!
//! The body, version 1.  Fields are only ever added; a change of meaning is a new version.
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `version` | number | `1` |
//! | `dedup_key` | string | the same for every repeat of this message; also in the header `Idempotency-Key` |
//! | `subject_key` | string | the same for every message about the same incident or group |
//! | `subject` | string | such as `INC-42`, `group {}:{alertname="Down"}`, `storm at host`, `all-clear` |
//! | `installation` | string | the crew that sends it |
//! | `kind` | string | `escalated`, `acknowledged`, `resolved`, `firing`, `digest`, `all_clear` or `test` |
//! | `incident` | string or null | such as `INC-42` |
//! | `service` | string or null | the service of the incident, `host` for the machine itself |
//! | `resource` | string or null | the part of the service, such as `/var` |
//! | `symptom` | string or null | such as `process_down` |
//! | `severity` | string | `info`, `warning` or `critical` |
//! | `title` | string | one line |
//! | `summary` | string | one paragraph |
//! | `story` | array of strings | what was detected and tried, and what came of it, in order |
//! | `record` | string or null | path of the incident's record |
//! | `at` | string | when it happened, RFC 3339 in UTC |
//! | `possible_repeat` | boolean | whether the same message may have arrived before |
//! | `actions` | array | `{kind, command}`: what a person can do |
//! | `mentions` | array of strings | who is called by name |
//! | `group` | object or null | `{receiver, group_key, group_labels, common_labels, common_annotations, status, alerts, truncated, external_url}`; an alert is `{fingerprint, status, labels, annotations, starts_at, ends_at, generator_url}` |
//! | `digest` | object or null | `{scope, suppressed, window_ms, sample}` |
//!
//! The other bodies are Alertmanager's ([`crate::alertmanager`]) and the operator's own
//! ([`crate::template`]).
//!
//! The answer decides: 2xx is delivered; 408, 425, 429, 5xx and no answer are tried again, not
//! before `Retry-After`; 3xx and every other 4xx are permanent.

use std::collections::BTreeMap;

use nightcrew_config::settings::{Secret, WebhookBody};
use nightcrew_model::event::Delivery;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Value, json};

use crate::group::GroupContent;
use crate::message::{About, Message, Sending};
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, body_text, retry_after};
use crate::{alertmanager, template};

/// The version of the body.
const VERSION: u32 = 1;

/// Where and how a webhook is posted.
pub(crate) struct Webhook<'a> {
    pub(crate) url: &'a Secret,
    pub(crate) headers: &'a BTreeMap<String, Secret>,
    pub(crate) body: &'a WebhookBody,
}

pub(crate) async fn deliver(webhook: &Webhook<'_>, message: &Message, http: &Http) -> Delivery {
    let Webhook { url, headers, body } = webhook;
    let body = match posted(body, message) {
        Ok(body) => body,
        Err(error) => {
            return Delivery::Permanent {
                error: format!("the template in `body` of the channel does not work: {error}"),
            };
        }
    };
    let mut secrets = Secrets::in_url(url.expose());
    let mut request = Request::post_json(url.expose(), &Value::Null, REQUEST_TIMEOUT);
    request.body = body.into();
    for (name, value) in *headers {
        secrets.add(value.expose());
        request = request.header(name, value.expose());
        match request.headers.get_mut(name.as_str()) {
            Some(set) if set.as_bytes() == value.expose().as_bytes() => set.set_sensitive(true),
            _ => {
                return Delivery::Permanent {
                    error: format!(
                        "the configured header `{name}` has a name or value that HTTP does not \
                         allow; correct it in `headers` of the channel"
                    ),
                };
            }
        }
    }
    // After the configured ones: no configuration can take the key away.
    request = request.header("idempotency-key", &message.dedup_key());
    match receiver::send(http, request, &secrets).await {
        Ok(response) => judge(&response, &secrets),
        Err(unsent) => unsent,
    }
}

fn posted(body: &WebhookBody, message: &Message) -> Result<String, String> {
    match body {
        WebhookBody::Nightcrew => Ok(ours(message).to_string()),
        WebhookBody::Alertmanager => Ok(alertmanager::body(message).to_string()),
        WebhookBody::Template(source) => {
            let mut context = ours(message);
            context["alertmanager"] = alertmanager::body(message);
            template::render(source, &context)
        }
    }
}

fn ours(message: &Message) -> Value {
    let incident = message.incident();
    let target = incident.map(|content| &content.key.target);
    let actions = message.actions.iter();
    let actions: Vec<Value> = actions
        .map(|action| json!({"kind": action.kind.as_str(), "command": action.command}))
        .collect();
    let mut body = json!({
        "version": VERSION,
        "dedup_key": message.dedup_key(),
        "subject_key": message.subject_key(),
        "subject": message.subject().to_string(),
        "installation": message.installation,
        "kind": message.kind,
        "incident": incident.map(|content| content.incident.to_string()),
        "service": target.map(|target| &target.service),
        "resource": target.and_then(|target| target.resource.as_ref()),
        "symptom": incident.map(|content| &content.key.symptom),
        "severity": message.severity,
        "title": message.title,
        "summary": message.summary,
        "story": message.story,
        "record": message.record.as_ref().map(|path| path.display().to_string()),
        "at": message.at,
        "possible_repeat": message.sending == Sending::PossibleRepeat,
        "actions": actions,
        "mentions": message.mentions,
        "group": message.group().map(group),
        "digest": digest(&message.about),
    });
    if let Some(approval) = &message.approval {
        body["approval"] = json!({
            "attempt": approval.attempt.to_string(),
            "hash": approval.hash,
            "class": approval.class,
            "steps": approval.steps,
            "expires_at": approval.expires_at,
        });
    }
    body
}

fn group(content: &GroupContent) -> Value {
    let alerts: Vec<Value> = content
        .alerts
        .iter()
        .map(|alert| {
            json!({
                "fingerprint": alert.fingerprint,
                "status": alert.status.as_str(),
                "labels": alert.labels,
                "annotations": alert.annotations,
                "starts_at": alert.starts_at,
                "ends_at": alert.ends_at,
                "generator_url": alert.generator_url,
            })
        })
        .collect();
    json!({
        "receiver": content.receiver,
        "group_key": content.group_key,
        "group_labels": content.group_labels,
        "common_labels": content.common_labels(),
        "common_annotations": content.common_annotations(),
        "status": content.status().as_str(),
        "alerts": alerts,
        "truncated": content.truncated,
        "external_url": content.external_url,
    })
}

fn digest(about: &About) -> Value {
    match about {
        About::Digest(content) => json!({
            "scope": content.scope.to_string(),
            "suppressed": content.suppressed,
            "window_ms": content.window,
            "sample": content.sample,
        }),
        About::Incident(_) | About::Group(_) | About::Crew(_) => Value::Null,
    }
}

fn judge(response: &Response, secrets: &Secrets) -> Delivery {
    let status = response.status.as_u16();
    let told = secrets.quote(&body_text(response));
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("the receiver answered HTTP {status}{told}; {advice}"),
    };
    match status {
        200..=299 => Delivery::Delivered { receipt: None },
        408 | 425 | 429 | 500.. | ..200 => Delivery::Retry {
            after: retry_after(response),
            error: format!("the receiver answered HTTP {status}{told}"),
        },
        300..=399 => permanent(
            "redirects are not followed, because they would carry the message to an address that \
             nobody configured: set `url` of the channel to the final address",
        ),
        401 | 403 | 407 => permanent("check the credentials in `url` and `headers` of the channel"),
        404 | 405 | 410 => permanent("check `url` of the channel"),
        _ => permanent(
            "it does not take this form of message: check `body` of the channel (our own webhook \
             schema, version 1, where it is not set)",
        ),
    }
}
