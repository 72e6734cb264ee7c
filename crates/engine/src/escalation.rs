//! Escalations: how far an incident has climbed, who has it, and when the next level is told.
//!
//! Every timer is a fact: `next_at` of the level that was told last.  A level is told once for
//! each time that the incident is handed over, whatever the clock does, because the climb only
//! goes on from the level that was told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Reason, Subject};
use nightcrew_model::escalation::Told;
use nightcrew_model::id::{ChannelName, IncidentId, LevelIndex, PersonName, PolicyName};
use nightcrew_model::labels::Labels;
use nightcrew_model::mute::MutedBy;
use nightcrew_model::severity::Severity;
use serde::{Deserialize, Serialize};

use nightcrew_model::escalation::Policy;

use crate::settings::Settings;
use crate::state::State;

/// How far an incident is on its way to people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// The level of a policy that was told last; none: no policy is for it, or nobody was told.
    pub stage: Option<Box<Stage>>,
    /// Who takes care of it.
    pub acknowledged: Option<Box<Acknowledgement>>,
    /// What keeps people from hearing of it.
    pub held: Option<Box<MutedBy>>,
    /// The channels that were told of this incident by itself.
    pub channels: BTreeSet<ChannelName>,
    /// Whether a channel has it in a digest only.
    pub in_digest: bool,
    /// Whether whoever was told last is to be told again, because nobody has it any more.
    pub(crate) again: bool,
    /// Whether its incident is over: nothing of it is due.
    over: bool,
    /// Under which moment it waits in the list of what is due.
    due: Option<Timestamp>,
}

/// A level of a policy that was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The policy.
    pub policy: PolicyName,
    /// The level.
    pub level: LevelIndex,
    /// How often the levels were gone through before.
    pub round: u32,
    /// Who was told; empty: nobody was there.
    pub told: Vec<Told>,
    /// When.
    pub at: Timestamp,
    /// When the next level is told; none: this was the last.
    pub next_at: Option<Timestamp>,
}

/// Somebody takes care of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: PersonName,
    /// Since when.
    pub at: Timestamp,
}

impl Escalation {
    /// Whether nobody was told yet, by a message of its own or by a digest.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.channels.is_empty() && !self.in_digest
    }

    /// Whether it was handed over, and nothing is known of who was told.
    fn is_untouched(&self) -> bool {
        let untouched = self.held.is_none() && self.acknowledged.is_none() && !self.over;
        untouched && self.stage.is_none() && self.is_untold()
    }

    /// The people that the last level called.
    pub(crate) fn people(&self) -> impl Iterator<Item = &PersonName> {
        let told = self.stage.iter().flat_map(|stage| &stage.told);
        told.filter_map(|told| match told {
            Told::Person(person) => Some(person),
            Told::Channel(_) | Told::Schedule(_) => None,
        })
    }
}

/// The escalations of the incidents that are not closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Escalations {
    by_incident: BTreeMap<IncidentId, Escalation>,
    /// The next levels, by when they are told.
    pub(crate) due: BTreeSet<(Timestamp, IncidentId)>,
    /// Those that wait until people may hear of them.
    pub(crate) held: BTreeSet<IncidentId>,
    /// Those that somebody takes care of.
    pub(crate) acknowledged: BTreeSet<IncidentId>,
    /// Those of which nobody was told, and nothing says why.
    pub(crate) untold: BTreeSet<IncidentId>,
    /// From where the waiting ones are looked at next.  Not a fact.
    #[serde(skip)]
    pub(crate) held_at: IncidentId,
    /// From where the untold ones are looked at next.  Not a fact.
    #[serde(skip)]
    pub(crate) untold_at: IncidentId,
}

impl Escalations {
    pub(crate) fn get(&self, id: IncidentId) -> Option<&Escalation> {
        self.by_incident.get(&id)
    }

    #[expect(clippy::too_many_lines, reason = "a table with an arm for each fact")]
    pub(crate) fn apply(&mut self, decision: &Decision) {
        let Some(id) = decision.fact.incident() else {
            return;
        };
        match &decision.fact {
            Fact::IncidentEscalated { .. } => self.change(id, |_| {}),
            Fact::EscalationStepped { policy, level, round, told, next_at, .. } => {
                let stage = Box::new(Stage {
                    policy: policy.clone(),
                    level: *level,
                    round: *round,
                    told: told.clone(),
                    at: decision.at,
                    next_at: *next_at,
                });
                self.change(id, |found| {
                    found.stage = Some(stage);
                    found.held = None;
                    found.again = false;
                });
            }
            Fact::EscalationHeld { by, .. } => {
                self.change(id, |found| found.held = Some(Box::new(by.clone())));
            }
            Fact::IncidentAcknowledged { by, .. } => self.change(id, |found| {
                let known = Acknowledgement { by: by.clone(), at: decision.at };
                found.acknowledged = Some(Box::new(known));
                found.held = None;
                found.again = false;
            }),
            Fact::AcknowledgementEnded { .. } => {
                self.change(id, |found| {
                    found.acknowledged = None;
                    found.again = true;
                });
            }
            Fact::NotificationQueued {
                subject: Subject::Incident { .. },
                kind: NotificationKind::Escalated,
                channel,
                ..
            } => self.change(id, |found| {
                found.channels.insert(channel.clone());
                // One that stands in for another says nothing that was kept back.
                if !matches!(decision.reason, Reason::Fallback { .. }) {
                    found.held = None;
                    found.again = false;
                }
            }),
            Fact::NotificationSuppressed { kind: NotificationKind::Escalated, .. } => {
                self.change(id, |found| {
                    found.in_digest = true;
                    found.held = None;
                    found.again = false;
                });
            }
            Fact::IncidentResolved { .. } => self.rest(id),
            Fact::IncidentReopened { .. } | Fact::IncidentClosed { .. } => {
                self.rest(id);
                self.by_incident.remove(&id);
            }
            Fact::AlertFired { .. }
            | Fact::AlertChanged { .. }
            | Fact::AlertResolved { .. }
            | Fact::IncidentOpened { .. }
            | Fact::AlertJoined { .. }
            | Fact::AttemptPlanned { .. }
            | Fact::PlanCleared { .. }
            | Fact::ApprovalRequested { .. }
            | Fact::ApprovalGiven { .. }
            | Fact::ApprovalDenied { .. }
            | Fact::ApprovalExpired { .. }
            | Fact::StandingApprovalSet { .. }
            | Fact::StandingApprovalEnded { .. }
            | Fact::StepSkipped { .. }
            | Fact::RollbackStarted { .. }
            | Fact::UndoStarted { .. }
            | Fact::UndoFinished { .. }
            | Fact::TicketTold { .. }
            | Fact::RemedyHeld { .. }
            | Fact::StepStarted { .. }
            | Fact::StepFinished { .. }
            | Fact::VerificationStarted { .. }
            | Fact::VerificationSampled { .. }
            | Fact::AttemptSucceeded { .. }
            | Fact::AttemptFailed { .. }
            | Fact::AttemptInterrupted { .. }
            | Fact::IncidentCorrelated { .. }
            | Fact::FlapBegan { .. }
            | Fact::FlapEnded { .. }
            | Fact::StormBegan { .. }
            | Fact::StormEnded { .. }
            | Fact::SilenceSet { .. }
            | Fact::SilenceExpired { .. }
            | Fact::LockTaken { .. }
            | Fact::LockReleased { .. }
            | Fact::OverrideSet { .. }
            | Fact::GroupTold { .. }
            | Fact::GroupHeld { .. }
            | Fact::NotificationQueued { .. }
            | Fact::NotificationSuppressed { .. }
            | Fact::NotificationSuperseded { .. }
            | Fact::NotificationDelivered { .. }
            | Fact::NotificationFailed { .. }
            | Fact::AgentChanged { .. } => {}
        }
    }

    /// Changes an escalation, and the lists by which it is found.
    fn change(&mut self, id: IncidentId, change: impl FnOnce(&mut Escalation)) {
        let found = self.by_incident.entry(id).or_default();
        change(found);
        if let Some(due) = found.due.take() {
            self.due.remove(&(due, id));
        }
        let waits = found.acknowledged.is_none() && found.held.is_none() && !found.over;
        if waits && let Some(due) = found.stage.as_ref().and_then(|stage| stage.next_at) {
            found.due = Some(due);
            self.due.insert((due, id));
        }
        let held = found.held.is_some() && !found.over;
        let acknowledged = found.acknowledged.is_some() && !found.over;
        let untold = found.is_untouched();
        for (set, member) in [
            (&mut self.held, held),
            (&mut self.acknowledged, acknowledged),
            (&mut self.untold, untold),
        ] {
            if member {
                set.insert(id);
            } else {
                set.remove(&id);
            }
        }
    }

    /// Nothing of it is due any more; what was told stays known.
    fn rest(&mut self, id: IncidentId) {
        if self.by_incident.contains_key(&id) {
            self.change(id, |found| found.over = true);
        }
    }
}

/// What is done about an incident by the policies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fit<'a> {
    /// This one is for it.
    Policy(&'a Policy),
    /// Those that are for its labels begin at this severity.
    Below(Severity),
    /// None is for it: every channel that listens is told.
    None,
}

impl Settings {
    /// The policy for an incident with these labels.
    pub(crate) fn policy_for(&self, labels: Option<&Labels>, severity: Severity) -> Fit<'_> {
        let empty = Labels::default();
        let labels = labels.unwrap_or(&empty);
        let usable = self.policies.iter().filter(|policy| !policy.levels.is_empty());
        let mut lowest: Option<Severity> = None;
        for policy in usable.filter(|policy| policy.matchers.hold(labels)) {
            if severity >= policy.severity_min {
                return Fit::Policy(policy);
            }
            let known = lowest.unwrap_or(policy.severity_min);
            lowest = Some(known.min(policy.severity_min));
        }
        lowest.map_or(Fit::None, Fit::Below)
    }

    /// The policy of that name.
    pub(crate) fn policy(&self, name: &PolicyName) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == *name && !policy.levels.is_empty())
    }

    /// Whether anybody can be told of an incident that is handed over.
    pub(crate) fn escalates(&self) -> bool {
        !self.policies.is_empty() || self.listeners_to(NotificationKind::Escalated).next().is_some()
    }

    /// The channels that listen to this.
    pub(crate) fn listeners_to(
        &self,
        kind: NotificationKind,
    ) -> impl Iterator<Item = &ChannelName> {
        let listening = self.channels.iter().filter(move |one| one.notify.contains(&kind));
        listening.map(|listener| &listener.channel)
    }
}

impl State {
    /// How far an incident is on its way to people; none: it was not handed over since it last
    /// came.
    #[must_use]
    pub fn escalation(&self, id: IncidentId) -> Option<&Escalation> {
        self.escalations.get(id)
    }

    /// When the next level of any escalation is told.
    #[must_use]
    pub fn next_escalation(&self) -> Option<Timestamp> {
        self.escalations.due.first().map(|(at, _)| *at)
    }

    /// The labels by which an incident is known: of the alert that began it, or of another one
    /// where that has ended.
    #[must_use]
    pub fn labels_of(&self, id: IncidentId) -> Option<&Labels> {
        let incident = self.incidents.get(&id)?;
        let firing = |fingerprint| self.alerts.get(fingerprint).map(|held| &held.alert.labels);
        let trigger = incident.alerts.get(&incident.trigger).and_then(firing);
        trigger.or_else(|| incident.alerts.first().and_then(firing)).or(incident.labels.as_deref())
    }
}
