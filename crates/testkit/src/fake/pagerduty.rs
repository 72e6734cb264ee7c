//! `PagerDuty`'s Events API v2 (`POST /v2/enqueue`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text;

/// A service of `PagerDuty` with one integration.
#[derive(Clone, Debug, Default)]
pub struct Pagerduty {
    desk: Arc<Desk>,
    held: Arc<Mutex<BTreeMap<String, Incident>>>,
    server: Option<Arc<Server>>,
}

/// What the service holds under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incident {
    /// How many incidents there were: a trigger after a resolve makes another one.
    pub opened: u32,
    /// How many triggers came, repeats among them.
    pub triggers: u32,
    /// How many acknowledgements came.
    pub acknowledgements: u32,
    /// How many resolves came.
    pub resolves: u32,
    /// Whether it is open now.
    pub open: bool,
    /// The last summary.
    pub summary: String,
}

over_http!(Pagerduty);

impl Pagerduty {
    /// What the service holds, by key.
    #[must_use]
    pub fn incidents(&self) -> BTreeMap<String, Incident> {
        lock(&self.held).clone()
    }

    /// How many triggers came for each key.
    #[must_use]
    pub fn triggers(&self) -> BTreeMap<String, u32> {
        lock(&self.held).iter().map(|(key, incident)| (key.clone(), incident.triggers)).collect()
    }
}

impl Service for Pagerduty {
    fn check(&self, received: &Received, bytes: &[u8]) -> Result<(), Ruling> {
        let checked = if bytes.len() > 512 << 10 {
            Err("the event is larger than 512 KB".to_owned())
        } else if received.method != Method::POST {
            Err(format!("the method is {}", received.method))
        } else {
            text::json(received).and_then(|()| check(&received.body))
        };
        checked.map_err(|why| {
            Ruling::refused(why, |why| {
                let mut body =
                    json!({"status": "invalid event", "message": "Event object is invalid"});
                body["errors"] = json!([why]);
                Answer::json(400, &body)
            })
        })
    }

    fn take(&self, received: &Received) -> Ruling {
        let body = &received.body;
        let key = body["dedup_key"].as_str().unwrap_or_default().to_owned();
        let mut held = lock(&self.held);
        let incident = held.entry(key.clone()).or_default();
        match body["event_action"].as_str() {
            Some("trigger") => {
                incident.triggers += 1;
                incident.opened += u32::from(!incident.open);
                incident.open = true;
                incident.summary =
                    body["payload"]["summary"].as_str().unwrap_or_default().to_owned();
            }
            Some("acknowledge") => incident.acknowledgements += 1,
            _ => {
                incident.resolves += 1;
                incident.open = false;
            }
        }
        let body = json!({"status": "success", "message": "Event processed", "dedup_key": key});
        Ruling::Taken(Answer::json(202, &body))
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        let body = json!({"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly"});
        Answer::json(429, &body).header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        let body = json!({
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": ["Invalid routing key"],
        });
        Answer::json(400, &body)
    }
}

fn check(body: &Value) -> Result<(), String> {
    text::required(body, "routing_key")?;
    let key = text::required(body, "dedup_key")?;
    text::at_most("dedup_key", key.chars().count(), 255)?;
    match text::required(body, "event_action")? {
        "trigger" => {
            let payload = &body["payload"];
            let summary = text::required(payload, "summary")?;
            text::at_most("summary", summary.chars().count(), 1_024)?;
            text::calm(summary)?;
            text::required(payload, "source")?;
            let severity = text::required(payload, "severity")?;
            if !["critical", "error", "warning", "info"].contains(&severity) {
                return Err(format!("'severity' is invalid: {severity}"));
            }
            let time = payload["timestamp"].as_str().unwrap_or_default();
            if time.parse::<jiff::Timestamp>().is_err() {
                return Err("'timestamp' is invalid".to_owned());
            }
            for link in body["links"].as_array().into_iter().flatten() {
                text::required(link, "href")?;
            }
            Ok(())
        }
        "acknowledge" | "resolve" => Ok(()),
        other => Err(format!("'event_action' is invalid: {other}")),
    }
}
