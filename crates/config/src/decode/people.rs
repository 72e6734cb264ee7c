//! `people` and `schedules`: who can be told, and who is on call.

use std::collections::BTreeMap;

use nightcrew_model::escalation::{Contact, Person};
use nightcrew_model::id::{ChannelName, PersonName, ScheduleName};
use nightcrew_model::interval::Zone;
use nightcrew_model::oncall::{Layer, Override, Schedule, Turn};

use crate::decode::Context;
use crate::decode::interval::{self, Intervals};
use crate::decode::moment;
use crate::decode::routing::unknown_channel;
use crate::decode::seen::Seen;
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::At;

/// The longest turn, in hours, days or weeks.
const TURN_MAX: u32 = 1_000;

/// A turn of so many units.
type TurnOf = fn(u32) -> Turn;

/// Those who can be told.
pub(crate) type People = BTreeMap<PersonName, Person>;

/// Reads `people`.
pub(crate) fn people(at: &At<'_>, seen: &mut Seen, cx: &mut Context<'_>) -> People {
    let mut people = People::new();
    for (name, at) in fields::named(at, "an object of people", &mut cx.report) {
        let name = PersonName::from(name);
        seen.people.insert(name.clone(), Place::new(at.key_span, at.path.clone()));
        let Some(mut fields) = Fields::open(&at, "an object with `channels`", &mut cx.report)
        else {
            continue;
        };
        let listed = fields.take("channels");
        let items = listed.map(|at| fields::items(&at, &mut cx.report)).unwrap_or_default();
        let channels: Vec<Contact> = items.iter().filter_map(|at| contact(at, seen, cx)).collect();
        if items.is_empty() {
            let place = Place::new(at.key_span, at.path.clone());
            cx.report
                .error(place, format!("{name} has no channels, so {name} cannot be told"))
                .hint("add `channels: [\"telegram\"]` or `[{ channel: \"discord\", mention: \"<@123>\" }]`");
        }
        fields.finish(&mut cx.report);
        people.insert(name.clone(), Person { name, channels });
    }
    people
}

/// A way to a person: the name of a channel, or `{ channel, mention }`.
fn contact(at: &At<'_>, seen: &Seen, cx: &mut Context<'_>) -> Option<Contact> {
    let (channel_at, name, mention) = if at.node.text().is_some() {
        (at.clone(), fields::text(at, &mut cx.report)?, None)
    } else {
        let mut fields =
            Fields::open(at, "the name of a channel, or { channel, mention }", &mut cx.report)?;
        let channel_at = fields.take("channel");
        let name = fields.text("channel", &mut cx.report);
        let mention = fields.text("mention", &mut cx.report).map(str::to_owned);
        if channel_at.is_none() {
            cx.report.error(at, "nothing says which `channel`");
        }
        fields.finish(&mut cx.report);
        (channel_at?, name?, mention)
    };
    let channel = ChannelName::from(name);
    if !seen.channels.contains_key(&channel) {
        unknown_channel(&channel, &channel_at, seen, cx);
        return None;
    }
    Some(Contact { channel, mention })
}

/// Tells of a name that nobody has.
pub(crate) fn unknown_person(
    name: &str,
    place: impl Into<Place>,
    people: &People,
    cx: &mut Context<'_>,
) {
    let hint = suggestion(name, people.keys().map(|name| name.as_str()));
    cx.report.error(place, format!("there is nobody called {name:?} in `people`")).hint(hint);
}

/// Reads `schedules`.  Those of the second source document are jobs (`cron`), which other
/// versions run.
pub(crate) fn schedules(
    at: &At<'_>,
    people: &People,
    intervals: &Intervals,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> BTreeMap<ScheduleName, Schedule> {
    let mut schedules = BTreeMap::new();
    for (name, entry) in fields::named(at, "an object of schedules", &mut cx.report) {
        let is_job = entry.get("cron").is_some() || entry.get("every").is_some();
        if is_job && entry.get("layers").is_none() {
            cx.later.note("schedules", at);
            continue;
        }
        let name = ScheduleName::from(name);
        if let Some(schedule) = schedule(&name, &entry, people, intervals, cx) {
            seen.schedules.insert(name.clone(), Place::new(entry.key_span, entry.path.clone()));
            schedules.insert(name, schedule);
        }
    }
    schedules
}

fn schedule(
    name: &ScheduleName,
    at: &At<'_>,
    people: &People,
    intervals: &Intervals,
    cx: &mut Context<'_>,
) -> Option<Schedule> {
    let mut fields = Fields::open(at, "an object with `layers`", &mut cx.report)?;
    let zone = moment::zone(&mut fields, "zone", &mut cx.report);
    let layers_at = fields.take("layers");
    let layers = layers_at.map(|at| fields::items(&at, &mut cx.report)).unwrap_or_default();
    if layers.is_empty() {
        cx.report.error(at, "the schedule has no layer, so nobody is ever on call").hint(
            "add `layers: [{ people: [\"kim\"], begins: \"2026-03-02T09:00\", turn_weeks: 1 }]`",
        );
    }
    let layers = layers.iter().zip(1..);
    let layers: Vec<Layer> =
        layers.filter_map(|(at, n)| layer(n, at, people, intervals, cx)).collect();
    let overrides_at = fields.take("overrides");
    let overrides = overrides_at.map(|at| fields::items(&at, &mut cx.report)).unwrap_or_default();
    let overrides = overrides.iter().filter_map(|at| replaced(at, &zone, people, cx)).collect();
    fields.finish(&mut cx.report);
    Some(Schedule { name: name.clone(), zone, layers, overrides })
}

fn layer(
    n: usize,
    at: &At<'_>,
    people: &People,
    intervals: &Intervals,
    cx: &mut Context<'_>,
) -> Option<Layer> {
    let mut fields = Fields::open(at, "a layer: an object with `people`", &mut cx.report)?;
    let name = fields.text("name", &mut cx.report);
    let names_at = fields.take("people");
    let names = names_at.map(|at| fields::texts(&at, &mut cx.report)).unwrap_or_default();
    if names.is_empty() {
        cx.report.error(at, "the layer has nobody").hint("add `people: [\"kim\", \"lee\"]`");
    }
    for (at, name) in &names {
        if !people.contains_key(&PersonName::from(*name)) {
            unknown_person(name, at, people, cx);
        }
    }
    let begins = match fields.take("begins") {
        Some(at) => moment::civil(&at, &mut cx.report),
        None => {
            cx.report.error(at, "the layer does not say when its first turn `begins`").hint(
                "such as `begins: \"2026-03-02T09:00\"`, on the clock of the schedule's `zone`",
            );
            None
        }
    };
    let turn = turn(&mut fields, at, cx);
    let hours = fields.take("hours").map(|at| interval::hours(&at, intervals, cx));
    fields.finish(&mut cx.report);
    Some(Layer {
        name: name.map_or_else(|| n.to_string(), str::to_owned),
        people: names.into_iter().map(|(_, name)| PersonName::from(name)).collect(),
        begins: begins?,
        turn: turn?,
        hours: hours.unwrap_or_default(),
    })
}

fn turn(fields: &mut Fields<'_>, layer: &At<'_>, cx: &mut Context<'_>) -> Option<Turn> {
    let kinds: [(&str, TurnOf); 3] =
        [("turn_hours", Turn::Hours), ("turn_days", Turn::Days), ("turn_weeks", Turn::Weeks)];
    let given: Vec<(At<'_>, TurnOf)> =
        kinds.into_iter().filter_map(|(key, kind)| Some((fields.take(key)?, kind))).collect();
    match &given[..] {
        [(at, kind)] => fields::integer(at, 1..=TURN_MAX, &mut cx.report).map(kind),
        [] => {
            cx.report
                .error(layer, "the layer does not say how long a turn is")
                .hint("add `turn_weeks: 1`, `turn_days` or `turn_hours`");
            None
        }
        [_, (second, _), ..] => {
            cx.report.error(second, "the length of a turn is given twice").hint("keep one");
            None
        }
    }
}

fn replaced(at: &At<'_>, zone: &Zone, people: &People, cx: &mut Context<'_>) -> Option<Override> {
    let mut fields = Fields::open(at, "an override: { person, from, until }", &mut cx.report)?;
    let person_at = fields.take("person");
    let person = fields.text("person", &mut cx.report);
    let [from, until] = ["from", "until"]
        .map(|key| fields.take(key).and_then(|at| moment::moment(&at, zone, &mut cx.report)));
    for key in ["person", "from", "until"] {
        if !fields.has(key) {
            cx.report.error(at, format!("the override has no `{key}`"));
        }
    }
    fields.finish(&mut cx.report);
    let (person_at, person, from, until) = (person_at?, person?, from?, until?);
    if !people.contains_key(&PersonName::from(person)) {
        unknown_person(person, &person_at, people, cx);
    }
    if until <= from {
        cx.report.error(at, "the override ends before it begins");
        return None;
    }
    Some(Override { person: PersonName::from(person), from, until })
}
