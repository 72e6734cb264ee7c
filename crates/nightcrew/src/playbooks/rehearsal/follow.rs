//! What the journal of a rehearsal says: how far the plan came, and how it ended.

use nightcrew_journal::entry::Entry;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::event::Event;
use nightcrew_model::id::{AttemptId, IncidentId, PersonName, PlaybookName, StepIndex, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::plan::StepOutcome;

use crate::playbooks::rehearsal::trouble::{Break, Trouble};

/// Who approves what asks for approval.
pub(super) const APPROVER: &str = "nightcrew playbooks test";

/// How a rehearsal ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// Fresh samples proved it.
    Proven,
    /// Every step had its turn, and there is nothing that could be proven.
    Ran,
    /// They did not, or the plan did not get that far.
    Not {
        /// Why, in words.
        why: String,
    },
}

/// How far a step came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Course {
    /// Its turn did not come.
    NotReached,
    /// Its condition was not certainly true.
    Skipped {
        /// Why, in words.
        why: String,
    },
    /// It ran; of several tries, the last one.
    Ran(StepOutcome),
}

/// What was seen so far.
pub(super) struct Seen {
    playbook: PlaybookName,
    target: Target,
    trouble: Trouble,
    incident: Option<IncidentId>,
    attempt: Option<AttemptId>,
    /// By step.
    pub(super) courses: Vec<Course>,
    pub(super) approved: bool,
    /// The longest run of good looks.
    pub(super) in_a_row: u32,
    pub(super) end: Option<End>,
}

impl Seen {
    pub(super) fn new(
        playbook: PlaybookName,
        target: Target,
        trouble: Trouble,
        n_steps: usize,
    ) -> Self {
        Self {
            playbook,
            target,
            trouble,
            incident: None,
            attempt: None,
            courses: vec![Course::NotReached; n_steps],
            approved: false,
            in_a_row: 0,
            end: None,
        }
    }

    pub(super) fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Takes an entry in; what is to be answered to it, where something is.
    pub(super) fn follow(&mut self, entry: &Entry) -> Option<Event> {
        let decision = &entry.decision;
        if let Fact::IncidentOpened { incident, key, .. } = &decision.fact
            && self.is_about(key)
        {
            self.incident.get_or_insert(*incident);
        }
        if !self.is_mine(decision) {
            return None;
        }
        match &decision.fact {
            Fact::AttemptPlanned { attempt, plan } if plan.playbook == self.playbook => {
                self.attempt.get_or_insert(*attempt);
            }
            Fact::ApprovalRequested { attempt, hash, .. } => {
                self.approved = true;
                let by = PersonName::from(APPROVER);
                return Some(Event::PlanApproved { attempt: *attempt, hash: *hash, by });
            }
            Fact::StepFinished { attempt, step, outcome } if self.attempt == Some(*attempt) => {
                self.note(*step, Course::Ran(outcome.clone()));
            }
            Fact::StepSkipped { attempt, step } if self.attempt == Some(*attempt) => {
                self.note(*step, Course::Skipped { why: decision.reason.to_string() });
            }
            Fact::VerificationStarted { .. } if self.trouble.broken == Break::Nothing => {
                self.end.get_or_insert(End::Ran);
            }
            Fact::VerificationSampled { in_a_row, .. } => {
                self.in_a_row = self.in_a_row.max(*in_a_row);
            }
            Fact::AttemptSucceeded { attempt } if self.attempt == Some(*attempt) => {
                self.end.get_or_insert(End::Proven);
            }
            Fact::AttemptFailed { .. }
            | Fact::AttemptInterrupted { .. }
            | Fact::IncidentEscalated { .. } => {
                self.end.get_or_insert(End::Not { why: decision.reason.to_string() });
            }
            _ => {}
        }
        None
    }

    /// Whether a decision is about the incident of this rehearsal.
    pub(super) fn is_mine(&self, decision: &Decision) -> bool {
        self.incident.is_some() && decision.fact.incident() == self.incident
    }

    fn is_about(&self, key: &IncidentKey) -> bool {
        let symptom = self.trouble.broken.symptom();
        key.target.service == self.target.service
            && (self.trouble.told.is_some() || Some(&key.symptom) == symptom.as_ref())
    }

    fn note(&mut self, step: StepIndex, course: Course) {
        if let Some(known) = self.courses.get_mut(usize::from(step.0)) {
            *known = course;
        }
    }
}
