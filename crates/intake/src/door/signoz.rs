//! `SigNoz`: Alertmanager's webhook, version 4, with labels that change while an alert fires.

use jiff::Timestamp;
use nightcrew_model::alert::IncomingAlert;

use super::alertmanager::from_members;
use crate::alert_builder::fitting;
use crate::json::{self, Members};
use crate::parsed::{Parsed, Unparsable};

/// The labels that say how it is just now; as labels they would make each report another alert.
const PASSING: [&str; 2] = ["lastSeen", "is_recovering"];

/// Reads a webhook that came in at `now`.
///
/// # Errors
/// When the body has no list of alerts.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Parsed, Unparsable> {
    let members: Members<'_> = json::read(json::text(body)?)?;
    from_members(&members, now, |mut alert, _| {
        // Where nothing else names the alert, they are all that there is.
        if alert.labels.iter().any(|(name, _)| !PASSING.contains(&name)) {
            PASSING.iter().for_each(|name| demote(&mut alert, name));
            alert.annotations = fitting(alert.annotations, alert.generator_url.len());
        }
        alert
    })
}

/// Makes a label an annotation.
fn demote(alert: &mut IncomingAlert, name: &str) {
    if let Some(value) = alert.labels.get(name).map(str::to_owned) {
        alert.labels.set(name, "");
        alert.annotations.set(name, &value);
    }
}
