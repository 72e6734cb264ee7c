//! The climb of an incident from level to level of its policy, until somebody takes care of it.
//!
//! Once people were told, only an operator's word (a silence, a lock, an inhibition) keeps the
//! next level from hearing of it; what the crew keeps back by itself, because it flaps or another
//! incident is its cause, it keeps back before the first word only.

use std::collections::BTreeSet;

use jiff::Timestamp;
use nightcrew_model::decision::{Fact, NotificationKind, Reason};
use nightcrew_model::escalation::{Level, Policy, Told};
use nightcrew_model::id::{ChannelName, IncidentId, LevelIndex, PersonName, PolicyName};
use nightcrew_model::mute::MutedBy;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::Step;
use crate::escalation::{Escalation, Escalations, Fit, Stage};
use crate::tell::Outgoing;

/// How many of the incidents that nobody was told of are looked at in one tick, for each reason.
const UNTOLD_PER_TICK_MAX: usize = 1_000;

/// How far ahead is looked for somebody who works, and in which steps.
const STAFF_AHEAD: Millis = Millis::from_secs(7 * 24 * 3_600);
const STAFF_STEP: Millis = Millis::from_secs(15 * 60);

/// From where the climb goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// From the first level; nothing happens where people were told already.
    Begin,
    /// From the level after the one that was told.
    Next,
    /// From the level that was told, which is told again.
    Again,
}

/// Whether what keeps people from hearing of an incident counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutes {
    /// It does.
    Hold,
    /// A person wants it told all the same.
    Overruled,
}

/// A level of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    round: u32,
    level: LevelIndex,
}

/// Channels, and who is called by name there.
pub(crate) type Calls = Vec<(ChannelName, Vec<PersonName>)>;

/// Who a level reaches, and how.
struct Reach {
    told: Vec<Told>,
    calls: Calls,
}

/// What a look up the ladder finds.
struct Ladder {
    /// The levels at which nobody is there now.
    passed: Vec<Place>,
    /// The first one that reaches somebody.
    found: Option<(Place, Reach)>,
    /// Whether nothing comes after what was looked at.
    ends: bool,
}

impl Step<'_> {
    /// Tells the next level that reaches somebody, or holds the incident back.
    pub(crate) fn climb(
        &mut self,
        id: IncidentId,
        from: From,
        mutes: Mutes,
        reason: Option<Reason>,
    ) {
        let Some(incident) = self.state.incidents.get(&id).filter(|found| found.state.is_open())
        else {
            return;
        };
        let Some(escalation) = self.state.escalation(id) else {
            return;
        };
        if escalation.acknowledged.is_some() || from == From::Begin && !escalation.is_untold() {
            return;
        }
        let stage = escalation.stage.clone();
        if mutes == Mutes::Hold
            && let Some(by) = self.kept_back(id)
        {
            self.hold_back(id, by);
            return;
        }
        // A person who asks for it is told, whatever its severity.
        let severity = match mutes {
            Mutes::Hold => incident.severity,
            Mutes::Overruled => Severity::Critical,
        };
        let known = stage.as_ref().and_then(|stage| self.settings.policy(&stage.policy));
        let fit = match known {
            Some(policy) => Fit::Policy(policy),
            None => self.settings.policy_for(self.state.labels_of(id), severity),
        };
        match fit {
            Fit::Policy(policy) => {
                let stage = stage.filter(|stage| stage.policy == policy.name);
                self.climb_by(id, policy, stage.as_deref(), from, reason);
            }
            Fit::None | Fit::Below(_) => {
                let untold = self.state.escalation(id).is_some_and(Escalation::is_untold);
                if untold || from == From::Again {
                    self.tell_listeners(id, &reason.unwrap_or(Reason::ChannelListens));
                }
                self.end_climb(id, stage.as_deref());
            }
        }
    }

    /// Notes that nothing is due any more, where the policy of an escalation is gone.
    fn end_climb(&mut self, id: IncidentId, stage: Option<&Stage>) {
        if let Some(stage) = stage.filter(|stage| stage.next_at.is_some()) {
            let Stage { policy, level, round, .. } = stage.clone();
            let reason = Reason::Supervision { detail: "the policy was changed".to_owned() };
            let (told, next_at) = (Vec::new(), None);
            let fact =
                Fact::EscalationStepped { incident: id, policy, level, round, told, next_at };
            self.decide(fact, reason);
        }
    }

    fn climb_by(
        &mut self,
        id: IncidentId,
        policy: &Policy,
        stage: Option<&Stage>,
        from: From,
        reason: Option<Reason>,
    ) {
        let by_policy = || Reason::Policy { policy: policy.name.clone() };
        let first = Place { round: 0, level: LevelIndex(0) };
        let start = match (stage, from) {
            (None, _) => Some(first),
            (Some(stage), From::Begin | From::Again) => {
                Some(Place { round: stage.round, level: stage.level })
            }
            // Where nobody was there, the same level has its turn again.
            (Some(stage), From::Next) if stage.told.is_empty() => {
                Some(Place { round: stage.round, level: stage.level })
            }
            (Some(stage), From::Next) => {
                after(policy, Place { round: stage.round, level: stage.level })
            }
        };
        let Some(start) = start else {
            // The policy has fewer levels than when it was climbed.
            self.end_climb(id, stage);
            return;
        };
        let ladder = self.look_up(policy, start);
        let untold = self.state.escalation(id).is_some_and(Escalation::is_untold);
        match ladder.found {
            Some((place, reach)) => {
                for passed in ladder.passed {
                    let fact = stepped(id, policy, passed, Vec::new(), Some(self.now));
                    self.decide(fact, by_policy());
                }
                let waited_for = stage.filter(|stage| from == From::Next && !stage.told.is_empty());
                let not_acknowledged = waited_for.map(|stage| {
                    let waited = Millis::between(stage.at, self.now);
                    Reason::NotAcknowledged { level: stage.level, waited }
                });
                let reason = reason.or(not_acknowledged).unwrap_or_else(by_policy);
                let timeout = policy.level(place.level).map_or(Millis(0), |level| level.timeout);
                let next_at = after(policy, place).map(|_| timeout.after(self.now));
                self.decide(stepped(id, policy, place, reach.told, next_at), reason.clone());
                for (channel, mentions) in reach.calls {
                    self.outgoing.push(Outgoing {
                        incident: id,
                        channel,
                        kind: NotificationKind::Escalated,
                        mentions,
                        reason: reason.clone(),
                    });
                }
            }
            None if ladder.ends && !untold => {
                let n_passed = ladder.passed.len();
                for (n, passed) in ladder.passed.into_iter().enumerate() {
                    let next_at = (n + 1 < n_passed).then_some(self.now);
                    self.decide(stepped(id, policy, passed, Vec::new(), next_at), by_policy());
                }
            }
            None => {
                let later = self.staffed_at(policy);
                self.decide(stepped(id, policy, start, Vec::new(), Some(later)), by_policy());
                if untold {
                    // Nobody works for as long as the policy knows: whoever listens hears of it.
                    self.tell_listeners(id, &Reason::ChannelListens);
                }
            }
        }
    }

    /// The policy for an incident, and whom it calls first; none: no policy is for it, or nobody is
    /// there.
    pub(crate) fn first_calls(&self, id: IncidentId) -> Option<(&PolicyName, Calls)> {
        let incident = self.state.incidents.get(&id)?;
        let fit = self.settings.policy_for(self.state.labels_of(id), incident.severity);
        let Fit::Policy(policy) = fit else {
            return None;
        };
        let first = Place { round: 0, level: LevelIndex(0) };
        let (_, reach) = self.look_up(policy, first).found?;
        Some((&policy.name, reach.calls))
    }

    fn hold_back(&mut self, id: IncidentId, by: MutedBy) {
        let held = self.state.escalation(id).and_then(|found| found.held.as_deref());
        // The same kind of thing may keep it under another name by and by; that is no news.
        let known =
            held.is_some_and(|held| std::mem::discriminant(held) == std::mem::discriminant(&by));
        let wanted = self.settings.escalates()
            || self.state.escalation(id).is_some_and(|found| found.stage.is_some());
        if !known && wanted {
            let reason = Reason::Muted { by: by.clone() };
            self.decide(Fact::EscalationHeld { incident: id, by }, reason);
        }
    }

    pub(crate) fn tell_listeners(&mut self, id: IncidentId, reason: &Reason) {
        let listening: Vec<ChannelName> =
            self.settings.listeners_to(NotificationKind::Escalated).cloned().collect();
        for channel in listening {
            self.outgoing.push(Outgoing {
                incident: id,
                channel,
                kind: NotificationKind::Escalated,
                mentions: Vec::new(),
                reason: reason.clone(),
            });
        }
    }

    /// Looks up the ladder from a level on, through the rest of its round and the next one.
    fn look_up(&self, policy: &Policy, start: Place) -> Ladder {
        let mut passed = Vec::new();
        let mut place = start;
        loop {
            if let Some(reach) =
                policy.level(place.level).and_then(|level| self.reach(level, self.now))
            {
                return Ladder { passed, found: Some((place, reach)), ends: false };
            }
            passed.push(place);
            match after(policy, place) {
                None => return Ladder { passed, found: None, ends: true },
                Some(next) if next.round > start.round && next.level >= start.level => {
                    return Ladder { passed, found: None, ends: false };
                }
                Some(next) => place = next,
            }
        }
    }

    /// Who is told at a level at some time; none: nobody.
    fn reach(&self, level: &Level, at: Timestamp) -> Option<Reach> {
        let works = level.hours.is_empty() || level.hours.iter().any(|hours| hours.holds(at));
        if !works {
            return None;
        }
        let mut reach = Reach { told: Vec::new(), calls: Vec::new() };
        for told in &level.notify {
            let told = match told {
                Told::Schedule(schedule) => match self.state.on_call(self.settings, schedule, at) {
                    Some(person) => Told::Person(person),
                    None => continue,
                },
                Told::Channel(_) | Told::Person(_) => told.clone(),
            };
            if !reach.told.contains(&told) && self.add_calls(&told, &mut reach.calls) {
                reach.told.push(told);
            }
        }
        (!reach.told.is_empty()).then_some(reach)
    }

    /// Adds the channels through which somebody is told, each once; `false` when there is none.
    fn add_calls(&self, told: &Told, calls: &mut Vec<(ChannelName, Vec<PersonName>)>) -> bool {
        let ways: Vec<(&ChannelName, Option<&PersonName>)> = match told {
            Told::Channel(channel) => vec![(channel, None)],
            Told::Person(person) => {
                let contacts = self.settings.people.get(person).map(|found| &found.channels);
                let contacts = contacts.into_iter().flatten();
                contacts.map(|contact| (&contact.channel, Some(person))).collect()
            }
            Told::Schedule(_) => Vec::new(),
        };
        let mut any = false;
        for (channel, person) in ways {
            if !self.settings.channels.iter().any(|listener| listener.channel == *channel) {
                continue;
            }
            any = true;
            let at = calls.iter().position(|(known, _)| known == channel).unwrap_or_else(|| {
                calls.push((channel.clone(), Vec::new()));
                calls.len() - 1
            });
            if let (Some(person), Some((_, mentions))) = (person, calls.get_mut(at))
                && !mentions.contains(person)
            {
                mentions.push(person.clone());
            }
        }
        any
    }

    /// When some level of a policy will reach somebody, or when to look again.
    fn staffed_at(&self, policy: &Policy) -> Timestamp {
        let latest = STAFF_AHEAD.after(self.now);
        let mut at = STAFF_STEP.after(self.now);
        // On the quarter of an hour, at which hours and turns begin.
        let past = at.as_second().rem_euclid(i64::try_from(STAFF_STEP.0 / 1_000).unwrap_or(1));
        at = Timestamp::from_second(at.as_second() - past).unwrap_or(at);
        while at < latest && at < Timestamp::MAX {
            if policy.levels.iter().any(|level| self.reach(level, at).is_some()) {
                return at;
            }
            at = STAFF_STEP.after(at);
        }
        latest
    }

    /// Everything about escalations that happens because time has passed.
    pub(crate) fn climb_on(&mut self) {
        let due = &self.state.escalations.due;
        let due: Vec<IncidentId> =
            due.iter().take_while(|(at, _)| *at <= self.now).map(|(_, id)| *id).collect();
        for id in due {
            if self.is_full() {
                return;
            }
            self.climb(id, From::Next, Mutes::Hold, None);
            self.send_all();
        }
        self.release_held();
        self.end_old_acknowledgements();
        self.end_automatic();
    }

    /// Looks whether people may hear of what was kept back by now.
    fn release_held(&mut self) {
        let Escalations { held, held_at, .. } = &mut self.state.escalations;
        for id in next_round(held, held_at) {
            let Some(escalation) = self.state.escalation(id) else {
                continue;
            };
            let from = match &escalation.stage {
                _ if escalation.again => From::Again,
                None => From::Begin,
                Some(stage) if stage.next_at.is_some_and(|at| at <= self.now) => From::Next,
                // The clock was set back: it is not yet time.
                Some(_) => continue,
            };
            if self.is_full() {
                // The rest is looked at from here on with the next tick.
                self.state.escalations.held_at = id;
                return;
            }
            self.climb(id, from, Mutes::Hold, None);
            self.send_all();
        }
    }

    /// Takes up what a full step left untold, and what was handed over while nobody was to be told.
    pub(crate) fn take_up_untold(&mut self) {
        if self.settings.escalates() {
            let Escalations { untold, untold_at, .. } = &mut self.state.escalations;
            let ids = next_round(untold, untold_at);
            let handed_over = ids.into_iter().filter(|id| self.state.escalated.contains(id));
            self.telling.extend(handed_over);
        }
    }

    /// Tells people of what the crew could not heal in the time that its policy gives it.  The
    /// attempt goes on: it may still heal it.
    fn end_automatic(&mut self) {
        let shortest = self.settings.policies.iter().filter_map(|policy| policy.automatic).min();
        let Some(shortest) = shortest else {
            return;
        };
        let mut ids: Vec<IncidentId> =
            self.state.working.union(&self.state.waiting).copied().collect();
        ids.extend(self.state.awaiting.iter().map(|(_, id)| *id));
        for id in ids {
            let Some(incident) = self.state.incidents.get(&id).filter(|_| !self.is_full()) else {
                continue;
            };
            // While a lock kept the crew from trying, its time did not run.
            let begin = match incident.locked {
                None => incident.opened_at,
                Some(_) => incident.changed_at,
            };
            if shortest.after(begin) > self.now || self.is_locked(incident) {
                continue;
            }
            let fit = self.settings.policy_for(self.state.labels_of(id), incident.severity);
            if let Fit::Policy(Policy { automatic: Some(automatic), .. }) = fit
                && automatic.after(begin) <= self.now
            {
                let waited = Millis::between(begin, self.now);
                self.escalate(id, Reason::AutomaticTimeOver { waited });
            }
        }
    }
}

/// The level after a level, in its round or in the next; none: there is no further one.
fn after(policy: &Policy, place: Place) -> Option<Place> {
    let next = LevelIndex(place.level.0.saturating_add(1));
    if policy.level(next).is_some() {
        return Some(Place { level: next, ..place });
    }
    let more = place.round < policy.repeat;
    more.then(|| Place { round: place.round + 1, level: LevelIndex(0) })
}

/// The incidents that are looked at in one tick, from where the last one ended.
fn next_round(ids: &BTreeSet<IncidentId>, from: &mut IncidentId) -> Vec<IncidentId> {
    let round: Vec<_> = ids.range(*from..).take(UNTOLD_PER_TICK_MAX).copied().collect();
    let all = round.len() < UNTOLD_PER_TICK_MAX;
    let last = round.last().filter(|_| !all);
    *from = last.map_or(IncidentId(0), |last| IncidentId(last.0 + 1));
    round
}

/// That a level has its turn.
fn stepped(
    incident: IncidentId,
    policy: &Policy,
    Place { round, level }: Place,
    told: Vec<Told>,
    next_at: Option<Timestamp>,
) -> Fact {
    let policy = policy.name.clone();
    Fact::EscalationStepped { incident, policy, level, round, told, next_at }
}
