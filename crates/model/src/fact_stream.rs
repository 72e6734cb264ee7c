//! To what a fact belongs.

use crate::decision::{Fact, Subject};
use crate::id::IncidentId;

impl Fact {
    /// The incident it is about, if it is about one.
    #[must_use]
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::IncidentOpened { incident, .. }
            | Self::AlertJoined { incident, .. }
            | Self::IncidentReopened { incident, .. }
            | Self::RemedyHeld { incident, .. }
            | Self::IncidentResolved { incident, .. }
            | Self::IncidentEscalated { incident }
            | Self::IncidentClosed { incident }
            | Self::IncidentAcknowledged { incident, .. }
            | Self::AcknowledgementEnded { incident }
            | Self::IncidentCorrelated { incident, .. }
            | Self::EscalationStepped { incident, .. }
            | Self::EscalationHeld { incident, .. }
            | Self::TicketTold { incident, .. } => Some(*incident),
            Self::PlanCleared { attempt, .. }
            | Self::ApprovalRequested { attempt, .. }
            | Self::ApprovalGiven { attempt, .. }
            | Self::ApprovalDenied { attempt }
            | Self::ApprovalExpired { attempt }
            | Self::StepSkipped { attempt, .. }
            | Self::RollbackStarted { attempt, .. }
            | Self::UndoStarted { attempt, .. }
            | Self::UndoFinished { attempt, .. }
            | Self::AttemptPlanned { attempt, .. }
            | Self::StepStarted { attempt, .. }
            | Self::StepFinished { attempt, .. }
            | Self::VerificationStarted { attempt, .. }
            | Self::VerificationSampled { attempt, .. }
            | Self::AttemptSucceeded { attempt }
            | Self::AttemptFailed { attempt }
            | Self::AttemptInterrupted { attempt } => Some(attempt.incident),
            Self::NotificationQueued { subject, .. }
            | Self::NotificationSuppressed { subject, .. }
            | Self::NotificationSuperseded { subject, .. }
            | Self::NotificationDelivered { subject, .. }
            | Self::NotificationFailed { subject, .. } => subject.incident(),
            Self::AlertFired { .. }
            | Self::AlertChanged { .. }
            | Self::AlertResolved { .. }
            | Self::FlapBegan { .. }
            | Self::FlapEnded { .. }
            | Self::StormBegan { .. }
            | Self::StormEnded { .. }
            | Self::SilenceSet { .. }
            | Self::SilenceExpired { .. }
            | Self::LockTaken { .. }
            | Self::LockReleased { .. }
            | Self::OverrideSet { .. }
            | Self::GroupTold { .. }
            | Self::GroupHeld { .. }
            | Self::StandingApprovalSet { .. }
            | Self::StandingApprovalEnded { .. }
            | Self::AgentChanged { .. } => None,
        }
    }

    /// The stream of the journal it belongs to: `incident/INC-42`, `alert/<fingerprint>`,
    /// `group/<hash of its key>`, `silence/<id>`, `lock/<name>`, `agent/<name>` …
    #[must_use]
    pub fn stream(&self) -> String {
        if let Some(incident) = self.incident() {
            return format!("incident/{incident}");
        }
        match self {
            Self::AlertFired { alert } | Self::AlertChanged { alert } => {
                format!("alert/{}", alert.fingerprint)
            }
            Self::AlertResolved { fingerprint, .. } => format!("alert/{fingerprint}"),
            Self::FlapBegan { key } | Self::FlapEnded { key } => {
                format!("flap/{:016x}", hash(&key.to_string()))
            }
            Self::StormBegan { channel, .. } | Self::StormEnded { channel, .. } => {
                format!("storm/{:016x}", hash(channel.as_str()))
            }
            Self::SilenceSet { silence } => format!("silence/{}", silence.id),
            Self::SilenceExpired { silence } => format!("silence/{silence}"),
            Self::LockTaken { lock } => format!("lock/{}", lock.name),
            Self::LockReleased { lock, .. } => format!("lock/{lock}"),
            Self::OverrideSet { schedule, .. } => format!("schedule/{schedule}"),
            Self::GroupTold { group, .. } | Self::GroupHeld { group, .. } => group_stream(group),
            Self::NotificationQueued { subject, .. }
            | Self::NotificationSuppressed { subject, .. }
            | Self::NotificationSuperseded { subject, .. }
            | Self::NotificationDelivered { subject, .. }
            | Self::NotificationFailed { subject, .. } => subject.stream(),
            Self::AgentChanged { agent, .. } => format!("agent/{agent}"),
            Self::StandingApprovalSet { approval } => format!("approval/{}", approval.name),
            Self::StandingApprovalEnded { approval } => format!("approval/{approval}"),
            Self::IncidentOpened { .. }
            | Self::AlertJoined { .. }
            | Self::IncidentReopened { .. }
            | Self::AttemptPlanned { .. }
            | Self::RemedyHeld { .. }
            | Self::StepStarted { .. }
            | Self::StepFinished { .. }
            | Self::VerificationStarted { .. }
            | Self::VerificationSampled { .. }
            | Self::AttemptSucceeded { .. }
            | Self::AttemptFailed { .. }
            | Self::AttemptInterrupted { .. }
            | Self::IncidentResolved { .. }
            | Self::IncidentEscalated { .. }
            | Self::IncidentClosed { .. }
            | Self::IncidentAcknowledged { .. }
            | Self::AcknowledgementEnded { .. }
            | Self::IncidentCorrelated { .. }
            | Self::EscalationStepped { .. }
            | Self::EscalationHeld { .. }
            | Self::TicketTold { .. }
            | Self::PlanCleared { .. }
            | Self::ApprovalRequested { .. }
            | Self::ApprovalGiven { .. }
            | Self::ApprovalDenied { .. }
            | Self::ApprovalExpired { .. }
            | Self::StepSkipped { .. }
            | Self::RollbackStarted { .. }
            | Self::UndoStarted { .. }
            | Self::UndoFinished { .. } => unreachable!("handled as an incident's fact"),
        }
    }
}

impl Subject {
    /// The stream of the journal it belongs to.
    #[must_use]
    pub fn stream(&self) -> String {
        match self {
            Self::Incident { incident } => format!("incident/{incident}"),
            Self::Group { group } => group_stream(group),
            Self::Digest { .. } => "crew/digest".to_owned(),
            Self::Crew { crew } => format!("crew/{crew}"),
        }
    }
}

/// The stream of a group of alerts; keys have no bound, names of streams have.
#[must_use]
pub(crate) fn group_stream(group: &crate::id::GroupKey) -> String {
    format!("group/{:016x}", hash(group.as_str()))
}

fn hash(text: &str) -> u64 {
    use std::hash::Hasher as _;
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}
