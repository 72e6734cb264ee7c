//! An incident as the state knows it: its alerts, the try at healing it, and the proof of that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_model::approval::PlanHash;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::Reason;
use nightcrew_model::id::{AttemptId, LockName, PlaybookName, StandingName, StepIndex, StepName};
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::plan::{Plan, ResultKey, ResultValue, Step};
use nightcrew_model::severity::Severity;
use nightcrew_model::verdict::{RiskClass, Verdict};
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
    /// The playbooks that had their turn.  What failed stays known when the incident comes back.
    #[serde(default)]
    pub(crate) tried: BTreeMap<PlaybookName, Tried>,
    /// Whether it was noted that too many services of its group are down.
    #[serde(default)]
    pub(crate) crowded: bool,
    /// The lock that last kept a playbook from it.
    pub(crate) locked: Option<LockName>,
    /// The labels of its last alert, once all have ended.
    pub(crate) labels: Option<Box<Labels>>,
    /// When it began, or came back.
    pub opened_at: Timestamp,
    /// When it last changed its state.
    pub changed_at: Timestamp,
}

/// What became of a playbook that had its turn at an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "tried")]
pub(crate) enum Tried {
    /// It did not heal it.
    Failed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// It was proven, and the incident came back inside the window.
    Relapsed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// It was shown, and nothing was done.
    Shown,
}

impl Tried {
    /// The attempt that did not heal it for good.
    pub(crate) fn attempt(self) -> Option<AttemptId> {
        match self {
            Self::Failed { attempt } | Self::Relapsed { attempt } => Some(attempt),
            Self::Shown => None,
        }
    }
}

/// What the steps of an attempt found.
pub(crate) type Results = BTreeMap<StepName, BTreeMap<ResultKey, ResultValue>>;

/// Why a plan that needs an approval may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "permit")]
pub enum Permit {
    /// A person approved it.
    Person,
    /// A standing approval covers it.
    Standing {
        /// Which.
        approval: StandingName,
    },
}

/// A question to people: may this plan run?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The plan, and no other.
    pub hash: PlanHash,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When nobody needs to answer any more.
    pub expires_at: Timestamp,
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
    /// What the gate said of the whole plan: of each step, then of what takes steps back.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// The question to people, where one was asked.
    #[serde(default)]
    pub request: Option<Request>,
    /// Why it may run although a person has to allow it.
    #[serde(default)]
    pub permit: Option<Permit>,
    /// How its steps went.
    #[serde(default)]
    pub(crate) course: Course,
}

/// How the steps of an attempt went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    /// Whether a step has begun.
    pub(crate) begun: bool,
    /// Since when the step that is next is next.
    pub(crate) ready_at: Timestamp,
    /// How often the step that is next was tried.
    pub(crate) n_tried: u32,
    /// Until when the next try waits.
    pub(crate) paused_until: Option<Timestamp>,
    /// Whether the next step waited long enough for a look that its condition asks for.
    pub(crate) waited_out: bool,
    /// What the step that runs can cost.
    pub(crate) class: Option<RiskClass>,
    /// The steps that ended well.
    pub(crate) done: BTreeSet<StepIndex>,
    /// What they found.
    pub(crate) results: Results,
    /// Why the steps are taken back.
    pub(crate) undo_because: Option<Reason>,
    /// Whether a step could not be taken back.
    pub(crate) undo_failed: bool,
}

impl Attempt {
    /// A plan that nothing was done about.
    pub(crate) fn new(id: AttemptId, plan: &Plan, at: Timestamp) -> Self {
        Self {
            id,
            plan: plan.clone(),
            state: AttemptState::Planned,
            verification: None,
            cut_off: None,
            again: false,
            verdicts: Vec::new(),
            request: None,
            permit: None,
            course: Course { ready_at: at, ..Course::default() },
        }
    }

    /// One of its steps.
    pub(crate) fn step(&self, step: StepIndex) -> Option<&Step> {
        self.plan.steps.get(usize::from(step.0))
    }

    /// Whether a person approved it, and it has not begun: it waits for its turn.
    pub(crate) fn is_late(&self) -> bool {
        let ready = self.state == AttemptState::Ready(StepIndex(0));
        ready && self.permit == Some(Permit::Person) && !self.course.begun
    }

    /// The step that is taken back next, of those up to one: it was done, and can be.
    pub(crate) fn undo_from(&self, from: StepIndex) -> Option<StepIndex> {
        let done = self.course.done.range(..=from).rev().copied();
        done.into_iter().find(|step| self.step(*step).is_some_and(|step| step.rollback.is_some()))
    }

    /// The step that is taken back next.
    pub(crate) fn next_undo(&self) -> Option<StepIndex> {
        match self.state {
            AttemptState::Undo(next) => self.undo_from(next),
            AttemptState::Planned
            | AttemptState::Awaiting
            | AttemptState::Ready(_)
            | AttemptState::Running(_)
            | AttemptState::Verifying
            | AttemptState::Undoing(_)
            | AttemptState::Succeeded
            | AttemptState::Failed
            | AttemptState::Interrupted
            | AttemptState::Denied
            | AttemptState::Expired => None,
        }
    }
}

impl Incident {
    /// Whether something is planned, asked for, or under way.
    pub(crate) fn is_attempted(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.state.is_active())
    }

    /// The attempt that proved it healed, did something about it, and was the last one.
    pub(crate) fn healed_by(&self) -> Option<&Attempt> {
        self.attempt.as_ref().filter(|attempt| {
            let acted = attempt.plan.mode.is_live() && attempt.course.begun;
            acted && self.n_tries > 0 && attempt.state == AttemptState::Succeeded
        })
    }
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
