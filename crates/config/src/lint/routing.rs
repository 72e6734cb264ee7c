//! Routes that no alert takes, receivers that nobody reaches, rules that mean nothing.

use std::collections::BTreeSet;

use nightcrew_model::matcher::Matcher;
use nightcrew_model::route::{GroupBy, Receiver, RouteId, Routing};

use crate::decode::Context;
use crate::decode::routing::EVERY_LABEL;
use crate::decode::seen::{Seen, SeenRoute};
use crate::lint::covers::{contradict, covers};
use crate::lint::label;
use crate::problem::Place;

/// Names of receivers that tell nobody on purpose.
const NOBODY: [&str; 8] =
    ["null", "none", "nobody", "blackhole", "black-hole", "devnull", "dev-null", "/dev/null"];

/// Judges the routing.
pub(crate) fn check(routing: &Routing, seen: &Seen, cx: &mut Context<'_>) {
    unreachable(routing, Routing::ROOT, &mut Vec::new(), seen, cx);
    for ((_, route), written) in routing.routes().zip(&seen.routes) {
        let (group, repeat) = (route.rule.group_interval, route.rule.repeat_interval);
        if group > repeat {
            cx.report
                .warning(
                    written.place.clone(),
                    format!(
                        "people are told again after {repeat}, but a group is only looked at every \
                         {group}, so that they hear it every {group}"
                    ),
                )
                .hint("make repeat_interval a multiple of group_interval");
        }
    }
    receivers(routing, seen, cx);
    for (rule, place) in routing.inhibit_rules.iter().zip(&seen.inhibit_rules) {
        if rule.source == rule.target && rule.equal.is_empty() {
            cx.report
                .warning(
                    place.clone(),
                    "source and target are the same alerts, so two of them keep each other quiet",
                )
                .hint("add `equal`, or narrow one of the two");
        }
    }
    labels(routing, seen, cx);
}

fn matchers(routing: &Routing, id: RouteId) -> Vec<&Matcher> {
    routing.route(id).map(|route| route.rule.matchers.iter().collect()).unwrap_or_default()
}

fn written(seen: &Seen, id: RouteId) -> Option<&SeenRoute> {
    seen.routes.get(usize::try_from(id.0).ok()?)
}

/// Tells of each route to which no alert can come: an earlier sibling takes all of it, or its
/// matchers never hold together.  What lies below such a route is not told of again.
fn unreachable<'r>(
    routing: &'r Routing,
    id: RouteId,
    above: &mut Vec<&'r Matcher>,
    seen: &Seen,
    cx: &mut Context<'_>,
) {
    let Some(route) = routing.route(id) else { return };
    let height = above.len();
    above.extend(matchers(routing, id));
    for (n, child) in route.children.iter().enumerate() {
        let mut whole = above.clone();
        whole.extend(matchers(routing, *child));
        let place = || written(seen, *child).map(|written| written.place.clone());
        let earlier = route.children.iter().take(n).find(|earlier| {
            let goes_on = routing.route(**earlier).is_some_and(|route| route.rule.continues);
            !goes_on && covers(&matchers(routing, **earlier), &whole)
        });
        if let (Some(earlier), Some(place)) = (earlier, place()) {
            let taker = routing.route(*earlier).map(|route| route.rule.matchers.to_string());
            let at = written(seen, *earlier).map(|written| cx.files.locate(written.place.span));
            cx.report
                .warning(
                    place,
                    format!(
                        "no alert ever comes to this route: the one at {} takes every one that \
                         matches {}",
                        at.unwrap_or_default(),
                        taker.unwrap_or_default()
                    ),
                )
                .hint("put it before that one, or let that one `continue`");
            continue;
        }
        if contradict(&whole)
            && let Some(place) = place()
        {
            cx.report
                .warning(place, "no alert ever comes to this route: its matchers, and those of the routes above it, never hold together")
                .hint("a label has one value");
            continue;
        }
        unreachable(routing, *child, above, seen, cx);
    }
    above.truncate(height);
}

fn receivers(routing: &Routing, seen: &Seen, cx: &mut Context<'_>) {
    let used: BTreeSet<&str> =
        routing.routes().map(|(_, route)| route.rule.receiver.as_str()).collect();
    for Receiver { name, channels } in &routing.receivers {
        let Some(place) = seen.receivers.get(name) else { continue };
        if !used.contains(name.as_str()) {
            cx.report
                .warning(place.clone(), format!("no route leads to the receiver {name}"))
                .hint("name it in a route, or leave it out");
        }
        let is_meant = NOBODY.contains(&name.as_str()) || seen.told_empty.contains(name);
        if channels.is_empty() && !is_meant {
            cx.report
                .warning(
                    place.clone(),
                    format!("the receiver {name} has no channels: what goes to it, nobody hears"),
                )
                .hint("if that is meant, call it `null`");
        }
    }
}

/// Labels of groups that look like a slip of a common one, or of one in the matchers.
fn labels(routing: &Routing, seen: &Seen, cx: &mut Context<'_>) {
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for (_, route) in routing.routes() {
        named.extend(route.rule.matchers.iter().map(Matcher::name));
    }
    for rule in &routing.inhibit_rules {
        named.extend(rule.source.iter().chain(rule.target.iter()).map(Matcher::name));
    }
    for ((_, route), written) in routing.routes().zip(&seen.routes) {
        if route.rule.group_by == GroupBy::All {
            continue;
        }
        for (name, place) in written.group_by.iter().filter(|(name, _)| name != EVERY_LABEL) {
            misspelt(name, place, named.iter().copied(), cx);
        }
    }
}

/// Tells of a label that looks like a slip.
pub(crate) fn misspelt<'a>(
    name: &str,
    place: &Place,
    named: impl Iterator<Item = &'a str>,
    cx: &mut Context<'_>,
) {
    if let Some(meant) = label::slip(name, named) {
        cx.report
            .warning(place.clone(), format!("alerts hardly carry a label called {name:?}"))
            .hint(format!("did you mean `{meant}`?"));
    }
}
