//! The corpus, and how a payload of it comes in.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use nightcrew_config::settings::Mapping;
use nightcrew_intake::change::{Change, Key, News};
use nightcrew_intake::parse::{Context, parse};
use nightcrew_intake::parsed::{Parsed, Unparsable};
use nightcrew_intake::request::Request;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::labels::Labels;

/// Every door of the corpus.
pub(crate) const DOORS: [Source; 12] = [
    Source::AlertsApi,
    Source::Alertmanager,
    Source::Grafana,
    Source::Signoz,
    Source::Pagerduty,
    Source::Opsgenie,
    Source::Datadog,
    Source::Newrelic,
    Source::Sentry,
    Source::Cloudwatch,
    Source::Uptime,
    Source::Generic,
];

/// A payload of the corpus.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) source: Source,
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().unwrap()
}

fn folder(source: Source) -> String {
    source.as_str().replace('-', "_")
}

/// The payloads of every door, in the order of their names.
pub(crate) fn all() -> Vec<Payload> {
    let mut found = Vec::new();
    for source in DOORS {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder(source));
        let mut paths: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            found.push(Payload { source, name, body: fs::read(&path).unwrap() });
        }
    }
    found
}

pub(crate) fn one(source: Source, name: &str) -> Payload {
    all().into_iter().find(|payload| payload.source == source && payload.name == name).unwrap()
}

pub(crate) fn mapping() -> Mapping {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, pointer)| ((*name).to_owned(), (*pointer).to_owned())).collect()
    };
    Mapping {
        alerts: Some("/events".to_owned()),
        labels: pairs(&[("host", "/host/name"), ("trigger", "/trigger/id")]),
        annotations: pairs(&[("summary", "/trigger/name"), ("extra", "/extra")]),
        status: Some("/status".to_owned()),
        resolved: vec!["ok".to_owned(), "RESOLVED".to_owned()],
        severity: Some("/severity".to_owned()),
        starts_at: Some("/since".to_owned()),
        url: Some("/link".to_owned()),
    }
}

impl Payload {
    /// What it tells at a door of its own kind.
    pub(crate) fn parsed(&self) -> Result<Parsed, Unparsable> {
        let (resource, _) = self.name.split_once("__").unwrap_or(("issue", ""));
        let headers: &[(&str, &[u8])] = &[("sentry-hook-resource", resource.as_bytes())];
        let alias = "Life%20is%20too%20short%20for%20no%20alias%20%2F%20%EA%B2%B0%EC%A0%9C";
        let path = match (self.source, self.name.as_str()) {
            (Source::Opsgenie, action @ ("close" | "acknowledge")) => {
                format!("/v2/alerts/{alias}/{action}")
            }
            (Source::Opsgenie, _) => "/v2/alerts".to_owned(),
            _ => format!("/hooks/{}", self.source),
        };
        let request =
            Request { query: "identifierType=alias", headers, ..Request::post(&path, &self.body) };
        let mapping = mapping();
        let context = Context { door: "정문", mapping: Some(&mapping), now: now() };
        parse(self.source, &request, &context)
    }
}

/// What was understood, for people.
pub(crate) fn shown(result: &Result<Parsed, Unparsable>) -> String {
    let parsed = match result {
        Ok(parsed) => parsed,
        Err(error) => return format!("unparsable: {error}"),
    };
    let mut text = String::new();
    for alert in &parsed.alerts {
        writeln!(text, "alert {}", shown_alert(alert)).unwrap();
    }
    for Change { key, news } in &parsed.changes {
        let key = match key {
            Key::Within(labels) => labels.to_string(),
            Key::Exactly(labels) => format!("exactly {labels}"),
        };
        match news {
            News::Fires(alert) => writeln!(text, "{key} fires: {}", shown_alert(alert)),
            News::NoData(alert) => writeln!(text, "{key} no data: {}", shown_alert(alert)),
            News::Ends { at } => writeln!(text, "{key} ends at {at:?}"),
            News::Acknowledged { by } => writeln!(text, "{key} acknowledged by {by:?}"),
            News::Unacknowledged { by } => writeln!(text, "{key} given back by {by:?}"),
        }
        .unwrap();
    }
    for note in &parsed.notes {
        writeln!(text, "note: {note}").unwrap();
    }
    for rejected in &parsed.partial {
        writeln!(text, "rejected {}: {}", rejected.index, rejected.why).unwrap();
    }
    if parsed.n_truncated > 0 {
        writeln!(text, "{} left out by the sender", parsed.n_truncated).unwrap();
    }
    if let Some(handshake) = &parsed.handshake {
        writeln!(text, "wants a confirmation of {}", handshake.topic()).unwrap();
    }
    if let Some(receipt) = &parsed.receipt {
        writeln!(text, "receipt {receipt:?}").unwrap();
    }
    text
}

fn shown_alert(alert: &IncomingAlert) -> String {
    let mut text = alert.labels.to_string();
    let mut annotations: Labels = alert.annotations.clone();
    if let Some(raw) = alert.annotations.get("raw") {
        annotations.set("raw", &format!("{} bytes", raw.len()));
    }
    write!(text, "\n  annotations {annotations}").unwrap();
    if let Some(starts_at) = alert.starts_at {
        write!(text, "\n  since {starts_at}").unwrap();
    }
    if let Some(ends_at) = alert.ends_at {
        write!(text, "\n  until {ends_at}").unwrap();
    }
    if !alert.generator_url.is_empty() {
        write!(text, "\n  at {}", alert.generator_url).unwrap();
    }
    text
}
