//! The doors: those of the configuration, and those that are open without one.
//!
//! Whoever reaches the loopback address is trusted, so the well-known formats have a door without
//! a proof.  A format for which the configuration has a door has no open one beside it.

use axum::http::request::Parts;
use nightcrew_config::settings::{Inbound, InboundAuth, Settings};
use nightcrew_intake::request::Request;
use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;

use crate::limit::{ALERTS_BODY_BYTES_MAX, DOOR_BODY_BYTES_MAX};

/// The name of `POST /api/v2/alerts` where dead letters name their door.
pub(crate) const ALERTS_API: &str = "api/v2/alerts";

/// How old a signed message may be at a door that nobody configured.
const REPLAY_WINDOW: Millis = Millis::from_secs(300);

/// The formats that need no configuration.
const OPEN: [Source; 10] = [
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
];

/// The door of that name.
pub(crate) fn named(settings: &Settings, name: &str) -> Option<Inbound> {
    let configured = &settings.triage.inbound;
    if let Some(door) = configured.iter().find(|door| door.name == name) {
        return Some(door.clone());
    }
    if name == ALERTS_API {
        return Some(open(name, Source::AlertsApi));
    }
    let source = OPEN.into_iter().find(|source| source.as_str() == name)?;
    let is_free = configured.iter().all(|door| door.source != source);
    is_free.then(|| open(name, source))
}

/// The doors through which the alert API of Opsgenie is spoken.
pub(crate) fn of_opsgenie(settings: &Settings) -> Vec<Inbound> {
    let configured = settings.triage.inbound.iter();
    let doors: Vec<Inbound> =
        configured.filter(|door| door.source == Source::Opsgenie).cloned().collect();
    if doors.is_empty() {
        return vec![open(Source::Opsgenie.as_str(), Source::Opsgenie)];
    }
    doors
}

/// A door without a proof of who speaks, but for formats that carry their own.
pub(super) fn open(name: &str, source: Source) -> Inbound {
    let auth = match source {
        // Its messages carry their own proof.
        Source::Cloudwatch => InboundAuth::Sns { topics: Vec::new() },
        _ => InboundAuth::Open,
    };
    Inbound { name: name.to_owned(), source, auth, replay_window: REPLAY_WINDOW, mapping: None }
}

/// How large a body may be: some formats send many alerts at once.
pub(crate) fn bytes_max(source: Source) -> usize {
    match source {
        Source::AlertsApi | Source::Alertmanager | Source::Grafana | Source::Signoz => {
            ALERTS_BODY_BYTES_MAX
        }
        _ => DOOR_BODY_BYTES_MAX,
    }
}

/// A request as the parsers see it.
pub(crate) struct Posted<'a> {
    headers: Vec<(&'a str, &'a [u8])>,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    body: &'a [u8],
}

impl<'a> Posted<'a> {
    pub(crate) fn new(parts: &'a Parts, body: &'a [u8]) -> Self {
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Self {
            headers: headers.collect(),
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            body,
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        let Self { headers, method, path, query, body } = self;
        Request { method, path, query, headers, body }
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_config::settings::Secret;

    use super::*;

    #[test]
    fn a_configured_format_has_no_open_door_beside_it() {
        let mut settings = Settings::zero("x".into());
        assert_eq!(named(&settings, "grafana").unwrap().source, Source::Grafana);
        assert!(named(&settings, "generic").is_none() && named(&settings, "detector").is_none());
        let inbound = Inbound {
            name: "gf".to_owned(),
            auth: InboundAuth::Token(Secret::new("비밀")),
            ..open("gf", Source::Grafana)
        };
        settings.triage.inbound.push(inbound);
        assert!(named(&settings, "grafana").is_none(), "the proof cannot be gone around");
        assert!(matches!(named(&settings, "gf").unwrap().auth, InboundAuth::Token(_)));
        assert!(matches!(named(&settings, "cloudwatch").unwrap().auth, InboundAuth::Sns { .. }));
        assert_eq!(of_opsgenie(&settings).len(), 1);
    }
}
