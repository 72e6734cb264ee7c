//! One incident as its decisions tell it: the record behind the Markdown, the JSON and the story.

use std::fmt;

use jiff::Timestamp;
use nightcrew_model::alert::Alert;
use nightcrew_model::approval::PlanHash;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::chart::Chart;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{
    AttemptId, ChannelName, IncidentId, NotificationId, PersonName, PlaybookName, StepIndex,
    StepName, TicketKey, TrackerName,
};
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::plan::{Mode, StepOutcome, StepStatus, Verify};
use nightcrew_model::sample::Sample;
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Verdict;
use serde::{Serialize, Serializer};

use crate::sample_view::{SampleView, views};

/// Everything that is known of one incident.  Serialised, it is the JSON of
/// `nightcrew incidents show ID --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub id: IncidentId,
    /// What it is about.
    pub key: IncidentKey,
    /// How bad it is, or was at its worst report.
    pub severity: Severity,
    /// Where it stands.
    pub state: IncidentState,
    /// What began it.
    pub trigger: Trigger,
    /// Since when it is wrong: the start of the alert that began it.
    pub began_at: Timestamp,
    /// When the incident was opened.
    pub detected_at: Timestamp,
    /// From the beginning to the detection.
    pub detect_ms: Millis,
    /// From the first detection to the end, relapses included; none while it is not over.
    pub repair_ms: Option<Millis>,
    /// What was known of the target at detection.
    #[serde(serialize_with = "views")]
    pub initial: Vec<Sample>,
    /// The numbers behind its alerts, as far as detectors gave any; at most [`PICTURES_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    /// The alerts that joined it, in order; at most [`JOINED_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<Joined>,
    /// The incident that was found to be its cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// The incidents whose cause it was found to be; at most [`JOINED_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Root>,
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Remedies that exist and were not used at the time.
    pub held: Vec<Held>,
    /// When it came back after it was over.
    pub relapses: Vec<Timestamp>,
    /// How it went to a person, the last time; none: never.
    pub escalation: Option<Escalation>,
    /// Who takes care of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// Who first took care of it, whatever came of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_acknowledged: Option<Acknowledged>,
    /// How it ended; none while it is not over.
    pub resolved: Option<Resolved>,
    /// When it was over for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Its tickets, by tracker.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Ticket>,
    /// The messages to people about it.
    pub notifications: Vec<Notification>,
    /// Every decision about it, in order.
    pub timeline: Vec<Entry>,
}

/// The largest number of pictures of one incident.
pub const PICTURES_MAX: usize = 4;

/// The largest number of alerts that are named, and of incidents that it caused.
pub const JOINED_MAX: usize = 100;

/// An alert that joined an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Joined {
    /// When.
    pub at: Timestamp,
    /// The alert's identity.
    pub fingerprint: Fingerprint,
    /// What it is about; none where the decisions at hand do not hold it.
    pub about: Option<IncidentKey>,
    /// How bad it was; none: as above.
    pub severity: Option<Severity>,
    /// Why it belongs to the incident, in words.
    pub why: String,
}

/// Another incident, as cause or effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Root {
    /// When that was found.
    pub at: Timestamp,
    /// The other incident.
    #[serde(serialize_with = "as_text")]
    pub incident: IncidentId,
    /// Why, in words.
    pub why: String,
}

/// Where an incident stands in a tracker of tickets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ticket {
    /// The tracker.
    pub tracker: TrackerName,
    /// What it calls the ticket; none: it is not made yet, or never will be.
    pub key: Option<TicketKey>,
    /// Where people see it.
    pub url: Option<String>,
    /// Where it stands; none: where trackers put new ones.
    pub stage: Option<Stage>,
    /// Why the tracker takes none, in its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// When that was heard.
    pub at: Timestamp,
}

/// The numbers behind one alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Picture {
    /// The alert's identity.
    pub fingerprint: Fingerprint,
    /// What it is about, in words.
    pub title: String,
    /// Why it fired, in words.
    pub why: String,
    /// The numbers.
    pub chart: Chart,
}

/// What began an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trigger {
    /// The alert's identity.
    pub fingerprint: Fingerprint,
    /// The alert as it fired; none where the decisions at hand do not hold it.
    pub alert: Option<Alert>,
    /// Why it fired, in words.
    pub why: String,
}

/// One run of one playbook.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub id: AttemptId,
    /// The playbook.
    pub playbook: PlaybookName,
    /// Whether it ran or was only shown.
    pub mode: Mode,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// Why, in words.
    pub because: String,
    /// The plan, and no other.
    pub hash: PlanHash,
    /// What the gate said of the whole plan; none: it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clearance: Option<Clearance>,
    /// How a person was asked; none: nobody had to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// How it was taken back; none: it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// How its success is to be proven.
    pub verify: Verify,
    /// How that went; none: it never came so far.
    pub verification: Option<Verification>,
    /// Where it stands.
    #[serde(serialize_with = "as_text")]
    pub state: AttemptState,
    /// How it ended; none while it is under way.
    pub end: Option<End>,
    /// When what it healed came back: a relapse counts as a failed remedy.
    pub relapsed_at: Option<Timestamp>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub why: String,
}

/// What the gate said of a whole plan before it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clearance {
    /// When.
    pub at: Timestamp,
    /// Why it may begin, or waits for a person, in words.
    pub why: String,
    /// What it said of each step.
    pub verdicts: Vec<Verdict>,
}

/// How a person was asked whether a plan may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// When.
    pub asked_at: Timestamp,
    /// Why, in words.
    pub why: String,
    /// The plan, and no other.
    pub hash: PlanHash,
    /// When nobody needs to answer any more.
    pub expires_at: Timestamp,
    /// What came of it.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// Nobody has answered yet.
    Pending,
    /// It may run.
    Given {
        /// When.
        at: Timestamp,
        /// Who said so; none: a standing approval.
        by: Option<PersonName>,
        /// Why, in words.
        why: String,
    },
    /// It may not.
    Denied {
        /// When.
        at: Timestamp,
        /// Who said so, where the decision tells.
        by: Option<PersonName>,
        /// Why, in words.
        why: String,
    },
    /// Nobody answered in time.
    Expired {
        /// When.
        at: Timestamp,
        /// Why, in words.
        why: String,
    },
}

/// How what was done was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rollback {
    /// When that began.
    pub at: Timestamp,
    /// The last step that may have had an effect.
    pub from: StepIndex,
    /// Why, in words.
    pub why: String,
}

/// One step of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its position in the plan, from 0.
    pub index: StepIndex,
    /// What it is for, in the operator's words.
    pub description: String,
    /// By what later steps speak of what it found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<StepName>,
    /// What is done, as a person would type it.
    pub command: String,
    /// When it is done, as a person writes it; none: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What the gate said; none: it was not asked, or its answer is only in [`Progress::Refused`].
    pub verdict: Option<Verdict>,
    /// How far it came.
    #[serde(flatten)]
    pub progress: Progress,
    /// The tries before, each followed by another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Try>,
    /// Whether the playbook went on although it failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failure_passed: bool,
    /// What takes it back; none: nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// A try of a step that failed and was followed by another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Try {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: StepOutcome,
}

/// What takes a step back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Undo {
    /// What is done, as a person would type it.
    pub command: String,
    /// What the gate said; none: it was not asked.
    pub verdict: Option<Verdict>,
    /// How far it came.
    #[serde(flatten)]
    pub progress: Progress,
}

/// How far a step came.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "progress")]
pub enum Progress {
    /// It has not begun.
    NotBegun,
    /// It began; its end is not known.
    Begun {
        /// When.
        at: Timestamp,
    },
    /// The gate did not admit it.
    Refused {
        /// Why, in the gate's words.
        reason: String,
    },
    /// It was not done, because its condition was not certainly true.
    Skipped {
        /// When that was decided.
        at: Timestamp,
        /// Why, in words.
        why: String,
    },
    /// It ended.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: StepOutcome,
    },
}

/// How an attempt was proven, or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// When it began, the last time.
    pub began_at: Timestamp,
    /// Why, in words.
    pub because: String,
    /// When it has failed.
    pub deadline: Timestamp,
    /// The samples since then, in order.
    pub samples: Vec<Judged>,
}

/// One judged sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The sample.
    #[serde(serialize_with = "view")]
    pub sample: Sample,
    /// Whether it is as it should be.
    pub good: Truth,
    /// How many good samples in a row there were with it.
    pub in_a_row: u32,
}

/// A remedy that exists and was not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// When that was decided.
    pub at: Timestamp,
    /// The playbook.
    pub playbook: PlaybookName,
    /// Why not, in words.
    pub why: String,
}

/// How an incident went to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub reason: String,
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// When.
    pub at: Timestamp,
    /// Whether fresh samples in a row prove it.
    pub verified: bool,
    /// Why it counts as over, in words.
    pub reason: String,
}

/// One message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub id: NotificationId,
    /// Through which channel.
    pub channel: ChannelName,
    /// What it says happened.
    pub kind: NotificationKind,
    /// When it was put into the outbox.
    pub queued_at: Timestamp,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It has not arrived yet.
    Pending,
    /// It arrived.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It will never arrive.
    Failed {
        /// When that was decided.
        at: Timestamp,
        /// Why, in words.
        why: String,
    },
    /// It was not sent, because a newer one says it too.
    Superseded {
        /// When that was decided.
        at: Timestamp,
    },
}

/// Somebody takes care of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acknowledged {
    /// Since when.
    pub at: Timestamp,
    /// Who.
    pub by: PersonName,
}

/// One decision in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it was made.
    pub at: Timestamp,
    /// What was decided.
    pub what: String,
    /// Why.
    pub why: String,
    /// Why the fold did not apply it, where it contradicts what came before; such a decision is
    /// shown and changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<String>,
}

impl Record {
    /// Whether it is with a person now.
    pub(crate) fn escalated_now(&self) -> bool {
        self.state == IncidentState::Escalated
    }
}

impl Attempt {
    /// Whether it was, or is, more than a plan that a person is asked about.
    #[must_use]
    pub fn was_allowed(&self) -> bool {
        !matches!(self.state, AttemptState::Awaiting | AttemptState::Denied | AttemptState::Expired)
    }

    /// Whether anything of it touched the world: a step of a live plan began.
    #[must_use]
    pub fn ran(&self) -> bool {
        self.mode.is_live() && self.steps.iter().any(Step::ran)
    }

    /// The last sample of each metric of each target that verification saw.
    pub(crate) fn final_state(&self) -> Vec<&Sample> {
        let judged = self.verification.iter().flat_map(|seen| &seen.samples);
        let mut last: Vec<&Sample> = Vec::new();
        for Judged { sample, .. } in judged {
            last.retain(|old| (&old.target, &old.metric) != (&sample.target, &sample.metric));
            last.push(sample);
        }
        last
    }
}

impl Step {
    /// Whether it began.
    #[must_use]
    pub fn ran(&self) -> bool {
        let now = match &self.progress {
            Progress::Begun { .. } => true,
            Progress::Ended { outcome, .. } => {
                !matches!(outcome.status, StepStatus::Shown | StepStatus::Refused)
            }
            Progress::NotBegun | Progress::Refused { .. } | Progress::Skipped { .. } => false,
        };
        now || !self.earlier.is_empty()
    }
}

pub(crate) fn as_text<T: fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn view<S: Serializer>(sample: &Sample, serializer: S) -> Result<S::Ok, S::Error> {
    SampleView::of(sample).serialize(serializer)
}
