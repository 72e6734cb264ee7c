//! The body of an Alertmanager webhook, version 4 (`notify/webhook`, `template.Data`).
//!
//! The status of the group is not read: a group fires while one of its alerts does, so only the
//! status of each alert tells which ones are over.

use jiff::Timestamp;
use nightcrew_model::alert::IncomingAlert;

use super::told::Told;
use crate::json::{self, Elements, Members};
use crate::parsed::{Parsed, Unparsable};

/// Reads a webhook that came in at `now`.
///
/// # Errors
/// When the body has no list of alerts.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Parsed, Unparsable> {
    let members: Members<'_> = json::read(json::text(body)?)?;
    from_members(&members, now, |alert, _| alert)
}

/// Reads a webhook; `also` adds what a relative of Alertmanager sends beside, from the raw text of
/// the alert.
pub(crate) fn from_members(
    members: &Members<'_>,
    now: Timestamp,
    also: impl Fn(IncomingAlert, &str) -> IncomingAlert,
) -> Result<Parsed, Unparsable> {
    const EXPECTED: &str = "expected the list of alerts of an Alertmanager webhook, version 4";
    let Some(alerts) = members.get("alerts") else {
        return Err(Unparsable::field("alerts", format!("missing; {EXPECTED}")));
    };
    let elements: Elements<'_> = serde_json::from_str(alerts.get())
        .map_err(|error| Unparsable::field("alerts", format!("{error}; {EXPECTED}")))?;
    let mut parsed = Parsed::default();
    for (index, raw) in elements.within_limit()?.into_iter().enumerate() {
        let told = serde_json::from_str::<Told>(raw.get()).map_err(|error| error.to_string());
        match told.and_then(|told| told.hooked(now)) {
            Ok(alert) => parsed.alerts.push(also(alert, raw.get())),
            Err(why) => parsed.reject(index, &why),
        }
    }
    let truncated = members.get("truncatedAlerts");
    parsed.n_truncated = truncated.and_then(|raw| raw.get().parse().ok()).unwrap_or(0);
    Ok(parsed)
}
