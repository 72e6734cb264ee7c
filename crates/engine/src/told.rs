//! What people were told of groups of alerts: what Alertmanager calls the notification log.
//!
//! It is the fold of `GroupTold`, so that a crash tells nobody twice.  An alert that people heard
//! of and that ended is remembered until they have heard of that too.

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_model::alert::Alert;
use nightcrew_model::decision::{Fact, GroupNews, NotificationKind, Subject};
use nightcrew_model::id::{ChannelName, GroupKey, NotificationId, ReceiverName, ServiceName};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::mute::MutedBy;
use nightcrew_model::route::Routing;
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::state::State;

/// How long is remembered what was told, at least, as long as Alertmanager remembers it.  It is
/// twice the longest `repeat_interval` where that is longer.
pub const TOLD_KEPT_MIN: Millis = Millis::from_secs(120 * 3_600);

/// How often is looked for what is to be forgotten.
const FORGET_INTERVAL: Millis = Millis::from_secs(3_600);

/// What people were told of groups, and what is kept from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    groups: HashMap<GroupKey, ToldGroup>,
    /// The alerts that ended after people were told that they fire.
    ended: HashMap<Fingerprint, Ended>,
    /// When is looked next for what is to be forgotten.
    #[serde(skip)]
    forget_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ToldGroup {
    channels: Vec<ToldChannel>,
    held: Vec<HeldBack>,
}

/// What a channel was told last of a group in which something fired then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToldChannel {
    receiver: ReceiverName,
    pub(crate) channel: ChannelName,
    pub(crate) at: Timestamp,
    pub(crate) notification: NotificationId,
    /// What fired, in order.
    pub(crate) firing: Vec<Fingerprint>,
    /// What had ended, in order.
    resolved: Vec<Fingerprint>,
}

/// What is kept from a receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct HeldBack {
    receiver: ReceiverName,
    at: Timestamp,
    alerts: Vec<(Fingerprint, MutedBy)>,
}

/// An alert that has ended, as far as its groups need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) labels: Labels,
    pub(crate) service: ServiceName,
    /// How many channels think that it fires.
    n_told: u32,
}

impl Ended {
    pub(crate) fn of(alert: &Alert, n_told: u32) -> Self {
        Self { labels: alert.labels.clone(), service: alert.target.service.clone(), n_told }
    }
}

impl ToldChannel {
    /// Whether a newer message about these alerts says everything that this one does.  One that
    /// says that all is over is worth its own message.
    pub(crate) fn is_said_by(&self, firing: &[Fingerprint], ended: &[Fingerprint]) -> bool {
        let says = |alert| firing.binary_search(alert).or_else(|_| ended.binary_search(alert));
        self.firing.iter().chain(&self.resolved).all(|alert| says(alert).is_ok())
    }
}

impl Told {
    /// What a channel was told last, while it thinks that something fires.
    pub(crate) fn get(
        &self,
        group: &GroupKey,
        receiver: &ReceiverName,
        channel: &ChannelName,
    ) -> Option<&ToldChannel> {
        self.of(group, receiver).find(|told| told.channel == *channel)
    }

    /// What the channels of a receiver were told last.
    pub(crate) fn of<'a>(
        &'a self,
        group: &GroupKey,
        receiver: &ReceiverName,
    ) -> impl Iterator<Item = &'a ToldChannel> + use<'a> {
        let (channels, receiver) = (self.groups.get(group), receiver.clone());
        let channels = channels.into_iter().flat_map(|group| &group.channels);
        channels.filter(move |told| told.receiver == receiver)
    }

    /// What is kept from a receiver, as the last fact says.
    pub(crate) fn held(
        &self,
        group: &GroupKey,
        receiver: &ReceiverName,
    ) -> &[(Fingerprint, MutedBy)] {
        let held = self.groups.get(group).map_or(&[][..], |group| &group.held);
        held.iter().find(|held| held.receiver == *receiver).map_or(&[], |held| &held.alerts)
    }

    /// The key of a group of which something was told: one text for all who hold it.
    pub(crate) fn same_key(&self, key: GroupKey) -> GroupKey {
        self.groups.get_key_value(&key).map_or(key, |(known, _)| known.clone())
    }

    /// The alerts that ended after people were told that they fire, in no order.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (Fingerprint, &Ended)> {
        self.ended.iter().map(|(fingerprint, ended)| (*fingerprint, ended))
    }

    /// Whether people were told that an alert fires that has ended.
    pub(crate) fn is_owed(&self, fingerprint: Fingerprint) -> bool {
        self.ended.contains_key(&fingerprint)
    }

    /// An alert that people were told of has ended.
    pub(crate) fn alert_ended(&mut self, alert: &Alert, n_told: u32) {
        if n_told > 0 {
            self.ended.insert(alert.fingerprint, Ended::of(alert, n_told));
        }
    }

    /// An alert fires again: how many channels think that it never ended.
    pub(crate) fn alert_fires(&mut self, fingerprint: Fingerprint) -> u32 {
        self.ended.remove(&fingerprint).map_or(0, |ended| ended.n_told)
    }
}

impl State {
    /// Folds what was told of groups.
    pub(crate) fn fold_told(&mut self, at: Timestamp, fact: &Fact) {
        if let Fact::GroupTold {
            group, receiver, channel, notification, firing, resolved, ..
        } = fact
        {
            let [firing, resolved] = [firing, resolved].map(|list| {
                let mut list = list.clone();
                list.sort_unstable();
                list
            });
            let told = ToldChannel {
                receiver: receiver.clone(),
                channel: channel.clone(),
                at,
                notification: *notification,
                firing,
                resolved,
            };
            self.replace_told(group, told);
        } else if let Fact::NotificationSuppressed {
            subject: Subject::Group { group },
            channel,
            kind: NotificationKind::Resolved,
        } = fact
        {
            // A channel that does not hear of ends: it thinks no more that anything fires.
            let Some(known) = self.told.groups.get_mut(group) else { return };
            let over = known.channels.extract_if(.., |told| told.channel == *channel);
            let over: Vec<ToldChannel> = over.collect();
            for told in over {
                self.count_told(&told.firing, &[]);
            }
            self.drop_empty(group);
        } else if let Fact::GroupHeld { group, receiver, held } = fact {
            let known = &mut self.told.groups.entry(group.clone()).or_default().held;
            known.retain(|other| other.receiver != *receiver);
            if !held.is_empty() {
                let (receiver, alerts) = (receiver.clone(), held.clone());
                known.push(HeldBack { receiver, at, alerts });
            }
            self.drop_empty(group);
        }
    }

    fn replace_told(&mut self, group: &GroupKey, told: ToldChannel) {
        let channels = &mut self.told.groups.entry(group.clone()).or_default().channels;
        let same =
            |other: &ToldChannel| other.receiver == told.receiver && other.channel == told.channel;
        let at = channels.iter().position(same);
        let before = at.map_or(Vec::new(), |at| channels.swap_remove(at).firing);
        let firing = told.firing.clone();
        if !firing.is_empty() {
            channels.push(told);
        }
        self.count_told(&before, &firing);
        self.drop_empty(group);
    }

    fn drop_empty(&mut self, group: &GroupKey) {
        let known = self.told.groups.get(group);
        if known.is_some_and(|known| known.channels.is_empty() && known.held.is_empty()) {
            self.told.groups.remove(group);
        }
    }

    /// Counts how many channels think that an alert fires; both lists are in order.
    fn count_told(&mut self, before: &[Fingerprint], after: &[Fingerprint]) {
        for added in after.iter().filter(|alert| before.binary_search(alert).is_err()) {
            if let Some(held) = self.alerts.get_mut(added) {
                held.n_told += 1;
            } else if let Some(ended) = self.told.ended.get_mut(added) {
                ended.n_told += 1;
            }
        }
        for gone in before.iter().filter(|alert| after.binary_search(alert).is_err()) {
            if let Some(held) = self.alerts.get_mut(gone) {
                held.n_told = held.n_told.saturating_sub(1);
            } else if let Some(ended) = self.told.ended.get_mut(gone) {
                ended.n_told = ended.n_told.saturating_sub(1);
                if ended.n_told == 0 {
                    self.told.ended.remove(gone);
                }
            }
        }
    }

    fn forget_told(&mut self, now: Timestamp, longest_repeat: Millis) {
        let kept = TOLD_KEPT_MIN.max(Millis(longest_repeat.0.saturating_mul(2)));
        let mut old = Vec::new();
        self.told.groups.retain(|_, group| {
            old.extend(group.channels.extract_if(.., |told| kept.after(told.at) <= now));
            group.held.retain(|held| kept.after(held.at) > now);
            !group.channels.is_empty() || !group.held.is_empty()
        });
        for told in old {
            self.count_told(&told.firing, &[]);
        }
    }
}

impl Step<'_> {
    /// Forgets what was told so long ago that it is told anew.
    pub(crate) fn forget_told(&mut self) {
        let told = &mut self.state.told;
        if told.groups.is_empty() || told.forget_at.is_some_and(|at| at > self.now) {
            return;
        }
        told.forget_at = Some(FORGET_INTERVAL.after(self.now));
        let routes = self.settings.routing.iter().flat_map(Routing::routes);
        let longest = routes.map(|(_, route)| route.rule.repeat_interval).max();
        self.state.forget_told(self.now, longest.unwrap_or(Millis(0)));
    }
}

/// Whether a channel is told of a group, and why: `DedupStage.needsUpdate` of Alertmanager's
/// `notify/notify.go`.  The lists are in order; they hold only what people may hear of.
pub(crate) fn news_for(
    told: Option<&ToldChannel>,
    firing: &[Fingerprint],
    ended: &[Fingerprint],
    send_resolved: bool,
    repeat_interval: Millis,
    now: Timestamp,
) -> Option<GroupNews> {
    let Some(told) = told else {
        return (!firing.is_empty()).then_some(GroupNews::New);
    };
    if !is_subset(firing, &told.firing) {
        return Some(GroupNews::More);
    }
    if firing.is_empty() {
        return Some(GroupNews::Over);
    }
    if send_resolved && !is_subset(ended, &told.resolved) {
        return Some(GroupNews::Fewer);
    }
    (repeat_interval.after(told.at) < now).then_some(GroupNews::Reminder)
}

/// Whether the first list, in order, holds nothing that the second one, in order, lacks.
fn is_subset(part: &[Fingerprint], whole: &[Fingerprint]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|found| found == wanted))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Alertmanager's function, line by line: its log keeps an entry without firing alerts, ours
    /// drops it.
    fn needs_update(
        entry: Option<(&BTreeSet<u64>, &BTreeSet<u64>, i64)>,
        firing: &BTreeSet<u64>,
        resolved: &BTreeSet<u64>,
        send_resolved: bool,
        repeat: i64,
        now: i64,
    ) -> bool {
        let Some((told_firing, told_resolved, at)) = entry else {
            return !firing.is_empty();
        };
        if !firing.is_subset(told_firing) {
            return true;
        }
        if firing.is_empty() {
            return !told_firing.is_empty();
        }
        if send_resolved && !resolved.is_subset(told_resolved) {
            return true;
        }
        at < now - repeat
    }

    fn some() -> impl Strategy<Value = BTreeSet<u64>> {
        prop::collection::btree_set(0..5u64, 0..5)
    }

    fn list(set: &BTreeSet<u64>) -> Vec<Fingerprint> {
        set.iter().copied().map(Fingerprint).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_needs_update(
            entry in prop::option::of((some(), some(), 0..20i64)),
            firing in some(),
            resolved in some(),
            send_resolved: bool,
            repeat in 0..20i64,
            now in 0..40i64,
        ) {
            let second = |s| Timestamp::from_second(s).unwrap();
            let told = entry.as_ref().filter(|(told, _, _)| !told.is_empty());
            let told = told.map(|(told_firing, told_resolved, at)| ToldChannel {
                receiver: "r".into(),
                channel: "c".into(),
                at: second(*at),
                notification: NotificationId(1),
                firing: list(told_firing),
                resolved: list(told_resolved),
            });
            let news = news_for(
                told.as_ref(),
                &list(&firing),
                &list(&resolved),
                send_resolved,
                Millis::from_secs(repeat.unsigned_abs()),
                second(now),
            );
            let entry = entry.as_ref().map(|(firing, resolved, at)| (firing, resolved, *at));
            let expected = needs_update(entry, &firing, &resolved, send_resolved, repeat, now);
            prop_assert_eq!(news.is_some(), expected, "{:?}", news);
        }
    }
}
