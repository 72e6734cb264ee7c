//! Opsgenie's alert API: create, acknowledge and close by alias.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text;

/// An account of Opsgenie.
#[derive(Clone, Debug, Default)]
pub struct Opsgenie {
    desk: Arc<Desk>,
    held: Arc<Mutex<Held>>,
    server: Option<Arc<Server>>,
}

#[derive(Debug, Default)]
struct Held {
    key: Option<String>,
    alerts: BTreeMap<String, Alert>,
}

/// What the account holds under one alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// How many alerts there were: a create after a close makes another one.
    pub opened: u32,
    /// How many creates came, repeats among them.
    pub creates: u32,
    /// How many acknowledgements came.
    pub acknowledgements: u32,
    /// How many closes came.
    pub closes: u32,
    /// Whether it is open now.
    pub open: bool,
    /// The last message.
    pub message: String,
}

over_http!(Opsgenie);

impl Opsgenie {
    /// Only this key may call.
    pub fn only_key(&self, key: &str) {
        lock(&self.held).key = Some(key.to_owned());
    }

    /// What the account holds, by alias.
    #[must_use]
    pub fn alerts(&self) -> BTreeMap<String, Alert> {
        lock(&self.held).alerts.clone()
    }

    /// How many creates came for each alias.
    #[must_use]
    pub fn creates(&self) -> BTreeMap<String, u32> {
        lock(&self.held)
            .alerts
            .iter()
            .map(|(alias, alert)| (alias.clone(), alert.creates))
            .collect()
    }
}

/// The alias and the verb of a path; none: a create.
fn verb(received: &Received) -> Option<(&str, &str)> {
    received.uri.path().split_once("/v2/alerts/").and_then(|(_, rest)| rest.split_once('/'))
}

fn failed(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message, "took": 0.001, "requestId": "r-0"}))
}

impl Service for Opsgenie {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        let key = received.header("authorization").and_then(|text| text.strip_prefix("GenieKey "));
        let known = lock(&self.held).key.clone();
        if key.is_none() || known.is_some_and(|known| key != Some(known.as_str())) {
            let answer = failed(403, "You are not authorized to take this action");
            return Err(Ruling::refused("not this key", |_| answer));
        }
        let checked = if received.method == Method::POST {
            text::json(received).and_then(|()| match verb(received) {
                None => check(&received.body),
                Some((_, "acknowledge" | "close")) => {
                    if received.query("identifierType") == Some("alias") {
                        let note = text::chars(&received.body["note"]);
                        text::at_most("note", note, 25_000)
                    } else {
                        Err("an alias is no id".to_owned())
                    }
                }
                Some((_, other)) => Err(format!("no such verb: {other}")),
            })
        } else {
            Err(format!("the method is {}", received.method))
        };
        checked.map_err(|why| Ruling::refused(why, |why| failed(422, why)))
    }

    fn take(&self, received: &Received) -> Ruling {
        let body = &received.body;
        let mut held = lock(&self.held);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match verb(received) {
            None => {
                let alert = held.alerts.entry(text("alias")).or_default();
                alert.creates += 1;
                alert.opened += u32::from(!alert.open);
                alert.open = true;
                alert.message = text("message");
            }
            // What is not there is answered the same: the rest happens later.
            Some((alias, verb)) => {
                if let Some(alert) = held.alerts.get_mut(alias) {
                    alert.acknowledgements += u32::from(verb == "acknowledge");
                    alert.closes += u32::from(verb == "close");
                    alert.open &= verb != "close";
                }
            }
        }
        let body = json!({"result": "Request will be processed", "took": 0.1, "requestId": "r-1"});
        Ruling::Taken(Answer::json(202, &body))
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        failed(429, "You are making too many requests!").header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        failed(422, "Request body is not processable. Please check the errors.")
    }
}

fn check(body: &Value) -> Result<(), String> {
    let message = text::required(body, "message")?;
    text::at_most("message", message.chars().count(), 130)?;
    text::calm(message)?;
    let alias = text::required(body, "alias")?;
    text::at_most("alias", alias.chars().count(), 512)?;
    text::at_most("description", text::chars(&body["description"]), 15_000)?;
    text::at_most("entity", text::chars(&body["entity"]), 512)?;
    text::at_most("source", text::chars(&body["source"]), 100)?;
    if !["P1", "P2", "P3", "P4", "P5"].contains(&text::required(body, "priority")?) {
        return Err("priority".to_owned());
    }
    let details = body["details"].as_object().ok_or("details is no map")?;
    let mut total = 0;
    for (name, value) in details {
        let value = value.as_str().ok_or_else(|| format!("the detail {name} is no string"))?;
        total += name.chars().count() + value.chars().count();
    }
    text::at_most("details", total, 8_000)?;
    let none = Vec::new();
    for tag in body["tags"].as_array().unwrap_or(&none) {
        text::at_most("a tag", text::chars(tag), 50)?;
    }
    for responder in body["responders"].as_array().unwrap_or(&none) {
        let named_by = match text::required(responder, "type")? {
            "user" => "username",
            "team" | "escalation" | "schedule" => "name",
            other => return Err(format!("a responder of the type {other}")),
        };
        text::required(responder, named_by)?;
    }
    Ok(())
}
