//! Work: what the state asks the shell to do now.  It is a level, not an edge: whoever asks again,
//! after a restart too, gets the same answer.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::id::{AttemptId, MetricName, StepIndex, Target};
use nightcrew_model::plan::{Mode, Step};
use nightcrew_model::unit::Millis;

use crate::state::State;

/// A step that the gate has to judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The attempt.
    pub attempt: AttemptId,
    /// Which of its steps.
    pub index: StepIndex,
    /// The step.
    pub step: Step,
    /// Whether it may touch the world.
    pub mode: Mode,
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
    /// The steps that wait for the gate.
    #[must_use]
    pub fn due(&self) -> Vec<Due> {
        let attempts =
            self.working.iter().filter_map(|id| self.incidents.get(id)?.attempt.as_ref());
        attempts
            .filter_map(|attempt| {
                let index = match attempt.state {
                    AttemptState::Ready(next) => next,
                    AttemptState::Running(step) if attempt.again => step,
                    AttemptState::Running(_)
                    | AttemptState::Verifying
                    | AttemptState::Succeeded
                    | AttemptState::Failed
                    | AttemptState::Interrupted => return None,
                };
                let step = attempt.plan.steps.get(usize::from(index.0))?.clone();
                Some(Due { attempt: attempt.id, index, step, mode: attempt.plan.mode })
            })
            .collect()
    }

    /// The metrics that proofs wait for.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        let attempts =
            self.working.iter().filter_map(|id| self.incidents.get(id)?.attempt.as_ref());
        attempts
            .filter(|attempt| attempt.state == AttemptState::Verifying)
            .map(|attempt| Wanted {
                target: attempt.plan.target.clone(),
                metric: attempt.plan.verify.condition.metric.clone(),
                interval: attempt.plan.verify.interval,
            })
            .collect()
    }
}
