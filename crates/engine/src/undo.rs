//! Taking back: the steps that were done and can be taken back are, the last one first.
//!
//! What cannot be taken back is said and left; the others are taken back all the same, and then a
//! person gets the incident.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, StepIndex};
use nightcrew_model::plan::{Ask, StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{Ruling, Verdict};

use crate::Step;
use crate::clearance::needs_approval;
use crate::work::{Part, parts_of};

impl Step<'_> {
    /// Begins to take back what was done.  False: nothing of it can be.
    pub(crate) fn roll_back(&mut self, id: AttemptId, reason: &Reason) -> bool {
        let Some(attempt) = self.state.attempt(id) else {
            return false;
        };
        let last = attempt.course.done.last().copied();
        let Some(from) = last.filter(|last| attempt.undo_from(*last).is_some()) else {
            return false;
        };
        self.decide(Fact::RollbackStarted { attempt: id, from }, reason.clone());
        true
    }

    /// The gate judged what takes a step back: it begins, or the one before has its turn.
    pub(crate) fn undo_judged(&mut self, id: AttemptId, step: StepIndex, verdict: Verdict) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let again = attempt.state == AttemptState::Undoing(step) && attempt.again;
        if attempt.next_undo() != Some(step) && !again {
            return;
        }
        let ask = attempt.step(step).map_or(Ask::ByClass, |step| step.ask);
        let plan = &attempt.plan;
        let place = parts_of(plan).position(|(part, of, _)| (part, of) == (Part::Undo, step));
        let before = place.and_then(|place| attempt.verdicts.get(place));
        // What was let run must not have become riskier; what was not must need nobody's word.
        let asks = match &attempt.permit {
            Some(_) => before.is_none_or(|before| verdict.class > before.class),
            None => needs_approval(self.settings, plan, ask, &verdict),
        };
        if verdict.verdict != Ruling::Refused && !asks {
            let reason = if again { Reason::RestartedIdempotent } else { Reason::GateAdmitted };
            self.decide(Fact::UndoStarted { attempt: id, step, verdict }, reason);
            return;
        }
        let outcome = StepOutcome {
            status: StepStatus::Refused,
            output: verdict.reason.clone(),
            took: Millis(0),
            results: std::collections::BTreeMap::new(),
        };
        let reason = Reason::GateRefused { step, reason: verdict.reason };
        self.decide(Fact::UndoFinished { attempt: id, step, outcome }, reason);
        self.undo_is_over(id);
    }

    /// Taking a step back ended.
    pub(crate) fn undo_finished(&mut self, id: AttemptId, step: StepIndex, outcome: StepOutcome) {
        let attempt = self.state.attempt(id);
        if attempt.is_some_and(|attempt| attempt.state == AttemptState::Undoing(step)) {
            self.decide(Fact::UndoFinished { attempt: id, step, outcome }, Reason::StepEnded);
            self.undo_is_over(id);
        }
    }

    /// Ends the attempt once nothing is left to take back.
    fn undo_is_over(&mut self, id: AttemptId) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        if attempt.next_undo().is_none() {
            let reason = attempt.course.undo_because.clone().unwrap_or(Reason::StepsDone);
            self.fail(id, reason);
        }
    }
}
