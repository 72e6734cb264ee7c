//! Incidents.

use jiff::Timestamp;
use nightcrew_engine::escalation::Escalation;
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

/// How far an incident went with people.
#[derive(Serialize)]
pub(crate) struct EscalationView {
    acknowledged_by: Option<String>,
    acknowledged_at: Option<Timestamp>,
    policy: Option<String>,
    /// `L1`, `L2`, …
    level: Option<String>,
    told: Vec<String>,
    told_at: Option<Timestamp>,
    /// When the next level is told unless somebody acknowledges.
    next_at: Option<Timestamp>,
    /// The channels that know of it.
    channels: Vec<String>,
    /// What keeps people from hearing of it.
    held: Option<String>,
}

impl From<&Escalation> for EscalationView {
    fn from(escalation: &Escalation) -> Self {
        let (taken, stage) = (escalation.acknowledged.as_ref(), escalation.stage.as_ref());
        let told = stage.into_iter().flat_map(|stage| &stage.told);
        Self {
            acknowledged_by: taken.map(|taken| taken.by.to_string()),
            acknowledged_at: taken.map(|taken| taken.at),
            policy: stage.map(|stage| stage.policy.to_string()),
            level: stage.map(|stage| stage.level.to_string()),
            told: told.map(ToString::to_string).collect(),
            told_at: stage.map(|stage| stage.at),
            next_at: stage.and_then(|stage| stage.next_at),
            channels: escalation.channels.iter().map(ToString::to_string).collect(),
            held: escalation.held.as_ref().map(ToString::to_string),
        }
    }
}

/// An incident with its story.
#[derive(Serialize)]
pub(crate) struct IncidentDetail {
    #[serde(flatten)]
    pub(crate) incident: IncidentView,
    /// How far it went with people; none: it did not.
    pub(crate) escalation: Option<EscalationView>,
    /// The incident that is the cause of this one.
    pub(crate) root: Option<String>,
    /// Every decision about it, in order.
    pub(crate) timeline: Vec<EntryView>,
    /// The `after` of the next page of the timeline; none when this is the end.
    pub(crate) timeline_next: Option<u64>,
}
