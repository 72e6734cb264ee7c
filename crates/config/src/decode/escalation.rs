//! `escalation`: who is told of an incident that needs a person, and who next.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use nightcrew_model::escalation::{Level, Policy, Told};
use nightcrew_model::id::{ChannelName, PersonName, PolicyName, ScheduleName};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::oncall::Schedule;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::interval::{self, Intervals};
use crate::decode::matchers::matchers;
use crate::decode::people::{People, unknown_person};
use crate::decode::routing::unknown_channel;
use crate::decode::seen::{Seen, SeenLevel, SeenPolicy};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::At;

/// How long a level may wait: from a moment to 30 days.
pub(crate) const LEVEL_TIMES: RangeInclusive<Millis> = Millis(0)..=Millis::from_secs(30 * 86_400);

/// How often the levels of a policy may be gone through again.
const REPEAT_MAX: u32 = 100;

/// The largest number of levels of a policy.
pub(crate) const LEVELS_MAX: usize = 32;

/// Whom policies can name.
#[derive(Debug)]
pub(crate) struct Reachable<'r> {
    pub(crate) people: &'r People,
    pub(crate) schedules: &'r BTreeMap<ScheduleName, Schedule>,
    pub(crate) intervals: &'r Intervals,
}

/// Reads the policies of `escalation`.
pub(crate) fn policies(
    at: &At<'_>,
    reachable: &Reachable<'_>,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    for (at, n) in fields::items(at, &mut cx.report).into_iter().zip(1..) {
        let Some((policy, place)) = policy(n, &at, reachable, seen, cx) else {
            continue;
        };
        if policies.iter().any(|known| known.name == policy.name) {
            cx.report.error(&at, format!("another policy is called {} too", policy.name));
        }
        policies.push(policy);
        seen.policies.push(place);
    }
    policies
}

fn policy(
    n: usize,
    at: &At<'_>,
    reachable: &Reachable<'_>,
    seen: &Seen,
    cx: &mut Context<'_>,
) -> Option<(Policy, SeenPolicy)> {
    let mut fields = Fields::open(at, "a policy: an object with `levels`", &mut cx.report)?;
    let name = fields.text("name", &mut cx.report);
    let matchers = match fields.take("matchers") {
        Some(at) => matchers(&at, cx),
        None => Some(Matchers::default()),
    };
    let severity_min = match fields.take("severity_min") {
        Some(at) => severity(&at, cx),
        None => Some(Severity::Info),
    };
    let automatic = fields.duration("automatic", LEVEL_TIMES, &mut cx.report);
    let levels_at = fields.take("levels");
    let items = levels_at.map(|at| fields::items(&at, &mut cx.report)).unwrap_or_default();
    if items.is_empty() {
        cx.report.error(at, "the policy has no levels, so nobody is told").hint(
            "add `levels: [{ name: \"engineer\", notify: [\"discord\"], timeout_minutes: 30 }]`",
        );
    } else if items.len() > LEVELS_MAX {
        cx.report.error(at, format!("expected at most {LEVELS_MAX} levels, found {}", items.len()));
    }
    let levels = items.iter().zip(1..).filter_map(|(at, n)| level(n, at, reachable, seen, cx));
    let (levels, places): (Vec<Level>, Vec<SeenLevel>) = levels.unzip();
    let repeat_at = fields.take("repeat");
    let repeat = fields.integer("repeat", 0..=REPEAT_MAX, &mut cx.report);
    let range = Millis::from_secs(60)..=*LEVEL_TIMES.end();
    let acknowledge_timeout = fields.duration("acknowledge_timeout", range, &mut cx.report);
    fields.finish(&mut cx.report);
    let policy = Policy {
        name: PolicyName::from(name.map_or_else(|| n.to_string(), str::to_owned)),
        matchers: matchers?,
        severity_min: severity_min?,
        automatic,
        levels,
        repeat: repeat.unwrap_or(0),
        acknowledge_timeout,
    };
    let repeat = repeat_at.as_ref().map(Place::from);
    Some((policy, SeenPolicy { place: at.into(), repeat, levels: places }))
}

fn severity(at: &At<'_>, cx: &mut Context<'_>) -> Option<Severity> {
    let word = fields::text(at, &mut cx.report)?;
    let known = [Severity::Info, Severity::Warning, Severity::Critical];
    let found = known.into_iter().find(|severity| severity.to_string() == word);
    if found.is_none() {
        let hint = suggestion(word, ["info", "warning", "critical"]);
        cx.report.expected(at, "a severity").hint(hint);
    }
    found
}

fn level(
    n: usize,
    at: &At<'_>,
    reachable: &Reachable<'_>,
    seen: &Seen,
    cx: &mut Context<'_>,
) -> Option<(Level, SeenLevel)> {
    let mut fields = Fields::open(at, "a level: an object with `notify`", &mut cx.report)?;
    let name = fields.text("name", &mut cx.report);
    let notify_at = fields.take("notify");
    let texts = notify_at.map(|at| fields::texts(&at, &mut cx.report)).unwrap_or_default();
    if texts.is_empty() {
        cx.report
            .error(at, "the level tells nobody")
            .hint("add `notify: [\"discord\", \"person:kim\", \"schedule:primary\"]`");
    }
    let told = texts.iter().filter_map(|(at, text)| told(text, at, reachable, seen, cx)).collect();
    let timeout = fields.duration("timeout", LEVEL_TIMES, &mut cx.report);
    let timeout_place = fields.place_of_duration("timeout");
    let hours = fields.take("hours").map(|at| interval::hours(&at, reachable.intervals, cx));
    fields.finish(&mut cx.report);
    let level = Level {
        name: name.map_or_else(|| format!("L{n}"), str::to_owned),
        notify: told,
        timeout: timeout.unwrap_or(Millis::NEVER),
        hours: hours.unwrap_or_default(),
    };
    let place = Place::from(at);
    Some((level, SeenLevel { place, timeout: timeout_place }))
}

/// Who is told: `person:NAME`, `schedule:NAME`, `channel:NAME` or the name of a channel.
fn told(
    text: &str,
    at: &At<'_>,
    reachable: &Reachable<'_>,
    seen: &Seen,
    cx: &mut Context<'_>,
) -> Option<Told> {
    if let Some(name) = text.strip_prefix("person:") {
        let person = PersonName::from(name);
        if !reachable.people.contains_key(&person) {
            unknown_person(name, at, reachable.people, cx);
            return None;
        }
        return Some(Told::Person(person));
    }
    if let Some(name) = text.strip_prefix("schedule:") {
        let schedule = ScheduleName::from(name);
        if !reachable.schedules.contains_key(&schedule) {
            let known = reachable.schedules.keys().map(|name| name.as_str());
            let hint = suggestion(name, known);
            cx.report.error(at, format!("there is no schedule called {name:?}")).hint(hint);
            return None;
        }
        return Some(Told::Schedule(schedule));
    }
    let bare = text.strip_prefix("channel:").unwrap_or(text);
    let name = ChannelName::from(bare);
    if seen.channels.contains_key(&name) {
        return Some(Told::Channel(name));
    }
    let kind = if reachable.people.contains_key(&PersonName::from(bare)) {
        "person"
    } else if reachable.schedules.contains_key(&ScheduleName::from(bare)) {
        "schedule"
    } else {
        unknown_channel(&name, at, seen, cx);
        return None;
    };
    cx.report
        .error(at, format!("there is no channel called {bare:?}, but a {kind}"))
        .hint(format!("write \"{kind}:{bare}\""));
    None
}
