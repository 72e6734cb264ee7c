//! What parses but cannot work, or cannot mean what its author means.
//!
//! Each family has a file of its own with a table of cases.  An error is what cannot do what it
//! says; a warning is what can, but hardly on purpose.

mod channel;
pub(crate) mod covers;
pub(crate) mod cron;
mod dependency;
mod duplicate;
mod escalation;
pub(crate) mod folder;
mod hardcoded;
mod hours;
mod label;
mod latency;
pub(crate) mod limit;
mod mcp;
pub(crate) mod playbook;
mod port;
pub(crate) mod query;
mod routing;
mod step;
mod trust;

use crate::decode::{Context, Draft};
use crate::nearest::suggestion;
#[cfg(test)]
use crate::problem::Report;
use crate::tree::{At, Value};

/// Judges a whole configuration.
pub(crate) fn check(root: &At<'_>, draft: &Draft, cx: &mut Context<'_>) {
    let settings = &draft.settings;
    if let Some(written) = &draft.playbooks {
        playbook::check(written, settings, &mut cx.report);
    }
    trust::check(root, settings, &mut cx.report);
    port::check(&draft.checks, &mut cx.report);
    duplicate::check(&draft.checks, cx);
    query::check(root, settings, &mut cx.report);
    triage(root, draft, cx);
    for (service, place) in &draft.threshold_services {
        let is_asked_for = settings.sources.iter().any(|source| source.kind.may_name(service));
        if !settings.services.contains_key(service) && !is_asked_for {
            let names = settings.services.keys().map(|name| name.as_str());
            let hint = suggestion(service.as_str(), names);
            cx.report.error(place.clone(), "this names a service that is not declared").hint(hint);
        }
    }
    walk(root, &mut |at, key| {
        cron::visit(at, key, &mut cx.report);
        latency::visit(at, key, &mut cx.report);
        mcp::visit(at, key, &mut cx.report);
        hardcoded::visit(at, key, &mut cx.report);
    });
}

/// Judges how alerts become messages.
fn triage(root: &At<'_>, draft: &Draft, cx: &mut Context<'_>) {
    let (settings, seen) = (&draft.settings, &draft.seen);
    channel::check(root, settings, seen, cx);
    if let Some(routing) = &settings.triage.routing {
        routing::check(routing, seen, cx);
    }
    escalation::check(settings, seen, cx);
    dependency::check(settings, seen, &mut cx.report);
    for (name, place) in &seen.dedup_fields {
        if name.contains(char::is_whitespace) {
            cx.report
                .warning(place.clone(), format!("no alert carries a label called {name:?}"))
                .hint("write the name of a label, `service` or `symptom_type`");
        } else {
            routing::misspelt(name, place, std::iter::empty(), cx);
        }
    }
    for (window, place) in settings.triage.mute_windows.iter().zip(&seen.mute_windows) {
        if cx.now.is_some_and(|now| window.ends_at <= now) {
            cx.report
                .warning(place.clone(), format!("the mute window {} is over", window.id))
                .hint("leave it out, or give it another end");
        } else if hours::never_hold(&window.repeats, cx.now) {
            cx.report
                .warning(
                    place.clone(),
                    format!("the times of the mute window {} never come", window.id),
                )
                .hint("look at its days, months and years");
        }
    }
}

/// Visits every value; `key` is the nearest key above it.
fn walk(at: &At<'_>, visit: &mut dyn FnMut(&At<'_>, &str)) {
    walk_below(at, "", visit);
}

fn walk_below(at: &At<'_>, key: &str, visit: &mut dyn FnMut(&At<'_>, &str)) {
    visit(at, key);
    match &at.node.value {
        Value::Object(object) => {
            for entry in &object.entries {
                walk_below(&at.entry(entry), &entry.key, visit);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                walk_below(&at.item(n, item), key, visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Told => {}
    }
}

/// Runs one visitor over a text, for the tables of cases.
#[cfg(test)]
fn problems_of(text: &str, visitor: fn(&At<'_>, &str, &mut Report)) -> Vec<String> {
    let walk_all = |at: &At<'_>, cx: &mut Context<'_>| {
        walk(at, &mut |at, key| visitor(at, key, &mut cx.report));
    };
    crate::decode::tests::decode_one(text, walk_all).1
}
