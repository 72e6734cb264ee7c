//! Rule tests: what should be told when, in a file of the operator.
//!
//! ```json5
//! {
//!   tests: [{
//!     name: "결제 장애는 당직에게",
//!     alerts: [{ at_seconds: 0, labels: { alertname: "Down", service: "결제" }, until_seconds: 900 }],
//!     silences: [{ matchers: ["env=\"stage\""], from_seconds: 0, to_seconds: 3600 }],
//!     acks: [{ at_seconds: 600, incident: "INC-1" }],
//!     expect: [{ from_seconds: 30, to_seconds: 40, channel: "pager", alerts: [{ service: "결제" }] }],
//!     expect_nothing: [{ from_seconds: 600, to_seconds: 1800, channel: "lead" }],
//!   }],
//! }
//! ```
//!
//! Here they are only read and judged; whoever has an engine and a virtual clock runs them.

use std::collections::BTreeSet;
use std::path::Path;

use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{ChannelName, IncidentId, ReceiverName};
use nightcrew_model::labels::Labels;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::matchers::matchers;
use crate::env::Env;
use crate::fields::{self, Fields, ITEMS_MAX};
use crate::load;
use crate::nearest::suggestion;
use crate::problem::{Place, Problem};
use crate::settings::Settings;
use crate::text::Position;
use crate::tree::{At, Value};

/// How long a test may last, in its own time.
pub const TEST_TIME_MAX: Millis = Millis::from_secs(366 * 86_400);

/// The largest number of alerts, of expectations or of anything else of one test.
pub const TEST_ITEMS_MAX: usize = ITEMS_MAX;

/// One test.  Times count from its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleTest {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub place: TestPlace,
    /// What fires.
    pub alerts: Vec<TestAlert>,
    /// What is silenced.
    pub silences: Vec<TestSilence>,
    /// What is acknowledged.
    pub acks: Vec<TestAck>,
    /// What must be told.
    pub expect: Vec<Expected>,
    /// What must not be told.
    pub expect_nothing: Vec<Expected>,
}

/// Where a part of a test is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestPlace {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The key, such as `tests[0].expect[1]`.
    pub key: String,
}

/// An alert that fires.
#[derive(Clone, Debug, PartialEq)]
pub struct TestAlert {
    /// From when.
    pub at: Millis,
    /// Until when; none: it does not end.
    pub until: Option<Millis>,
    /// Its labels.
    pub labels: Labels,
    /// Where it is written.
    pub place: TestPlace,
}

/// A silence.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSilence {
    /// From when.
    pub from: Millis,
    /// Until when.
    pub to: Millis,
    /// Of what.
    pub matchers: Matchers,
    /// Where it is written.
    pub place: TestPlace,
}

/// Somebody acknowledges an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestAck {
    /// When.
    pub at: Millis,
    /// Which; incidents are numbered from 1 in the order in which the test opens them.
    pub incident: IncidentId,
    /// Where it is written.
    pub place: TestPlace,
}

/// Through what people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestTarget {
    /// One channel.
    Channel(ChannelName),
    /// Any channel of a receiver.
    Receiver(ReceiverName),
}

/// A message that must come, or must not come, in a stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// From when, included.
    pub from: Millis,
    /// Until when, included.
    pub to: Millis,
    /// Through what; none (only where nothing must be told): anything.
    pub target: Option<TestTarget>,
    /// Of which kind; none: any.
    pub kind: Option<NotificationKind>,
    /// The alerts of which it tells, each by some of its labels; empty: any.
    pub alerts: Vec<Labels>,
    /// Where it is written.
    pub place: TestPlace,
}

/// What came of a file of rule tests.
#[derive(Clone, Debug)]
pub struct RuleTests {
    /// The tests, in their order.
    pub tests: Vec<RuleTest>,
    /// What may not be meant, although it can be run.
    pub warnings: Vec<Problem>,
}

/// Loads a file of rule tests and judges it against the settings that it is about.
///
/// # Errors
/// Every mistake, with its place.
pub fn load(path: &Path, settings: &Settings, env: &Env) -> Result<RuleTests, Vec<Problem>> {
    load::with_json5(path, env, |node, cx| {
        let tests = read(&At::root(node), settings, cx);
        if cx.report.has_errors() {
            return None;
        }
        let warnings = std::mem::take(&mut cx.report).into_problems(cx.files);
        Some(RuleTests { tests, warnings })
    })
}

fn read(at: &At<'_>, settings: &Settings, cx: &mut Context<'_>) -> Vec<RuleTest> {
    let Some(mut fields) = Fields::open(at, "an object with `tests`", &mut cx.report) else {
        return Vec::new();
    };
    let tests_at = fields.take("tests");
    let items = tests_at.as_ref().map(|at| fields::items(at, &mut cx.report)).unwrap_or_default();
    fields.finish(&mut cx.report);
    if items.is_empty() {
        cx.report
            .error(at, "the file has no tests")
            .hint("add `tests: [{ name, alerts, expect }]`");
    }
    let mut names = BTreeSet::new();
    let mut tests = Vec::new();
    for (at, n) in items.iter().zip(1..) {
        let Some(test) = test(n, at, settings, cx) else { continue };
        if !names.insert(test.name.clone()) {
            cx.report.error(at, format!("another test is called {:?} too", test.name));
        }
        tests.push(test);
    }
    tests
}

fn test(n: usize, at: &At<'_>, settings: &Settings, cx: &mut Context<'_>) -> Option<RuleTest> {
    let mut fields = Fields::open(at, "a test: an object", &mut cx.report)?;
    let name = fields.text("name", &mut cx.report);
    let alerts = each(&mut fields, "alerts", cx, alert);
    let silences = each(&mut fields, "silences", cx, silence);
    let acks = each(&mut fields, "acks", cx, ack);
    let expect = each(&mut fields, "expect", cx, |at, cx| expected(at, settings, true, cx));
    let nothing =
        each(&mut fields, "expect_nothing", cx, |at, cx| expected(at, settings, false, cx));
    fields.finish(&mut cx.report);
    if alerts.is_empty() {
        cx.report
            .error(at, "nothing fires in this test")
            .hint("add `alerts: [{ at_seconds, labels }]`");
    }
    if expect.is_empty() && nothing.is_empty() {
        cx.report
            .error(at, "the test expects nothing, so it cannot fail")
            .hint("add `expect` or `expect_nothing`");
    }
    judge(&alerts, &expect, cx, at);
    Some(RuleTest {
        name: name.map_or_else(|| format!("test {n}"), str::to_owned),
        place: place(at, cx),
        alerts,
        silences,
        acks,
        expect,
        expect_nothing: nothing,
    })
}

fn each<T>(
    fields: &mut Fields<'_>,
    key: &str,
    cx: &mut Context<'_>,
    mut read: impl FnMut(&At<'_>, &mut Context<'_>) -> Option<T>,
) -> Vec<T> {
    let at = fields.take(key);
    let items = at.map(|at| fields::items(&at, &mut cx.report)).unwrap_or_default();
    items.iter().filter_map(|at| read(at, cx)).collect()
}

fn place(at: &At<'_>, cx: &Context<'_>) -> TestPlace {
    let Position { line, column } = cx.files.position(at.node.span);
    TestPlace { file: cx.files.shown(at.node.span.file), line, column, key: at.path.clone() }
}

/// A time that has to be there.
fn time(fields: &mut Fields<'_>, key: &'static str, cx: &mut Context<'_>) -> Option<Millis> {
    let found = fields.duration(key, Millis(0)..=TEST_TIME_MAX, &mut cx.report);
    if !fields.has_duration(key) {
        cx.report
            .error(fields.at(), format!("nothing says the `{key}_seconds`"))
            .hint("times count from the beginning of the test");
    }
    found
}

/// Two times, the second not before the first.
fn span(fields: &mut Fields<'_>, at: &At<'_>, cx: &mut Context<'_>) -> Option<(Millis, Millis)> {
    let (from, to) = (time(fields, "from", cx), time(fields, "to", cx));
    let (from, to) = (from?, to?);
    if to < from {
        cx.report.error(at, format!("it ends at {to}, before it begins at {from}"));
        return None;
    }
    Some((from, to))
}

fn labels(at: &At<'_>, cx: &mut Context<'_>) -> Labels {
    let mut found = Labels::default();
    for (name, at) in fields::named(at, "an object of labels", &mut cx.report) {
        if let Some(value) = fields::text(&at, &mut cx.report) {
            found.set(name, value);
        }
    }
    found
}

fn alert(at: &At<'_>, cx: &mut Context<'_>) -> Option<TestAlert> {
    let mut fields = Fields::open(at, "an alert: { at_seconds, labels }", &mut cx.report)?;
    let begins = time(&mut fields, "at", cx);
    let range = Millis(0)..=TEST_TIME_MAX;
    let until = fields.duration("until", range, &mut cx.report);
    let labels = fields.take("labels").map(|at| labels(&at, cx)).unwrap_or_default();
    fields.finish(&mut cx.report);
    if labels.is_empty() {
        cx.report.error(at, "the alert has no labels").hint("such as { alertname: \"Down\" }");
        return None;
    }
    let begins = begins?;
    if until.is_some_and(|until| until <= begins) {
        cx.report.error(at, "the alert ends before it begins");
        return None;
    }
    Some(TestAlert { at: begins, until, labels, place: place(at, cx) })
}

fn silence(at: &At<'_>, cx: &mut Context<'_>) -> Option<TestSilence> {
    let mut fields =
        Fields::open(at, "a silence: { matchers, from_seconds, to_seconds }", &mut cx.report)?;
    let matchers_at = fields.take("matchers");
    let found = matchers_at.as_ref().and_then(|at| matchers(at, cx));
    let span = span(&mut fields, at, cx);
    fields.finish(&mut cx.report);
    if matchers_at.is_none() {
        cx.report.error(at, "the silence has no `matchers`");
    }
    let (from, to) = span?;
    Some(TestSilence { from, to, matchers: found?, place: place(at, cx) })
}

fn ack(at: &At<'_>, cx: &mut Context<'_>) -> Option<TestAck> {
    let mut fields =
        Fields::open(at, "an acknowledgement: { at_seconds, incident }", &mut cx.report)?;
    let when = time(&mut fields, "at", cx);
    let incident = match fields.take("incident") {
        Some(at) => {
            let number = fields::as_number(&at).filter(|n| n.fract() == 0.0 && *n >= 1.0);
            let text = match (&at.node.value, number) {
                (Value::Text(text), _) => text.text.clone(),
                (_, Some(number)) => number.to_string(),
                _ => String::new(),
            };
            let found = text.parse::<IncidentId>().ok().filter(|id| id.0 > 0);
            if found.is_none() {
                cx.report.expected(&at, "an incident").hint("the first one of a test is \"INC-1\"");
            }
            found
        }
        None => {
            cx.report.error(at, "nothing says which `incident`").hint("the first one is \"INC-1\"");
            None
        }
    };
    fields.finish(&mut cx.report);
    Some(TestAck { at: when?, incident: incident?, place: place(at, cx) })
}

fn expected(
    at: &At<'_>,
    settings: &Settings,
    needs_target: bool,
    cx: &mut Context<'_>,
) -> Option<Expected> {
    let mut fields = Fields::open(at, "{ from_seconds, to_seconds, channel }", &mut cx.report)?;
    let span = span(&mut fields, at, cx);
    let target = target(&mut fields, at, settings, needs_target, cx);
    let kind = fields.take("kind").and_then(|at| kind(&at, cx));
    let alerts = each(&mut fields, "alerts", cx, |at, cx| Some(labels(at, cx)));
    fields.finish(&mut cx.report);
    let (from, to) = span?;
    Some(Expected { from, to, target, kind, alerts, place: place(at, cx) })
}

fn target(
    fields: &mut Fields<'_>,
    at: &At<'_>,
    settings: &Settings,
    is_needed: bool,
    cx: &mut Context<'_>,
) -> Option<TestTarget> {
    let channel_at = fields.take("channel");
    let channel = fields.text("channel", &mut cx.report);
    let receiver_at = fields.take("receiver");
    let receiver = fields.text("receiver", &mut cx.report);
    match (channel_at, receiver_at) {
        (Some(_), Some(at)) => {
            cx.report.error(&at, "`channel` and `receiver` both say through what").hint("keep one");
            None
        }
        (Some(at), None) => {
            let name = channel?;
            let mut known = settings.channels.iter().map(|channel| channel.name.as_str());
            if !known.any(|known| known == name) {
                let known = settings.channels.iter().map(|channel| channel.name.as_str());
                unknown("channel", name, &at, suggestion(name, known), cx);
            }
            Some(TestTarget::Channel(ChannelName::from(name)))
        }
        (None, Some(at)) => {
            let name = receiver?;
            let receivers = settings.triage.routing.as_ref().map(|routing| &routing.receivers[..]);
            let known = receivers.unwrap_or_default().iter().map(|known| known.name.as_str());
            if !known.clone().any(|known| known == name) {
                unknown("receiver", name, &at, suggestion(name, known), cx);
            }
            Some(TestTarget::Receiver(ReceiverName::from(name)))
        }
        (None, None) => {
            if is_needed {
                cx.report.error(at, "nothing says through what: `channel` or `receiver`");
            }
            None
        }
    }
}

fn unknown(kind: &str, name: &str, at: &At<'_>, hint: String, cx: &mut Context<'_>) {
    cx.report.error(at, format!("the configuration has no {kind} called {name:?}")).hint(hint);
}

/// The kind of a message, in its word.
fn kind(at: &At<'_>, cx: &mut Context<'_>) -> Option<NotificationKind> {
    let word = fields::text(at, &mut cx.report)?;
    let found = NotificationKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    if found.is_none() {
        let hint = suggestion(word, NotificationKind::ALL.map(NotificationKind::as_str));
        cx.report.expected(at, "the kind of a message").hint(hint);
    }
    found
}

/// What can never be as it is expected.
fn judge(alerts: &[TestAlert], expect: &[Expected], cx: &mut Context<'_>, test: &At<'_>) {
    let first = alerts.iter().map(|alert| alert.at).min();
    let expects_at = test.get("expect");
    for (n, expected) in expect.iter().enumerate() {
        let items = expects_at.as_ref().and_then(|at| match &at.node.value {
            Value::Array(items) => items.get(n).map(|node| at.item(n, node)),
            _ => None,
        });
        let Some(at) = items else { continue };
        if first.is_some_and(|first| expected.to < first) {
            cx.report
                .error(&at, "it is expected before anything fires, so it never comes")
                .hint("times count from the beginning of the test");
        }
        for wanted in &expected.alerts {
            let fires = alerts.iter().any(|alert| {
                wanted.iter().all(|(name, value)| alert.labels.get(name) == Some(value))
            });
            if !fires {
                let place = Place::from(&at);
                cx.report
                    .error(place, format!("no alert of the test has the labels {wanted}"))
                    .hint("alerts are named by some of their labels");
            }
        }
    }
}
