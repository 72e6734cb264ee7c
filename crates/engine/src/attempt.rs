//! Attempts: step by step through a plan.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, StepIndex};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::lock::Blocked;
use nightcrew_model::plan::{Mode, OnFailure, StepOutcome, StepStatus};
use nightcrew_model::verdict::{Ruling, Verdict};

use crate::Step;
use crate::incident::Attempt;
use crate::known::{EVIDENCE_AGE_MAX, Looks};

/// How often a proof begins anew because the crew was restarted.
const PROOFS_BEGUN_MAX: u32 = 4;

impl Step<'_> {
    /// The gate judged a step: it begins, it is skipped, or the attempt ends here.
    pub(crate) fn step_judged(&mut self, id: AttemptId, step: StepIndex, verdict: Verdict) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let is_next = attempt.state == AttemptState::Ready(step);
        let again = attempt.state == AttemptState::Running(step) && attempt.again;
        let waits = self.state.waits(attempt) || self.state.awaits_look(attempt, step);
        if !(is_next && !waits || again) || attempt.step(step).is_none() {
            return;
        }
        if let Some(reason) = self.stops(attempt) {
            self.fail(id, reason);
            return;
        }
        if is_next && let Some(reason) = self.skips(attempt, step) {
            self.decide(Fact::StepSkipped { attempt: id, step }, reason);
            self.step_is_over(id, step);
            return;
        }
        if verdict.verdict == Ruling::Refused {
            self.step_failed(id, step, Reason::GateRefused { step, reason: verdict.reason });
        } else if self.is_good_already(id) {
            self.start_verification(id, Reason::AlreadyGood);
        } else if let Some(detail) = self.differs(attempt, step, &verdict) {
            self.fail(id, Reason::PlanChanged { detail });
        } else {
            let reason = if again { Reason::RestartedIdempotent } else { Reason::GateAdmitted };
            self.decide(Fact::StepStarted { attempt: id, step, verdict }, reason);
        }
    }

    /// Why an attempt ends before its next step, and a person gets the incident: its playbook says
    /// so by what was found, or what was approved a while ago must not begin now.
    fn stops(&self, attempt: &Attempt) -> Option<Reason> {
        let service = &attempt.plan.target.service;
        if attempt.is_late() {
            let lock = self.state.lock_on(Blocked::AutoRestart, service, self.now);
            let locked = lock.map(|lock| Reason::Locked { lock: lock.name.clone() });
            return locked.or_else(|| self.crowd_around(service).map(Reason::from));
        }
        let playbook = self.settings.playbook(&attempt.plan.playbook)?;
        let incident = self.state.incidents.get(&attempt.id.incident)?;
        let hands_over = attempt.course.begun
            && self.hands_over(playbook, incident, Some(attempt)) == Truth::True;
        let condition = playbook.escalate_if.as_ref().filter(|_| hands_over)?.to_string();
        Some(Reason::EscalateIf { condition })
    }

    /// Why a step is not done; none: it is.
    fn skips(&self, attempt: &Attempt, step: StepIndex) -> Option<Reason> {
        let when = attempt.step(step)?.when.as_ref()?;
        let looks = Looks::at(self.state, &attempt.plan.target);
        let looks = looks.since_effect().recent(self.now).with(&attempt.course.results);
        let truth = when.evaluate(&looks);
        (truth != Truth::True).then(|| Reason::WhenNotMet { condition: when.to_string(), truth })
    }

    /// Whether a look that was taken after the plan was made shows that nothing is left to do.
    pub(crate) fn is_good_already(&self, id: AttemptId) -> bool {
        let (Some(attempt), Some(incident)) =
            (self.state.attempt(id), self.state.incidents.get(&id.incident))
        else {
            return false;
        };
        let proof = &attempt.plan.verify.condition;
        let looks = Looks::at(self.state, &attempt.plan.target).after(incident.changed_at);
        let metrics = proof.metrics();
        let looked = !metrics.is_empty() && metrics.iter().all(|it| looks.sample(it).is_some());
        !attempt.course.begun && looked && proof.evaluate(&looks) == Truth::True
    }

    /// A step ended: the next one is due, or another try, or the proof, or a person.
    pub(crate) fn step_finished(&mut self, id: AttemptId, step: StepIndex, outcome: StepOutcome) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        if attempt.state != AttemptState::Running(step) {
            return;
        }
        let Some(planned) = attempt.step(step) else {
            return;
        };
        let (retry, on_failure) = (planned.retry, planned.on_failure);
        let n_tried = attempt.course.n_tried.saturating_add(1);
        let status = outcome.status.clone();
        let fact = Fact::StepFinished { attempt: id, step, outcome };
        if status.is_success() {
            self.decide(fact, Reason::StepEnded);
            self.step_is_over(id, step);
        } else if n_tried <= retry.times && status != StepStatus::Refused {
            let of = retry.times.saturating_add(1);
            self.decide(fact, Reason::Retried { attempt: n_tried + 1, of });
        } else if on_failure == OnFailure::Continue {
            self.decide(fact, Reason::Continued);
            self.step_is_over(id, step);
        } else {
            self.decide(fact, Reason::StepEnded);
            self.step_failed(id, step, Reason::StepFailed { step, status: status.to_string() });
        }
    }

    /// A step is done, or is not to be done.
    fn step_is_over(&mut self, id: AttemptId, step: StepIndex) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        if usize::from(step.0) + 1 >= attempt.plan.steps.len() {
            self.steps_done(id);
        }
    }

    /// A step failed for good: what was done is taken back where the playbook says so.
    fn step_failed(&mut self, id: AttemptId, step: StepIndex, reason: Reason) {
        let attempt = self.state.attempt(id);
        let planned = attempt.and_then(|attempt| attempt.step(step));
        let rolls_back = planned.is_some_and(|step| step.on_failure == OnFailure::RollBack);
        if !(rolls_back && self.roll_back(id, &reason)) {
            self.fail(id, reason);
        }
    }

    /// Every step is done: fresh samples decide.  A dry run ends here, because nothing was done
    /// that could be proven.
    pub(crate) fn steps_done(&mut self, id: AttemptId) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        match attempt.plan.mode {
            Mode::DryRun => self.fail(id, Reason::DryRun),
            Mode::Shadow => self.fail(id, Reason::Shadow),
            Mode::Suggest | Mode::Live => self.start_verification(id, Reason::StepsDone),
        }
    }

    /// Ends an attempt that did not heal: the next playbook has its turn, or a person gets the
    /// incident.
    pub(crate) fn fail(&mut self, id: AttemptId, reason: Reason) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let undone = !attempt.course.undo_failed;
        let meant = attempt.plan.mode.is_meant();
        self.decide(Fact::AttemptFailed { attempt: id }, reason.clone());
        let incident = id.incident;
        let left = self.state.incidents.get(&incident);
        let fires = left.is_some_and(|found| !found.alerts.is_empty());
        let open = left.is_some_and(|found| found.state == IncidentState::Open);
        let hands_over = matches!(
            reason,
            Reason::PlanChanged { .. }
                | Reason::EscalateIf { .. }
                | Reason::Autonomy { .. }
                | Reason::Locked { .. }
                | Reason::BlastRadius { .. }
        );
        if hands_over {
            self.escalate(incident, reason);
        } else if !meant && open && !fires {
            // Nothing was done, and there is nothing to do any more.
            self.resolve(incident, false, Reason::AlertsEnded);
        } else if !meant || open && fires && undone && reason != Reason::DryRun {
            self.consider(incident);
        } else {
            self.escalate(incident, Reason::RemedyFailed { attempt: id });
        }
        self.consider_waiting();
    }

    /// An attempt has ended: what waited for it gets its turn.
    pub(crate) fn consider_waiting(&mut self) {
        for id in std::mem::take(&mut self.state.waiting) {
            self.consider(id);
        }
    }

    /// Lets steps go on whose pause is over, or that waited long enough for a look.
    pub(crate) fn release_steps(&mut self) {
        let now = self.now;
        for id in &self.state.working {
            let attempt = self.state.incidents.get_mut(id).and_then(|it| it.attempt.as_mut());
            if let Some(attempt) = attempt {
                let course = &mut attempt.course;
                course.paused_until = course.paused_until.filter(|until| *until > now);
                course.waited_out |= EVIDENCE_AGE_MAX.after(course.ready_at) <= now;
            }
        }
    }

    /// Takes up what a crash cut off.  A step that may be done twice is judged and begins again;
    /// for any other, fresh samples decide whether it took effect.
    pub(crate) fn take_up_attempts(&mut self) {
        for id in self.state.working.clone() {
            self.take_up(id);
        }
    }

    fn take_up(&mut self, id: IncidentId) {
        let found = self.state.incidents.get_mut(&id).and_then(|found| found.attempt.as_mut());
        let Some(attempt) = found else {
            return;
        };
        let attempt_id = attempt.id;
        match attempt.state {
            AttemptState::Running(step) => {
                let idempotent = attempt.step(step).is_some_and(|step| step.is_idempotent());
                if idempotent || !attempt.plan.mode.is_live() {
                    attempt.again = true;
                } else {
                    let reason = Reason::CutOffEffectUnproven { step };
                    self.start_verification(attempt_id, reason);
                }
            }
            AttemptState::Verifying => {
                // A crew that falls again and again must not keep an incident from a person:
                // then the last deadline stands, passed or not.
                let n_begun = attempt.verification.as_ref().map_or(0, |proof| proof.n_begun);
                if n_begun < PROOFS_BEGUN_MAX {
                    self.start_verification(attempt_id, Reason::VerificationCutOff);
                }
            }
            AttemptState::Ready(next) => {
                if usize::from(next.0) >= attempt.plan.steps.len() {
                    self.steps_done(attempt_id);
                }
            }
            AttemptState::Undoing(step) => {
                let undo = attempt.step(step).and_then(|step| step.rollback.as_ref());
                if undo.is_some_and(nightcrew_model::plan::Action::is_idempotent) {
                    attempt.again = true;
                } else {
                    self.interrupt(attempt_id, step);
                }
            }
            AttemptState::Planned
            | AttemptState::Awaiting
            | AttemptState::Undo(_)
            | AttemptState::Succeeded
            | AttemptState::Failed
            | AttemptState::Interrupted
            | AttemptState::Denied
            | AttemptState::Expired => {}
        }
    }

    /// Nobody knows whether something took effect: a person gets the incident.
    fn interrupt(&mut self, id: AttemptId, step: StepIndex) {
        let reason = Reason::CutOffEffectUnproven { step };
        self.decide(Fact::AttemptInterrupted { attempt: id }, reason.clone());
        self.escalate(id.incident, reason);
        self.consider_waiting();
    }
}
