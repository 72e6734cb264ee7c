//! Flushing: a group is looked at, and the channels of its receiver are told what is new.
//!
//! The order is that of Alertmanager's pipeline (`notify/notify.go`): the times of the route, then
//! inhibition and silences, then what was told before.  What is kept back stays in its group.
//! Unlike there, the end of an alert that people heard of is kept back too while it is muted, and
//! told when the mute is over.
//!
//! A message that still waits in the outbox is superseded when it says that something fires and the
//! newer one of the same group and channel names every alert that it names.  The outbox may have
//! it in flight: then it arrives before the newer one and nothing is lost; its delivery is no fact.
//! A message that says that all is over is never superseded.

use std::collections::BTreeSet;

use nightcrew_model::decision::{Fact, GroupNews, NotificationKind, Reason, Subject};
use nightcrew_model::id::{ChannelName, GroupKey, NotificationId, ReceiverName};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::mute::MutedBy;
use nightcrew_model::unit::Millis;

use crate::Step;
use crate::group::{Group, GroupId};
use crate::mute::route_is_mute;
use crate::told::news_for;

/// The shortest wait of a group: what comes in one post reaches the engine in portions, and belongs
/// in one message.
pub const GATHER: Millis = Millis(10);

/// The largest number of groups that one step looks at; the rest is due at once after it.
pub const FLUSHES_PER_STEP_MAX: usize = 1_000;

/// The largest number of firing alerts that one message about a group lists, lowest fingerprints
/// first.
pub const FIRING_LISTED_MAX: usize = 100_000;

/// The largest number of ended alerts that one message about a group lists, lowest fingerprints
/// first.
pub const ENDED_LISTED_MAX: usize = 50_000;

/// The largest number of alerts that one fact lists as kept back, lowest fingerprints first.
pub const HELD_LISTED_MAX: usize = 1_000;

/// A step that has looked at so many alerts looks at no further group: intake does not wait long
/// for it.
pub const ALERTS_LOOKED_AT_FULL: usize = 10_000;

/// How many alerts the facts of one step list at most, so that they fit into one commit.
const LISTED_PER_STEP_MAX: usize = FIRING_LISTED_MAX + ENDED_LISTED_MAX;

/// An alert that is kept back is listed with what keeps it, and takes the room of so many.
const HELD_WEIGHT: usize = 8;

/// The shortest time between two looks at a group.
const GROUP_INTERVAL_MIN: Millis = Millis::from_secs(1);

/// What a look at a group finds, each list in order.
#[derive(Default)]
struct Seen {
    /// What fires and people may hear of.
    firing: Vec<Fingerprint>,
    /// What ended and people may hear of.
    ended: Vec<Fingerprint>,
    /// What fires and is kept back.
    held: Vec<(Fingerprint, MutedBy)>,
    /// What ended, is kept back, and was told of as firing.
    owed: BTreeSet<Fingerprint>,
}

/// To whom a group goes.
struct Address {
    group: GroupKey,
    labels: Labels,
    receiver: ReceiverName,
    repeat_interval: Millis,
}

impl Step<'_> {
    /// Looks at every group that is due, as far as one step reaches.
    pub(crate) fn flush_groups(&mut self) {
        let (mut n_listed, mut n_looked_at) = (0, 0);
        for _ in 0..FLUSHES_PER_STEP_MAX {
            let Some(id) = self.state.groups.first_due(self.now) else {
                return;
            };
            if self.is_full() || n_looked_at >= ALERTS_LOOKED_AT_FULL {
                return;
            }
            n_looked_at += self.state.groups.get(id).map_or(0, Group::len);
            if !self.flush(id, &mut n_listed) {
                return;
            }
        }
    }

    /// Looks at one group.  False: the step is full; the group stays due, and who was told of it
    /// already hears nothing new then.
    fn flush(&mut self, id: GroupId, n_listed: &mut usize) -> bool {
        let Some(routing) = &self.settings.routing else {
            return false;
        };
        let Some(group) = self.state.groups.get(id) else {
            return false;
        };
        let Some(route) = routing.route(group.route) else {
            return false;
        };
        let mut seen = self.look_at(group);
        let address = Address {
            group: group.key.clone(),
            labels: group.labels.clone(),
            receiver: route.rule.receiver.clone(),
            repeat_interval: route.rule.repeat_interval,
        };
        let held = std::mem::take(&mut seen.held);
        if held != self.state.told.held(&address.group, &address.receiver) {
            let (group, receiver) = (address.group.clone(), address.receiver.clone());
            *n_listed += held.len() * HELD_WEIGHT;
            self.decide(Fact::GroupHeld { group, receiver, held }, Reason::RoutedMuted);
        }
        // As in Alertmanager, a group of which nothing may be heard tells nothing.
        if !seen.firing.is_empty() || !seen.ended.is_empty() {
            let receiver = routing.receiver(&address.receiver);
            let n_more = seen.firing.len() + seen.ended.len();
            for channel in receiver.map_or(&[][..], |receiver| &receiver.channels) {
                if *n_listed > 0 && *n_listed + n_more > LISTED_PER_STEP_MAX {
                    return false;
                }
                *n_listed += self.tell_group(&address, channel, &seen);
            }
        }
        let next = route.rule.group_interval.max(GROUP_INTERVAL_MIN).after(self.now);
        self.state.groups.flushed(id, &seen.owed, next);
        true
    }

    fn look_at(&self, group: &Group) -> Seen {
        let (state, settings, now) = (&*self.state, self.settings, self.now);
        let mute = settings
            .routing
            .as_ref()
            .and_then(|routing| route_is_mute(routing, &routing.route(group.route)?.rule, now));
        let mut seen = Seen::default();
        for &fingerprint in &group.firing {
            let Some(held) = state.alerts.get(&fingerprint) else {
                continue;
            };
            let by = mute
                .clone()
                .or_else(|| state.muted_by(settings, &held.alert, now).into_iter().next());
            match by {
                None => seen.firing.push(fingerprint),
                Some(by) => seen.held.push((fingerprint, by)),
            }
        }
        for (&fingerprint, ended) in &group.ended {
            let muted = mute.is_some()
                || !state.muting(settings, &ended.labels, &ended.service, now).is_empty();
            if !muted {
                seen.ended.push(fingerprint);
            } else if state.told.is_owed(fingerprint) {
                seen.owed.insert(fingerprint);
            }
        }
        seen.firing.truncate(FIRING_LISTED_MAX);
        seen.ended.truncate(ENDED_LISTED_MAX);
        seen.held.truncate(HELD_LISTED_MAX);
        seen
    }

    /// Tells a channel what is new, if anything is, and says how many alerts that listed.
    fn tell_group(&mut self, address: &Address, channel: &ChannelName, seen: &Seen) -> usize {
        let Address { group, labels, receiver, repeat_interval } = address;
        let listener = self.settings.channels.iter().find(|known| known.channel == *channel);
        let send_resolved = listener.is_none_or(|listener| listener.send_resolved);
        let told = self.state.told.get(group, receiver, channel);
        let news =
            news_for(told, &seen.firing, &seen.ended, send_resolved, *repeat_interval, self.now);
        let Some(news) = news else {
            return 0;
        };
        let kind = match news {
            GroupNews::Over => NotificationKind::Resolved,
            GroupNews::New | GroupNews::More | GroupNews::Fewer | GroupNews::Reminder => {
                NotificationKind::Firing
            }
        };
        let (subject, channel) = (Subject::Group { group: group.clone() }, channel.clone());
        if kind == NotificationKind::Resolved && !send_resolved {
            self.decide(
                Fact::NotificationSuppressed { subject, channel, kind },
                Reason::EndsNotWanted,
            );
            return 0;
        }
        if news == GroupNews::New && self.group_flooded(&subject, labels, &channel) {
            // It was not told, so that the next look at the group finds the same news.
            return 0;
        }
        let ended: &[Fingerprint] = if send_resolved { &seen.ended } else { &[] };
        self.queue_group(address, channel, (&seen.firing, ended), (news, kind));
        seen.firing.len() + ended.len()
    }

    /// Queues a message about a group, and supersedes the one before where it says as much.
    fn queue_group(
        &mut self,
        address: &Address,
        channel: ChannelName,
        (firing, ended): (&[Fingerprint], &[Fingerprint]),
        (news, kind): (GroupNews, NotificationKind),
    ) {
        let Address { group, labels, receiver, .. } = address;
        let told = self.state.told.get(group, receiver, &channel);
        let waits = told.filter(|told| self.state.outbox.contains_key(&told.notification));
        let superseded =
            waits.filter(|told| told.is_said_by(firing, ended)).map(|told| told.notification);
        let notification = NotificationId(self.state.last_notification.0 + 1);
        let reason = Reason::Routed { receiver: receiver.clone(), news };
        self.decide(
            Fact::GroupTold {
                group: group.clone(),
                labels: labels.clone(),
                receiver: receiver.clone(),
                channel: channel.clone(),
                notification,
                firing: firing.to_vec(),
                resolved: ended.to_vec(),
            },
            reason.clone(),
        );
        let subject = Subject::Group { group: group.clone() };
        self.queue(subject.clone(), channel.clone(), kind, Vec::new(), reason);
        if let Some(old) = superseded {
            self.decide(
                Fact::NotificationSuperseded { notification: old, subject, channel },
                Reason::Superseded { by: notification },
            );
        }
    }
}
