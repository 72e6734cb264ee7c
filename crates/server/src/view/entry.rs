//! Entries of the journal, in words.

use jiff::Timestamp;
use nightcrew_journal::entry::Entry;
use nightcrew_model::decision::Fact;
use serde::Serialize;

/// One decision: what and why.
#[derive(Serialize)]
pub(crate) struct EntryView {
    pub(crate) position: u64,
    pub(crate) version: u64,
    pub(crate) at: Timestamp,
    pub(crate) stream: String,
    pub(crate) fact: &'static str,
    pub(crate) text: String,
    pub(crate) reason: String,
    /// The member of the crew whose work it is.
    pub(crate) actor: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incident: Option<String>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let decision = entry.decision;
        Self {
            position: entry.position.0,
            version: entry.version,
            at: decision.at,
            stream: entry.stream,
            fact: name(&decision.fact),
            text: decision.fact.to_string(),
            reason: decision.reason.to_string(),
            actor: decision.fact.actor(),
            incident: decision.fact.incident().map(|incident| incident.to_string()),
        }
    }
}

/// The name of a fact, which programs rely on.
fn name(fact: &Fact) -> &'static str {
    match fact {
        Fact::AlertFired { .. } => "alert_fired",
        Fact::AlertChanged { .. } => "alert_changed",
        Fact::AlertResolved { .. } => "alert_resolved",
        Fact::IncidentOpened { .. } => "incident_opened",
        Fact::AlertJoined { .. } => "alert_joined",
        Fact::IncidentReopened { .. } => "incident_reopened",
        Fact::AttemptPlanned { .. } => "attempt_planned",
        Fact::RemedyHeld { .. } => "remedy_held",
        Fact::StepStarted { .. } => "step_started",
        Fact::StepFinished { .. } => "step_finished",
        Fact::VerificationStarted { .. } => "verification_started",
        Fact::VerificationSampled { .. } => "verification_sampled",
        Fact::AttemptSucceeded { .. } => "attempt_succeeded",
        Fact::AttemptFailed { .. } => "attempt_failed",
        Fact::AttemptInterrupted { .. } => "attempt_interrupted",
        Fact::IncidentResolved { .. } => "incident_resolved",
        Fact::IncidentEscalated { .. } => "incident_escalated",
        Fact::IncidentClosed { .. } => "incident_closed",
        Fact::NotificationQueued { .. } => "notification_queued",
        Fact::NotificationDelivered { .. } => "notification_delivered",
        Fact::NotificationFailed { .. } => "notification_failed",
        Fact::IncidentAcknowledged { .. } => "incident_acknowledged",
        Fact::AcknowledgementEnded { .. } => "acknowledgement_ended",
        Fact::IncidentCorrelated { .. } => "incident_correlated",
        Fact::EscalationStepped { .. } => "escalation_stepped",
        Fact::EscalationHeld { .. } => "escalation_held",
        Fact::FlapBegan { .. } => "flap_began",
        Fact::FlapEnded { .. } => "flap_ended",
        Fact::StormBegan { .. } => "storm_began",
        Fact::StormEnded { .. } => "storm_ended",
        Fact::SilenceSet { .. } => "silence_set",
        Fact::SilenceExpired { .. } => "silence_expired",
        Fact::LockTaken { .. } => "lock_taken",
        Fact::LockReleased { .. } => "lock_released",
        Fact::OverrideSet { .. } => "override_set",
        Fact::GroupTold { .. } => "group_told",
        Fact::GroupHeld { .. } => "group_held",
        Fact::NotificationSuppressed { .. } => "notification_suppressed",
        Fact::NotificationSuperseded { .. } => "notification_superseded",
        Fact::PlanCleared { .. } => "plan_cleared",
        Fact::ApprovalRequested { .. } => "approval_requested",
        Fact::ApprovalGiven { .. } => "approval_given",
        Fact::ApprovalDenied { .. } => "approval_denied",
        Fact::ApprovalExpired { .. } => "approval_expired",
        Fact::StandingApprovalSet { .. } => "standing_approval_set",
        Fact::StandingApprovalEnded { .. } => "standing_approval_ended",
        Fact::StepSkipped { .. } => "step_skipped",
        Fact::RollbackStarted { .. } => "rollback_started",
        Fact::UndoStarted { .. } => "undo_started",
        Fact::UndoFinished { .. } => "undo_finished",
        Fact::TicketTold { .. } => "ticket_told",
        Fact::AgentChanged { .. } => "agent_changed",
    }
}
