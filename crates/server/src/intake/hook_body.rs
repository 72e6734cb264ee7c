//! The body of an Alertmanager webhook, version 4 (`notify/webhook`, `template.Data`).
//!
//! The status of the group is not read: a group fires while one of its alerts does, so only the
//! status of each alert tells which ones are over.

use jiff::Timestamp;
use nightcrew_model::alert::IncomingAlert;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::alert_body::Told;
use super::elements::{Elements, NotAlerts, Parsed, from_text};

/// A webhook, read.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) alerts: Parsed<IncomingAlert>,
    /// How many alerts its sender left out.
    pub(crate) n_truncated: u64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    alerts: Elements<'a>,
    #[serde(borrow, default, rename = "truncatedAlerts")]
    truncated: Option<&'a RawValue>,
}

/// Reads a webhook that came in at `now`.
pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Webhook, NotAlerts> {
    let body: Body<'_> = from_text(text)?;
    let alerts = Parsed::of(&body.alerts, |raw| {
        let told: Told = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        let status = told.status.clone();
        let mut alert = told.checked()?;
        match status.as_deref() {
            // What fires has no end, or one that is still to come.
            Some("firing") => alert.ends_at = alert.ends_at.filter(|end| *end > now),
            Some("resolved") => alert.ends_at = Some(alert.ends_at.unwrap_or(now)),
            Some(other) => return Err(format!("status: {other:?} is neither firing nor resolved")),
            None => return Err("status is missing; expected firing or resolved".to_owned()),
        }
        Ok(alert)
    })?;
    let n_truncated = body.truncated.and_then(|raw| raw.get().parse().ok()).unwrap_or(0);
    Ok(Webhook { alerts, n_truncated })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-21T03:00:00Z")
    }

    #[test]
    fn takes_what_alertmanager_sends() {
        let firing = include_str!("../../tests/payloads/alertmanager_webhook.json");
        let hook = parse(firing, now()).unwrap();
        assert_eq!((hook.alerts.good.len(), hook.alerts.n_bad, hook.n_truncated), (1, 0, 0));
        assert_eq!(hook.alerts.good[0].ends_at, None);
        let fingerprint = hook.alerts.good[0].labels.fingerprint();
        assert_eq!(fingerprint.to_string(), "ae798f6140c1fd61");
        let resolved = include_str!("../../tests/payloads/alertmanager_webhook_resolved.json");
        let hook = parse(resolved, now()).unwrap();
        assert_eq!(hook.alerts.good[0].ends_at, Some(at("2026-11-21T00:12:11.73Z")));
    }

    #[test]
    fn the_status_of_each_alert_counts_and_not_that_of_the_group() {
        let zero = "0001-01-01T00:00:00Z";
        let body = json!({
            "status": "firing", "version": "4", "truncatedAlerts": 7, "routeLabels": {"신규": "필드"},
            "alerts": [
                {"status": "firing", "labels": {"a": "1"}, "endsAt": zero},
                {"status": "resolved", "labels": {"a": "2"}, "endsAt": zero},
                {"status": "firing", "labels": {"a": "3"}, "endsAt": "2026-11-21T02:00:00Z"},
                {"status": "pending", "labels": {"a": "4"}},
                {"labels": {"a": "5"}},
            ],
        });
        let hook = parse(&body.to_string(), now()).unwrap();
        let ends: Vec<_> = hook.alerts.good.iter().map(|alert| alert.ends_at).collect();
        assert_eq!(ends, [None, Some(now()), None]);
        assert_eq!((hook.alerts.n_bad, hook.n_truncated), (2, 7));
        let complaint = hook.alerts.complaint().unwrap();
        assert!(complaint.contains("alert 3: status: \"pending\" is neither"), "{complaint}");
    }

    #[test]
    fn a_body_without_alerts_is_none() {
        for body in ["{}", "[]", "null", "{\"alerts\":{}}", "", "{\"alerts\":[]} x"] {
            assert!(parse(body, now()).is_err(), "{body}");
        }
    }
}
