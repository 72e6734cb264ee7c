//! Alerts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_journal::row::AlertRow;
use nightcrew_model::labels::Labels;
use serde::Serialize;

/// An alert.
#[derive(Serialize)]
pub(crate) struct AlertView {
    fingerprint: String,
    state: &'static str,
    severity: String,
    service: String,
    resource: Option<String>,
    symptom: String,
    source: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    updated_at: Timestamp,
    generator_url: String,
    position: u64,
}

impl From<AlertRow> for AlertView {
    fn from(row: AlertRow) -> Self {
        let alert = row.alert;
        Self {
            fingerprint: alert.fingerprint.to_string(),
            state: row.state.as_str(),
            severity: alert.severity.to_string(),
            service: alert.target.service.to_string(),
            resource: alert.target.resource.map(|resource| resource.to_string()),
            symptom: alert.symptom.to_string(),
            source: alert.source.to_string(),
            labels: pairs(&alert.labels),
            annotations: pairs(&alert.annotations),
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            updated_at: alert.updated_at,
            generator_url: alert.generator_url,
            position: row.position.0,
        }
    }
}

/// Labels as an object.
pub(crate) fn pairs(labels: &Labels) -> BTreeMap<String, String> {
    labels.clone().into()
}
