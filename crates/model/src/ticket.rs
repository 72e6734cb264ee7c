//! Tickets: where an incident stands, as a tracker of tickets shows it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::TicketKey;

/// Where a ticket stands: the columns that the source documents name.  Trackers call them
/// differently; they are found by their category, not by their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing is done about it.
    ToDo,
    /// A playbook or a person is at work.
    InProgress,
    /// The work is done; fresh samples decide.
    InReview,
    /// It is over.
    Done,
    /// It is with a person.
    Escalated,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] =
        [Self::ToDo, Self::InProgress, Self::InReview, Self::Done, Self::Escalated];

    /// The stage in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToDo => "to do",
            Self::InProgress => "in progress",
            Self::InReview => "in review",
            Self::Done => "done",
            Self::Escalated => "escalated",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What became of a ticket, as the engine is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "news")]
pub enum TicketNews {
    /// It is about to be made: the intent, before the request.
    Intended,
    /// It is there: it was made, it was found by its label after a crash, or people made it.
    Opened {
        /// What the tracker calls it.
        key: TicketKey,
        /// Where people see it.
        url: Option<String>,
    },
    /// It stands somewhere else now, and says why.
    Moved {
        /// Where.
        stage: Stage,
    },
    /// The tracker will never take it.
    Refused {
        /// In its words.
        error: String,
    },
}
