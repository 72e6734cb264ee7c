//! What a statement of a report rests on: something that the journal holds, by its id.

use std::fmt;

use nightcrew_model::id::{
    AttemptId, IncidentId, LockName, NotificationId, SilenceId, StandingName, StepIndex, TicketKey,
};
use nightcrew_model::labels::Fingerprint;
use serde::{Serialize, Serializer};

/// Something that the journal holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// An incident: `INC-42`.
    Incident(IncidentId),
    /// An attempt: `INC-42/1`.
    Attempt(AttemptId),
    /// A step of an attempt, as people count: `INC-42/1 step 2`.
    Step(AttemptId, StepIndex),
    /// An alert, by its fingerprint.
    Alert(Fingerprint),
    /// A message to people: `N-7`.
    Notification(NotificationId),
    /// A lock.
    Lock(LockName),
    /// A silence.
    Silence(SilenceId),
    /// A standing approval.
    Standing(StandingName),
    /// A ticket.
    Ticket(TicketKey),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident(id) => write!(f, "{id}"),
            Self::Attempt(id) => write!(f, "{id}"),
            Self::Step(attempt, step) => write!(f, "{attempt} step {step}"),
            Self::Alert(fingerprint) => write!(f, "alert {fingerprint}"),
            Self::Notification(id) => write!(f, "{id}"),
            Self::Lock(name) => write!(f, "lock {name}"),
            Self::Silence(id) => write!(f, "silence {id}"),
            Self::Standing(name) => write!(f, "standing approval {name}"),
            Self::Ticket(key) => write!(f, "ticket {key}"),
        }
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
