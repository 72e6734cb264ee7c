//! The alert API of Opsgenie, spoken to us: for those who move away from it and change nothing but
//! the URL.
//!
//! An alert is what has an alias; its id and its tiny id are made from the alias, so that whoever
//! knows one of them finds it without a table.  Source: <https://docs.opsgenie.com/docs/alert-api>.

use nightcrew_model::labels::Labels;
use nightcrew_model::unit::Millis;
use ring::digest::{Context as Hasher, SHA256};
use serde_json::{Value, json};

use crate::alert_builder::Builder;
use crate::change::{Change, Key, News};
use crate::field::Field;
use crate::json;
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};
use crate::request::{Request, percent_decoded};

/// How long an alias may be, in characters, as at Opsgenie.
pub const ALIAS_CHARS_MAX: usize = 512;

/// The label that holds the id of an alert, and the `kind` of its [`Builder`].
const ID: (&str, &str) = ("opsgenie_alert", "opsgenie-alert");
const TINY: &str = "opsgenie_tiny";

/// What a request was taken as, to answer its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the request, under which its state can be asked for.
    pub request_id: String,
    /// The id of the alert, where the request names it in a way from which it follows.
    pub alert_id: Option<String>,
}

impl Receipt {
    /// The body of the 202.  It is answered after the commit, so nothing is left to be processed;
    /// the words are Opsgenie's because clients compare them.
    #[must_use]
    pub fn accepted(&self, took: Millis) -> Value {
        json!({
            "result": "Request will be processed",
            "took": seconds(took),
            "requestId": self.request_id,
        })
    }

    /// The body of the 200 to `GET /v2/alerts/requests/{id}`.  What was accepted was stored.
    #[must_use]
    pub fn state(request_id: &str, took: Millis) -> Value {
        json!({
            "data": {
                "success": true,
                "isSuccess": true,
                "action": "Create",
                "status": "Created alert",
                "alertId": request_id,
                "alias": "",
            },
            "took": seconds(took),
            "requestId": request_id,
        })
    }
}

fn seconds(took: Millis) -> f64 {
    std::time::Duration::from_millis(took.0).as_secs_f64()
}

/// Reads a request to `…/v2/alerts` or below.
///
/// # Errors
/// When it is no call that changes alerts, or an alert without a message.
pub fn parse(request: &Request<'_>, context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let no_such_call = || Unparsable::NoSuchCall {
        method: request.method.chars().take(10).collect(),
        path: request.path.chars().take(200).collect(),
    };
    // A door `/hooks/<name>` without anything behind it takes what is created.
    let below = request.path.rsplit_once("/v2/alerts").map_or("", |(_, below)| below);
    let parts: Vec<_> = below.split('/').filter(|part| !part.is_empty()).collect();
    match (request.method, parts.as_slice()) {
        ("POST" | "PUT", []) => create(request.body, context),
        ("POST", ["requests", ..]) => Err(no_such_call()),
        ("DELETE", [id]) => act(request, id, "delete", context),
        ("POST" | "PUT" | "PATCH" | "DELETE", [id, action, ..]) => {
            act(request, id, action, context)
        }
        _ => Err(no_such_call()),
    }
}

fn create(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let value = json::value(body)?;
    let body_field = Field::body(&value);
    let Some(message) = body_field.at("message").text() else {
        return Err(body_field.at("message").wrong("missing; expected the message of the alert"));
    };
    let alias = body_field.at("alias");
    let alias = match alias.text() {
        Some(text) if text.chars().count() > ALIAS_CHARS_MAX => {
            return Err(alias.wrong(format!("more than {ALIAS_CHARS_MAX} characters")));
        }
        Some(text) => text,
        // Without an alias every alert is another one; the same request sent again is not.
        None => uuid(&["body", &value.to_string()]),
    };
    let id = uuid(&["alias", context.door, &alias]);
    let mut alert = Builder::new(context.door, ID.1, &id);
    alert.label(TINY, Some(&tiny(&id)));
    let details = body_field.at("details");
    let service = details.at("service").label()?.or(body_field.at("entity").label()?);
    alert.label("service", service.as_deref());
    // P3 is what Opsgenie takes where nothing is said.
    alert.severity(Some(&body_field.at("priority").label()?.unwrap_or_else(|| "P3".to_owned())));
    alert.annotate("summary", Some(&message));
    alert.annotate("alias", Some(&alias));
    for (annotation, name) in [
        ("description", "description"),
        ("entity", "entity"),
        ("source", "source"),
        ("note", "note"),
    ] {
        alert.annotate(annotation, body_field.at(name).text().as_deref());
    }
    let tags = body_field.at("tags");
    let tags = tags.elements().into_iter().flatten().filter_map(|tag| tag.text());
    alert.annotate("tags", Some(tags.collect::<Vec<_>>().join(", ").as_str()));
    alert.raw(&value);
    let receipt = Receipt { request_id: id.clone(), alert_id: Some(id) };
    Ok(Parsed { changes: vec![alert.fires()], receipt: Some(receipt), ..Parsed::default() })
}

fn act(
    request: &Request<'_>,
    identifier: &str,
    action: &str,
    context: &Context<'_>,
) -> Result<Parsed, Unparsable> {
    let wrong = |why: &str| Err(Unparsable::field("identifier", why));
    let Some(identifier) = percent_decoded(identifier) else {
        return wrong("not percent-encoded UTF-8");
    };
    if identifier.chars().count() > ALIAS_CHARS_MAX {
        return wrong("longer than any id or alias");
    }
    let value = match request.body.trim_ascii() {
        [] => Value::Null,
        body => json::value(body)?,
    };
    let by = Field::body(&value).at("user").text();
    let (label, id) = match request.parameter("identifierType").as_deref() {
        None | Some("id" | "") => (ID.0, identifier.to_ascii_lowercase()),
        Some("alias") => (ID.0, uuid(&["alias", context.door, &identifier])),
        Some("tiny") => (TINY, identifier.clone()),
        Some(other) => {
            let why = format!("{other:?} is not known; expected id, alias or tiny");
            return Err(Unparsable::field("identifierType", why));
        }
    };
    let alert_id = (label == ID.0).then(|| id.clone());
    let request_id = alert_id.clone().unwrap_or_else(|| uuid(&["request", &identifier, action]));
    let key: Labels = [("door", context.door), (label, id.as_str())].into_iter().collect();
    let mut parsed =
        Parsed { receipt: Some(Receipt { request_id, alert_id }), ..Parsed::default() };
    let news = match action {
        "close" | "delete" => News::Ends { at: None },
        "acknowledge" => News::Acknowledged { by },
        "unacknowledge" => News::Unacknowledged { by },
        other => {
            parsed.note(&format!("{other} of an alert changes nothing here"));
            return Ok(parsed);
        }
    };
    parsed.changes.push(Change { key: Key::Within(key), news });
    Ok(parsed)
}

/// An id in the form of a UUID (RFC 9562, version 8) that follows from these parts.
fn uuid(parts: &[&str]) -> String {
    let mut hasher = Hasher::new(&SHA256);
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    let digest = hasher.finish();
    let mut hex = String::new();
    for (n, byte) in digest.as_ref().iter().take(16).enumerate() {
        let byte = match n {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if [4, 6, 8, 10].contains(&n) {
            hex.push('-');
        }
        hex.extend(
            [byte >> 4, byte & 0xf]
                .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0')),
        );
    }
    hex
}

/// The short number for people that follows from an id.
fn tiny(id: &str) -> String {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    u32::from_str_radix(&digits, 16).unwrap_or(0).to_string()
}
