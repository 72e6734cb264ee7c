//! A JSON POST to any URL.
//!
//! The body, version 1.  Fields are only ever added; a change of meaning is a new version.
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `version` | number | `1` |
//! | `dedup_key` | string | the same for every repeat of this message; also in the header `Idempotency-Key` |
//! | `kind` | string | `escalated` or `resolved` |
//! | `incident` | string | such as `INC-42` |
//! | `service` | string | the service, `host` for the machine itself |
//! | `resource` | string or null | the part of the service, such as `/var` |
//! | `symptom` | string | such as `process_down` |
//! | `severity` | string | `info`, `warning` or `critical` |
//! | `title` | string | one line |
//! | `summary` | string | one paragraph |
//! | `story` | array of strings | what was detected and tried, and what came of it, in order |
//! | `record` | string or null | path of the incident's record |
//! | `at` | string | when it happened, RFC 3339 in UTC |
//! | `possible_repeat` | boolean | whether the same message may have arrived before |
//!
//! The answer decides: 2xx is delivered; 408, 425, 429, 5xx and no answer are tried again, not
//! before `Retry-After`; 3xx and every other 4xx are permanent.

use std::collections::BTreeMap;

use nightcrew_config::settings::Secret;
use nightcrew_model::event::Delivery;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Value, json};

use crate::message::{Message, Sending};
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, body_text, retry_after};

/// The version of the body.
const VERSION: u32 = 1;

pub(crate) async fn deliver(
    url: &Secret,
    headers: &BTreeMap<String, Secret>,
    message: &Message,
    http: &Http,
) -> Delivery {
    let mut secrets = Secrets::in_url(url.expose());
    let mut request = Request::post_json(url.expose(), &body(message), REQUEST_TIMEOUT);
    for (name, value) in headers {
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

fn body(message: &Message) -> Value {
    let target = &message.key.target;
    json!({
        "version": VERSION,
        "dedup_key": message.dedup_key(),
        "kind": message.kind,
        "incident": message.incident.to_string(),
        "service": target.service,
        "resource": target.resource,
        "symptom": message.key.symptom,
        "severity": message.severity,
        "title": message.title,
        "summary": message.summary,
        "story": message.story,
        "record": message.record.as_ref().map(|path| path.display().to_string()),
        "at": message.at,
        "possible_repeat": message.sending == Sending::PossibleRepeat,
    })
}

fn judge(response: &Response, secrets: &Secrets) -> Delivery {
    let status = response.status.as_u16();
    let told = secrets.quote(&body_text(response));
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("the receiver answered HTTP {status}{told}; {advice}"),
    };
    match status {
        200..=299 => Delivery::Delivered,
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
        _ => permanent("it does not take this form of message: see the webhook schema, version 1"),
    }
}
