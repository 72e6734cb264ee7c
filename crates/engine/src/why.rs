//! Reads of the routing: where an alert goes, what groups there are, and why nobody was told.

use jiff::Timestamp;
use nightcrew_model::id::{ChannelName, GroupKey, IncidentId, NotificationId, ReceiverName};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::mute::MutedBy;
use serde::Serialize;

use crate::mute::route_is_mute;
use crate::settings::Settings;
use crate::state::State;

/// Where a firing alert stands with people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The alert.
    pub fingerprint: Fingerprint,
    /// What keeps people from hearing of it now; empty: nothing does.
    pub muted_by: Vec<MutedBy>,
    /// The routes that take it, in the order of the tree; empty where there is no routing.
    pub routes: Vec<WhyRoute>,
    /// The incident to which it belongs.
    pub incident: Option<IncidentId>,
}

/// A route that takes an alert, and the alert's group there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhyRoute {
    /// The way to it, such as `{}/{team="db"}`.
    pub route: String,
    /// Who hears of it.
    pub receiver: ReceiverName,
    /// The alert's group.
    pub group: GroupKey,
    /// Why the route tells nobody at this time, if so.
    pub muted_by: Option<MutedBy>,
    /// When the group is looked at next.
    pub next_flush: Option<Timestamp>,
    /// What was told last to the channels of the receiver; a channel that is missing does not
    /// know that anything of the group fires.
    pub told: Vec<WhyTold>,
}

/// What a channel was told last of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhyTold {
    /// The channel.
    pub channel: ChannelName,
    /// When the message was queued.
    pub at: Timestamp,
    /// The message.
    pub notification: NotificationId,
    /// Whether it said that the alert fires.
    pub names_it: bool,
    /// Whether it still waits in the outbox.
    pub waits: bool,
}

/// A group of firing alerts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupView {
    /// Its key.
    pub key: GroupKey,
    /// Who hears of it.
    pub receiver: ReceiverName,
    /// The labels that its alerts have in common by the rule of its route.
    pub labels: Labels,
    /// When it is looked at next.
    pub next_flush: Timestamp,
    /// Its firing alerts by fingerprint, and what keeps people from hearing of each.
    pub alerts: Vec<(Fingerprint, Vec<MutedBy>)>,
}

impl State {
    /// Why people were told of a firing alert, or were not; none: it does not fire.
    #[must_use]
    pub fn why(
        &self,
        settings: &Settings,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Option<Why> {
        let held = self.alerts.get(&fingerprint)?;
        let labels = &held.alert.labels;
        let mut routes = Vec::new();
        if let Some(routing) = &settings.routing {
            for id in routing.matching(labels) {
                let Some(route) = routing.route(id) else { continue };
                let group = route.group_key(&route.group_labels(labels));
                let receiver = route.rule.receiver.clone();
                let told = self.told.of(&group, &receiver).map(|told| WhyTold {
                    channel: told.channel.clone(),
                    at: told.at,
                    notification: told.notification,
                    names_it: told.firing.binary_search(&fingerprint).is_ok(),
                    waits: self.outbox.contains_key(&told.notification),
                });
                routes.push(WhyRoute {
                    route: route.key.clone(),
                    told: told.collect(),
                    receiver,
                    group,
                    muted_by: route_is_mute(routing, &route.rule, now),
                    next_flush: self.groups.find(routing, id, labels).map(|group| group.due),
                });
            }
        }
        Some(Why {
            fingerprint,
            muted_by: self.muted_by(settings, &held.alert, now),
            routes,
            incident: held.incident,
        })
    }

    /// The groups in which something fires, by labels and receiver.
    #[must_use]
    pub fn groups_view(&self, settings: &Settings, now: Timestamp) -> Vec<GroupView> {
        let Some(routing) = &settings.routing else {
            return Vec::new();
        };
        let firing = self.groups.iter().filter(|group| !group.firing.is_empty());
        let view = firing.filter_map(|group| {
            let alerts = group.firing.iter().filter_map(|fingerprint| {
                let held = self.alerts.get(fingerprint)?;
                Some((*fingerprint, self.muted_by(settings, &held.alert, now)))
            });
            Some(GroupView {
                key: group.key.clone(),
                receiver: routing.route(group.route)?.rule.receiver.clone(),
                labels: group.labels.clone(),
                next_flush: group.due,
                alerts: alerts.collect(),
            })
        });
        let mut view: Vec<GroupView> = view.collect();
        view.sort_by(|a, b| {
            let labels = a.labels.iter().cmp(b.labels.iter());
            labels.then_with(|| (&a.receiver, &a.key).cmp(&(&b.receiver, &b.key)))
        });
        view
    }

    /// The receivers to which an alert with these labels goes, in the order of the tree; empty
    /// where there is no routing.
    #[must_use]
    pub fn receivers_of(&self, settings: &Settings, labels: &Labels) -> Vec<ReceiverName> {
        let Some(routing) = &settings.routing else {
            return Vec::new();
        };
        let taken = routing.matching(labels).into_iter();
        taken.filter_map(|id| Some(routing.route(id)?.rule.receiver.clone())).collect()
    }
}
