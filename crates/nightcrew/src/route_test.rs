//! `nightcrew alerts route-test`: the way of an alert through the routing tree.

use nightcrew_model::labels::Labels;
use nightcrew_model::route::{Route, RouteId, Routing};
use serde_json::json;

use crate::cli;
use crate::output::{self, Exit, Failure};
use crate::wiring;

pub(crate) fn run(
    labels: &Labels,
    expect: Option<&str>,
    config: &cli::Config,
    json: bool,
) -> anyhow::Result<Exit> {
    let settings = wiring::usable(config)?;
    let routing = settings.triage.routing.ok_or_else(|| {
        Failure::usage(
            "the configuration has no routing tree: people hear of incidents, whatever their labels",
            "add `routing` and `receivers`, or name an `alertmanager` file",
        )
    })?;
    let taken = routing.matching(labels);
    let receivers: Vec<String> = taken
        .iter()
        .filter_map(|id| routing.route(*id))
        .map(|route| route.rule.receiver.to_string())
        .collect();
    if json {
        let ways = taken.iter().filter_map(|id| routing.route(*id)).map(|route| {
            let channels = routing.receiver(&route.rule.receiver).map(|found| &found.channels);
            json!({
                "route": route.key,
                "receiver": route.rule.receiver,
                "channels": channels,
                "group": route.group_key(&route.group_labels(labels)),
            })
        });
        output::json(&json!({ "labels": labels, "ways": ways.collect::<Vec<_>>() }))?;
    } else {
        tree(&routing, Routing::ROOT, labels, &taken, 0);
        output::line(&receivers.join(","));
    }
    Ok(wiring::answer(expect.is_none_or(|wanted| wanted == receivers.join(","))))
}

/// Prints the routes whose matchers hold, and at those that take the alert, its group.
fn tree(routing: &Routing, id: RouteId, labels: &Labels, taken: &[RouteId], depth: usize) {
    let Some(route) = routing.route(id) else { return };
    if !route.rule.matchers.hold(labels) {
        return;
    }
    let matchers = match (route.rule.matchers.is_empty(), depth) {
        (true, 0) => "every alert".to_owned(),
        _ => route.rule.matchers.to_string(),
    };
    let mut line = format!("{}{matchers}", "  ".repeat(depth));
    if taken.contains(&id) {
        line.push_str(&taken_as(routing, route, labels));
    }
    output::line(&output::plain(&line));
    for child in &route.children {
        tree(routing, *child, labels, taken, depth + 1);
        let stops = routing
            .route(*child)
            .is_some_and(|child| child.rule.matchers.hold(labels) && !child.rule.continues);
        if stops {
            return;
        }
    }
}

fn taken_as(routing: &Routing, route: &Route, labels: &Labels) -> String {
    let receiver = &route.rule.receiver;
    let channels = routing
        .receiver(receiver)
        .map(|found| found.channels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let told = match channels.as_deref() {
        None | Some("") => "nobody".to_owned(),
        Some(channels) => channels.to_owned(),
    };
    let group = route.group_labels(labels);
    format!(
        "  -> {receiver} ({told}), group {group}, told after {}, again after {} when it changed \
         and after {} when it did not",
        route.rule.group_wait, route.rule.group_interval, route.rule.repeat_interval
    )
}
