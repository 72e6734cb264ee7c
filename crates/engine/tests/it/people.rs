//! What people ask for, in the words of a timeline:
//!
//! ```text
//! 00:00 ask ack INC-1 kim
//! 00:00 ask unack INC-1 kim
//! 00:00 ask resolve INC-1 kim
//! 00:00 ask escalate INC-1 kim
//! 00:00 ask lock stress-test kim 30:00 auto_restart,notify web,cart    (no services: every one)
//! 00:00 ask unlock stress-test kim [fence]
//! 00:00 ask override primary lee 00:00 30:00
//! 00:00 ask test discord kim
//! 00:00 ask burst 5000 web              (so many alerts, in portions of ten)
//! 00:00 ask post web db                 (one alert for each service, in one post)
//! 00:00 stuck N-1                       (the outbox tried often enough)
//! 00:00 refused N-1                     (the receiver will never take it)
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_engine::settings::{Listener, Settings};
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::escalation::{Contact, Level, Person, Policy, Told};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::{Fence, IncidentId, NotificationId};
use nightcrew_model::interval::Zone;
use nightcrew_model::lock::{Blocked, Lock};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::oncall::{Layer, Override, Schedule, Turn};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::timeline::{moment, settings};

pub(crate) fn listener(channel: &str, notify: &[NotificationKind]) -> Listener {
    Listener {
        channel: channel.into(),
        notify: notify.to_vec(),
        send_resolved: true,
        fallback: None,
    }
}

fn person(name: &str, channels: &[&str]) -> Person {
    let contact =
        |channel: &&str| Contact { channel: (*channel).into(), mention: Some(format!("@{name}")) };
    Person { name: name.into(), channels: channels.iter().map(contact).collect() }
}

pub(crate) fn level(name: &str, notify: &[Told], minutes: u64) -> Level {
    Level {
        name: name.to_owned(),
        notify: notify.to_vec(),
        timeout: Millis::from_secs(minutes * 60),
        hours: Vec::new(),
    }
}

/// A crew with people: the engineer on call has 30 minutes, the lead 60, and all of that happens
/// twice.  Kim and Lee take turns of a week, Kim first; Park leads.
pub(crate) fn staffed() -> Settings {
    let engineer = level("engineer", &[Told::Schedule("primary".into())], 30);
    let lead = level("lead", &[Told::Person("park".into()), Told::Channel("discord".into())], 60);
    let people = [
        person("kim", &["discord", "sms"]),
        person("lee", &["discord"]),
        person("park", &["pager"]),
    ];
    let schedule = Schedule {
        name: "primary".into(),
        zone: Zone::named("Asia/Seoul").unwrap(),
        layers: vec![Layer {
            name: "week".into(),
            people: vec!["kim".into(), "lee".into()],
            begins: "1969-12-29T09:00".parse().unwrap(),
            turn: Turn::Weeks(1),
            hours: Vec::new(),
        }],
        overrides: Vec::new(),
    };
    let told = [NotificationKind::Escalated, NotificationKind::Resolved];
    Settings {
        channels: vec![listener("discord", &told), listener("sms", &[]), listener("pager", &[])],
        policies: vec![Policy {
            name: "default".into(),
            matchers: Matchers::default(),
            severity_min: Severity::Warning,
            automatic: Some(Millis::from_secs(600)),
            levels: vec![engineer, lead],
            repeat: 1,
            acknowledge_timeout: None,
        }],
        people: people.into_iter().map(|person| (person.name.clone(), person)).collect(),
        schedules: BTreeMap::from([(schedule.name.clone(), schedule)]),
        ..settings()
    }
}

fn incident(text: &str) -> IncidentId {
    text.parse().unwrap()
}

pub(crate) fn notification(text: &str) -> NotificationId {
    text.trim_start_matches("N-").parse().map(NotificationId).unwrap()
}

pub(crate) fn firing(service: &str, name: &str) -> IncomingAlert {
    IncomingAlert {
        labels: [("alertname", name), ("service", service), ("severity", "critical")]
            .into_iter()
            .collect(),
        annotations: [("요약", "결제 오류")].into_iter().collect(),
        starts_at: None,
        ends_at: None,
        generator_url: String::new(),
    }
}

fn lock(now: Timestamp, words: &[&str]) -> Lock {
    let [name, owner, until, blocks, services @ ..] = words else {
        panic!("ask lock NAME OWNER UNTIL BLOCKS [SERVICES]");
    };
    let blocked = |word: &str| Blocked::ALL.into_iter().find(|what| what.as_str() == word).unwrap();
    let services = services.iter().flat_map(|list| list.split(','));
    Lock {
        name: (*name).into(),
        owner: (*owner).into(),
        reason: "부하 시험".to_owned(),
        services: services.map(Into::into).collect(),
        blocks: blocks.split(',').map(blocked).collect(),
        since: now,
        expected_release: None,
        expires_at: moment(until),
        fence: Fence(0),
    }
}

/// The events behind the words.
pub(crate) fn asked(now: Timestamp, words: &[&str]) -> Vec<Event> {
    let event = match words {
        ["ack", id, by] => Event::Acknowledged { incident: incident(id), by: (*by).into() },
        ["unack", id, by] => Event::Unacknowledged { incident: incident(id), by: (*by).into() },
        ["resolve", id, by] => Event::ResolveAsked { incident: incident(id), by: (*by).into() },
        ["escalate", id, by] => Event::EscalateAsked { incident: incident(id), by: (*by).into() },
        ["lock", rest @ ..] => Event::LockAsked { lock: Box::new(lock(now, rest)) },
        ["unlock", name, by, fence @ ..] => Event::LockEndAsked {
            lock: (*name).into(),
            fence: fence.first().map(|fence| Fence(fence.parse().unwrap())),
            by: (*by).into(),
        },
        ["override", schedule, person, from, until] => {
            let replacement =
                Override { person: (*person).into(), from: moment(from), until: moment(until) };
            let by = "park".into();
            Event::OverrideAsked { schedule: (*schedule).into(), replacement, by }
        }
        ["test", channel, by] => Event::TestAsked { channel: (*channel).into(), by: (*by).into() },
        ["burst", n, service] => {
            let n: usize = n.parse().unwrap();
            let alerts: Vec<_> = (0..n).map(|n| firing(service, &format!("A{n}"))).collect();
            let posts = alerts.chunks(10).map(|alerts| Event::AlertsReceived {
                source: Source::Alertmanager,
                alerts: alerts.to_vec(),
            });
            return posts.collect();
        }
        ["post", services @ ..] => {
            let alerts = services.iter().map(|service| firing(service, "Down")).collect();
            Event::AlertsReceived { source: Source::Alertmanager, alerts }
        }
        ["stuck", id] => Event::DeliveryStuck { notification: notification(id) },
        ["refused", id] => {
            let delivery = Delivery::Permanent { error: "404".to_owned() };
            Event::Delivered { notification: notification(id), delivery }
        }
        _ => panic!("nobody asks so: {words:?}"),
    };
    vec![event]
}
