//! Attempts: step by step through a plan, then the proof.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, StepIndex};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::plan::{Mode, StepOutcome};
use nightcrew_model::sample::Sample;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{Ruling, Verdict};

use crate::Step;

/// How often a proof begins anew because the crew was restarted.
const PROOFS_BEGUN_MAX: u32 = 4;

impl Step<'_> {
    /// The gate judged a step: it begins, or the attempt ends here.
    pub(crate) fn step_judged(&mut self, id: AttemptId, step: StepIndex, verdict: Verdict) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let reason = match attempt.state {
            AttemptState::Ready(next) if next == step => Reason::GateAdmitted,
            AttemptState::Running(cut_off) if cut_off == step && attempt.again => {
                Reason::RestartedIdempotent
            }
            AttemptState::Ready(_)
            | AttemptState::Running(_)
            | AttemptState::Verifying
            | AttemptState::Succeeded
            | AttemptState::Failed
            | AttemptState::Interrupted => return,
        };
        match verdict.verdict {
            Ruling::Admitted if self.is_good_already(id, step) => {
                self.start_verification(id, Reason::AlreadyGood);
            }
            Ruling::Admitted => {
                self.decide(Fact::StepStarted { attempt: id, step, verdict }, reason);
            }
            Ruling::Approval | Ruling::Refused => {
                self.fail(id, Reason::GateRefused { step, reason: verdict.reason });
            }
        }
    }

    /// Whether a look that was taken after the plan was made shows that nothing is left to do.
    fn is_good_already(&self, id: AttemptId, step: StepIndex) -> bool {
        let (Some(attempt), Some(incident)) =
            (self.state.attempt(id), self.state.incidents.get(&id.incident))
        else {
            return false;
        };
        let proof = &attempt.plan.verify.condition;
        let known = self.state.latest.get(&attempt.plan.target);
        let good = known.and_then(|known| known.get(&proof.metric)).is_some_and(|sample| {
            sample.at > incident.changed_at && proof.evaluate(&sample.observation) == Truth::True
        });
        step == StepIndex(0) && attempt.state == AttemptState::Ready(step) && good
    }

    /// A step ended: the next one is due, or the proof, or a person.
    pub(crate) fn step_finished(&mut self, id: AttemptId, step: StepIndex, outcome: StepOutcome) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        if attempt.state != AttemptState::Running(step) {
            return;
        }
        let is_last = usize::from(step.0) + 1 >= attempt.plan.steps.len();
        let failure = (!outcome.status.is_success()).then(|| outcome.status.to_string());
        self.decide(Fact::StepFinished { attempt: id, step, outcome }, Reason::StepEnded);
        match failure {
            Some(status) => self.fail(id, Reason::StepFailed { step, status }),
            None if is_last => self.steps_done(id),
            None => {}
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
            Mode::Live => self.start_verification(id, Reason::StepsDone),
        }
    }

    fn start_verification(&mut self, id: AttemptId, reason: Reason) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let verify = &attempt.plan.verify;
        let not_before = verify.wait_after.after(self.now);
        let deadline = verify.deadline.after(not_before);
        self.decide(Fact::VerificationStarted { attempt: id, not_before, deadline }, reason);
    }

    /// A collector looked: the latest sample is kept, proofs go on, and an incident that waits for
    /// a ground to act may have one now.
    pub(crate) fn observed(&mut self, sample: &Sample) {
        self.state.keep(sample);
        let Some(ids) = self.state.by_target.get(&sample.target) else {
            return;
        };
        for id in ids.clone() {
            let Some(incident) = self.state.incidents.get(&id) else {
                continue;
            };
            let verifying = incident.attempt.as_ref().map(|attempt| attempt.state)
                == Some(AttemptState::Verifying);
            match incident.state {
                // People may have it by now, because it took too long; a proof is a proof.
                IncidentState::Verifying | IncidentState::Escalated if verifying => {
                    self.judge_proof(id, sample);
                }
                IncidentState::Verifying => {}
                IncidentState::Escalated => self.consider(id),
                IncidentState::Open if self.state.waiting.contains(&id) => self.consider(id),
                IncidentState::Open
                | IncidentState::Resolving
                | IncidentState::Resolved
                | IncidentState::Closed => {}
            }
        }
    }

    fn judge_proof(&mut self, id: IncidentId, sample: &Sample) {
        let Some(attempt) = self.state.incidents.get(&id).and_then(|found| found.attempt.as_ref())
        else {
            return;
        };
        let Some(proof) = &attempt.verification else {
            return;
        };
        let verify = &attempt.plan.verify;
        let spaced = proof.last_sample.is_none_or(|last| {
            // Half of the interval: samples that come in a burst are one look, not several.
            Millis(verify.interval.0 / 2).after(last) <= sample.at
        });
        if sample.metric != verify.condition.metric || sample.at < proof.not_before || !spaced {
            return;
        }
        let good = verify.condition.evaluate(&sample.observation);
        let in_a_row = if good == Truth::True { proof.in_a_row + 1 } else { 0 };
        if good != Truth::True && proof.last_good == Some(good) {
            // Still as bad as at the last look: no news, no fact.
            return;
        }
        let (attempt, needed) = (attempt.id, verify.needed.max(1));
        let sample = sample.clone();
        self.decide(
            Fact::VerificationSampled { attempt, sample, good, in_a_row },
            Reason::FreshSample,
        );
        if in_a_row >= needed {
            let reason = Reason::Verified { samples: in_a_row };
            self.decide(Fact::AttemptSucceeded { attempt }, reason.clone());
            self.resolve(id, true, reason);
            self.consider_waiting();
        }
    }

    /// Ends a proof whose deadline has passed.
    pub(crate) fn proof_overdue(&mut self, id: IncidentId) {
        let Some(attempt) = self.state.incidents.get(&id).and_then(|found| found.attempt.as_ref())
        else {
            return;
        };
        let Some(proof) = attempt.verification.as_ref().filter(|proof| proof.deadline <= self.now)
        else {
            return;
        };
        if attempt.state != AttemptState::Verifying {
            return;
        }
        let not_verified = Reason::NotVerified {
            best: proof.best,
            needed: attempt.plan.verify.needed.max(1),
            waited: Millis::between(proof.began, self.now),
        };
        let attempt_id = attempt.id;
        match attempt.cut_off {
            None => self.fail(attempt_id, not_verified),
            Some(step) => {
                let reason = Reason::CutOffEffectUnproven { step };
                self.decide(Fact::AttemptInterrupted { attempt: attempt_id }, reason);
                self.escalate(id, not_verified);
                self.consider_waiting();
            }
        }
    }

    fn fail(&mut self, id: AttemptId, reason: Reason) {
        self.decide(Fact::AttemptFailed { attempt: id }, reason);
        self.escalate(id.incident, Reason::RemedyFailed { attempt: id });
        self.consider_waiting();
    }

    /// An attempt has ended: what waited for it gets its turn.
    fn consider_waiting(&mut self) {
        for id in std::mem::take(&mut self.state.waiting) {
            self.consider(id);
        }
    }

    /// Takes up what a crash cut off.  A step that may be done twice is judged and begins again;
    /// for any other, fresh samples decide whether it took effect.
    pub(crate) fn take_up_attempts(&mut self) {
        for id in self.state.working.clone() {
            let Some(attempt) =
                self.state.incidents.get_mut(&id).and_then(|found| found.attempt.as_mut())
            else {
                continue;
            };
            let attempt_id = attempt.id;
            match attempt.state {
                AttemptState::Running(step) => {
                    let action = attempt.plan.steps.get(usize::from(step.0));
                    if action.is_some_and(|step| step.action.is_idempotent())
                        || attempt.plan.mode == Mode::DryRun
                    {
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
                AttemptState::Succeeded | AttemptState::Failed | AttemptState::Interrupted => {}
            }
        }
    }
}
