//! What people do with an incident: they take it, give it back, end it, or pass it on.

use nightcrew_model::decision::{Fact, NotificationKind, Reason};
use nightcrew_model::id::{ChannelName, IncidentId, PersonName};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::unit::Millis;

use crate::Step;
use crate::climb::{From, Mutes};
use crate::escalation::Fit;

impl Step<'_> {
    /// Somebody takes care of it: nobody else is told.  The last one who said so has it.
    pub(crate) fn acknowledged(&mut self, id: IncidentId, by: PersonName) {
        if !self.state.incidents.get(&id).is_some_and(|found| found.state.is_open()) {
            return;
        }
        let escalation = self.state.escalation(id);
        let has_it = escalation.and_then(|found| found.acknowledged.as_ref());
        if has_it.is_some_and(|known| known.by == by) {
            return;
        }
        let told: Vec<ChannelName> =
            escalation.into_iter().flat_map(|found| found.channels.iter().cloned()).collect();
        let reason = Reason::Asked { by: by.clone() };
        self.decide(Fact::IncidentAcknowledged { incident: id, by }, reason);
        for channel in told {
            if self.settings.channels.iter().any(|listener| listener.channel == channel) {
                let kind = NotificationKind::Acknowledged;
                self.queue(id.into(), channel, kind, Vec::new(), Reason::WasTold);
            }
        }
    }

    /// Somebody gives it back: it climbs on from the level where it was.
    pub(crate) fn unacknowledged(&mut self, id: IncidentId, by: PersonName) {
        self.end_acknowledgement(id, Reason::Asked { by });
    }

    /// Ends the acknowledgements of what stayed open for too long.
    pub(crate) fn end_old_acknowledgements(&mut self) {
        if self.settings.policies.iter().all(|policy| policy.acknowledge_timeout.is_none()) {
            return;
        }
        for id in self.state.escalations.acknowledged.clone() {
            if self.is_full() {
                return;
            }
            let (Some(incident), Some(escalation)) =
                (self.state.incidents.get(&id), self.state.escalation(id))
            else {
                continue;
            };
            let Some(acknowledged) = &escalation.acknowledged else {
                continue;
            };
            let climbed = escalation.stage.as_ref();
            let climbed = climbed.and_then(|stage| self.settings.policy(&stage.policy));
            let labels = self.state.labels_of(id);
            let policy =
                climbed.or_else(|| match self.settings.policy_for(labels, incident.severity) {
                    Fit::Policy(policy) => Some(policy),
                    Fit::Below(_) | Fit::None => None,
                });
            let Some(timeout) = policy.and_then(|policy| policy.acknowledge_timeout) else {
                continue;
            };
            if timeout.after(acknowledged.at) <= self.now {
                let waited = Millis::between(acknowledged.at, self.now);
                self.end_acknowledgement(id, Reason::AcknowledgementOld { waited });
                self.send_all();
            }
        }
    }

    fn end_acknowledgement(&mut self, id: IncidentId, reason: Reason) {
        let acknowledged =
            self.state.escalation(id).is_some_and(|found| found.acknowledged.is_some());
        let open = self.state.incidents.get(&id).filter(|found| found.state.is_open());
        let Some(incident) = open.filter(|_| acknowledged) else {
            return;
        };
        // The crew goes on with what it has not handed over; only then people are told.
        let with_people = incident.state == IncidentState::Escalated
            || self.state.escalation(id).is_some_and(|found| !found.is_untold());
        self.decide(Fact::AcknowledgementEnded { incident: id }, reason.clone());
        if with_people {
            self.climb(id, From::Again, Mutes::Hold, Some(reason));
        }
    }

    /// Somebody says that it is over.  Where a playbook is at work, its proof decides.
    pub(crate) fn resolve_asked(&mut self, id: IncidentId, by: PersonName) {
        if self.state.is_idle(id) {
            self.resolve(id, false, Reason::Asked { by });
        }
    }

    /// Somebody wants people to hear of it now: the first level, or the next one.  Who asks knows
    /// that it is muted.
    pub(crate) fn escalate_asked(&mut self, id: IncidentId, by: PersonName) {
        let Some(incident) = self.state.incidents.get(&id).filter(|found| found.state.is_open())
        else {
            return;
        };
        let handed_over = incident.state == IncidentState::Escalated;
        let reason = Reason::Asked { by };
        if self.state.escalation(id).is_some_and(|found| found.acknowledged.is_some()) {
            self.decide(Fact::AcknowledgementEnded { incident: id }, reason.clone());
        }
        if !handed_over {
            self.decide(Fact::IncidentEscalated { incident: id }, reason.clone());
        }
        let stage = self.state.escalation(id).and_then(|found| found.stage.as_ref());
        let from = if stage.is_some() { From::Next } else { From::Begin };
        self.climb(id, from, Mutes::Overruled, Some(reason));
    }
}
