//! Work: what the state asks the shell to do now.  It is a level, not an edge: whoever asks again,
//! after a restart too, gets the same answer.

use jiff::Timestamp;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::id::{AttemptId, MetricName, StepIndex, Target};
use nightcrew_model::plan::{Action, Mode, Plan, Step};
use nightcrew_model::unit::Millis;

use crate::incident::{Attempt, Permit};
use crate::known::{EVIDENCE_AGE_MAX, Looks};
use crate::remedy::collide;
use crate::state::State;

/// What of a step is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What it does: `Event::StepJudged`, then `Event::StepFinished`.
    Do,
    /// What takes it back: `Event::UndoJudged`, then `Event::UndoFinished`.
    Undo,
}

/// An action that the gate has to judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The attempt.
    pub attempt: AttemptId,
    /// Which of its steps.
    pub index: StepIndex,
    /// The step.
    pub step: Step,
    /// What of it.
    pub part: Part,
    /// The action: the step's own, or the one that takes it back.
    pub action: Action,
    /// Whether it may touch the world.
    pub mode: Mode,
    /// Why it may run although a person has to allow it; none: nobody was asked.
    pub permit: Option<Permit>,
}

/// A whole plan that the gate has to judge before anything of it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanDue {
    /// The attempt.
    pub attempt: AttemptId,
    /// What it will do.
    pub plan: Plan,
}

impl PlanDue {
    /// What the gate has to judge: every step in order, then what takes them back, in order.  The
    /// verdicts of `Event::PlanJudged` come in this order.
    pub fn parts(&self) -> impl Iterator<Item = (Part, StepIndex, &Action)> {
        parts_of(&self.plan)
    }
}

/// Every action of a plan: of its steps in order, then what takes them back, in order.
pub fn parts_of(plan: &Plan) -> impl Iterator<Item = (Part, StepIndex, &Action)> {
    let steps = || (0..).map(StepIndex).zip(&plan.steps);
    let done = steps().map(|(index, step)| (Part::Do, index, &step.action));
    let undone =
        steps().filter_map(|(index, step)| Some((Part::Undo, index, step.rollback.as_ref()?)));
    done.chain(undone)
}

/// A metric that is to be looked at more often than usual, because a proof waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What to look at.
    pub target: Target,
    /// Which metric.
    pub metric: MetricName,
    /// How often.
    pub interval: Millis,
}

impl State {
    /// The plans that wait for the gate.
    #[must_use]
    pub fn plans_due(&self) -> Vec<PlanDue> {
        let attempts =
            self.planned.iter().filter_map(|id| self.incidents.get(id)?.attempt.as_ref());
        let planned = attempts.filter(|attempt| attempt.state == AttemptState::Planned);
        planned.map(|attempt| PlanDue { attempt: attempt.id, plan: attempt.plan.clone() }).collect()
    }

    /// The steps that wait for the gate.
    #[must_use]
    pub fn due(&self) -> Vec<Due> {
        self.attempts().filter_map(|attempt| self.due_of(attempt)).collect()
    }

    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.working.iter().filter_map(|id| self.incidents.get(id)?.attempt.as_ref())
    }

    fn due_of(&self, attempt: &Attempt) -> Option<Due> {
        let (index, part) = match attempt.state {
            AttemptState::Ready(next) => {
                let waits = self.waits(attempt) || self.awaits_look(attempt, next);
                (!waits).then_some((next, Part::Do))?
            }
            AttemptState::Running(step) if attempt.again => (step, Part::Do),
            AttemptState::Undo(_) => (attempt.next_undo()?, Part::Undo),
            AttemptState::Undoing(step) if attempt.again => (step, Part::Undo),
            AttemptState::Planned
            | AttemptState::Awaiting
            | AttemptState::Running(_)
            | AttemptState::Verifying
            | AttemptState::Undoing(_)
            | AttemptState::Succeeded
            | AttemptState::Failed
            | AttemptState::Interrupted
            | AttemptState::Denied
            | AttemptState::Expired => return None,
        };
        let step = attempt.step(index)?.clone();
        let action = match part {
            Part::Do => step.action.clone(),
            Part::Undo => step.rollback.clone()?,
        };
        let (mode, permit) = (attempt.plan.mode, attempt.permit.clone());
        Some(Due { attempt: attempt.id, index, step, part, action, mode, permit })
    }

    /// Whether the next step has to wait: for the end of a pause, or, where the plan was approved
    /// meanwhile, until its target is free.
    pub(crate) fn waits(&self, attempt: &Attempt) -> bool {
        let taken = || {
            self.attempts().any(|other| {
                other.id != attempt.id && !other.is_late() && collide(&other.plan, &attempt.plan)
            })
        };
        attempt.course.paused_until.is_some() || attempt.is_late() && taken()
    }

    /// Whether a step waits for a look that its condition asks for: the last one is older than
    /// what the steps before it did.
    pub(crate) fn awaits_look(&self, attempt: &Attempt, step: StepIndex) -> bool {
        let Some(when) = attempt.step(step).and_then(|step| step.when.as_ref()) else {
            return false;
        };
        let looks = Looks::at(self, &attempt.plan.target).since_effect();
        let looks = looks.with(&attempt.course.results);
        !attempt.course.waited_out
            && when.metrics().into_iter().any(|metric| looks.sample(metric).is_none())
            && when.evaluate(&looks) == Truth::Unknown
    }

    /// When steps go on by themselves: after a pause, or after the longest wait for a look.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Timestamp> {
        self.attempts().filter_map(|attempt| match attempt.state {
            AttemptState::Ready(next) if self.awaits_look(attempt, next) => {
                Some(EVIDENCE_AGE_MAX.after(attempt.course.ready_at))
            }
            AttemptState::Planned
            | AttemptState::Awaiting
            | AttemptState::Ready(_)
            | AttemptState::Running(_)
            | AttemptState::Verifying
            | AttemptState::Undo(_)
            | AttemptState::Undoing(_)
            | AttemptState::Succeeded
            | AttemptState::Failed
            | AttemptState::Interrupted
            | AttemptState::Denied
            | AttemptState::Expired => attempt.course.paused_until,
        })
    }

    /// The metrics that proofs, and steps, wait for.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for attempt in self.attempts() {
            let plan = &attempt.plan;
            let expression = match attempt.state {
                AttemptState::Verifying => Some(&plan.verify.condition),
                AttemptState::Ready(next) if self.awaits_look(attempt, next) => {
                    attempt.step(next).and_then(|step| step.when.as_ref())
                }
                AttemptState::Planned
                | AttemptState::Awaiting
                | AttemptState::Ready(_)
                | AttemptState::Running(_)
                | AttemptState::Undo(_)
                | AttemptState::Undoing(_)
                | AttemptState::Succeeded
                | AttemptState::Failed
                | AttemptState::Interrupted
                | AttemptState::Denied
                | AttemptState::Expired => None,
            };
            for metric in expression.into_iter().flat_map(|expression| expression.metrics()) {
                wanted.push(Wanted {
                    target: self.looked_at(&plan.target, metric),
                    metric: metric.clone(),
                    interval: plan.verify.interval,
                });
            }
        }
        wanted
    }
}
