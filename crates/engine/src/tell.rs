//! Telling: when an incident goes to a person or is over, who hears of it, and who instead when a
//! channel cannot be reached.

use nightcrew_model::decision::{CrewTopic, Decision, Fact, NotificationKind, Reason, Subject};
use nightcrew_model::event::Delivery;
use nightcrew_model::id::{ChannelName, IncidentId, NotificationId, PersonName};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::mute::MutedBy;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::climb::{From, Mutes};
use crate::state::State;
use crate::watchdog;

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What it is about.
    pub subject: Subject,
    /// To which channel it goes.
    pub channel: ChannelName,
    /// What it says happened.
    pub kind: NotificationKind,
    /// Who is called by name.
    pub mentions: Vec<PersonName>,
    /// The channels that were tried before this one.
    tried: Vec<ChannelName>,
    /// Whether another channel tells it too.
    fell_back: bool,
}

/// A message about an incident that was decided in this step and goes through the storm control.
pub(crate) struct Outgoing {
    pub(crate) incident: IncidentId,
    pub(crate) channel: ChannelName,
    pub(crate) kind: NotificationKind,
    pub(crate) mentions: Vec<PersonName>,
    pub(crate) reason: Reason,
}

impl State {
    /// A message that is in the outbox.
    #[must_use]
    pub fn message(&self, id: NotificationId) -> Option<&Message> {
        self.outbox.get(&id)
    }

    /// Folds what people were told and what keeps them from being told.
    pub(crate) fn fold_telling(&mut self, decision: &Decision) {
        let (at, fact) = (decision.at, &decision.fact);
        let key = fact.incident().and_then(|id| self.incidents.get(&id)).map(|found| &found.key);
        self.tickets.apply(at, fact, key);
        self.flaps.apply(at, fact, key);
        self.asked.apply(fact);
        // Whether a channel knows of an incident is asked before this fact tells it.
        let mut storms = std::mem::take(&mut self.storms);
        storms.apply(decision, &self.about(fact));
        self.storms = storms;
        self.escalations.apply(decision);
        self.locks.apply(fact);
        self.overrides.apply(at, fact);
        self.causes.apply(fact);
        watchdog::note(&mut self.alerts_of_watchdogs, fact);
        self.words.apply(at, fact);
    }

    /// Folds what was put into the outbox.
    pub(crate) fn put(&mut self, id: NotificationId, fact: &Fact, reason: &Reason) {
        let Fact::NotificationQueued { subject, channel, kind, mentions, .. } = fact else {
            return;
        };
        let mut tried = Vec::new();
        if let Reason::Fallback { notification, from } = reason
            && let Some(failed) = self.outbox.get_mut(notification)
        {
            failed.fell_back = true;
            tried.clone_from(&failed.tried);
            tried.push(from.clone());
        }
        let message = Message {
            subject: subject.clone(),
            channel: channel.clone(),
            kind: *kind,
            mentions: mentions.clone(),
            tried,
            fell_back: false,
        };
        self.last_notification = self.last_notification.max(id);
        self.outbox.insert(id, message);
    }
}

impl Step<'_> {
    /// Hands an incident to a person.  Who hears of it is decided at the end of the step, when it
    /// is known what else happened.
    pub(crate) fn escalate(&mut self, id: IncidentId, reason: Reason) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        if incident.state == IncidentState::Escalated {
            return;
        }
        self.decide(Fact::IncidentEscalated { incident: id }, reason);
        self.telling.insert(id);
    }

    /// Tells of what was handed over in this step.  What a full step leaves is untold, and has its
    /// turn with the next tick.
    pub(crate) fn settle(&mut self) {
        self.send_all();
        while !self.is_full()
            && let Some(id) = self.telling.pop_first()
        {
            self.climb(id, From::Begin, Mutes::Hold, None);
            self.send_all();
        }
        self.tell_answers();
    }

    pub(crate) fn send_all(&mut self) {
        for message in std::mem::take(&mut self.outgoing) {
            self.send(message);
        }
    }

    /// Ends an incident.  People hear of it when they had been told of it or when the crew healed
    /// it; what came and went by itself is in the record only.
    pub(crate) fn resolve(&mut self, id: IncidentId, verified: bool, reason: Reason) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        let healed = incident.n_tries > 0;
        self.withdraw(id, &reason);
        let escalation = self.state.escalation(id).cloned().unwrap_or_default();
        let by_itself = healed && escalation.is_untold();
        let kept_back = if by_itself { self.kept_back(id) } else { None };
        // That it is too small to wake somebody is no reason to keep good news back.
        let kept_back = kept_back.filter(|by| !matches!(by, MutedBy::BelowSeverity { .. }));
        self.decide(Fact::IncidentResolved { incident: id, verified }, reason);
        self.telling.remove(&id);
        let settings = self.settings;
        for listener in &settings.channels {
            let listens = listener.notify.contains(&NotificationKind::Resolved);
            let channel = listener.channel.clone();
            if escalation.channels.contains(&channel) {
                // A channel that only a policy or a receiver names has no wishes of its own.
                if listens || listener.notify.is_empty() {
                    let reason = if listens { Reason::ChannelListens } else { Reason::WasTold };
                    let kind = NotificationKind::Resolved;
                    self.queue(id.into(), channel, kind, Vec::new(), reason);
                }
                continue;
            }
            // Who was to hear of the beginning and did not need not hear of the end.
            let hears_ends = !listener.notify.contains(&NotificationKind::Escalated);
            let hears = by_itself || !escalation.is_untold() && hears_ends;
            if !listens || !hears {
                continue;
            }
            let kind = NotificationKind::Resolved;
            match &kept_back {
                Some(by) => self.decide(
                    Fact::NotificationSuppressed { subject: id.into(), channel, kind },
                    Reason::Muted { by: by.clone() },
                ),
                None => self.outgoing.push(Outgoing {
                    incident: id,
                    channel,
                    kind,
                    mentions: Vec::new(),
                    reason: Reason::ChannelListens,
                }),
            }
        }
    }

    /// Puts a message into the outbox.
    pub(crate) fn queue(
        &mut self,
        subject: Subject,
        channel: ChannelName,
        kind: NotificationKind,
        mentions: Vec<PersonName>,
        reason: Reason,
    ) -> NotificationId {
        let notification = NotificationId(self.state.last_notification.0 + 1);
        let fact = Fact::NotificationQueued { notification, subject, channel, kind, mentions };
        self.decide(fact, reason);
        notification
    }

    /// A channel was tried.  Trying again is the outbox's business and costs no fact.
    pub(crate) fn delivered(&mut self, notification: NotificationId, delivery: Delivery) {
        let Some(message) = self.state.outbox.get(&notification) else {
            return;
        };
        let (subject, channel) = (message.subject.clone(), message.channel.clone());
        match delivery {
            Delivery::Retry { .. } => {}
            Delivery::Delivered { receipt } => self.decide(
                Fact::NotificationDelivered { notification, subject, channel, receipt },
                Reason::ReceiverAccepted,
            ),
            Delivery::Permanent { error } => {
                self.fall_back(notification);
                self.decide(
                    Fact::NotificationFailed { notification, subject, channel },
                    Reason::ReceiverRefused { error },
                );
            }
        }
    }

    /// Tells another channel what one could not be told, once for each message, and never a
    /// channel that was tried already.
    pub(crate) fn fall_back(&mut self, notification: NotificationId) {
        let Some(message) = self.state.outbox.get(&notification).filter(|found| !found.fell_back)
        else {
            return;
        };
        // Whoever tests a channel wants to know about that one.
        if message.kind == NotificationKind::Test {
            return;
        }
        let from = message.channel.clone();
        let listener = self.settings.channels.iter().find(|listener| listener.channel == from);
        let Some(to) = listener.and_then(|listener| listener.fallback.clone()) else {
            return;
        };
        let follows_up =
            matches!(message.kind, NotificationKind::Resolved | NotificationKind::Acknowledged);
        let incident = message.subject.incident();
        let escalation = incident.and_then(|id| self.state.escalation(id));
        // Nobody is called to what is over, or to what somebody has.
        let is_late = message.kind == NotificationKind::Escalated
            && incident.is_some_and(|id| {
                let found = self.state.incidents.get(&id);
                !found.is_some_and(|found| found.state.is_open())
                    || escalation.is_some_and(|found| found.acknowledged.is_some())
            });
        // Who was never asked need not hear of the answer.
        if message.kind == NotificationKind::ApprovalEnded {
            return;
        }
        // Nor is anybody asked about a plan that was decided about.
        let is_decided = message.kind == NotificationKind::ApprovalWanted
            && !incident.is_some_and(|id| self.state.is_awaiting(id));
        let hears_anyway = follows_up && escalation.is_some_and(|it| it.channels.contains(&to));
        if to == from || message.tried.contains(&to) || hears_anyway || is_late || is_decided {
            return;
        }
        let Message { subject, kind, mentions, .. } = message.clone();
        self.queue(subject, to, kind, mentions, Reason::Fallback { from, notification });
    }

    /// Somebody wants to see whether messages arrive.
    pub(crate) fn test_asked(&mut self, channel: ChannelName, by: PersonName) {
        if self.settings.channels.iter().any(|listener| listener.channel == channel) {
            let subject = Subject::Crew { crew: CrewTopic::Test };
            self.queue(subject, channel, NotificationKind::Test, Vec::new(), Reason::Asked { by });
        }
    }
}
