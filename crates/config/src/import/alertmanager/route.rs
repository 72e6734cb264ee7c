//! `route` and `inhibit_rules`, in the forms of all versions.

use nightcrew_model::matcher::{MatchOp, Matcher, Matchers};
use nightcrew_model::route::InhibitRule;
use nightcrew_model::unit::Millis;

use crate::decode::matchers::{sorted, why};
use crate::decode::routing::{ROUTE_DEPTH_MAX, ROUTE_TIME_MAX, RawRoute, too_deep};
use crate::decode::seen::Seen;
use crate::decode::{Context, routing};
use crate::fields::{self, Fields};
use crate::import::scalar;
use crate::problem::Place;
use crate::tree::{At, Value};

/// Reads a route and what lies below it.
pub(super) fn route(at: &At<'_>, depth: usize, cx: &mut Context<'_>) -> Option<RawRoute> {
    let mut fields = Fields::open(at, "a route: an object with `receiver`", &mut cx.report)?;
    let receiver = scalar::text_of(&mut fields, "receiver", cx);
    let group_by = match fields.take("group_by") {
        Some(at) if !matches!(at.node.value, Value::Null) => routing::group_by(&at, cx),
        _ => Vec::new(),
    };
    let group_wait = scalar::duration(&mut fields, "group_wait", Millis(0)..=ROUTE_TIME_MAX, cx);
    let least = Millis(1)..=ROUTE_TIME_MAX;
    let group_interval = scalar::duration(&mut fields, "group_interval", least.clone(), cx);
    let repeat_interval = scalar::duration(&mut fields, "repeat_interval", least, cx);
    let matchers_place = ["matchers", "match", "match_re"]
        .iter()
        .find_map(|key| at.get(key))
        .map(|at| Place::new(at.key_span, at.path.clone()));
    let matchers = matchers(&mut fields, ["match", "match_re", "matchers"], cx);
    let mut names = |key| {
        let texts = fields.take(key).map(|at| scalar::texts(&at, cx)).unwrap_or_default();
        let names = texts.into_iter().map(|(at, name)| (name.into(), Place::from(&at)));
        names.collect::<Vec<_>>()
    };
    let mute = names("mute_time_intervals");
    let active = names("active_time_intervals");
    let continue_at = fields.take("continue");
    let continues = scalar::boolean(&mut fields, "continue", cx) == Some(true);
    let mut routes = Vec::new();
    if let Some(at) = fields.take("routes") {
        if depth >= ROUTE_DEPTH_MAX {
            too_deep(&at, cx);
        } else {
            let items = scalar::items(&at, cx);
            routes = items.iter().filter_map(|at| route(at, depth + 1, cx)).collect();
        }
    }
    fields.finish(&mut cx.report);
    Some(RawRoute {
        place: at.into(),
        receiver: receiver.map(|(at, name)| (name.into(), Place::from(&at))),
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

/// The matchers of the three ways to write them, as one set: an object of values, one of regular
/// expressions, and a list of matchers.
fn matchers(
    fields: &mut Fields<'_>,
    [equal, regex, list]: [&str; 3],
    cx: &mut Context<'_>,
) -> Option<Matchers> {
    let mut all: Vec<Matcher> = Vec::new();
    let mut are_good = true;
    for (key, op) in [(equal, MatchOp::Equal), (regex, MatchOp::Regex)] {
        let Some(at) = fields.take(key).filter(|at| !matches!(at.node.value, Value::Null)) else {
            continue;
        };
        for (name, at) in fields::named(&at, "an object of labels", &mut cx.report) {
            let value = scalar::text(&at, cx).unwrap_or_default();
            match Matcher::new(name.to_owned(), op, value) {
                Ok(matcher) => all.push(matcher),
                Err(bad) => {
                    are_good = false;
                    cx.report.error(&at, format!("expected a matcher, but {}", why(&bad)));
                }
            }
        }
    }
    let at = fields.take(list);
    if let Some(at) = &at {
        for (at, text) in scalar::texts(at, cx) {
            match Matchers::parse(&text) {
                Ok(read) => all.extend(read.iter().cloned()),
                Err(bad) => {
                    are_good = false;
                    cx.report
                        .error(&at, format!("expected a matcher, but {}", why(&bad)))
                        .hint("such as severity=\"critical\", team!=\"db\" or path=~\"/var/.*\"");
                }
            }
        }
    }
    let set = sorted(all).map_err(|why| cx.report.error(fields.at(), why));
    set.ok().filter(|_| are_good)
}

/// Reads `inhibit_rules`.
pub(super) fn inhibit_rules(
    at: &At<'_>,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> Vec<InhibitRule> {
    let mut rules = Vec::new();
    for (at, n) in scalar::items(at, cx).into_iter().zip(1..) {
        let what = "an object with `source_matchers` and `target_matchers`";
        let Some(mut fields) = Fields::open(&at, what, &mut cx.report) else {
            continue;
        };
        let name = scalar::text_of(&mut fields, "name", cx);
        let source = ["source_match", "source_match_re", "source_matchers"];
        let source = matchers(&mut fields, source, cx);
        let target = ["target_match", "target_match_re", "target_matchers"];
        let target = matchers(&mut fields, target, cx);
        let equal = fields.take("equal").map(|at| scalar::texts(&at, cx)).unwrap_or_default();
        fields.finish(&mut cx.report);
        let (Some(source), Some(target)) = (source, target) else { continue };
        seen.inhibit_rules.push((&at).into());
        rules.push(InhibitRule {
            name: name.map_or_else(|| format!("{n}"), |(_, name)| name),
            source,
            target,
            equal: equal.into_iter().map(|(_, label)| label).collect(),
        });
    }
    rules
}
