//! Alertmanager's own configuration (`alertmanager.yml`): the routing with its receivers, inhibit
//! rules and time intervals, and the channels that the receivers need.
//!
//! What Nightcrew does not have (templates of messages, settings of the HTTP client, receivers of
//! other kinds) is listed with its place, and what can be done instead.
//! The keys are those of <https://prometheus.io/docs/alerting/latest/configuration/>.

mod global;
mod integration;
mod receiver;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nightcrew_model::route::Routing;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::interval;
use crate::decode::routing::{self, Beside, RawRoute};
use crate::decode::seen::Seen;
use crate::env::Env;
use crate::fields::Fields;
use crate::import::alertmanager::global::Global;
use crate::import::{Counts, scalar};
use crate::load;
use crate::problem::{Place, Problem};
use crate::settings::Channel;
use crate::tree::At;

/// What an Alertmanager's configuration says, in our words.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Where alerts go.
    pub routing: Routing,
    /// The channels of the receivers.
    pub channels: Vec<Channel>,
    /// How long an alert without an end fires after its last word.
    pub resolve_timeout: Option<Millis>,
    /// What it holds, in numbers.
    pub counts: Counts,
    /// What could not be carried over: where it stands, why, and what can be done instead.
    pub cannot: Vec<Problem>,
}

/// Loads an `alertmanager.yml`; `${VAR}` in it is filled in as in our own files.
///
/// # Errors
/// Every mistake, with its place, when it is not a configuration of Alertmanager.
pub fn load(path: &Path, env: &Env) -> Result<Imported, Vec<Problem>> {
    load::with_yaml(path, env, |node, cx| {
        let mut seen = Seen::default();
        let found = read(&At::root(node), &mut seen, cx);
        let routing =
            found.root.and_then(|root| routing::assemble(root, found.beside, &mut seen, cx));
        let routing = routing.filter(|_| !cx.report.has_errors());
        let mut cannot = std::mem::take(&mut cx.cannot);
        cannot.conceal_as(&cx.report);
        let cannot = cannot.into_problems(cx.files);
        routing.map(|routing| Imported {
            counts: Counts::of(&routing),
            routing,
            channels: found.channels,
            resolve_timeout: found.resolve_timeout,
            cannot,
        })
    })
}

/// What was read, before the routes are put together.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) root: Option<RawRoute>,
    pub(crate) beside: Beside,
    pub(crate) channels: Vec<Channel>,
    pub(crate) resolve_timeout: Option<Millis>,
}

/// Notes something that cannot be carried over.
fn cannot(at: &At<'_>, why: impl Into<String>, instead: &str, cx: &mut Context<'_>) {
    let place = Place::new(at.key_span, at.path.clone());
    cx.cannot.warning(place, why).hint(instead);
}

/// Reads a whole file.
pub(crate) fn read(at: &At<'_>, seen: &mut Seen, cx: &mut Context<'_>) -> Found {
    let mut found = Found::default();
    let what = "a configuration of Alertmanager: an object with `route` and `receivers`";
    let Some(mut fields) = Fields::open(at, what, &mut cx.report) else {
        return found;
    };
    let global = match fields.take("global") {
        Some(at) => global::global(&at, cx),
        None => Global::default(),
    };
    found.resolve_timeout = global.resolve_timeout;
    if let Some(at) = fields.take("templates") {
        for (at, _) in scalar::texts(&at, cx) {
            let why = "templates of Go are not carried over; messages are written by Nightcrew";
            cannot(&at, why, "use a channel of the type webhook with a `template`", cx);
        }
    }
    if let Some(at) = fields.take("tracing") {
        cannot(&at, "Nightcrew sends no traces", "leave it out", cx);
    }
    for key in ["time_intervals", "mute_time_intervals"] {
        if let Some(at) = fields.take(key) {
            intervals(&at, &mut found, cx);
        }
    }
    let receivers = fields.take("receivers");
    match &receivers {
        Some(at) => receiver::receivers(at, &global, &mut found, seen, cx),
        None => {
            cx.report
                .error(at, "there is no `receivers`")
                .hint("a YAML file is read as Alertmanager's");
        }
    }
    if let Some(at) = fields.take("inhibit_rules") {
        found.beside.inhibit_rules = route::inhibit_rules(&at, seen, cx);
    }
    match fields.take("route") {
        Some(at) => found.root = route::route(&at, 0, cx),
        None => {
            cx.report
                .error(at, "there is no `route`")
                .hint("a YAML file is read as Alertmanager's");
        }
    }
    fields.finish(&mut cx.report);
    found
}

/// `time_intervals`, and their name before Alertmanager 0.24.
fn intervals(at: &At<'_>, found: &mut Found, cx: &mut Context<'_>) {
    for at in scalar::items(at, cx) {
        let Some(mut fields) = Fields::open(&at, "an object with `name`", &mut cx.report) else {
            continue;
        };
        let name = scalar::text_of(&mut fields, "name", cx);
        let times = fields.take("time_intervals").map(|at| {
            let items = scalar::items(&at, cx);
            items.iter().filter_map(|at| interval::interval(at, cx)).collect()
        });
        fields.finish(&mut cx.report);
        let Some((name_at, name)) = name else {
            cx.report.error(&at, "the time interval has no `name`");
            continue;
        };
        let known = found.beside.intervals.insert(name.as_str().into(), times.unwrap_or_default());
        if known.is_some() {
            cx.report.error(&name_at, format!("two time intervals are called {name:?}"));
        }
    }
}

/// Notes each of these keys that is there.
fn left_out(
    fields: &mut Fields<'_>,
    keys: &[&'static str],
    why: &str,
    instead: &str,
    cx: &mut Context<'_>,
) {
    let found: BTreeMap<&str, At<'_>> =
        keys.iter().filter_map(|key| Some((*key, fields.take_unlisted(key)?))).collect();
    let places: BTreeSet<&str> = found.keys().copied().collect();
    for key in places {
        if let Some(at) = found.get(key) {
            cannot(at, why, instead, cx);
        }
    }
}
