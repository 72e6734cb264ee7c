//! Attempts as the state knows them: the fold of every fact about one.

use jiff::Timestamp;
use nightcrew_model::attempt::{AttemptEvent, AttemptState};
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, StepIndex};
use nightcrew_model::incident::IncidentEvent;
use nightcrew_model::plan::{Plan, StepOutcome};
use nightcrew_model::sample::Sample;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Verdict};

use crate::incident::{Attempt, Permit, Request, Tried, Verification};
use crate::state::State;

/// How long the beginning of an action is remembered.
const RECENT: Millis = Millis::from_secs(3_600);

/// Whether an attempt ended for a reason that says nothing about its playbook.
fn is_blameless(because: &Reason) -> bool {
    matches!(
        because,
        Reason::PlanChanged { .. }
            | Reason::EscalateIf { .. }
            | Reason::Locked { .. }
            | Reason::BlastRadius { .. }
            | Reason::AlertsEnded
            | Reason::Asked { .. }
    )
}

impl State {
    pub(crate) fn plan(&mut self, id: AttemptId, plan: &Plan, at: Timestamp) {
        let meant = plan.mode.is_meant();
        if meant {
            self.change(id.incident, IncidentEvent::RemedyPlanned, at);
            // While people are asked about it, nobody is asked the same again.
            self.last_run.insert((plan.playbook.clone(), plan.target.clone()), at);
            self.working.insert(id.incident);
        }
        let Some(incident) = self.incidents.get_mut(&id.incident) else {
            return;
        };
        self.planned.insert(id.incident);
        incident.n_tries += u32::from(meant);
        incident.last_attempt = id.number;
        incident.crowded = false;
        incident.attempt = Some(Attempt::new(id, plan, at));
    }

    /// The gate looked at the whole plan, and it may begin.
    pub(crate) fn clear(&mut self, id: AttemptId, verdicts: &[Verdict], because: &Reason) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.verdicts = verdicts.to_vec();
            if let Reason::StandingApproval { approval } = because {
                attempt.permit = Some(Permit::Standing { approval: approval.clone() });
            }
        }
        self.advance(id, AttemptEvent::Cleared);
    }

    /// A person is asked: the attempt holds no place meanwhile.
    pub(crate) fn ask(&mut self, id: AttemptId, request: Request, verdicts: &[Verdict]) {
        let expires_at = request.expires_at;
        let Some(attempt) = self.attempt_mut(id) else {
            return;
        };
        attempt.verdicts = verdicts.to_vec();
        attempt.request = Some(request);
        self.advance(id, AttemptEvent::ApprovalRequested);
        if self.is_awaiting(id.incident) {
            self.working.remove(&id.incident);
            self.awaiting.insert((expires_at, id.incident));
        }
    }

    pub(crate) fn approve(&mut self, id: AttemptId, at: Timestamp) {
        if !self.is_awaiting(id.incident) {
            return;
        }
        self.advance(id, AttemptEvent::Approved);
        self.working.insert(id.incident);
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.permit = Some(Permit::Person);
            attempt.course.ready_at = at;
        }
    }

    /// Whether a person is asked about an incident.
    #[must_use]
    pub fn is_awaiting(&self, id: IncidentId) -> bool {
        let attempt = self.incidents.get(&id).and_then(|incident| incident.attempt.as_ref());
        attempt.is_some_and(|attempt| attempt.state == AttemptState::Awaiting)
    }

    /// Whether nothing is being done about an incident: it can end without a proof.  What waits for
    /// a person's word, or for its turn after that, has not begun.
    pub(crate) fn is_idle(&self, id: IncidentId) -> bool {
        let Some(incident) = self.incidents.get(&id).filter(|found| found.state.is_open()) else {
            return false;
        };
        let attempt = incident.attempt.as_ref().filter(|attempt| attempt.state.is_active());
        attempt.is_none_or(|attempt| {
            let asked = attempt.state == AttemptState::Awaiting || attempt.is_late();
            asked || !attempt.plan.mode.is_meant()
        })
    }

    /// The attempts that wait for a person's word, oldest time limit first.
    pub fn awaiting(&self) -> impl Iterator<Item = &Attempt> {
        let ids = self.awaiting.iter().map(|(_, id)| id);
        ids.filter_map(|id| self.incidents.get(id)?.attempt.as_ref())
    }

    pub(crate) fn start_step(
        &mut self,
        (id, step): (AttemptId, StepIndex),
        class: RiskClass,
        at: Timestamp,
    ) {
        self.note_action(class, at);
        self.advance(id, AttemptEvent::StepStarted(step));
        let Some(attempt) = self.attempt_mut(id) else {
            return;
        };
        attempt.course.class = Some(class);
        let first = !std::mem::replace(&mut attempt.course.begun, true);
        if first && attempt.plan.mode.is_live() {
            let Plan { playbook, target, .. } = attempt.plan.clone();
            self.history.ran(&playbook, &target, at);
        }
    }

    pub(crate) fn finish_step(
        &mut self,
        (id, step): (AttemptId, StepIndex),
        outcome: &StepOutcome,
        because: &Reason,
        at: Timestamp,
    ) {
        self.note_effect((id, step), at);
        let Some(attempt) = self.attempt_mut(id) else {
            return;
        };
        let name = attempt.step(step).and_then(|step| step.name.clone());
        if let Some(name) = name {
            attempt.course.results.insert(name, outcome.results.clone());
        }
        let well = outcome.status.is_success();
        if well {
            attempt.course.done.insert(step);
        }
        if well || matches!(because, Reason::Continued) {
            self.advance(id, AttemptEvent::StepDone(step));
            self.make_ready(id, at);
        } else if let Reason::Retried { attempt: next, .. } = because {
            let pause = attempt.step(step).map_or(Millis(0), |step| step.retry.pause);
            attempt.course.n_tried = next.saturating_sub(1);
            attempt.course.paused_until = (pause.0 > 0).then(|| pause.after(at));
            self.advance(id, AttemptEvent::StepAgain(step));
        }
    }

    pub(crate) fn skip_step(&mut self, id: AttemptId, step: StepIndex, at: Timestamp) {
        self.advance(id, AttemptEvent::StepSkipped(step));
        self.make_ready(id, at);
    }

    /// The next step is next from now on.
    fn make_ready(&mut self, id: AttemptId, at: Timestamp) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.course.ready_at = at;
            attempt.course.n_tried = 0;
            attempt.course.paused_until = None;
            attempt.course.waited_out = false;
        }
    }

    pub(crate) fn start_rollback(&mut self, id: AttemptId, from: StepIndex, because: &Reason) {
        self.advance(id, AttemptEvent::RollbackStarted(from));
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.course.undo_because = Some(because.clone());
        }
    }

    pub(crate) fn start_undo(
        &mut self,
        (id, step): (AttemptId, StepIndex),
        class: RiskClass,
        at: Timestamp,
    ) {
        self.note_action(class, at);
        self.advance(id, AttemptEvent::UndoStarted(step));
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.course.class = Some(class);
        }
    }

    pub(crate) fn finish_undo(
        &mut self,
        (id, step): (AttemptId, StepIndex),
        outcome: &StepOutcome,
        at: Timestamp,
    ) {
        self.note_effect((id, step), at);
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.course.undo_failed |= !outcome.status.is_success();
        }
        self.advance(id, AttemptEvent::UndoDone(step));
    }

    fn note_action(&mut self, class: RiskClass, at: Timestamp) {
        self.recent.retain(|(begun, _)| RECENT.after(*begun) > at);
        self.recent.push((at, class));
    }

    /// What only looks has no effect.  A step may act on another service than that of the incident.
    fn note_effect(&mut self, (id, step): (AttemptId, StepIndex), at: Timestamp) {
        if let Some(attempt) = self.attempt(id)
            && attempt.course.class.is_none_or(|class| class > RiskClass::Observe)
        {
            let step = attempt.step(step);
            let other = step.and_then(|step| step.action.service_acted_on()).cloned();
            let service = attempt.plan.target.service.clone();
            self.last_effect.extend(other.into_iter().chain([service]).map(|name| (name, at)));
        }
    }

    pub(crate) fn start_verification(
        &mut self,
        id: AttemptId,
        began: Timestamp,
        not_before: Timestamp,
        deadline: Timestamp,
    ) {
        let Some(attempt) = self.attempt_mut(id) else {
            return;
        };
        if let AttemptState::Running(step) = attempt.state {
            attempt.cut_off = Some(step);
        }
        let n_begun = attempt.verification.as_ref().map_or(0, |before| before.n_begun) + 1;
        attempt.verification = Some(Verification {
            n_begun,
            not_before,
            deadline,
            began,
            in_a_row: 0,
            best: 0,
            last_sample: None,
            last_good: None,
        });
        self.advance(id, AttemptEvent::VerificationStarted);
        self.change(id.incident, IncidentEvent::StepsDone, began);
    }

    pub(crate) fn note_look(&mut self, id: AttemptId, sample: &Sample, good: Truth, in_a_row: u32) {
        let proof = self.attempt_mut(id).and_then(|attempt| attempt.verification.as_mut());
        if let Some(proof) = proof {
            proof.in_a_row = in_a_row;
            proof.best = proof.best.max(in_a_row);
            proof.last_sample = Some(sample.at);
            proof.last_good = Some(good);
        }
    }

    /// Folds that an attempt ended and did not heal.
    pub(crate) fn end_attempt(&mut self, fact: &Fact, because: &Reason, at: Timestamp) {
        let (id, event) = if let Fact::AttemptFailed { attempt } = fact {
            (*attempt, AttemptEvent::Failed)
        } else if let Fact::AttemptInterrupted { attempt } = fact {
            (*attempt, AttemptEvent::CutOff)
        } else if let Fact::ApprovalDenied { attempt } = fact {
            (*attempt, AttemptEvent::Denied)
        } else if let Fact::ApprovalExpired { attempt } = fact {
            (*attempt, AttemptEvent::Expired)
        } else {
            return;
        };
        self.advance(id, event);
        let acted =
            matches!(event, AttemptEvent::Failed | AttemptEvent::CutOff) && !is_blameless(because);
        let Some(attempt) = self.attempt(id) else {
            return;
        };
        let (playbook, mode) = (attempt.plan.playbook.clone(), attempt.plan.mode);
        let tried =
            if acted && mode.is_meant() { Tried::Failed { attempt: id } } else { Tried::Shown };
        if matches!(tried, Tried::Failed { .. }) && mode.is_live() {
            self.history.failed(&playbook, at);
        }
        if let Some(incident) = self.incidents.get_mut(&id.incident) {
            incident.tried.insert(playbook, tried);
        }
        if mode.is_meant() {
            self.change(id.incident, IncidentEvent::RemedyEnded, at);
        }
    }

    /// Folds that an incident is back.  When a proven repair did not hold, what was tried stays
    /// known, and so does that one; when it had ended by itself or by a person's word, or held for
    /// long, everything has its turn again.
    pub(crate) fn note_relapse(&mut self, id: IncidentId, reason: &Reason, at: Timestamp) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        let did_not_hold = matches!(reason, Reason::Relapsed { .. } | Reason::StillReported);
        let relapsed = incident.healed_by().filter(|_| did_not_hold);
        let relapsed = relapsed.map(|found| (found.plan.playbook.clone(), found.id));
        let Some((playbook, attempt)) = relapsed else {
            incident.tried.clear();
            return;
        };
        incident.tried.retain(|_, tried| *tried != Tried::Shown);
        incident.tried.insert(playbook.clone(), Tried::Relapsed { attempt });
        self.history.failed(&playbook, at);
    }

    pub(crate) fn advance(&mut self, id: AttemptId, event: AttemptEvent) {
        let Some(attempt) = self.attempt_mut(id) else {
            return;
        };
        let Ok(next) = attempt.state.apply(event) else {
            return;
        };
        attempt.state = next;
        attempt.again = false;
        let asked_until = attempt.request.as_ref().map(|request| request.expires_at);
        if next != AttemptState::Planned {
            self.planned.remove(&id.incident);
        }
        if next != AttemptState::Awaiting
            && let Some(expires_at) = asked_until
        {
            self.awaiting.remove(&(expires_at, id.incident));
        }
        if !next.is_active() {
            self.working.remove(&id.incident);
        }
    }

    /// The attempt of that id, while it is the latest of its incident.
    pub(crate) fn attempt_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        let attempt = self.incidents.get_mut(&id.incident)?.attempt.as_mut()?;
        (attempt.id == id).then_some(attempt)
    }

    /// The attempt of that id, while it is the latest of its incident.
    #[must_use]
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.incidents.get(&id.incident)?.attempt.as_ref().filter(|attempt| attempt.id == id)
    }
}
