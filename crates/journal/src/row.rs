//! Rows of the projections, as the API and the command line show them.

use jiff::Timestamp;
use nightcrew_model::alert::{Alert, AlertState};
use nightcrew_model::decision::{NotificationKind, Reason, Receipt, Subject};
use nightcrew_model::id::{ChannelName, IncidentId, NotificationId, PersonName, PlaybookName};
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::severity::Severity;
use serde::{Deserialize, Serialize};

use crate::entry::Position;

/// An alert as the log left it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertRow {
    /// Where it stands: firing or resolved.
    pub state: AlertState,
    /// The entry that last changed it.
    pub position: Position,
    /// The alert.
    pub alert: Alert,
}

/// Which incidents are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those with which somebody or something still has to do.
    Open,
    /// Every one.
    All,
}

/// An incident as the log left it.  Times are cut to microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentRow {
    /// Its id.
    pub id: IncidentId,
    /// Where it stands.
    pub state: IncidentState,
    /// How bad it is.
    pub severity: Severity,
    /// When it began.
    pub opened_at: Timestamp,
    /// When something was last decided about it.
    pub updated_at: Timestamp,
    /// When it was last resolved; none while it is not.
    pub ended_at: Option<Timestamp>,
    /// The entry that last changed it.
    pub position: Position,
    /// The rest.
    #[serde(flatten)]
    pub summary: IncidentSummary,
}

/// What a list of incidents tells beside their state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentSummary {
    /// What it is about.
    pub key: IncidentKey,
    /// The alert that began it, or that last brought it back.
    pub trigger: Fingerprint,
    /// How many alerts belong to it.
    pub alerts: u32,
    /// How many remedies were planned.
    pub attempts: u32,
    /// How often it came back.
    pub relapses: u32,
    /// The playbook of the last remedy.
    pub playbook: Option<PlaybookName>,
    /// Whether fresh samples proved its end; none while it has not ended.
    pub verified: Option<bool>,
    /// The reason of the last decision about it.
    pub reason: Reason,
}

/// How much there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// How many alerts fire.
    pub alerts_firing: u64,
    /// How many incidents there are in each state.
    pub incidents: Vec<(IncidentState, u64)>,
}

impl Counts {
    /// How many incidents there are in a state.
    #[must_use]
    pub fn incidents_in(&self, state: IncidentState) -> u64 {
        self.incidents.iter().find(|(known, _)| *known == state).map_or(0, |(_, n)| *n)
    }
}

/// What became of a message to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// It is to be sent.
    Pending,
    /// The receiver has it.
    Delivered,
    /// The receiver will never have it.
    Failed,
    /// A newer message says it too.
    Superseded,
}

impl OutboxState {
    /// The state in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// A message to people, and how its sending goes.  Times are cut to microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutboxRow {
    /// Its id, and the key by which a receiver can recognise a repeat.
    pub notification: NotificationId,
    /// What it is about.
    pub subject: Subject,
    /// To which channel.
    pub channel: ChannelName,
    /// What it says happened.
    pub kind: NotificationKind,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// What became of it.
    pub state: OutboxState,
    /// How many tries there were that have to be repeated.
    pub attempts: u32,
    /// Before this time it is not tried again; none: it was not tried yet.
    pub next_at: Option<Timestamp>,
    /// Why the last try did not succeed.
    pub last_error: Option<String>,
    /// Who is called by name.
    pub mentions: Vec<PersonName>,
    /// What the receiver calls it, once it has it.
    pub receipt: Option<Receipt>,
}

/// How many messages there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutboxCounts {
    /// How many are to be sent.
    pub pending: u64,
    /// How many arrived.
    pub delivered: u64,
    /// How many will never arrive.
    pub failed: u64,
    /// How many were not sent because a newer one says it too.
    pub superseded: u64,
    /// Since when the oldest that is to be sent waits.
    pub oldest_pending_at: Option<Timestamp>,
}

/// What the writing side has done and has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WriteStats {
    /// Flushes of the disk since the journal was opened.
    pub commits: u64,
    /// Requests that wait for the disk now.
    pub waiting: usize,
    /// What is durable and not yet in the tables, in bytes.
    pub unfolded_bytes: usize,
}
