//! Remedies: which playbook applies, whether it may run now, and the plan that comes of it.

use jiff::Timestamp;
use nightcrew_model::condition::{Condition, Truth};
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, ServiceName, Target};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::lock::Blocked;
use nightcrew_model::plan::{Plan, Playbook, Step as PlanStep, Verify};
use nightcrew_model::unit::Millis;

use crate::Step;
use crate::incident::Incident;
use crate::intake::seen;

/// A sample older than this is no ground for an action.
const EVIDENCE_AGE_MAX: Millis = Millis::from_secs(120);

/// The largest number of attempts under way at a time; further incidents wait for one to end.
const ATTEMPTS_ACTIVE_MAX: usize = 16;

/// What there is to act on.
#[derive(PartialEq)]
enum Ground {
    /// This was seen, and it meets the condition.
    Seen(String),
    /// The metric is looked at, but the last look is too old or came back with nothing.
    Awaited,
    /// The condition does not hold, or nobody looks at its metric.
    Missing,
}

impl Step<'_> {
    /// Looks for a remedy of an incident that has none at work: begins it, holds it, or hands the
    /// incident to a person.
    pub(crate) fn consider(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        let undecided = match incident.state {
            IncidentState::Open => true,
            // No playbook applied when it was handed over; now one may.
            IncidentState::Escalated => incident.n_tries == 0,
            IncidentState::Resolving
            | IncidentState::Verifying
            | IncidentState::Resolved
            | IncidentState::Closed => false,
        };
        if !undecided {
            return;
        }
        let target = incident.key.target.clone();
        let open = incident.state == IncidentState::Open;
        let may_wait = open && EVIDENCE_AGE_MAX.after(incident.changed_at) > self.now;
        let grounds: Vec<(&Playbook, Ground)> = self
            .settings
            .playbooks
            .iter()
            .map(|playbook| (playbook, self.ground(&playbook.condition, incident)))
            .collect();
        let awaited = grounds.iter().any(|(_, ground)| *ground == Ground::Awaited);
        let applicable: Vec<(&Playbook, String)> = grounds
            .into_iter()
            .filter_map(|(playbook, ground)| match ground {
                Ground::Seen(seen) => Some((playbook, seen)),
                Ground::Awaited | Ground::Missing => None,
            })
            .collect();
        let Some((first, _)) = applicable.first() else {
            // What was just repaired needs a moment until its other symptoms clear too.
            let effect = self.state.last_effect.get(&target.service);
            let settling =
                open && effect.is_some_and(|effect| EVIDENCE_AGE_MAX.after(*effect) > self.now);
            if awaited && may_wait || settling {
                self.state.waiting.insert(id);
            } else if open {
                self.escalate(id, Reason::NoPlaybook);
            }
            return;
        };
        let lock = self.state.lock_on(Blocked::AutoRestart, &target.service, self.now);
        if let Some(lock) = lock.map(|lock| lock.name.clone()) {
            if open && incident.locked.as_ref() != Some(&lock) {
                let playbook = first.name.clone();
                self.decide(Fact::RemedyHeld { incident: id, playbook }, Reason::Locked { lock });
            } else if open {
                self.state.waiting.insert(id);
            }
            return;
        }
        if let Some(busy) = self.busy(&target) {
            if open && !self.state.waiting.contains(&id) {
                let playbook = first.name.clone();
                self.decide(
                    Fact::RemedyHeld { incident: id, playbook },
                    Reason::TargetBusy { attempt: busy },
                );
            }
            return;
        }
        let rested =
            applicable.iter().find(|(playbook, _)| self.rests_until(playbook, &target).is_none());
        if let Some((playbook, seen)) = rested {
            self.plan(id, playbook, &target, seen.clone());
        } else if open && let Some(until) = self.rests_until(first, &target) {
            self.escalate(id, Reason::Cooldown { playbook: first.name.clone(), until });
        }
    }

    /// Whether a condition holds for the target of an incident, by a look that is recent and was
    /// taken after the last effect on the service.
    fn ground(&self, condition: &Condition, incident: &Incident) -> Ground {
        let target = &incident.key.target;
        let kept = self.state.latest.get(target).and_then(|known| known.get(&condition.metric));
        let Some(sample) = kept else {
            let looked_at = incident.evidenced.iter().any(|fingerprint| {
                let held = self.state.alerts.get(fingerprint);
                let evidence = held.and_then(|held| held.alert.evidence.as_ref());
                evidence.is_some_and(|sample| sample.metric == condition.metric)
            });
            return if looked_at { Ground::Awaited } else { Ground::Missing };
        };
        let effect = self.state.last_effect.get(&target.service);
        let current = EVIDENCE_AGE_MAX.after(sample.at) >= self.now
            && effect.is_none_or(|effect| *effect <= sample.at);
        match condition.evaluate(&sample.observation) {
            Truth::True if current => Ground::Seen(seen(sample)),
            Truth::True | Truth::Unknown => Ground::Awaited,
            Truth::False => Ground::Missing,
        }
    }

    /// The attempt that keeps another from beginning on the target: one on the same service (on
    /// the host: on the same part), or the last of as many as may run.
    fn busy(&self, target: &Target) -> Option<AttemptId> {
        let attempts = self.state.working.iter().filter_map(|id| {
            let incident = self.state.incidents.get(id)?;
            Some((&incident.key.target, incident.attempt.as_ref()?.id))
        });
        let mut last = None;
        for (other, attempt) in attempts {
            let same = if target.service == ServiceName::host() {
                other == target
            } else {
                other.service == target.service
            };
            if same {
                return Some(attempt);
            }
            last = Some(attempt);
        }
        if self.state.working.len() >= ATTEMPTS_ACTIVE_MAX { last } else { None }
    }

    fn rests_until(&self, playbook: &Playbook, target: &Target) -> Option<Timestamp> {
        let key = (playbook.name.clone(), target.clone());
        let last = self.state.last_run.get(&key)?;
        let until = playbook.cooldown.unwrap_or(self.settings.cooldown).after(*last);
        (until > self.now).then_some(until)
    }

    fn plan(&mut self, id: IncidentId, playbook: &Playbook, target: &Target, seen: String) {
        let number = self.state.incidents.get(&id).map_or(0, |incident| incident.last_attempt) + 1;
        let plan = Plan {
            playbook: playbook.name.clone(),
            target: target.clone(),
            steps: playbook
                .steps
                .iter()
                .map(|step| PlanStep {
                    action: step.action.for_service(&target.service),
                    ..step.clone()
                })
                .collect(),
            verify: self.proof_of(playbook),
            mode: self.settings.mode,
        };
        let attempt = AttemptId { incident: id, number };
        let condition = playbook.condition.to_string();
        let no_steps = plan.steps.is_empty();
        self.decide(
            Fact::AttemptPlanned { attempt, plan: Box::new(plan) },
            Reason::ConditionHolds { condition, seen },
        );
        if no_steps {
            self.steps_done(attempt);
        }
    }

    fn proof_of(&self, playbook: &Playbook) -> Verify {
        let by_default = || Verify {
            condition: playbook.condition.negated(),
            needed: self.settings.verify_needed.max(1),
            interval: self.settings.verify_interval,
            wait_after: Millis(0),
            deadline: self.settings.verify_deadline,
        };
        playbook.verify.clone().unwrap_or_else(by_default)
    }
}
