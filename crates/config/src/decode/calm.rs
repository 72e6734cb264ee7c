//! What keeps people's nights quiet, and what wakes them when the crew itself is silent:
//! `mute_windows`, `dependencies`, `storm`, `flapping`, `watchdogs`, `heartbeat`, `all_clear`.

use jiff::Timestamp;
use nightcrew_model::id::{ChannelName, PersonName, ServiceName, SilenceId, WatchdogName};
use nightcrew_model::mute::{Dependencies, FlapRule, StormRule, Watchdog};
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::Millis;

use crate::decode::interval::{self, Intervals};
use crate::decode::matchers::matchers;
use crate::decode::seen::{Seen, SeenNeed};
use crate::decode::{Context, moment};
use crate::fields::{self, Fields};
use crate::problem::Place;
use crate::settings::{AllClear, Heartbeat, Secret};
use crate::tree::{At, Value};
use crate::web;

/// The longest window of a count: a week.
const WINDOW_MAX: Millis = Millis::from_secs(7 * 86_400);

/// The largest number of messages or changes that a rule counts to.
const COUNT_MAX: u32 = 10_000;

/// Reads `mute_windows`.
pub(crate) fn mute_windows(
    at: &At<'_>,
    intervals: &Intervals,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> Vec<Silence> {
    let mut windows: Vec<Silence> = Vec::new();
    for (at, n) in fields::items(at, &mut cx.report).into_iter().zip(1..) {
        let Some(window) = mute_window(n, &at, intervals, cx) else {
            continue;
        };
        if windows.iter().any(|known| known.id == window.id) {
            cx.report.error(&at, format!("another mute window is called {} too", window.id));
        }
        seen.mute_windows.push((&at).into());
        windows.push(window);
    }
    windows
}

fn mute_window(
    n: usize,
    at: &At<'_>,
    intervals: &Intervals,
    cx: &mut Context<'_>,
) -> Option<Silence> {
    let mut fields = Fields::open(at, "a mute window: an object with `matchers`", &mut cx.report)?;
    let name = fields.text("name", &mut cx.report);
    let matchers_at = fields.take("matchers");
    let found = matchers_at.as_ref().and_then(|at| matchers(at, cx));
    let zone = moment::zone(&mut fields, "zone", &mut cx.report);
    let [from, until] = ["from", "until"]
        .map(|key| fields.take(key).and_then(|at| moment::moment(&at, &zone, &mut cx.report)));
    let repeats = fields.take("times").map(|at| interval::hours(&at, intervals, cx));
    let owner = fields.text("owner", &mut cx.report);
    let reason = fields.text("reason", &mut cx.report);
    let must = [
        ("matchers", "say which alerts it is about: `matchers: [\"service=\\\"batch\\\"\"]`"),
        (
            "until",
            "nothing is mute for ever: say when it ends, such as `until: \"2027-01-01T00:00\"`",
        ),
        ("owner", "say who answers for it"),
        ("reason", "say why nobody is to hear of these alerts"),
    ];
    for (key, hint) in must {
        if !fields.has(key) {
            cx.report.error(at, format!("the mute window has no `{key}`")).hint(hint);
        }
    }
    fields.finish(&mut cx.report);
    let (matchers, ends_at) = (found?, until?);
    let starts_at = from.unwrap_or(Timestamp::UNIX_EPOCH);
    if !matchers.want_something() {
        if let Some(at) = &matchers_at {
            cx.report
                .error(
                    at,
                    "these matchers hold for every alert, also for those that nobody foresaw",
                )
                .hint("add a matcher that wants a value, such as service=\"batch\"");
        }
        return None;
    }
    if ends_at <= starts_at {
        cx.report.error(at, "the mute window ends before it begins");
        return None;
    }
    Some(Silence {
        id: SilenceId::from(name.map_or_else(|| format!("mute-{n}"), str::to_owned)),
        matchers,
        starts_at,
        ends_at,
        updated_at: starts_at,
        created_by: PersonName::from(owner?),
        comment: reason?.to_owned(),
        repeats: repeats.unwrap_or_default(),
    })
}

/// Reads `dependencies`.
pub(crate) fn dependencies(
    at: &At<'_>,
    found: &mut Dependencies,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) {
    let Some(mut fields) = Fields::open(at, "an object with `needs`", &mut cx.report) else {
        return;
    };
    if let Some(window) = fields.duration("window", Millis(1_000)..=WINDOW_MAX, &mut cx.report) {
        found.window = window;
    }
    if let Some(at) = fields.take("needs") {
        for (name, at) in fields::named(&at, "an object of lists of services", &mut cx.report) {
            let place = Place::new(at.key_span, at.path.clone());
            need(name, &place, &at, found, seen, cx);
        }
    }
    fields.finish(&mut cx.report);
}

/// Notes what one service needs.
pub(crate) fn need(
    name: &str,
    place: &Place,
    needed: &At<'_>,
    found: &mut Dependencies,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) {
    let service = ServiceName::from(name);
    for (at, needed) in fields::texts(needed, &mut cx.report) {
        let needed = ServiceName::from(needed);
        let list = found.needs.entry(service.clone()).or_default();
        if list.contains(&needed) {
            continue;
        }
        list.push(needed.clone());
        seen.needs.push(SeenNeed {
            service: service.clone(),
            service_place: place.clone(),
            needed,
            needed_place: (&at).into(),
        });
    }
}

/// Whether the value turns something off: `null` or `false`.
pub(crate) fn is_off(at: &At<'_>) -> bool {
    matches!(at.node.value, Value::Null | Value::Bool(false))
}

/// Reads `storm`; `null` is never.
pub(crate) fn storm(at: &At<'_>, storm: &mut Option<StormRule>, cx: &mut Context<'_>) {
    if is_off(at) {
        *storm = None;
        return;
    }
    let (Some(mut fields), Some(rule)) =
        (Fields::open(at, "an object, or null", &mut cx.report), storm.as_mut())
    else {
        return;
    };
    if let Some(count) = fields.integer("per_service", 1..=COUNT_MAX, &mut cx.report) {
        rule.per_service = count;
    }
    if let Some(count) = fields.integer("global", 1..=COUNT_MAX, &mut cx.report) {
        rule.global = count;
    }
    if let Some(window) = fields.duration("window", Millis(1_000)..=WINDOW_MAX, &mut cx.report) {
        rule.window = window;
    }
    fields.finish(&mut cx.report);
    if rule.per_service > rule.global {
        cx.report
            .warning(at, "one service may have more messages than all of them together")
            .hint("make `global` at least as large as `per_service`");
    }
}

/// Reads `flapping`; `null` is never.
pub(crate) fn flapping(at: &At<'_>, flap: &mut Option<FlapRule>, cx: &mut Context<'_>) {
    if is_off(at) {
        *flap = None;
        return;
    }
    let (Some(mut fields), Some(rule)) =
        (Fields::open(at, "an object, or null", &mut cx.report), flap.as_mut())
    else {
        return;
    };
    if let Some(changes) = fields.integer("changes", 2..=COUNT_MAX, &mut cx.report) {
        rule.changes = changes;
    }
    if let Some(window) = fields.duration("window", Millis(1_000)..=WINDOW_MAX, &mut cx.report) {
        rule.window = window;
    }
    fields.finish(&mut cx.report);
}

/// Reads `watchdogs`.
pub(crate) fn watchdogs(at: &At<'_>, cx: &mut Context<'_>) -> Vec<Watchdog> {
    let mut watchdogs = Vec::new();
    for (name, at) in fields::named(at, "an object of watchdogs", &mut cx.report) {
        let Some(mut fields) = Fields::open(&at, "an object with `matchers`", &mut cx.report)
        else {
            continue;
        };
        let matchers_at = fields.take("matchers");
        let found = matchers_at.as_ref().and_then(|at| matchers(at, cx));
        let timeout = fields.duration("timeout", Millis(1_000)..=WINDOW_MAX, &mut cx.report);
        if matchers_at.is_none() {
            cx.report
                .error(&at, "the watchdog does not say which alert it listens for")
                .hint("such as `matchers: [\"alertname=\\\"Watchdog\\\"\"]`");
        }
        if !fields.has_duration("timeout") {
            cx.report
                .error(&at, "the watchdog does not say how long the alert may be silent")
                .hint("such as `timeout_minutes: 10`: more than the interval at which it is sent");
        }
        fields.finish(&mut cx.report);
        let (Some(matchers), Some(timeout)) = (found, timeout) else { continue };
        if !matchers.want_something() {
            cx.report
                .error(&at, "any alert keeps this watchdog quiet")
                .hint("name the alert: alertname=\"Watchdog\"");
            continue;
        }
        watchdogs.push(Watchdog { name: WatchdogName::from(name), matchers, timeout });
    }
    watchdogs
}

/// Reads `heartbeat`.
pub(crate) fn heartbeat(at: &At<'_>, cx: &mut Context<'_>) -> Option<Heartbeat> {
    /// How often it is called, where nothing is said.
    const EVERY: Millis = Millis::from_secs(60);
    let mut fields = Fields::open(at, "an object with `url`", &mut cx.report)?;
    let url_at = fields.take("url");
    let url = fields.text("url", &mut cx.report);
    let range = Millis(10_000)..=Millis::from_secs(86_400);
    let interval = fields.duration("every", range, &mut cx.report);
    fields.finish(&mut cx.report);
    if url_at.is_none() {
        cx.report.error(at, "the heartbeat has no `url`").hint("such as \"${HEARTBEAT_URL}\"");
    }
    let (url_at, url) = (url_at?, url?);
    if let Err(why) = web::http_url(url) {
        cx.report.error(&url_at, format!("expected an HTTP URL, but {why}"));
        return None;
    }
    Some(Heartbeat { url: Secret::new(url), interval: interval.unwrap_or(EVERY) })
}

/// Reads `all_clear`.
pub(crate) fn all_clear(at: &At<'_>, seen: &mut Seen, cx: &mut Context<'_>) -> Option<AllClear> {
    let mut fields = Fields::open(at, "an object with `at`", &mut cx.report)?;
    let time_at = fields.take("at");
    let time = time_at.as_ref().and_then(|at| moment::time_of_day(at, &mut cx.report));
    let zone = moment::zone(&mut fields, "zone", &mut cx.report);
    let channels_at = fields.take("channels");
    let channels = channels_at.map(|at| fields::texts(&at, &mut cx.report)).unwrap_or_default();
    if time_at.is_none() {
        cx.report.error(at, "nothing says when").hint("such as `at: \"09:00\"`");
    }
    if channels.is_empty() {
        cx.report.error(at, "nothing says where").hint("such as `channels: [\"discord\"]`");
    }
    fields.finish(&mut cx.report);
    let mut names = Vec::new();
    for (at, name) in channels {
        let name = ChannelName::from(name);
        seen.all_clear.push((name.clone(), (&at).into()));
        names.push(name);
    }
    Some(AllClear { at: time?, zone, channels: names })
}
