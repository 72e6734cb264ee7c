//! The audit: whether everything that is not over has somebody or something that goes on with it.
//!
//! It trusts no list that only decisions keep: each incident and each alert is looked at.

use std::fmt;

use jiff::Timestamp;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{GroupKey, IncidentId};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::unit::Millis;

use crate::escalation::Fit;
use crate::incident::Incident;
use crate::settings::Settings;
use crate::state::State;

/// How late a level of an escalation may be told.
pub const ESCALATION_LATE_MAX: Millis = Millis::from_secs(120);

/// How late an alert that was not repeated may end.
pub const EXPIRY_LATE_MAX: Millis = Millis::from_secs(60);

/// How late a group of alerts may be looked at.
pub const GROUP_LATE_MAX: Millis = Millis::from_secs(120);

/// How late a question to people may expire.
pub const REQUEST_LATE_MAX: Millis = Millis::from_secs(60);

/// How late a proof may be called overdue.
pub const PROOF_LATE_MAX: Millis = Millis::from_secs(60);

/// Something that nobody goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An incident without a next step and without an owner.
    Unattended {
        /// Which.
        incident: IncidentId,
        /// Where it stands.
        state: IncidentState,
    },
    /// An incident that was handed over, and nobody was told.
    NobodyTold {
        /// Which.
        incident: IncidentId,
    },
    /// A level of an escalation that was not told in time.
    EscalationOverdue {
        /// The incident.
        incident: IncidentId,
        /// When it was due.
        due: Timestamp,
    },
    /// A proof whose deadline passed without a word.
    ProofOverdue {
        /// The incident.
        incident: IncidentId,
        /// When it was due.
        due: Timestamp,
    },
    /// A question to people whose time is up without a word.
    RequestOverdue {
        /// The incident.
        incident: IncidentId,
        /// When it was due.
        due: Timestamp,
    },
    /// An alert that its source no longer repeats, and that goes on firing.
    AlertOverdue {
        /// Which.
        alert: Fingerprint,
        /// When it ended.
        expired: Timestamp,
    },
    /// A group of alerts that was not looked at in time; of several, the one that waits longest.
    GroupOverdue {
        /// Which.
        group: GroupKey,
        /// When it was due.
        due: Timestamp,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unattended { incident, state } => write!(
                f,
                "{incident} is {state} and nothing goes on with it; take it over with `nightcrew \
                 incidents ack {incident}`, and restart the crew"
            ),
            Self::NobodyTold { incident } => write!(
                f,
                "{incident} was handed over and nobody was told; tell people with `nightcrew \
                 incidents escalate {incident}`, and check the escalation policies"
            ),
            Self::EscalationOverdue { incident, due } => write!(
                f,
                "the next level for {incident} was due at {due} and was not told; tell it with \
                 `nightcrew incidents escalate {incident}`, and restart the crew"
            ),
            Self::ProofOverdue { incident, due } => write!(
                f,
                "the proof of {incident} was due at {due} and did not end; look at the incident, \
                 and restart the crew"
            ),
            Self::RequestOverdue { incident, due } => write!(
                f,
                "the approval for {incident} was due at {due} and did not expire; look at the \
                 incident, and restart the crew"
            ),
            Self::GroupOverdue { group, due } => write!(
                f,
                "the group {group} was due at {due} and nobody looked at it; restart the crew"
            ),
            Self::AlertOverdue { alert, expired } => {
                write!(f, "alert {alert} ended at {expired} and still fires; restart the crew")
            }
        }
    }
}

impl State {
    /// What is not as it must be: every incident that is not over has a next step or an owner,
    /// every timer fired.  Empty: all is well.  The outbox is judged by whoever sends.
    #[must_use]
    pub fn audit(&self, settings: &Settings, now: Timestamp) -> Vec<Violation> {
        let of_incidents = self
            .incidents()
            .filter_map(|(id, incident)| self.wrong_with(settings, id, incident, now));
        let overdue = self.alerts.iter().filter_map(|(alert, held)| {
            let expired = held.expires?;
            let late = EXPIRY_LATE_MAX.after(expired) <= now;
            late.then_some(Violation::AlertOverdue { alert: *alert, expired })
        });
        let group = self.groups.first().filter(|group| GROUP_LATE_MAX.after(group.due) <= now);
        let group =
            group.map(|group| Violation::GroupOverdue { group: group.key.clone(), due: group.due });
        of_incidents.chain(overdue).chain(group).collect()
    }

    fn wrong_with(
        &self,
        settings: &Settings,
        id: IncidentId,
        incident: &Incident,
        now: Timestamp,
    ) -> Option<Violation> {
        let escalation = self.escalation(id);
        if !incident.state.is_open() {
            return None;
        }
        if escalation.is_some_and(|found| found.acknowledged.is_some()) {
            return None;
        }
        let held = escalation.is_some_and(|found| found.held.is_some());
        let due = escalation.and_then(|found| found.stage.as_ref()).and_then(|stage| stage.next_at);
        if let Some(due) = due.filter(|due| !held && ESCALATION_LATE_MAX.after(*due) <= now) {
            return Some(Violation::EscalationOverdue { incident: id, due });
        }
        let attempt = incident.attempt.as_ref().filter(|attempt| attempt.state.is_active());
        if let Some(attempt) = attempt {
            let asked = attempt.request.as_ref().filter(|_| self.is_awaiting(id));
            let due = asked.map(|request| request.expires_at);
            if let Some(due) = due.filter(|due| REQUEST_LATE_MAX.after(*due) <= now) {
                return Some(Violation::RequestOverdue { incident: id, due });
            }
            let proof = attempt.verification.as_ref();
            let proof = proof.filter(|_| attempt.state == AttemptState::Verifying);
            let deadline = proof.map(|proof| proof.deadline);
            let due = deadline.filter(|due| PROOF_LATE_MAX.after(*due) <= now)?;
            return Some(Violation::ProofOverdue { incident: id, due });
        }
        match incident.state {
            IncidentState::Open if self.is_waiting(id) => None,
            IncidentState::Escalated => {
                let told = escalation.is_some_and(|found| !found.is_untold());
                let goes_on = held || due.is_some() || told;
                (!goes_on && self.has_listeners(settings, id, incident))
                    .then_some(Violation::NobodyTold { incident: id })
            }
            IncidentState::Open
            | IncidentState::Resolving
            | IncidentState::Verifying
            | IncidentState::Resolved
            | IncidentState::Closed => {
                Some(Violation::Unattended { incident: id, state: incident.state })
            }
        }
    }

    /// Whether the operator wants anybody to hear of such an incident.
    fn has_listeners(&self, settings: &Settings, id: IncidentId, incident: &Incident) -> bool {
        let listening = settings.listeners_to(NotificationKind::Escalated).next().is_some();
        match settings.policy_for(self.labels_of(id), incident.severity) {
            Fit::Policy(_) => true,
            Fit::Below(_) | Fit::None => listening,
        }
    }
}
