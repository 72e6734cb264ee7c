//! `routing`, `receivers`, `inhibit_rules`: where alerts go.
//!
//! Our own configuration and Alertmanager's are read into the same [`RawRoute`]; what a route
//! does not say it has from its parent (`dispatch/route.go`, `NewRoute`).

use std::collections::BTreeSet;

use nightcrew_model::id::{ChannelName, IntervalName, ReceiverName};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::route::{Branch, GroupBy, InhibitRule, Receiver, RouteRule, Routing};
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::interval::{self, Intervals};
use crate::decode::matchers::matchers;
use crate::decode::seen::{Seen, SeenRoute};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::At;

/// How deep routes may be nested.
pub(crate) const ROUTE_DEPTH_MAX: usize = 32;

/// The times of the root where it does not say them (`dispatch/route.go`, `DefaultRouteOpts`).
const GROUP_WAIT: Millis = Millis::from_secs(30);
const GROUP_INTERVAL: Millis = Millis::from_secs(300);
const REPEAT_INTERVAL: Millis = Millis::from_secs(14_400);

/// The longest of those times: a year.
pub(crate) const ROUTE_TIME_MAX: Millis = Millis::from_secs(366 * 86_400);

/// The word that groups by every label.
pub(crate) const EVERY_LABEL: &str = "...";

/// A route as it is written, before it has what its parent says.
#[derive(Debug)]
pub(crate) struct RawRoute {
    pub(crate) place: Place,
    pub(crate) receiver: Option<(ReceiverName, Place)>,
    pub(crate) group_by: Vec<(String, Place)>,
    pub(crate) group_wait: Option<Millis>,
    pub(crate) group_interval: Option<Millis>,
    pub(crate) repeat_interval: Option<Millis>,
    /// The matchers and, where there are any, their place.
    pub(crate) matchers: Matchers,
    pub(crate) matchers_place: Option<Place>,
    pub(crate) mute: Vec<(IntervalName, Place)>,
    pub(crate) active: Vec<(IntervalName, Place)>,
    pub(crate) continues: Option<Place>,
    pub(crate) routes: Vec<Self>,
}

/// What stands beside the tree.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) inhibit_rules: Vec<InhibitRule>,
    pub(crate) intervals: Intervals,
}

/// Reads `routing`.
pub(crate) fn route(at: &At<'_>, depth: usize, cx: &mut Context<'_>) -> Option<RawRoute> {
    let mut fields = Fields::open(at, "a route: an object with `receiver`", &mut cx.report)?;
    let receiver = fields.take("receiver").and_then(|at| {
        let name = fields::text(&at, &mut cx.report)?;
        Some((ReceiverName::from(name), Place::from(&at)))
    });
    let group_by = match fields.take("group_by") {
        Some(at) => group_by(&at, cx),
        None => Vec::new(),
    };
    let group_wait = fields.duration("group_wait", Millis(0)..=ROUTE_TIME_MAX, &mut cx.report);
    let least = Millis(1)..=ROUTE_TIME_MAX;
    let group_interval = fields.duration("group_interval", least.clone(), &mut cx.report);
    let repeat_interval = fields.duration("repeat_interval", least, &mut cx.report);
    let matchers_at = fields.take("matchers");
    let matchers_place = matchers_at.as_ref().map(Place::from);
    let matchers = matchers_at.map_or_else(|| Some(Matchers::default()), |at| matchers(&at, cx));
    let mute = names(&mut fields, "mute_time_intervals", cx);
    let active = names(&mut fields, "active_time_intervals", cx);
    let continue_at = fields.take("continue");
    let continues = fields.boolean("continue", &mut cx.report) == Some(true);
    let mut routes = Vec::new();
    if let Some(at) = fields.take("routes") {
        if depth >= ROUTE_DEPTH_MAX {
            too_deep(&at, cx);
        } else {
            let items = fields::items(&at, &mut cx.report);
            routes = items.iter().filter_map(|at| route(at, depth + 1, cx)).collect();
        }
    }
    fields.finish(&mut cx.report);
    Some(RawRoute {
        place: at.into(),
        receiver,
        group_by,
        group_wait,
        group_interval,
        repeat_interval,
        matchers: matchers?,
        matchers_place,
        mute,
        active,
        continues: continue_at.filter(|_| continues).as_ref().map(Place::from),
        routes,
    })
}

/// Tells that routes are nested too deeply.
pub(crate) fn too_deep(at: &At<'_>, cx: &mut Context<'_>) {
    cx.report
        .error(at, format!("routes are nested deeper than {ROUTE_DEPTH_MAX} levels"))
        .hint("put more matchers into one route");
}

/// Reads the labels of a group.
pub(crate) fn group_by(at: &At<'_>, cx: &mut Context<'_>) -> Vec<(String, Place)> {
    let mut labels: Vec<(String, Place)> = Vec::new();
    for (at, label) in fields::texts(at, &mut cx.report) {
        if labels.iter().any(|(known, _)| known == label) {
            cx.report.error(&at, format!("the label {label} is written twice")).hint("keep one");
            continue;
        }
        labels.push((label.to_owned(), (&at).into()));
    }
    let every = labels.iter().find(|(label, _)| label == EVERY_LABEL).cloned();
    if let Some((_, place)) = every
        && labels.len() > 1
    {
        cx.report
            .error(place, "`...` stands for every label, so nothing can stand beside it")
            .hint("write [\"...\"] alone, or leave it out");
        labels.retain(|(label, _)| label != EVERY_LABEL);
    }
    labels
}

fn names(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> Vec<(IntervalName, Place)> {
    let at = fields.take(key);
    let texts = at.map(|at| fields::texts(&at, &mut cx.report)).unwrap_or_default();
    texts.into_iter().map(|(at, name)| (IntervalName::from(name), Place::from(&at))).collect()
}

/// Reads `receivers`: lists of channels under names.
pub(crate) fn receivers(at: &At<'_>, seen: &mut Seen, cx: &mut Context<'_>) -> Vec<Receiver> {
    let mut receivers = Vec::new();
    for (name, at) in fields::named(at, "an object of receivers", &mut cx.report) {
        let mut channels: Vec<ChannelName> = Vec::new();
        for (at, channel) in fields::texts(&at, &mut cx.report) {
            let name = ChannelName::from(channel);
            if !seen.channels.contains_key(&name) {
                unknown_channel(&name, &at, seen, cx);
            } else if channels.contains(&name) {
                cx.report.warning(&at, "the channel is in this receiver already").hint("keep one");
            } else {
                channels.push(name);
            }
        }
        let name = ReceiverName::from(name);
        seen.receivers.insert(name.clone(), Place::new(at.key_span, at.path.clone()));
        receivers.push(Receiver { name, channels });
    }
    receivers
}

/// Tells of a name that no channel has.
pub(crate) fn unknown_channel(
    name: &ChannelName,
    place: impl Into<Place>,
    seen: &Seen,
    cx: &mut Context<'_>,
) {
    let hint = suggestion(name.as_str(), seen.channels.keys().map(|name| name.as_str()));
    cx.report.error(place, format!("there is no channel called {:?}", name.as_str())).hint(hint);
}

/// Reads `inhibit_rules`.
pub(crate) fn inhibit_rules(
    at: &At<'_>,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> Vec<InhibitRule> {
    let mut rules = Vec::new();
    for (n, at) in fields::items(at, &mut cx.report).into_iter().enumerate() {
        let Some(mut fields) = Fields::open(&at, "an object", &mut cx.report) else {
            continue;
        };
        let name = fields.text("name", &mut cx.report);
        let sides = ["source", "target"].map(|key| match fields.take(key) {
            Some(at) => matchers(&at, cx),
            None => {
                cx.report
                    .error(&at, format!("the rule has no `{key}`"))
                    .hint("such as [\"severity=\\\"critical\\\"\"]");
                None
            }
        });
        let equal = fields.take("equal").map(|at| labels(&at, cx)).unwrap_or_default();
        fields.finish(&mut cx.report);
        let [Some(source), Some(target)] = sides else { continue };
        seen.inhibit_rules.push((&at).into());
        let name = name.map_or_else(|| (n + 1).to_string(), str::to_owned);
        rules.push(InhibitRule { name, source, target, equal });
    }
    rules
}

fn labels(at: &At<'_>, cx: &mut Context<'_>) -> Vec<String> {
    fields::texts(at, &mut cx.report).into_iter().map(|(_, label)| label.to_owned()).collect()
}

/// Makes the tree of what is written, and notes the places of its routes.
pub(crate) fn assemble(
    root: RawRoute,
    beside: Beside,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> Option<Routing> {
    judge_root(&root, cx);
    let (name, _) = root.receiver.clone()?;
    let above = RouteRule {
        matchers: Matchers::default(),
        receiver: name,
        group_by: GroupBy::Labels(BTreeSet::new()),
        group_wait: GROUP_WAIT,
        group_interval: GROUP_INTERVAL,
        repeat_interval: REPEAT_INTERVAL,
        mute: Vec::new(),
        active: Vec::new(),
        continues: false,
    };
    let branch = branch(root, &above, &beside, seen, cx);
    Some(Routing::new(branch, beside.receivers, beside.inhibit_rules, beside.intervals))
}

/// What only the root must and must not have (`config/config.go`).
fn judge_root(root: &RawRoute, cx: &mut Context<'_>) {
    if root.receiver.is_none() {
        cx.report
            .error(root.place.clone(), "the root route has no `receiver`")
            .hint("every alert that no other route takes goes to it");
    }
    let only_below = |place: Option<&Place>, key: &str, cx: &mut Context<'_>| {
        if let Some(place) = place {
            cx.report
                .error(
                    place.clone(),
                    format!("the root route takes every alert, so it has no `{key}`"),
                )
                .hint("put it into a route below, in `routes`");
        }
    };
    let matchers = root.matchers_place.as_ref().filter(|_| !root.matchers.is_empty());
    only_below(matchers, "matchers", cx);
    only_below(root.mute.first().map(|(_, place)| place), "mute_time_intervals", cx);
    only_below(root.active.first().map(|(_, place)| place), "active_time_intervals", cx);
    only_below(root.continues.as_ref(), "continue", cx);
}

fn branch(
    raw: RawRoute,
    above: &RouteRule,
    beside: &Beside,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> Branch {
    let receiver = match raw.receiver {
        Some((name, place)) => {
            if !beside.receivers.iter().any(|receiver| receiver.name == name) {
                let known = beside.receivers.iter().map(|receiver| receiver.name.as_str());
                let hint = suggestion(name.as_str(), known);
                cx.report
                    .error(place, format!("there is no receiver called {:?}", name.as_str()))
                    .hint(hint);
            }
            name
        }
        None => above.receiver.clone(),
    };
    let mut known = |names: Vec<(IntervalName, Place)>| -> Vec<IntervalName> {
        let mut kept = Vec::new();
        for (name, place) in names {
            if !beside.intervals.contains_key(&name) {
                interval::unknown(name.as_str(), place, &beside.intervals, cx);
            }
            kept.push(name);
        }
        kept
    };
    let (mute, active) = (known(raw.mute), known(raw.active));
    let is_every = raw.group_by.iter().any(|(label, _)| label == EVERY_LABEL);
    let group_by = match &raw.group_by[..] {
        [] => above.group_by.clone(),
        _ if is_every => GroupBy::All,
        labels => GroupBy::Labels(labels.iter().map(|(label, _)| label.clone()).collect()),
    };
    let rule = RouteRule {
        matchers: raw.matchers,
        receiver,
        group_by,
        group_wait: raw.group_wait.unwrap_or(above.group_wait),
        group_interval: raw.group_interval.unwrap_or(above.group_interval),
        repeat_interval: raw.repeat_interval.unwrap_or(above.repeat_interval),
        mute,
        active,
        continues: raw.continues.is_some(),
    };
    seen.routes.push(SeenRoute { place: raw.place, group_by: raw.group_by });
    let below = raw.routes.into_iter().map(|raw| branch(raw, &rule, beside, seen, cx)).collect();
    Branch { rule, routes: below }
}
