//! Proofs: fresh looks, so many good ones in a row, decide whether a repair healed.
//!
//! Where the condition asks for several metrics, a look is a fresh sample of each.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::sample::Sample;
use nightcrew_model::unit::Millis;

use crate::Step;
use crate::known::Looks;

impl Step<'_> {
    pub(crate) fn start_verification(&mut self, id: AttemptId, reason: Reason) {
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
        let mut ids = self.state.by_target.get(&sample.target).cloned().unwrap_or_default();
        ids.extend(self.state.working.iter().filter(|id| self.is_proof_of(**id, sample)));
        for id in ids {
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

    /// Whether a proof goes by a sample, of the target itself or of its surroundings.
    fn is_proof_of(&self, id: IncidentId, sample: &Sample) -> bool {
        let incident = self.state.incidents.get(&id);
        incident.and_then(|incident| incident.attempt.as_ref()).is_some_and(|attempt| {
            let plan = &attempt.plan;
            attempt.state == AttemptState::Verifying
                && plan.verify.condition.metrics().contains(&sample.metric)
                && self.state.looked_at(&plan.target, &sample.metric) == sample.target
        })
    }

    fn judge_proof(&mut self, id: IncidentId, sample: &Sample) {
        let Some(attempt) = self.state.incidents.get(&id).and_then(|found| found.attempt.as_ref())
        else {
            return;
        };
        let Some(proof) = attempt.verification.as_ref().filter(|_| self.is_proof_of(id, sample))
        else {
            return;
        };
        let verify = &attempt.plan.verify;
        let spaced = proof.last_sample.is_none_or(|last| {
            // Half of the interval: samples that come in a burst are one look, not several.
            Millis(verify.interval.0 / 2).after(last) <= sample.at
        });
        if sample.at < proof.not_before || !spaced {
            return;
        }
        let looks = Looks::at(self.state, &attempt.plan.target).with(&attempt.course.results);
        let looks = looks.from(proof.not_before);
        let looks = proof.last_sample.map_or(looks, |last| looks.after(last));
        let metrics = verify.condition.metrics();
        let complete = metrics.iter().all(|metric| looks.sample(metric).is_some());
        let known = looks.sample(&sample.metric).is_some_and(|kept| kept.at == sample.at);
        let good = verify.condition.evaluate(&looks);
        let dark = matches!(sample.observation, nightcrew_model::sample::Observation::Unknown(_));
        if !known || !complete && good != Truth::False && !dark {
            // The look is not complete, and nothing bad is in it so far.
            return;
        }
        let good = if complete || good == Truth::False { good } else { Truth::Unknown };
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
            None => {
                if !self.roll_back(attempt_id, &not_verified) {
                    self.fail(attempt_id, not_verified);
                }
            }
            Some(step) => {
                let reason = Reason::CutOffEffectUnproven { step };
                self.decide(Fact::AttemptInterrupted { attempt: attempt_id }, reason);
                self.escalate(id, not_verified);
                self.consider_waiting();
            }
        }
    }
}
