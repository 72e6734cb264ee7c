//! Messages to people: what they are about, and what they say happened.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{GroupKey, IncidentId};
use crate::mute::Scope;

/// What a message to people is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    /// An incident.
    Incident {
        /// Which.
        incident: IncidentId,
    },
    /// A group of alerts.
    Group {
        /// Which.
        group: GroupKey,
    },
    /// What was kept back in a storm.
    Digest {
        /// What was flooded.
        digest: Scope,
    },
    /// The crew itself.
    Crew {
        /// What of it.
        crew: CrewTopic,
    },
}

impl Subject {
    /// The incident it is, if it is one.
    #[must_use]
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Incident { incident } => Some(*incident),
            Self::Group { .. } | Self::Digest { .. } | Self::Crew { .. } => None,
        }
    }
}

impl From<IncidentId> for Subject {
    fn from(incident: IncidentId) -> Self {
        Self::Incident { incident }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident { incident } => write!(f, "{incident}"),
            Self::Group { group } => write!(f, "group {group}"),
            Self::Digest { digest } => write!(f, "storm at {digest}"),
            Self::Crew { crew } => write!(f, "{crew}"),
        }
    }
}

/// What the crew says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrewTopic {
    /// The daily word that it is there and what is open.
    AllClear,
    /// A message that somebody asked for to see whether it arrives.
    Test,
}

impl fmt::Display for CrewTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AllClear => "all-clear",
            Self::Test => "test",
        })
    }
}

/// What a receiver calls a message, such as the id by which it can be edited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(pub String);

/// What a message to people says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// It is with a person now: wake somebody.
    Escalated,
    /// It is over.
    Resolved,
    /// A plan waits for a person's approval.
    ApprovalWanted,
    /// No plan waits any more: it was approved, denied, not answered in time, or is not needed.
    ApprovalEnded,
    /// Alerts of a group fire.
    Firing,
    /// Somebody takes care of it.
    Acknowledged,
    /// What was kept back in a storm, in one message.
    Digest,
    /// The crew is there.
    AllClear,
    /// Somebody wants to see whether messages arrive.
    Test,
}

impl NotificationKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Escalated,
        Self::Resolved,
        Self::ApprovalWanted,
        Self::ApprovalEnded,
        Self::Firing,
        Self::Acknowledged,
        Self::Digest,
        Self::AllClear,
        Self::Test,
    ];

    /// The kind in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::ApprovalWanted => "approval_wanted",
            Self::ApprovalEnded => "approval_ended",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Digest => "digest",
            Self::AllClear => "all_clear",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for NotificationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
