//! Rule tests: the operator's alerts at their times through the real engine, on a virtual clock,
//! and the messages that come of them against those that are expected.
//!
//! A test begins at 00:00 UTC on the first Monday, from 2026-01-05 on, on which every on-call
//! calendar has begun.  Every message arrives at once; nothing is executed and no sample is taken, so an incident goes to
//! people as one that no playbook can mend.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use nightcrew_config::rule_test::{Expected, RuleTest, TestPlace, TestTarget};
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::decision::{Fact, NotificationKind, Subject};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::{
    ChannelName, IncidentId, NotificationId, PersonName, ReceiverName, SilenceId,
};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::Millis;

/// The first day on which a test can begin, a Monday.
const FIRST_DAY: Date = date(2026, 1, 5);

/// The shortest time between two ticks.
const TICK: Millis = Millis(1_000);

/// The largest number of ticks of one test; a longer one ticks more seldom.
const TICKS_MAX: u64 = 100_000;

/// How often one moment is looked at again while work is left.
const ROUNDS_PER_MOMENT_MAX: u32 = 10_000;

/// One message that was told in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When, since the beginning.
    pub at: Millis,
    /// Through which channel.
    pub channel: ChannelName,
    /// The receiver, for a group of alerts.
    pub receiver: Option<ReceiverName>,
    /// What it says happened.
    pub kind: NotificationKind,
    /// The alerts of which it tells.
    pub alerts: Vec<Labels>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, channel, kind, alerts, .. } = self;
        write!(f, "{at}: {kind} to {channel}")?;
        for (n, labels) in alerts.iter().enumerate() {
            write!(f, "{}{labels}", if n == 0 { " about " } else { ", " })?;
        }
        Ok(())
    }
}

/// What a test found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Every message, in order.
    pub told: Vec<Told>,
    /// What is not as it should be.
    pub failures: Vec<Failure>,
}

/// One expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it is written.
    pub place: TestPlace,
    /// What is wrong.
    pub what: String,
}

/// Runs a test.
#[must_use]
pub fn run(settings: &nightcrew_config::settings::Settings, test: &RuleTest) -> Outcome {
    let mut rules = crate::core::rules(settings);
    // In a test nobody plays the heartbeat of another system.
    rules.watchdogs.clear();
    let mut run = Run {
        rules: &rules,
        begins: begins(&rules),
        state: State::default(),
        labels: BTreeMap::new(),
        members: BTreeMap::new(),
        routed: BTreeMap::new(),
        told: Vec::new(),
    };
    run.happens(Millis(0), Event::Started);
    let mut events = events(test, run.begins);
    let end = end(test, &events);
    let tick = TICK.max(Millis(end.0 / TICKS_MAX));
    let mut now = Millis(0);
    loop {
        while let Some((at, _)) = events.first()
            && *at <= now
        {
            let (_, event) = events.remove(0);
            run.happens(now, event);
        }
        run.tick(now);
        if now >= end {
            break;
        }
        let planned = events.first().map(|(at, _)| *at);
        let due =
            run.state.next_due().map(|due| Millis::between(run.begins, due)).filter(|at| *at > now);
        let next = planned.into_iter().chain(due).min().unwrap_or(end);
        now = next.min(Millis(now.0 + tick.0)).min(end);
    }
    let failures = judge(test, &run.told);
    Outcome { told: run.told, failures }
}

/// When a test begins.
fn begins(rules: &Settings) -> Timestamp {
    let layers = rules.schedules.values().flat_map(|schedule| &schedule.layers);
    // A calendar's clock may be a day ahead or behind.
    let begun = layers.filter_map(|layer| layer.begins.date().tomorrow().ok()).max();
    let day = begun.unwrap_or(FIRST_DAY).max(FIRST_DAY);
    let monday = if day.weekday() == Weekday::Monday {
        Ok(day)
    } else {
        day.nth_weekday(1, Weekday::Monday)
    };
    let midnight = monday.and_then(|monday| monday.to_zoned(TimeZone::UTC));
    midnight.map_or(Timestamp::UNIX_EPOCH, |midnight| midnight.timestamp())
}

/// What happens in a test, by time; what is written first comes first.
fn events(test: &RuleTest, begins: Timestamp) -> Vec<(Millis, Event)> {
    let moment = |at: Millis| at.after(begins);
    let mut events = Vec::new();
    for (silence, n) in test.silences.iter().zip(1..) {
        let id = SilenceId::from(format!("test-{n}"));
        let wanted = Silence {
            id: id.clone(),
            matchers: silence.matchers.clone(),
            starts_at: moment(silence.from),
            ends_at: moment(silence.to),
            updated_at: moment(silence.from),
            created_by: PersonName::from("test"),
            comment: test.name.clone(),
            repeats: Vec::new(),
        };
        events.push((silence.from, Event::SilenceAsked { silence: Box::new(wanted), fresh: id }));
    }
    for alert in &test.alerts {
        let says = |ends_at| Event::AlertsReceived {
            source: Source::Alertmanager,
            alerts: vec![IncomingAlert {
                labels: alert.labels.clone(),
                annotations: Labels::default(),
                starts_at: Some(moment(alert.at)),
                ends_at,
                generator_url: String::new(),
            }],
        };
        events.push((alert.at, says(None)));
        if let Some(until) = alert.until {
            events.push((until, says(Some(moment(until)))));
        }
    }
    for ack in &test.acks {
        let by = PersonName::from("test");
        events.push((ack.at, Event::Acknowledged { incident: ack.incident, by }));
    }
    events.sort_by_key(|(at, _)| *at);
    events
}

/// When nothing of interest happens any more.
fn end(test: &RuleTest, events: &[(Millis, Event)]) -> Millis {
    let expected = test.expect.iter().chain(&test.expect_nothing).map(|expected| expected.to);
    let last = events.last().map(|(at, _)| *at);
    expected.chain(last).max().unwrap_or(Millis(0))
}

struct Run<'r> {
    rules: &'r Settings,
    begins: Timestamp,
    state: State,
    labels: BTreeMap<Fingerprint, Labels>,
    members: BTreeMap<IncidentId, BTreeSet<Fingerprint>>,
    /// Which alerts a message about a group tells of, and for which receiver.
    routed: BTreeMap<NotificationId, (ReceiverName, Vec<Fingerprint>)>,
    told: Vec<Told>,
}

impl Run<'_> {
    fn happens(&mut self, at: Millis, event: Event) {
        let mut waiting = vec![event];
        while let Some(event) = waiting.pop() {
            let now = at.after(self.begins);
            let decisions = nightcrew_engine::step(&mut self.state, self.rules, now, event);
            for decision in decisions {
                if let Some(notification) = self.take(at, &decision.fact) {
                    let delivery = Delivery::Delivered { receipt: None };
                    waiting.push(Event::Delivered { notification, delivery });
                }
            }
        }
    }

    /// Lets time pass, until nothing is due at this moment.
    fn tick(&mut self, at: Millis) {
        for _ in 0..ROUNDS_PER_MOMENT_MAX {
            self.happens(at, Event::Tick);
            if self.state.next_due().is_none_or(|due| due > at.after(self.begins)) {
                return;
            }
        }
    }

    /// Notes a fact; the message that it puts into the outbox.
    fn take(&mut self, at: Millis, fact: &Fact) -> Option<NotificationId> {
        match fact {
            Fact::AlertFired { alert } | Fact::AlertChanged { alert } => {
                self.labels.insert(alert.fingerprint, alert.labels.clone());
            }
            Fact::IncidentOpened { incident, trigger, .. }
            | Fact::IncidentReopened { incident, trigger } => {
                self.members.entry(*incident).or_default().insert(*trigger);
            }
            Fact::AlertJoined { incident, alert, .. } => {
                self.members.entry(*incident).or_default().insert(*alert);
            }
            Fact::GroupTold { notification, receiver, firing, resolved, .. } => {
                let alerts = firing.iter().chain(resolved).copied().collect();
                self.routed.insert(*notification, (receiver.clone(), alerts));
            }
            Fact::NotificationQueued { notification, subject, channel, kind, .. } => {
                let routed = self.routed.remove(notification);
                let alerts: Vec<Fingerprint> = match (subject, &routed) {
                    (Subject::Incident { incident }, _) => {
                        self.members.get(incident).into_iter().flatten().copied().collect()
                    }
                    (_, Some((_, alerts))) => alerts.clone(),
                    (_, None) => Vec::new(),
                };
                let labels = alerts.iter().filter_map(|alert| self.labels.get(alert).cloned());
                self.told.push(Told {
                    at,
                    channel: channel.clone(),
                    receiver: routed.map(|(receiver, _)| receiver),
                    kind: *kind,
                    alerts: labels.collect(),
                });
                return Some(*notification);
            }
            _ => {}
        }
        None
    }
}

fn judge(test: &RuleTest, told: &[Told]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for expected in &test.expect {
        if !told.iter().any(|told| fits(expected, told)) {
            let what = format!("expected {}; {}", wanted(expected), instead(told));
            failures.push(Failure { place: expected.place.clone(), what });
        }
    }
    for unwanted in &test.expect_nothing {
        for told in told.iter().filter(|told| fits(unwanted, told)) {
            let what = format!("expected no such message, told was {told}");
            failures.push(Failure { place: unwanted.place.clone(), what });
        }
    }
    failures
}

fn fits(expected: &Expected, told: &Told) -> bool {
    let target = match &expected.target {
        None => true,
        Some(TestTarget::Channel(channel)) => *channel == told.channel,
        Some(TestTarget::Receiver(receiver)) => Some(receiver) == told.receiver.as_ref(),
    };
    let has = |wanted: &Labels, labels: &Labels| {
        wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
    };
    expected.from <= told.at
        && told.at <= expected.to
        && target
        && expected.kind.is_none_or(|kind| kind == told.kind)
        && expected.alerts.iter().all(|wanted| told.alerts.iter().any(|alert| has(wanted, alert)))
}

fn wanted(expected: &Expected) -> String {
    let kind = expected.kind.map_or("message", NotificationKind::as_str);
    let target = match &expected.target {
        None => String::new(),
        Some(TestTarget::Channel(channel)) => format!(" to {channel}"),
        Some(TestTarget::Receiver(receiver)) => format!(" to receiver {receiver}"),
    };
    let alerts: Vec<String> = expected.alerts.iter().map(ToString::to_string).collect();
    let about =
        if alerts.is_empty() { String::new() } else { format!(" about {}", alerts.join(", ")) };
    format!("a {kind}{target}{about} between {} and {}", expected.from, expected.to)
}

fn instead(told: &[Told]) -> String {
    /// The largest number of messages that are named.
    const NAMED_MAX: usize = 5;
    if told.is_empty() {
        return "nobody was told of anything".to_owned();
    }
    let named: Vec<String> = told.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = told.len().saturating_sub(NAMED_MAX);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("told were: {}{more}", named.join("; "))
}
