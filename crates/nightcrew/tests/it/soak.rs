//! The soak: `kill -9`, again and again, while a real Prometheus and a generator post alerts,
//! silences are set and ended, incidents are acknowledged and escalations climb, against receivers
//! that keep everything they get.
//!
//! `NIGHTCREW_SOAK_ROUNDS` sets the number of rounds (300 in the record of BENCHMARKS.md) and
//! `NIGHTCREW_SOAK_SEED` repeats a run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nightcrew_journal::entry::Position;
use nightcrew_journal::journal::Journal;
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Subject};
use nightcrew_model::id::{IncidentId, SilenceId};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::unit::Millis;
use nightcrew_testkit::fake;
use serde_json::{Value, json};

use crate::crash::{Chance, setting};
use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Stage, free_address, has, until};
use crate::wire;

/// How many clients post alerts at the same time.
const CLIENTS: u64 = 2;

/// How long a level of the escalation waits.
const LEVEL: Millis = Millis(600);

/// How late a level may be told beside the time in which no crew ran.
const LATE_MAX: Millis = Millis::from_secs(10);

/// The receivers.
struct Receivers {
    pager: (String, fake::Pagerduty),
    genie: (String, fake::Opsgenie),
    hook: (String, fake::Webhook),
    chat: (String, fake::Slack),
}

/// What was answered with a 2xx, and so has to be there for ever.
#[derive(Debug, Default)]
struct Acknowledged {
    alerts: BTreeSet<Fingerprint>,
    silences: BTreeSet<SilenceId>,
    ended: BTreeSet<SilenceId>,
    owned: BTreeSet<IncidentId>,
}

/// What the journal says at the end.
#[derive(Debug, Default)]
struct Facts {
    fired: BTreeSet<Fingerprint>,
    names: BTreeSet<String>,
    silences: BTreeSet<SilenceId>,
    ended: BTreeSet<SilenceId>,
    owned: BTreeSet<IncidentId>,
    /// The incidents of which each channel was told that they are with a person.
    escalated: BTreeMap<String, BTreeSet<IncidentId>>,
    /// The level that is due for an incident.
    due: BTreeMap<IncidentId, Timestamp>,
    /// Each level of each round that was told, and how often.
    levels: BTreeMap<(IncidentId, u16, u32), u64>,
    /// Levels that were told although somebody had acknowledged.
    after_acknowledgement: u64,
    queued: u64,
    settled: u64,
}

impl Facts {
    fn fold(&mut self, decision: &Decision) {
        match &decision.fact {
            Fact::AlertFired { alert } => {
                self.fired.insert(alert.fingerprint);
                self.names.extend(alert.labels.get("alertname").map(str::to_owned));
            }
            Fact::SilenceSet { silence } => {
                self.silences.insert(silence.id.clone());
            }
            Fact::SilenceExpired { silence } => {
                self.ended.insert(silence.clone());
            }
            Fact::IncidentAcknowledged { incident, .. } => {
                self.owned.insert(*incident);
                self.due.remove(incident);
            }
            Fact::IncidentResolved { incident, .. } | Fact::EscalationHeld { incident, .. } => {
                self.due.remove(incident);
            }
            Fact::EscalationStepped { incident, level, round, next_at, .. } => {
                *self.levels.entry((*incident, level.0, *round)).or_default() += 1;
                self.after_acknowledgement += u64::from(self.owned.contains(incident));
                match next_at {
                    Some(at) => drop(self.due.insert(*incident, *at)),
                    None => drop(self.due.remove(incident)),
                }
            }
            Fact::NotificationQueued { subject, channel, kind, .. } => {
                self.queued += 1;
                if let (Subject::Incident { incident }, NotificationKind::Escalated) =
                    (subject, kind)
                {
                    self.escalated.entry(channel.to_string()).or_default().insert(*incident);
                }
            }
            Fact::NotificationDelivered { .. }
            | Fact::NotificationFailed { .. }
            | Fact::NotificationSuperseded { .. } => self.settled += 1,
            _ => {}
        }
    }
}

/// What a receiver that takes no key got.
#[derive(Debug, Default)]
struct Repeats {
    messages: u64,
    /// Messages that came again.
    again: u64,
    /// Of these, those that say that they may be a repeat.
    marked: u64,
}

#[test]
fn nothing_acknowledged_is_lost_and_nobody_is_paged_twice() {
    let rounds = setting("NIGHTCREW_SOAK_ROUNDS").unwrap_or(5);
    let clock = || u64::try_from(Timestamp::now().as_microsecond()).unwrap();
    let seed = setting("NIGHTCREW_SOAK_SEED").unwrap_or_else(clock).max(1);
    println!("soak: seed {seed}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receivers = runtime.block_on(async {
        Receivers {
            pager: fake::Pagerduty::start().await,
            genie: fake::Opsgenie::start().await,
            hook: fake::Webhook::start().await,
            chat: fake::Slack::start().await,
        }
    });
    let stage = Stage::new();
    let acknowledged = soak(&stage, &receivers, rounds, seed);
    let facts = read(&stage);

    let lost = acknowledged.alerts.difference(&facts.fired).count()
        + acknowledged.silences.difference(&facts.silences).count()
        + acknowledged.ended.difference(&facts.ended).count()
        + acknowledged.owned.difference(&facts.owned).count();
    let told = |channel: &str| facts.escalated.get(channel).map_or(0, BTreeSet::len);
    let (paged, opened) = (receivers.pager.1.triggers(), receivers.genie.1.alerts());
    let hook = repeats(&receivers.hook.1);
    let missed = facts.due.values().filter(|at| LATE_MAX.after(**at) < Timestamp::now()).count();
    let doubled = facts.levels.values().filter(|n| **n > 1).count();
    println!(
        "soak: kills {rounds}, seed {seed}; acknowledged: alerts {}, silences {}, ended {}, \
         incidents {}; lost {lost}; escalation levels told {}, twice {doubled}, missed {missed}, \
         after an acknowledgement {}; PagerDuty: incidents {}, keys {}; Opsgenie: incidents {}, \
         aliases {}; webhook: messages {}, repeats {}, marked {}; messages queued {}, settled {}",
        acknowledged.alerts.len(),
        acknowledged.silences.len(),
        acknowledged.ended.len(),
        acknowledged.owned.len(),
        facts.levels.len(),
        facts.after_acknowledgement,
        told("pager"),
        paged.len(),
        told("genie"),
        opened.len(),
        hook.messages,
        hook.again,
        hook.marked,
        facts.queued,
        facts.settled,
    );
    assert!(!acknowledged.alerts.is_empty() && !acknowledged.silences.is_empty());
    assert_eq!(lost, 0, "acknowledged, and not in the journal");
    assert_eq!(doubled, 0, "levels that were told twice");
    assert_eq!(missed, 0, "levels that were due and not told");
    assert_eq!(facts.after_acknowledgement, 0);
    assert_eq!(paged.len(), told("pager"), "one key at PagerDuty for each incident");
    assert_eq!(opened.len(), told("genie"), "one alias at Opsgenie for each incident");
    assert_eq!(hook.again, hook.marked, "a repeat says that it may be one");
    assert!(hook.again <= rounds, "{} repeats by {rounds} crashes", hook.again);
    assert_eq!(facts.queued, facts.settled, "every message has come to its end");
    for refused in [
        receivers.pager.1.refused(),
        receivers.genie.1.refused(),
        receivers.hook.1.refused(),
        receivers.chat.1.refused(),
    ] {
        assert_eq!(refused, [""; 0]);
    }
    if has(&["prometheus"]) {
        assert!(facts.names.contains("AlwaysFires"), "Prometheus was heard");
    }
    assert!(!stage.output("up", "err").contains("panicked"));
}

fn configuration(receivers: &Receivers) -> String {
    let config = json!({
        "channels": {
            "pager": {
                "type": "pagerduty", "routing_key": "r0uting-key-of-the-soak-0123456789",
                "url": format!("{}/v2/enqueue", receivers.pager.0),
            },
            "genie": {
                "type": "opsgenie", "api_key": "g3nie-key", "api_url": receivers.genie.0,
            },
            "hook": { "type": "webhook", "url": receivers.hook.0, "notify": [] },
            "chat": {
                "type": "slack", "token": "xoxb-soak", "channel": "C0123456789",
                "api_url": receivers.chat.0,
                "rate": { "messages": 1_000, "per_seconds": 1 },
            },
        },
        "escalation": {
            "policies": [{
                "name": "climb",
                "levels": [
                    { "name": "first", "notify": ["pager", "hook"], "timeout_ms": LEVEL.0 },
                    { "name": "second", "notify": ["genie", "hook"], "timeout_ms": LEVEL.0 },
                ],
            }],
        },
        "routing": {
            "receiver": "groups",
            "group_by": ["service"],
            "group_wait_ms": 0,
            "group_interval_ms": 1_000,
        },
        "receivers": { "groups": ["chat"] },
        "storm": null,
        "flapping": null,
    });
    let config = config.to_string();
    format!("{{ {QUIET_HOST}, {}", config.strip_prefix('{').unwrap())
}

/// Crashes the crew in every round, then lets it come to rest.
fn soak(stage: &Stage, receivers: &Receivers, rounds: u64, seed: u64) -> Acknowledged {
    let mut chance = Chance(seed);
    let acknowledged = Mutex::new(Acknowledged::default());
    let numbers = AtomicU64::new(0);
    stage.write("nightcrew.json5", configuration(receivers));
    let address = free_address();
    let _prometheus = prometheus(stage, address);
    for round in 0..rounds {
        let crew = Crew::listening_at(stage, address);
        let over = AtomicBool::new(false);
        let pause = Duration::from_millis(50 + chance.below(700));
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        post(address, round, &numbers, &acknowledged);
                    }
                });
            }
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    silence(address, &numbers, &acknowledged);
                    own(address, &numbers, &acknowledged);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            std::thread::sleep(pause);
            crew.kill();
            over.store(true, Ordering::Relaxed);
        });
    }
    let crew = Crew::listening_at(stage, address);
    until("ready after the last crash", || {
        crew.get("/readyz").filter(|answer| answer.status == 200)
    });
    if has(&["prometheus"]) {
        until("Prometheus is heard", || crew.incident("prom", "AlwaysFires"));
    }
    rest(&crew);
    crew.stop();
    let verify = stage.nightcrew(&["rebuild", "--verify", "--data", "data"]).calm();
    assert_eq!(verify.code, Some(0), "{}", verify.err);
    acknowledged.into_inner().unwrap()
}

/// Waits until every message was sent and no level is due.
fn rest(crew: &Crew<'_>) {
    let mut calm = 0;
    until("the outbox is empty and stays so", || {
        let metrics = crew.get("/metrics")?.body;
        let pending = metrics.lines().find_map(|line| {
            line.strip_prefix("nightcrew_outbox_messages{state=\"pending\"} ")?.parse::<u64>().ok()
        });
        calm = if pending == Some(0) { calm + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(300));
        // Two levels and a group interval fit into this.
        (calm >= 8).then_some(())
    });
}

/// Posts one alert: a new service in every round, so that there are new incidents.
fn post(address: SocketAddr, round: u64, numbers: &AtomicU64, acknowledged: &Mutex<Acknowledged>) {
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let labels = [
        ("alertname", "부하".to_owned()),
        ("service", format!("service-{round}-{}", number % 3)),
        ("number", number.to_string()),
    ];
    let labels: Labels = labels.into_iter().collect();
    let pairs: BTreeMap<String, String> = labels.clone().into();
    let body = json!([{ "labels": pairs, "endsAt": "2100-01-01T00:00:00Z" }]).to_string();
    let answer = wire::post(address, "/api/v2/alerts", body.as_bytes());
    if answer.is_ok_and(|answer| answer.status == 200) {
        acknowledged.lock().unwrap().alerts.insert(labels.fingerprint());
    }
}

/// Sets a silence, and ends every second one.
fn silence(address: SocketAddr, numbers: &AtomicU64, acknowledged: &Mutex<Acknowledged>) {
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now();
    let silence = json!({
        "matchers": [{
            "name": "service", "value": format!("quiet-{number}"), "isRegex": false,
            "isEqual": true,
        }],
        "startsAt": now,
        "endsAt": now + SignedDuration::from_hours(1),
        "createdBy": "soak",
        "comment": "점검",
    });
    let Ok(answer) = wire::post(address, "/api/v2/silences", silence.to_string().as_bytes()) else {
        return;
    };
    if answer.status != 200 {
        return;
    }
    let id = answer.json()["silenceID"].as_str().unwrap().to_owned();
    acknowledged.lock().unwrap().silences.insert(SilenceId::from(id.as_str()));
    if number.is_multiple_of(2) {
        let ended = wire::delete(address, &format!("/api/v2/silence/{id}"));
        if ended.is_ok_and(|answer| answer.status == 200) {
            acknowledged.lock().unwrap().ended.insert(SilenceId::from(id));
        }
    }
}

/// Acknowledges one of the newest incidents now and then.
fn own(address: SocketAddr, numbers: &AtomicU64, acknowledged: &Mutex<Acknowledged>) {
    let Ok(answer) = wire::get(address, "/api/v1/incidents?limit=3") else { return };
    if answer.status != 200 {
        return;
    }
    let page = answer.json();
    let escalated = page["items"].as_array().into_iter().flatten();
    let Some(id) = escalated
        .filter(|incident| incident["state"] == "escalated")
        .filter_map(|incident| incident["id"].as_str())
        .nth(usize::try_from(numbers.load(Ordering::Relaxed) % 3).unwrap())
    else {
        return;
    };
    let path = format!("/api/v1/incidents/{id}/acknowledge");
    let answer = wire::post(address, &path, br#"{"by":"kim"}"#);
    if answer.is_ok_and(|answer| answer.status < 300) {
        acknowledged.lock().unwrap().owned.insert(id.parse().unwrap());
    }
}

/// A Prometheus whose alert always fires.
fn prometheus(stage: &Stage, crew: SocketAddr) -> Option<crate::stage::Part> {
    if !has(&["prometheus"]) {
        return None;
    }
    stage.write(
        "rules.yml",
        "groups: [{ name: g, rules: [{ alert: AlwaysFires, expr: vector(1), \
         labels: { service: prom } }] }]\n",
    );
    stage.write(
        "prom.yml",
        format!(
            "global: {{ evaluation_interval: 1s }}
rule_files: [rules.yml]
alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{crew}'] }}] }}] }}
"
        ),
    );
    let own = free_address();
    Some(stage.start_part(
        "prometheus",
        &[
            "--config.file=prom.yml",
            "--storage.tsdb.path=tsdb",
            &format!("--web.listen-address={own}"),
            "--rules.alert.resend-delay=1s",
        ],
    ))
}

/// What came more than once at a receiver that takes no key.
fn repeats(hook: &fake::Webhook) -> Repeats {
    let mut seen = BTreeSet::new();
    let mut repeats = Repeats::default();
    for body in hook.bodies() {
        repeats.messages += 1;
        if !seen.insert(body["dedup_key"].as_str().unwrap().to_owned()) {
            repeats.again += 1;
            repeats.marked += u64::from(body["possible_repeat"] == Value::Bool(true));
        }
    }
    repeats
}

/// Reads the journal of a crew that has ended.
fn read(stage: &Stage) -> Facts {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let journal = Journal::open(&stage.path("data")).unwrap();
        let folded = journal.fold(Position::START, Facts::default(), Facts::fold).await;
        let (facts, _) = folded.unwrap();
        journal.close().await.unwrap();
        facts
    })
}
