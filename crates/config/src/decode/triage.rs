//! Everything about how alerts become messages, in the order in which its parts need each other:
//! channels, times, people, schedules, escalation, routing, and the rest.

use std::collections::BTreeMap;

use nightcrew_model::route::{InhibitRule, Receiver};

use crate::decode::channel;
use crate::decode::escalation::{self, Reachable};
use crate::decode::interval::{self, Intervals};
use crate::decode::later::Shared;
use crate::decode::routing::{self, Beside};
use crate::decode::{Context, Draft, calm, chat, inbound, levels, people};
use crate::fields::{self, Fields};
use crate::import::alertmanager;
use crate::nearest::suggestion;
use crate::settings::{Channel, ChannelKind};
use crate::tree::At;

/// The keys of the root that are read here.
pub(crate) const KEYS: [&str; 19] = [
    "alertmanager",
    "all_clear",
    "chat",
    "dependencies",
    "escalation",
    "flapping",
    "heartbeat",
    "inhibit_rules",
    "levels",
    "mute_windows",
    "people",
    "receivers",
    "routing",
    "schedules",
    "sources",
    "storm",
    "time_intervals",
    "watchdogs",
    "channels",
];

/// Reads it all into the draft.
pub(crate) fn triage(
    fields: &mut Fields<'_>,
    shared: &Shared,
    draft: &mut Draft,
    cx: &mut Context<'_>,
) {
    if let Some(named) = &shared.dedup_fields {
        draft.settings.triage.dedup_fields = named.iter().map(|(name, _)| name.clone()).collect();
        draft.seen.dedup_fields.clone_from(named);
    }
    let has_own_resolve_timeout = fields.at().get("healing").is_some_and(|at| {
        let mut healing = Fields::open(&at, "", &mut crate::problem::Report::default());
        healing.as_mut().is_some_and(|healing| healing.has_duration("resolve_timeout"))
    });
    let mut imported =
        cx.imported.map(|node| alertmanager::read(&At::root(node), &mut draft.seen, cx));
    let mut channels = channels(fields, shared, draft, cx);
    let mut intervals = match fields.take("time_intervals") {
        Some(at) => interval::intervals(&at, cx),
        None => Intervals::new(),
    };
    if let Some(imported) = &mut imported {
        if let Some(timeout) = imported.resolve_timeout.filter(|_| !has_own_resolve_timeout) {
            draft.settings.healing.resolve_timeout = timeout;
        }
        let own: Vec<_> = channels.iter().map(|channel| channel.name.clone()).collect();
        let more = std::mem::take(&mut imported.channels);
        channels.extend(more.into_iter().filter(|channel| !own.contains(&channel.name)));
        for (name, times) in &imported.beside.intervals {
            intervals.entry(name.clone()).or_insert_with(|| times.clone());
        }
    }
    if !channels.is_empty() {
        draft.settings.channels = channels;
    }
    escalate(fields, &intervals, draft, cx);
    route(fields, imported, intervals.clone(), draft, cx);
    quiet(fields, &intervals, draft, cx);
    only_routed(draft);
}

/// The channels of the configuration; those of a kind without a limit of their own have that of
/// `guardrails.rate_limits`.
fn channels(
    fields: &mut Fields<'_>,
    shared: &Shared,
    draft: &mut Draft,
    cx: &mut Context<'_>,
) -> Vec<Channel> {
    let Some(at) = fields.take("channels") else {
        if cx.imported.is_none() {
            // The console of the defaults can be named all the same.
            let console = &draft.settings.channels;
            for channel in console {
                draft.seen.channels.insert(
                    channel.name.clone(),
                    crate::decode::seen::SeenChannel {
                        kind: "console".to_owned(),
                        notify: None,
                        rate: None,
                        fallback: None,
                    },
                );
            }
        }
        return Vec::new();
    };
    let mut channels = channel::channels(&at, &mut draft.seen, cx);
    for channel in &mut channels {
        let written = draft.seen.channels.get(&channel.name);
        if written.is_some_and(|written| written.rate.is_some()) {
            continue;
        }
        let limit = match channel.kind {
            ChannelKind::Discord { .. } => shared.discord,
            ChannelKind::Github { .. } => shared.tickets,
            _ => None,
        };
        channel.rate = limit.or(channel.rate);
    }
    let is_empty = channels.is_empty();
    let has_any = at.node.object().is_some_and(|object| !object.entries.is_empty());
    if is_empty && has_any && !cx.is_foreign(&at) {
        // What is wrong with them is told; the console is not meant.
        draft.settings.channels = Vec::new();
    }
    channels
}

/// `people`, `schedules`, `escalation`, `levels`.
fn escalate(
    fields: &mut Fields<'_>,
    intervals: &Intervals,
    draft: &mut Draft,
    cx: &mut Context<'_>,
) {
    let seen = &mut draft.seen;
    let mut people = match fields.take("people") {
        Some(at) => people::people(&at, seen, cx),
        None => BTreeMap::new(),
    };
    let schedules = match fields.take("schedules") {
        Some(at) => people::schedules(&at, &people, intervals, seen, cx),
        None => BTreeMap::new(),
    };
    let mut policies = Vec::new();
    let mut levels_at = fields.take("levels");
    if let Some(at) = fields.take("escalation")
        && let Some(mut inner) =
            Fields::open(&at, "an object with `policies` or `levels`", &mut cx.report)
    {
        if let Some(at) = inner.take("policies") {
            let reachable = Reachable { people: &people, schedules: &schedules, intervals };
            policies = escalation::policies(&at, &reachable, seen, cx);
        }
        levels_at = inner.take("levels").or(levels_at);
        inner.finish(&mut cx.report);
    }
    if let Some(at) = levels_at {
        let agents = agents(fields.at());
        policies.extend(levels::levels(&at, &agents, &mut people, seen, cx));
    }
    let triage = &mut draft.settings.triage;
    triage.people = people;
    triage.schedules = schedules;
    triage.policies = policies;
}

/// The names of the agents of the configuration.
fn agents(root: &At<'_>) -> Vec<String> {
    let Some(agents) = root.get("agents") else {
        return Vec::new();
    };
    let list = agents.get("list").unwrap_or(agents);
    let mut unused = crate::problem::Report::default();
    let items = fields::items(&list, &mut unused);
    let names = items.iter().flat_map(|agent| {
        ["name", "id"].into_iter().filter_map(|key| Some(agent.get(key)?.node.text()?.to_owned()))
    });
    names.collect()
}

/// `routing`, `receivers`, `inhibit_rules`, or an Alertmanager's.
fn route(
    fields: &mut Fields<'_>,
    imported: Option<alertmanager::Found>,
    intervals: Intervals,
    draft: &mut Draft,
    cx: &mut Context<'_>,
) {
    let alertmanager_at = fields.take("alertmanager");
    let routing_at = fields.take("routing").filter(|at| is_ours(at, cx));
    let receivers_at = fields.take("receivers");
    let own = match &receivers_at {
        Some(at) => routing::receivers(at, &mut draft.seen, cx),
        None => Vec::new(),
    };
    let rules = match fields.take("inhibit_rules") {
        Some(at) => routing::inhibit_rules(&at, &mut draft.seen, cx),
        None => Vec::new(),
    };
    if let (Some(_), Some(at)) = (&alertmanager_at, &routing_at) {
        cx.report
            .error(at, "`routing` and `alertmanager` both say where alerts go")
            .hint("keep one of the two");
        return;
    }
    let is_import = imported.is_some();
    if alertmanager_at.is_some() && !is_import {
        // Why it could not be read is told.
        return;
    }
    let (root, beside) = match imported {
        Some(mut found) => {
            if let Some(at) = &receivers_at {
                join(&mut found.beside.receivers, own, at, cx);
            }
            found.beside.inhibit_rules.extend(renamed(rules, &found.beside.inhibit_rules));
            found.beside.intervals = intervals;
            (found.root, found.beside)
        }
        None => {
            let root = routing_at.as_ref().and_then(|at| routing::route(at, 0, cx));
            (root, Beside { receivers: own, inhibit_rules: rules, intervals })
        }
    };
    if routing_at.is_none() && !is_import {
        for (key, at) in
            [("receivers", receivers_at), ("inhibit_rules", fields.take("inhibit_rules"))]
        {
            if let Some(at) = at {
                cx.report
                    .warning(&at, format!("without `routing`, nothing is done with `{key}`"))
                    .hint("add `routing: { receiver: \"…\" }`");
            }
        }
        return;
    }
    if let Some(root) = root {
        draft.settings.triage.routing = routing::assemble(root, beside, &mut draft.seen, cx);
    }
    if is_import {
        draft.counts = draft.settings.triage.routing.as_ref().map(crate::import::Counts::of);
    }
}

/// `OpenClaw` has settings of another kind under this name.
fn is_ours(routing: &At<'_>, cx: &mut Context<'_>) -> bool {
    let is_ours = routing.get("receiver").is_some() || !cx.is_foreign(routing);
    if !is_ours {
        cx.later.note("settings of OpenClaw itself", routing);
    }
    is_ours
}

/// Puts the channels of our own `receivers` into those of the Alertmanager.
fn join(imported: &mut [Receiver], own: Vec<Receiver>, at: &At<'_>, cx: &mut Context<'_>) {
    for receiver in own {
        match imported.iter_mut().find(|known| known.name == receiver.name) {
            Some(known) => {
                let more = receiver.channels.into_iter();
                let more: Vec<_> = more.filter(|name| !known.channels.contains(name)).collect();
                known.channels.extend(more);
            }
            None => {
                let known = imported.iter().map(|receiver| receiver.name.as_str());
                let hint = suggestion(receiver.name.as_str(), known);
                let name = receiver.name.as_str();
                cx.report
                    .error(at, format!("the Alertmanager has no receiver called {name:?}"))
                    .hint(hint);
            }
        }
    }
}

/// Rules without a name go by their number, which goes on after the others.
fn renamed(rules: Vec<InhibitRule>, before: &[InhibitRule]) -> Vec<InhibitRule> {
    let n = before.len();
    let rules = rules.into_iter();
    rules
        .map(|rule| match rule.name.parse::<usize>() {
            Ok(number) => InhibitRule { name: (n + number).to_string(), ..rule },
            Err(_) => rule,
        })
        .collect()
}

/// What keeps nights quiet, and the doors.
fn quiet(fields: &mut Fields<'_>, intervals: &Intervals, draft: &mut Draft, cx: &mut Context<'_>) {
    let triage = &mut draft.settings.triage;
    let seen = &mut draft.seen;
    if let Some(at) = fields.take("mute_windows") {
        triage.mute_windows = calm::mute_windows(&at, intervals, seen, cx);
    }
    if let Some(at) = fields.take("dependencies") {
        calm::dependencies(&at, &mut triage.dependencies, seen, cx);
    }
    if let Some(at) = fields.take("storm") {
        calm::storm(&at, &mut triage.storm, cx);
    }
    if let Some(at) = fields.take("flapping") {
        calm::flapping(&at, &mut triage.flap, cx);
    }
    if let Some(at) = fields.take("watchdogs") {
        triage.watchdogs = calm::watchdogs(&at, cx);
    }
    if let Some(at) = fields.take("heartbeat") {
        triage.heartbeat = calm::heartbeat(&at, cx);
    }
    if let Some(at) = fields.take("all_clear") {
        triage.all_clear = calm::all_clear(&at, seen, cx);
    }
    if let Some(at) = fields.take("sources") {
        triage.inbound = inbound::sources(&at, cx);
    }
    if let Some(at) = fields.take("chat") {
        triage.chat = chat::chat(&at, cx);
    }
}

/// A channel that is told of alerts by the routing is not told of incidents too, unless the
/// operator says so.
fn only_routed(draft: &mut Draft) {
    let Some(routing) = &draft.settings.triage.routing else {
        return;
    };
    for channel in &mut draft.settings.channels {
        let is_written =
            draft.seen.channels.get(&channel.name).is_some_and(|seen| seen.notify.is_some());
        let is_routed =
            routing.receivers.iter().any(|receiver| receiver.channels.contains(&channel.name));
        if is_routed && !is_written {
            channel.notify.clear();
        }
    }
}
