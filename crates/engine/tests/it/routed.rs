//! A crew with a routing tree, and what it tells people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nightcrew_engine::settings::{Listener, Settings};
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Subject};
use nightcrew_model::interval::{DayPart, TimeInterval, Zone};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::route::{Branch, GroupBy, InhibitRule, Receiver, RouteRule, Routing};
use nightcrew_model::unit::Millis;

use crate::timeline::{Wakes, clock, decide, settings};

/// Groups by service wait 30 s, come again after 5 min and repeat after 1 h; `team=db` goes to
/// `pager`, which does not hear of ends, and to `chat`; `at_once=yes` does not wait; `team=day`
/// hears from 01:00 until 02:00, `team=night` does not at that time.
pub(crate) fn routed() -> Settings {
    let listener = |name: &str, send_resolved| Listener {
        channel: name.into(),
        notify: Vec::new(),
        send_resolved,
        fallback: None,
    };
    let receiver = |name: &str, channels: &[&str]| Receiver {
        name: name.into(),
        channels: channels.iter().map(|&channel| channel.into()).collect(),
    };
    let mut db = leaf("team=db", "db");
    db.routes.push(leaf("severity=none", "nobody"));
    let mut at_once = leaf("at_once=yes", "chat");
    at_once.rule.group_wait = Millis(0);
    let mut audit = leaf("audit=yes", "audit");
    audit.rule.continues = true;
    audit.rule.group_by = GroupBy::All;
    let mut day = leaf("team=day", "chat");
    day.rule.active = vec!["one".into()];
    let mut night = leaf("team=night", "chat");
    night.rule.mute = vec!["one".into()];
    let mut root = leaf("", "chat");
    root.routes = vec![audit, db, at_once, day, night];
    let one = TimeInterval {
        times: vec![DayPart { from: 60, until: 120 }],
        zone: Zone::UTC,
        ..TimeInterval::default()
    };
    let rules = vec![
        inhibit("1", "severity=critical", "severity=warning", &["service"]),
        inhibit("2", "alertname=Down", "alertname=~\"Down|Slow\"", &["service"]),
    ];
    let receivers = vec![
        receiver("chat", &["chat"]),
        receiver("db", &["pager", "chat"]),
        receiver("audit", &["log"]),
        receiver("nobody", &[]),
    ];
    let intervals = BTreeMap::from([("one".into(), vec![one])]);
    Settings {
        channels: vec![listener("chat", true), listener("pager", false), listener("log", true)],
        routing: Some(Routing::new(root, receivers, rules, intervals)),
        ..settings()
    }
}

/// A route by itself.
pub(crate) fn leaf(matchers: &str, receiver: &str) -> Branch {
    let rule = RouteRule {
        matchers: Matchers::parse(matchers).unwrap(),
        receiver: receiver.into(),
        group_by: GroupBy::Labels(["service".to_owned()].into()),
        group_wait: Millis::from_secs(30),
        group_interval: Millis::from_secs(300),
        repeat_interval: Millis::from_secs(3_600),
        mute: Vec::new(),
        active: Vec::new(),
        continues: false,
    };
    Branch { rule, routes: Vec::new() }
}

fn inhibit(name: &str, source: &str, target: &str, equal: &[&str]) -> InhibitRule {
    InhibitRule {
        name: name.to_owned(),
        source: Matchers::parse(source).unwrap(),
        target: Matchers::parse(target).unwrap(),
        equal: equal.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// Runs a timeline in which time passes as in the crew, and prints what people are told.
pub(crate) fn told(settings: &Settings, timeline: &str) -> String {
    print(&decide(settings, timeline, Wakes::WhenDue).1)
}

/// What people are told, and what is kept from them.
pub(crate) fn print(decisions: &[Decision]) -> String {
    let mut names: BTreeMap<Fingerprint, String> = BTreeMap::new();
    let mut printed = String::new();
    for decision in decisions {
        let name = |alert: &Fingerprint| names.get(alert).cloned().unwrap_or_default();
        let list = |alerts: &[Fingerprint]| {
            let mut named: Vec<String> = alerts.iter().map(name).collect();
            named.sort();
            named.join(" ")
        };
        let (at, reason) = (clock(decision.at), &decision.reason);
        match &decision.fact {
            Fact::AlertFired { alert } => {
                let words = ["alertname", "instance"].map(|word| alert.labels.get(word));
                let name = words.into_iter().flatten().collect::<Vec<_>>().join("@");
                names.insert(alert.fingerprint, name);
            }
            Fact::GroupTold { group, channel, notification, firing, resolved, .. } => {
                write!(printed, "{at} {notification} {channel} {group}").unwrap();
                let (firing, resolved) = (list(firing), list(resolved));
                writeln!(printed, ": firing [{firing}] resolved [{resolved}] ({reason})").unwrap();
            }
            Fact::GroupHeld { group, receiver, held } => {
                let mut held: Vec<String> =
                    held.iter().map(|(alert, by)| format!("{} by {by}", name(alert))).collect();
                held.sort();
                writeln!(printed, "{at} kept from {receiver}, {group}: {held:?}").unwrap();
            }
            Fact::NotificationQueued { kind: NotificationKind::Firing, .. } => {}
            Fact::NotificationQueued { subject: Subject::Group { .. }, .. }
            | Fact::NotificationSuperseded { .. }
            | Fact::NotificationSuppressed { .. }
            | Fact::SilenceSet { .. }
            | Fact::SilenceExpired { .. } => {
                writeln!(printed, "{at} {} ({reason})", decision.fact).unwrap();
            }
            _ => {}
        }
    }
    printed
}
