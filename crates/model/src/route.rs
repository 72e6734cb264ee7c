//! The routing tree: which receivers hear of an alert, and how alerts are grouped on the way.
//!
//! The rules are Alertmanager's (`dispatch/route.go`, `dispatch/dispatch.go`): an alert goes down
//! the tree, at each level to the first child whose matchers hold, and to later ones too where a
//! child continues; a route without a child that takes the alert takes it itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::id::{ChannelName, GroupKey, IntervalName, ReceiverName};
use crate::interval::TimeInterval;
use crate::labels::{Fingerprint, Labels};
use crate::matcher::Matchers;
use crate::unit::Millis;

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Routing {
    /// The routes, each before its children; the first is the root, which takes every alert.
    routes: Vec<Route>,
    /// The receivers.
    pub receivers: Vec<Receiver>,
    /// Which alerts keep people from hearing of others.
    pub inhibit_rules: Vec<InhibitRule>,
    /// The times that routes refer to.
    pub intervals: BTreeMap<IntervalName, Vec<TimeInterval>>,
}

/// The number of a route in its tree; the root is 0.  It changes with the configuration, so no
/// fact holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteId(pub u32);

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    /// The way to it, as it begins the key of its groups: `{}/{team="db"}`.
    pub key: String,
    /// How it behaves.
    pub rule: RouteRule,
    /// The routes below it.
    pub children: Vec<RouteId>,
}

/// How a route behaves; what a child does not say it has from its parent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteRule {
    /// What an alert must have to come this way.
    pub matchers: Matchers,
    /// Who hears of it.
    pub receiver: ReceiverName,
    /// Which alerts are told of together.
    pub group_by: GroupBy,
    /// How long a new group waits for more of its kind.
    pub group_wait: Millis,
    /// How long a group that was told of waits until it is told of again because it changed.
    pub group_interval: Millis,
    /// How long until people are told again of what did not change.
    pub repeat_interval: Millis,
    /// The times at which nobody is told.
    pub mute: Vec<IntervalName>,
    /// The times at which people are told; empty: always.
    pub active: Vec<IntervalName>,
    /// Whether an alert that came this way also goes to the routes after it.
    pub continues: bool,
}

/// A route and what lies below it, as a configuration writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The route.
    pub rule: RouteRule,
    /// Below it.
    pub routes: Vec<Self>,
}

/// Which alerts are told of together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Those that have the same values of these labels.
    Labels(BTreeSet<String>),
    /// Each alert is its own group.
    All,
}

/// Who hears of alerts: some channels under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receiver {
    /// Its name.
    pub name: ReceiverName,
    /// The channels; empty: nobody, on purpose.
    pub channels: Vec<ChannelName>,
}

/// While a source alert fires, nobody hears of target alerts that have the same values of some
/// labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InhibitRule {
    /// Its name, or its number in the configuration from 1.
    pub name: String,
    /// The alerts that keep others quiet.
    pub source: Matchers,
    /// The alerts that are kept quiet.
    pub target: Matchers,
    /// The labels that have to be the same; one that both lack is the same.
    pub equal: Vec<String>,
}

impl Routing {
    /// A tree.
    #[must_use]
    pub fn new(
        root: Branch,
        receivers: Vec<Receiver>,
        inhibit_rules: Vec<InhibitRule>,
        intervals: BTreeMap<IntervalName, Vec<TimeInterval>>,
    ) -> Self {
        let mut routes = Vec::new();
        place(root, "", &mut routes);
        Self { routes, receivers, inhibit_rules, intervals }
    }

    /// The routes, each before its children.
    pub fn routes(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        (0..).map(RouteId).zip(&self.routes)
    }

    /// The root.
    pub const ROOT: RouteId = RouteId(0);

    /// A route of this tree.
    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(usize::try_from(id.0).ok()?)
    }

    /// The receiver of that name.
    #[must_use]
    pub fn receiver(&self, name: &ReceiverName) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == *name)
    }

    /// The routes that take an alert with these labels, in the order of the tree.
    #[must_use]
    pub fn matching(&self, labels: &Labels) -> Vec<RouteId> {
        let mut taken = Vec::new();
        self.descend(Self::ROOT, labels, &mut taken);
        taken
    }

    /// Whether the route, or something below it, took the alert.
    fn descend(&self, id: RouteId, labels: &Labels, taken: &mut Vec<RouteId>) -> bool {
        let Some(route) = self.route(id) else {
            return false;
        };
        if !route.rule.matchers.hold(labels) {
            return false;
        }
        let mut below = false;
        for child in &route.children {
            if self.descend(*child, labels, taken) {
                below = true;
                let continues = self.route(*child).is_some_and(|child| child.rule.continues);
                if !continues {
                    break;
                }
            }
        }
        if !below {
            taken.push(id);
        }
        true
    }
}

/// Lays a branch into the list, depth first, and gives its number.
fn place(branch: Branch, above: &str, routes: &mut Vec<Route>) -> RouteId {
    let id = RouteId(u32::try_from(routes.len()).unwrap_or(u32::MAX));
    let slash = if routes.is_empty() { "" } else { "/" };
    let key = format!("{above}{slash}{}", branch.rule.matchers);
    let at = routes.len();
    routes.push(Route { key: key.clone(), rule: branch.rule, children: Vec::new() });
    let children = branch.routes.into_iter().map(|child| place(child, &key, routes)).collect();
    if let Some(route) = routes.get_mut(at) {
        route.children = children;
    }
    id
}

impl Route {
    /// The labels by which an alert falls into its group.
    #[must_use]
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.rule.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.only(|name| names.contains(name)),
        }
    }

    /// The fingerprint of the group labels of an alert: the same as that of
    /// [`Route::group_labels`], without making them.
    #[must_use]
    pub fn group_fingerprint(&self, labels: &Labels) -> Fingerprint {
        match &self.rule.group_by {
            GroupBy::All => labels.fingerprint(),
            GroupBy::Labels(names) => labels.fingerprint_of(|name| names.contains(name)),
        }
    }

    /// The key of a group of this route (`dispatch.go`, `aggrGroup.GroupKey`).
    #[must_use]
    pub fn group_key(&self, group_labels: &Labels) -> GroupKey {
        let mut key = format!("{}:{{", self.key);
        for (n, (name, value)) in group_labels.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(key, "{comma}{name}={value:?}");
        }
        key.push('}');
        GroupKey::from(key)
    }
}

impl InhibitRule {
    /// The values by which a source and a target have to agree, in the order of the rule.
    #[must_use]
    pub fn agreement(&self, labels: &Labels) -> Vec<String> {
        self.equal.iter().map(|name| labels.get(name).unwrap_or_default().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matchers: &str, receiver: &str, continues: bool) -> RouteRule {
        RouteRule {
            matchers: Matchers::parse(matchers).unwrap(),
            receiver: receiver.into(),
            group_by: GroupBy::Labels(["alertname".to_owned()].into()),
            group_wait: Millis::from_secs(30),
            group_interval: Millis::from_secs(300),
            repeat_interval: Millis::from_secs(14_400),
            mute: Vec::new(),
            active: Vec::new(),
            continues,
        }
    }

    fn leaf(matchers: &str, receiver: &str, continues: bool) -> Branch {
        Branch { rule: rule(matchers, receiver, continues), routes: Vec::new() }
    }

    fn tree() -> Routing {
        let db = Branch {
            rule: rule("team=db", "db", false),
            routes: vec![
                leaf("severity=critical", "db-pager", true),
                leaf("env=~prod|stage", "db-prod", false),
            ],
        };
        let root = Branch {
            rule: rule("", "default", false),
            routes: vec![leaf("audit=yes", "audit", true), db, leaf("team=web", "web", false)],
        };
        Routing::new(root, Vec::new(), Vec::new(), BTreeMap::new())
    }

    fn receivers(labels: &[(&str, &str)]) -> Vec<String> {
        let (tree, labels) = (tree(), labels.iter().copied().collect());
        let ids = tree.matching(&labels).into_iter();
        ids.map(|id| tree.route(id).unwrap().rule.receiver.to_string()).collect()
    }

    #[test]
    fn an_alert_goes_down_the_tree() {
        assert_eq!(receivers(&[("team", "ops")]), ["default"]);
        assert_eq!(receivers(&[("team", "db")]), ["db"]);
        assert_eq!(receivers(&[("team", "db"), ("env", "prod")]), ["db-prod"]);
        let both = [("team", "db"), ("env", "prod"), ("severity", "critical")];
        assert_eq!(receivers(&both), ["db-pager", "db-prod"]);
        assert_eq!(receivers(&[("team", "web"), ("audit", "yes")]), ["audit", "web"]);
        assert_eq!(receivers(&[("audit", "yes")]), ["audit"]);
    }

    #[test]
    fn group_keys_are_those_of_alertmanager() {
        let tree = tree();
        let labels: Labels =
            [("alertname", "T3"), ("team", "db"), ("env", "prod")].into_iter().collect();
        let route = tree.route(tree.matching(&labels)[0]).unwrap();
        let group = route.group_labels(&labels);
        assert_eq!(route.group_fingerprint(&labels), group.fingerprint());
        let expected = r#"{}/{team="db"}/{env=~"prod|stage"}:{alertname="T3"}"#;
        assert_eq!(route.group_key(&group).as_str(), expected);
        let root = tree.route(Routing::ROOT).unwrap();
        assert_eq!(root.group_key(&group).as_str(), r#"{}:{alertname="T3"}"#);
    }
}
