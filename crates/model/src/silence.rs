//! Silences: an operator says that nobody needs to hear of some alerts for some time.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{PersonName, SilenceId};
use crate::interval::TimeInterval;
use crate::labels::Labels;
use crate::matcher::Matchers;

/// A silence.  It has an owner, a reason and an end, always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: SilenceId,
    /// The alerts that it is about; at least one matcher wants a value that is not empty.
    pub matchers: Matchers,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who answers for it.
    pub created_by: PersonName,
    /// Why.
    pub comment: String,
    /// The times at which it holds between its beginning and its end; empty: all the time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<TimeInterval>,
}

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It holds (a recurring one: at its times).
    Active,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// The state in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for SilenceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Silence {
    /// Where it stands.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now >= self.ends_at {
            SilenceState::Expired
        } else if now < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Whether nobody is to hear of an alert with these labels now.
    #[must_use]
    pub fn mutes(&self, labels: &Labels, now: Timestamp) -> bool {
        self.state(now) == SilenceState::Active
            && (self.repeats.is_empty() || self.repeats.iter().any(|times| times.holds(now)))
            && self.matchers.hold(labels)
    }
}
