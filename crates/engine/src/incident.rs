//! An incident as the state knows it: its alerts, the try at healing it, and the proof of that.

use std::collections::BTreeSet;

use jiff::Timestamp;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::id::{AttemptId, LockName, StepIndex};
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::plan::Plan;
use nightcrew_model::severity::Severity;
use serde::{Deserialize, Serialize};

/// An incident that is not closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What it is about.
    pub key: IncidentKey,
    /// Where it stands.
    pub state: IncidentState,
    /// How bad it is.
    pub severity: Severity,
    /// Its alerts that still fire.
    pub alerts: BTreeSet<Fingerprint>,
    /// Those of them behind which is a look of ours.
    pub(crate) evidenced: BTreeSet<Fingerprint>,
    /// Alerts beside it that only inform; they hold it open no longer than its own.
    #[serde(default)]
    pub context: BTreeSet<Fingerprint>,
    /// The latest try at healing it.
    pub attempt: Option<Attempt>,
    /// How many tries there were since it was last opened.
    pub(crate) n_tries: u32,
    /// The number of the newest try there ever was.
    pub(crate) last_attempt: u32,
    /// The alert that began it.
    pub(crate) trigger: Fingerprint,
    /// The lock that last kept a playbook from it.
    pub(crate) locked: Option<LockName>,
    /// The labels of its last alert, once all have ended.
    pub(crate) labels: Option<Box<Labels>>,
    /// When it began, or came back.
    pub opened_at: Timestamp,
    /// When it last changed its state.
    pub changed_at: Timestamp,
}

/// One try at healing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// What it does.
    pub plan: Plan,
    /// Where it stands.
    pub state: AttemptState,
    /// Its verification, once that has begun.
    pub verification: Option<Verification>,
    /// The step that a crash cut off and that is not repeated.
    pub(crate) cut_off: Option<StepIndex>,
    /// Whether a crash cut an idempotent step off, which is to begin again.
    pub(crate) again: bool,
}

/// The proof of a repair, as far as it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Samples older than this prove nothing.
    pub not_before: Timestamp,
    /// When it has failed.
    pub deadline: Timestamp,
    /// When it began.
    pub began: Timestamp,
    /// How often it began, a restart of the crew each time but the first.
    pub(crate) n_begun: u32,
    /// How many good samples in a row there are.
    pub in_a_row: u32,
    /// The longest run of good samples there was.
    pub best: u32,
    /// The time of the last sample that was judged.
    pub(crate) last_sample: Option<Timestamp>,
    /// How it was judged.
    pub(crate) last_good: Option<Truth>,
}
