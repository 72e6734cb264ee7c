//! Remedies: which playbook has its turn, whether it may run now, and who gets the incident when
//! none may.

use jiff::Timestamp;
use nightcrew_model::approval::Autonomy;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, PlaybookName, ServiceName, Target};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::lock::Blocked;
use nightcrew_model::plan::{Mode, Plan, Playbook, Stage};

use crate::Step;
use crate::incident::{Incident, Tried};
use crate::known::EVIDENCE_AGE_MAX;
use crate::trigger::{Ground, Sight};

/// The largest number of attempts under way at a time; further incidents wait for one to end.
pub const ATTEMPTS_ACTIVE_MAX: usize = 16;

/// The playbooks that had no turn yet.
struct Survey<'a> {
    /// Those that apply, in the order in which they are tried.
    applicable: Vec<(&'a Playbook, Sight)>,
    /// Whether another one may apply once there is a fresh look.
    awaited: bool,
}

/// The playbook that has its turn.
struct Turn {
    plan: Plan,
    sight: Sight,
}

impl Step<'_> {
    /// Looks for a remedy of an incident that has none at work: begins it, holds it, or hands the
    /// incident to a person.
    pub(crate) fn consider(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id).filter(|found| is_undecided(found))
        else {
            return;
        };
        let settings = self.settings;
        let target = incident.key.target.clone();
        let open = incident.state == IncidentState::Open;
        let autonomy = settings.autonomy_for(&target.service);
        if autonomy == Autonomy::Observe {
            if open {
                self.escalate(id, Reason::Autonomy { level: autonomy });
            }
            return;
        }
        let Survey { applicable, awaited } = self.survey(&settings.playbooks, incident);
        let Some(first) = applicable.first().map(|(playbook, _)| playbook.name.clone()) else {
            self.nothing_applies(id, awaited);
            return;
        };
        let over = applicable.iter().find_map(|(playbook, _)| self.over(playbook, incident));
        if let Some(reason) = over {
            if open {
                self.escalate(id, reason);
            }
            return;
        }
        let mut barred = None;
        let mut turn = None;
        for (playbook, sight) in applicable {
            match self.turn(playbook, id, &target) {
                Ok(plan) => {
                    turn = Some((playbook, Turn { plan, sight }));
                    break;
                }
                Err(reason) => drop(barred.get_or_insert(reason)),
            }
        }
        let busy = self.busy(&target, turn.as_ref().map(|(_, turn)| &turn.plan));
        match turn {
            // What is only shown needs no place and disturbs nobody.
            Some((_, turn)) if !turn.plan.mode.is_meant() => self.begin(id, turn),
            _ if self.is_kept_away((id, &target), &first, busy) => {}
            Some((playbook, turn)) if self.may_begin(id, playbook) => self.begin(id, turn),
            Some(_) => {}
            None => {
                if let Some(reason) = barred.filter(|_| open) {
                    self.escalate(id, reason);
                }
            }
        }
    }

    /// Why a person gets an incident at once, whatever else holds: a playbook that applies says so.
    fn over(&self, playbook: &Playbook, incident: &Incident) -> Option<Reason> {
        let meant = self.mode_of(playbook, &incident.key.target.service).is_meant();
        let over = meant && self.hands_over(playbook, incident, None) == Truth::True;
        let condition = playbook.escalate_if.as_ref().filter(|_| over)?.to_string();
        Some(Reason::EscalateIf { condition })
    }

    /// Which playbooks apply, of those that had no turn yet.
    fn survey<'a>(&self, playbooks: &'a [Playbook], incident: &Incident) -> Survey<'a> {
        let mut survey = Survey { applicable: Vec::new(), awaited: false };
        for playbook in playbooks {
            if incident.tried.contains_key(&playbook.name) {
                continue;
            }
            match self.ground(playbook, incident) {
                Ground::Seen(sight) => survey.applicable.push((playbook, sight)),
                Ground::Awaited => survey.awaited = true,
                Ground::Missing => {}
            }
        }
        survey
    }

    /// Waits for a fresh look, or hands the incident to a person.
    fn nothing_applies(&mut self, id: IncidentId, awaited: bool) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        if incident.state != IncidentState::Open {
            return;
        }
        // What was just repaired needs a moment until its other symptoms clear too.
        let untouched = incident.tried.values().all(|tried| tried.attempt().is_none());
        let effect = self.state.last_effect.get(&incident.key.target.service);
        let settling =
            untouched && effect.is_some_and(|effect| EVIDENCE_AGE_MAX.after(*effect) > self.now);
        if awaited && self.may_wait(incident) || settling {
            self.state.waiting.insert(id);
        } else {
            let reason = exhausted(incident);
            self.escalate(id, reason);
        }
    }

    /// Whether an incident that is open may wait for something before a person gets it.
    fn may_wait(&self, incident: &Incident) -> bool {
        let open = incident.state == IncidentState::Open;
        open && EVIDENCE_AGE_MAX.after(incident.changed_at) > self.now
    }

    /// The plan of a playbook that applies, or why it is passed over.
    fn turn(&self, playbook: &Playbook, id: IncidentId, target: &Target) -> Result<Plan, Reason> {
        let mode = self.mode_of(playbook, &target.service);
        if mode.is_meant() {
            if let Some(until) = self.rests_until(playbook, target) {
                return Err(Reason::Cooldown { playbook: playbook.name.clone(), until });
            }
            if let Some(reason) = self.too_often(playbook, target) {
                return Err(reason);
            }
        }
        self.render(playbook, id, target, mode)
    }

    /// Whether a plan of a playbook runs or is only shown.
    pub(crate) fn mode_of(&self, playbook: &Playbook, service: &ServiceName) -> Mode {
        match (playbook.stage, self.settings.autonomy_for(service)) {
            (Stage::Shadow, _) => Mode::Shadow,
            (Stage::Live, Autonomy::Observe | Autonomy::Suggest) => Mode::Suggest,
            (Stage::Live, Autonomy::Approve | Autonomy::Auto) => self.settings.mode,
        }
    }

    /// Holds an incident while a lock covers it or another attempt is at work on its target.
    fn is_kept_away(
        &mut self,
        (id, target): (IncidentId, &Target),
        playbook: &PlaybookName,
        busy: Option<AttemptId>,
    ) -> bool {
        let Some(incident) = self.state.incidents.get(&id) else {
            return true;
        };
        let open = incident.state == IncidentState::Open;
        let noted = incident.locked.clone();
        let lock = self.state.lock_on(Blocked::AutoRestart, &target.service, self.now);
        if let Some(lock) = lock.map(|lock| lock.name.clone()) {
            if open && noted.as_ref() != Some(&lock) {
                self.hold(id, playbook, Reason::Locked { lock });
            } else if open {
                self.state.waiting.insert(id);
            }
            return true;
        }
        let Some(attempt) = busy else {
            return false;
        };
        if open && !self.state.waiting.contains(&id) {
            self.hold(id, playbook, Reason::TargetBusy { attempt });
        }
        true
    }

    fn hold(&mut self, incident: IncidentId, playbook: &PlaybookName, reason: Reason) {
        let playbook = playbook.clone();
        self.decide(Fact::RemedyHeld { incident, playbook }, reason);
    }

    /// Whether a playbook may begin where nothing else keeps it away: it is known whether a person
    /// gets the incident, and not too many services of the group are down.  What waits too long
    /// goes to a person.
    fn may_begin(&mut self, id: IncidentId, playbook: &Playbook) -> bool {
        let Some(incident) = self.state.incidents.get(&id) else {
            return false;
        };
        let (may_wait, noted) = (self.may_wait(incident), incident.crowded);
        let open = incident.state == IncidentState::Open;
        let reason = match self.hands_over(playbook, incident, None) {
            Truth::Unknown if may_wait => {
                self.state.waiting.insert(id);
                return false;
            }
            Truth::Unknown => Reason::WhenNotMet {
                condition: playbook
                    .escalate_if
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                truth: Truth::Unknown,
            },
            Truth::True | Truth::False => {
                let Some(crowd) = self.crowd_around(&incident.key.target.service) else {
                    return true;
                };
                let reason = Reason::from(crowd);
                if may_wait {
                    if !noted {
                        self.hold(id, &playbook.name, reason);
                    }
                    self.state.waiting.insert(id);
                    return false;
                }
                reason
            }
        };
        if open {
            self.escalate(id, reason);
        }
        false
    }

    /// The attempt that keeps another from beginning on the target: one that acts on the same
    /// service (on the host: on the same part), or the last of as many as may run.
    fn busy(&self, target: &Target, plan: Option<&Plan>) -> Option<AttemptId> {
        let mut last = None;
        for id in &self.state.working {
            let Some(other) = self.state.incidents.get(id).and_then(|one| one.attempt.as_ref())
            else {
                continue;
            };
            if touches(&other.plan, target) || plan.is_some_and(|plan| collide(plan, &other.plan)) {
                return Some(other.id);
            }
            last = Some(other.id);
        }
        if self.state.working.len() >= ATTEMPTS_ACTIVE_MAX { last } else { None }
    }

    fn rests_until(&self, playbook: &Playbook, target: &Target) -> Option<Timestamp> {
        let key = (playbook.name.clone(), target.clone());
        let last = self.state.last_run.get(&key)?;
        let until = playbook.cooldown.unwrap_or(self.settings.cooldown).after(*last);
        (until > self.now).then_some(until)
    }

    fn begin(&mut self, id: IncidentId, turn: Turn) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        let reason = match last_tried(incident) {
            Some((after, _)) => Reason::NextRemedy { after: after.clone() },
            None => {
                let Sight { condition, seen } = turn.sight;
                Reason::ConditionHolds { condition, seen }
            }
        };
        let attempt = AttemptId { incident: id, number: incident.last_attempt + 1 };
        let has_no_steps = turn.plan.steps.is_empty() && turn.plan.mode.is_meant();
        self.decide(Fact::AttemptPlanned { attempt, plan: Box::new(turn.plan) }, reason);
        if has_no_steps {
            self.steps_done(attempt);
        }
    }
}

/// Whether it is open what is done about an incident.
fn is_undecided(incident: &Incident) -> bool {
    let undecided = match incident.state {
        IncidentState::Open => true,
        // No playbook applied when it was handed over; now one may.
        IncidentState::Escalated => incident.n_tries == 0,
        IncidentState::Resolving
        | IncidentState::Verifying
        | IncidentState::Resolved
        | IncidentState::Closed => false,
    };
    undecided && !incident.is_attempted()
}

/// Whether a plan does something to a target, or to the service that it is of.
fn touches(plan: &Plan, target: &Target) -> bool {
    let mut services = plan.services_acted_on();
    is_same(&plan.target, target) || services.any(|service| *service == target.service)
}

/// Whether two plans do something to the same service: a step may name another one than that of
/// the incident.
pub(crate) fn collide(one: &Plan, other: &Plan) -> bool {
    touches(one, &other.target)
        || touches(other, &one.target)
        || one.services_acted_on().any(|one| other.services_acted_on().any(|other| one == other))
}

/// Whether what is done to one target is done to the other: to the same service, and on the
/// machine to the same part.
pub(crate) fn is_same(one: &Target, other: &Target) -> bool {
    one == other || one.service == other.service && one.service != ServiceName::host()
}

/// The playbook that was last tried and did not heal an incident for good.
fn last_tried(incident: &Incident) -> Option<(&PlaybookName, Tried)> {
    let tried = incident.tried.iter().filter(|(_, tried)| tried.attempt().is_some());
    tried.max_by_key(|(_, tried)| tried.attempt()).map(|(playbook, tried)| (playbook, *tried))
}

/// Why a person gets an incident for which no playbook is left.
pub(crate) fn exhausted(incident: &Incident) -> Reason {
    let n_tried = incident.tried.values().filter(|tried| tried.attempt().is_some()).count();
    match last_tried(incident) {
        None if incident.tried.is_empty() => Reason::NoPlaybook,
        None => Reason::Shadow,
        Some(_) if n_tried > 1 => {
            Reason::RemediesExhausted { tried: u32::try_from(n_tried).unwrap_or(u32::MAX) }
        }
        Some((playbook, Tried::Relapsed { .. })) => Reason::Relapsed { playbook: playbook.clone() },
        Some((_, Tried::Failed { attempt })) => Reason::RemedyFailed { attempt },
        Some((_, Tried::Shown)) => Reason::Shadow,
    }
}
