//! Groups: the firing alerts of one route with the same group labels, told of together.
//!
//! The rules are Alertmanager's (`dispatch/dispatch.go`): a group is made with its first alert,
//! flushed when its wait is over, and then at its interval until nothing is in it.
//!
//! **Invariant:** groups are derived.  They follow from the firing alerts, the settings and what
//! was told ([`crate::told`]); [`Step::regroup`] makes them anew after a restart or a reload.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use nightcrew_model::id::GroupKey;
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::route::{RouteId, RouteRule, Routing};
use nightcrew_model::unit::Millis;

use crate::Step;
use crate::flush::GATHER;
use crate::inhibit::Inhibitors;
use crate::state::State;
use crate::told::{Ended, Told};

/// The number of a group, in the order in which groups were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupId(u64);

/// Every group, and who inhibits whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Groups {
    pub(crate) inhibitors: Inhibitors,
    /// The routing for which they were made.
    made_for: Option<Box<Routing>>,
    known: HashMap<GroupId, Box<Group>>,
    by_labels: HashMap<(RouteId, Fingerprint), GroupId>,
    due: BTreeSet<(Timestamp, GroupId)>,
    last: u64,
    /// The time of the last step.
    seen_at: Option<Timestamp>,
}

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) route: RouteId,
    pub(crate) key: GroupKey,
    pub(crate) labels: Labels,
    /// When it is looked at next.
    pub(crate) due: Timestamp,
    /// Whether it was looked at since it was made.
    flushed: bool,
    pub(crate) firing: BTreeSet<Fingerprint>,
    /// What ended since the last look.
    pub(crate) ended: BTreeMap<Fingerprint, Ended>,
}

impl Group {
    /// How many alerts are in it, ended ones included.
    pub(crate) fn len(&self) -> usize {
        self.firing.len() + self.ended.len()
    }
}

/// How long a new group of a route waits.
fn wait(rule: &RouteRule) -> Millis {
    rule.group_wait.max(GATHER)
}

impl Groups {
    pub(crate) fn get(&self, id: GroupId) -> Option<&Group> {
        self.known.get(&id).map(Box::as_ref)
    }

    /// Every group, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.known.values().map(Box::as_ref)
    }

    /// The group of a route in which alerts with these labels are.
    pub(crate) fn find(&self, routing: &Routing, id: RouteId, labels: &Labels) -> Option<&Group> {
        let fingerprint = routing.route(id)?.group_fingerprint(labels);
        self.get(*self.by_labels.get(&(id, fingerprint))?)
    }

    /// The group that is due first.
    pub(crate) fn first(&self) -> Option<&Group> {
        self.due.first().and_then(|(_, id)| self.get(*id))
    }

    /// The first group that is due.
    pub(crate) fn first_due(&self, now: Timestamp) -> Option<GroupId> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// The group of a route for these labels; where it is made, its wait begins.
    fn find_or_make(
        &mut self,
        routing: &Routing,
        id: RouteId,
        labels: &Labels,
        told: &Told,
        now: Timestamp,
    ) -> Option<GroupId> {
        let route = routing.route(id)?;
        let vacant = match self.by_labels.entry((id, route.group_fingerprint(labels))) {
            Entry::Occupied(known) => return Some(*known.get()),
            Entry::Vacant(vacant) => vacant,
        };
        self.last += 1;
        let (new, due) = (GroupId(self.last), wait(&route.rule).after(now));
        let labels = route.group_labels(labels);
        let group = Group {
            route: id,
            key: told.same_key(route.group_key(&labels)),
            labels,
            due,
            flushed: false,
            firing: BTreeSet::new(),
            ended: BTreeMap::new(),
        };
        vacant.insert(new);
        self.due.insert((due, new));
        self.known.insert(new, Box::new(group));
        Some(new)
    }

    fn schedule(&mut self, id: GroupId, at: Timestamp) {
        if let Some(group) = self.known.get_mut(&id) {
            self.due.remove(&(group.due, id));
            group.due = at;
            self.due.insert((at, id));
        }
    }

    /// A group was looked at: what has ended leaves it but for what people are still owed; a
    /// group that is empty then is gone.
    pub(crate) fn flushed(&mut self, id: GroupId, owed: &BTreeSet<Fingerprint>, next: Timestamp) {
        let Some(group) = self.known.get_mut(&id) else {
            return;
        };
        group.flushed = true;
        group.ended.retain(|fingerprint, _| owed.contains(fingerprint));
        if group.len() == 0 {
            let key = (group.route, group.labels.fingerprint());
            self.due.remove(&(group.due, id));
            self.by_labels.remove(&key);
            self.known.remove(&id);
        } else {
            self.schedule(id, next);
        }
    }
}

impl State {
    /// When something is due next that the state knows to the moment: a group that is looked at,
    /// an alert that ends unless it is repeated, a level of an escalation, the time limit of an
    /// approval, the next try of a step.  A tick is wanted then, and not later.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let group = self.groups.due.first().map(|(at, _)| *at);
        let expiry = self.expiry.first().map(|(at, _)| *at);
        let request = self.awaiting.first().map(|(at, _)| *at);
        let timers = group.into_iter().chain(expiry).chain(request).chain(self.pauses());
        timers.chain(self.next_escalation()).min()
    }

    /// How many groups of alerts there are.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.known.len()
    }
}

impl Step<'_> {
    /// Makes the groups where they are missing: after a fold, and when the settings changed.
    pub(crate) fn ready_groups(&mut self, tick: bool) {
        let made_for = self.state.groups.made_for.as_deref();
        // The settings are compared with each tick only, because a reload brings one.
        let ready = match (made_for, &self.settings.routing) {
            (None, None) => true,
            (Some(made_for), Some(routing)) => !tick || made_for == routing,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !ready {
            self.regroup();
        }
        if self.settings.routing.is_some() {
            self.clock_set_back();
        }
    }

    /// Makes the groups anew.  Those that wait begin to wait again, as at a new start of an
    /// Alertmanager; what was told is not told again.
    fn regroup(&mut self) {
        self.state.groups = Groups::default();
        let Some(routing) = &self.settings.routing else {
            return;
        };
        self.state.groups.made_for = Some(Box::new(routing.clone()));
        // In an order that does not depend on how the state is laid out in memory.
        let mut firing: Vec<Fingerprint> = self.state.alerts.keys().copied().collect();
        firing.sort_unstable();
        for fingerprint in firing {
            self.join_groups(fingerprint);
        }
        let ended = self.state.told.ended();
        let mut ended: Vec<_> = ended.map(|(found, ended)| (found, ended.clone())).collect();
        ended.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        for (fingerprint, ended) in ended {
            self.owe(fingerprint, &ended);
        }
    }

    /// A firing alert goes down the tree into its groups.
    pub(crate) fn join_groups(&mut self, fingerprint: Fingerprint) {
        let Some(routing) = &self.settings.routing else {
            return;
        };
        let Some(held) = self.state.alerts.get(&fingerprint) else {
            return;
        };
        // What only informs wakes nobody.
        if held.alert.only_informs() {
            return;
        }
        // A heartbeat is not told of; its silence is.
        if self.settings.watchdog(&held.alert.labels).is_some() {
            return;
        }
        let (labels, groups) = (&held.alert.labels, &mut self.state.groups);
        groups.inhibitors.fires(&routing.inhibit_rules, fingerprint, labels);
        for route in routing.matching(labels) {
            let Some(id) = groups.find_or_make(routing, route, labels, &self.state.told, self.now)
            else {
                continue;
            };
            let Some(group) = groups.known.get_mut(&id) else { continue };
            group.ended.remove(&fingerprint);
            group.firing.insert(fingerprint);
            // What has waited longer than the group would does not wait again.
            let wait = routing.route(route).map_or(Millis(0), |route| route.rule.group_wait);
            if !group.flushed && wait.after(held.alert.starts_at) < self.now {
                let at = GATHER.after(self.now).min(group.due);
                groups.schedule(id, at);
            }
        }
    }

    /// An alert has ended: it stays in its groups until they are looked at.
    pub(crate) fn leave_groups(&mut self, fingerprint: Fingerprint, ended: &Ended) {
        let Some(routing) = &self.settings.routing else {
            return;
        };
        let groups = &mut self.state.groups;
        groups.inhibitors.ended(&routing.inhibit_rules, fingerprint, &ended.labels);
        for id in routing.matching(&ended.labels) {
            let Some(route) = routing.route(id) else { continue };
            let key = (id, route.group_fingerprint(&ended.labels));
            let group = groups.by_labels.get(&key).and_then(|id| groups.known.get_mut(id));
            if let Some(group) = group
                && group.firing.remove(&fingerprint)
            {
                group.ended.insert(fingerprint, ended.clone());
            }
        }
    }

    /// An alert ended, and people who were told that it fires do not know yet.
    fn owe(&mut self, fingerprint: Fingerprint, ended: &Ended) {
        let Some(routing) = &self.settings.routing else {
            return;
        };
        let groups = &mut self.state.groups;
        for route in routing.matching(&ended.labels) {
            let id = groups.find_or_make(routing, route, &ended.labels, &self.state.told, self.now);
            if let Some(group) = id.and_then(|id| groups.known.get_mut(&id)) {
                group.ended.insert(fingerprint, ended.clone());
            }
        }
    }

    /// Moves what is due into reach when the clock was set back: a group never waits longer than
    /// its interval.
    fn clock_set_back(&mut self) {
        let (now, groups) = (self.now, &mut self.state.groups);
        let back = groups.seen_at.replace(now).is_some_and(|seen| now < seen);
        let (Some(routing), true) = (&self.settings.routing, back) else {
            return;
        };
        let mut late = Vec::new();
        for (id, group) in &groups.known {
            let Some(route) = routing.route(group.route) else { continue };
            let rule = &route.rule;
            let latest = if group.flushed { rule.group_interval } else { wait(rule) }.after(now);
            if group.due > latest {
                late.push((*id, latest));
            }
        }
        for (id, at) in late {
            groups.schedule(id, at);
        }
    }
}
