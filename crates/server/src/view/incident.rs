//! Incidents.

use jiff::Timestamp;
use nightcrew_journal::row::IncidentRow;
use serde::Serialize;

use super::entry::EntryView;

/// An incident.
#[derive(Serialize)]
pub(crate) struct IncidentView {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    /// Whether somebody or something still has to do with it.
    open: bool,
    severity: String,
    service: String,
    resource: Option<String>,
    symptom: String,
    opened_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// The fingerprint of the alert that began it, or that last brought it back.
    trigger: String,
    alerts: u32,
    attempts: u32,
    relapses: u32,
    playbook: Option<String>,
    verified: Option<bool>,
    /// The reason of the last decision about it, in words.
    reason: String,
    position: u64,
}

impl From<IncidentRow> for IncidentView {
    fn from(row: IncidentRow) -> Self {
        let summary = row.summary;
        Self {
            id: row.id.to_string(),
            state: row.state.as_str(),
            open: row.state.is_open(),
            severity: row.severity.to_string(),
            service: summary.key.target.service.to_string(),
            resource: summary.key.target.resource.map(|resource| resource.to_string()),
            symptom: summary.key.symptom.to_string(),
            opened_at: row.opened_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
            trigger: summary.trigger.to_string(),
            alerts: summary.alerts,
            attempts: summary.attempts,
            relapses: summary.relapses,
            playbook: summary.playbook.map(|playbook| playbook.to_string()),
            verified: summary.verified,
            reason: summary.reason.to_string(),
            position: row.position.0,
        }
    }
}

/// An incident with its story.
#[derive(Serialize)]
pub(crate) struct IncidentDetail {
    #[serde(flatten)]
    pub(crate) incident: IncidentView,
    /// Every decision about it, in order.
    pub(crate) timeline: Vec<EntryView>,
    /// The `after` of the next page of the timeline; none when this is the end.
    pub(crate) timeline_next: Option<u64>,
}
