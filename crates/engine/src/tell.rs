//! Telling: when an incident goes to a person or is over, and who hears of it.

use nightcrew_model::decision::{Fact, NotificationKind, Reason};
use nightcrew_model::event::Delivery;
use nightcrew_model::id::{IncidentId, NotificationId};
use nightcrew_model::incident::IncidentState;

use crate::Step;

impl Step<'_> {
    /// Hands an incident to a person.
    pub(crate) fn escalate(&mut self, id: IncidentId, reason: Reason) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        if incident.state == IncidentState::Escalated {
            return;
        }
        self.decide(Fact::IncidentEscalated { incident: id }, reason);
        self.tell(id, NotificationKind::Escalated);
    }

    /// Ends an incident.  People hear of it when they had been told of it or when the crew healed
    /// it; what came and went by itself is in the record only.
    pub(crate) fn resolve(&mut self, id: IncidentId, verified: bool, reason: Reason) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        let of_interest = incident.told || incident.n_tries > 0;
        self.decide(Fact::IncidentResolved { incident: id, verified }, reason);
        if of_interest {
            self.tell(id, NotificationKind::Resolved);
        }
    }

    fn tell(&mut self, incident: IncidentId, kind: NotificationKind) {
        for listener in &self.settings.channels {
            if !listener.notify.contains(&kind) {
                continue;
            }
            let notification = NotificationId(self.state.last_notification.0 + 1);
            let channel = listener.channel.clone();
            self.decide(
                Fact::NotificationQueued { notification, incident, channel, kind },
                Reason::ChannelListens,
            );
        }
    }

    /// A channel was tried.  Trying again is the outbox's business and costs no fact.
    pub(crate) fn delivered(&mut self, notification: NotificationId, delivery: Delivery) {
        let Some((incident, channel)) = self.state.outbox.get(&notification).cloned() else {
            return;
        };
        match delivery {
            Delivery::Retry { .. } => {}
            Delivery::Delivered => self.decide(
                Fact::NotificationDelivered { notification, incident, channel },
                Reason::ReceiverAccepted,
            ),
            Delivery::Permanent { error } => self.decide(
                Fact::NotificationFailed { notification, incident, channel },
                Reason::ReceiverRefused { error },
            ),
        }
    }
}
