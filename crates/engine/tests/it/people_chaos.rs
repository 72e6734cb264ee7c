//! Whatever people, sources, clocks and crashes do: nobody is told of a level twice, nothing that
//! is due is lost, and everything that is not over has somebody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_model::alert::Source;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Decision, Fact, NotificationKind};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::{IncidentId, NotificationId, Target};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::mute::{Dependencies, FlapRule, StormRule, Watchdog};
use nightcrew_model::plan::{StepOutcome, StepStatus};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample, Status};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Ruling;
use proptest::prelude::*;

use crate::people::{asked, firing, staffed};
use crate::timeline::Judge;

/// Everything that keeps people from being told, and everything that calls more of them.
fn settings(storm: bool) -> Settings {
    let mut settings = staffed();
    settings.policies[0].acknowledge_timeout = Some(Millis::from_secs(1_200));
    settings.policies[0].automatic = Some(Millis::from_secs(300));
    settings.channels[0].fallback = Some("pager".into());
    settings.channels[2].fallback = Some("discord".into());
    let needs =
        BTreeMap::from([("s1".into(), vec!["s0".into()]), ("s0".into(), vec!["s1".into()])]);
    let watchdogs = vec![Watchdog {
        name: "heart".into(),
        matchers: Matchers::parse("{alertname=\"A0\", service=\"s2\"}").unwrap(),
        timeout: Millis::from_secs(900),
    }];
    let rule = StormRule { per_service: 2, global: 4, window: Millis::from_secs(120) };
    Settings {
        dependencies: Dependencies { needs, window: Millis::from_secs(300) },
        flap: Some(FlapRule { changes: 3, window: Millis::from_secs(600) }),
        storm: storm.then_some(rule),
        watchdogs,
        ..settings
    }
}

#[derive(Clone, Debug)]
enum Happening {
    Alert { service: u8, name: u8, fires: bool },
    Look { service: u8, good: bool },
    Gate { admits: bool },
    StepEnds { well: bool },
    Ask { what: u8, incident: u8, who: u8 },
    Lock { what: u8, service: u8 },
    Message { number: u8, what: u8 },
    Pass { seconds: u16 },
    Back { seconds: u16 },
    Crash,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    use Happening as H;
    let one = prop_oneof![
        6 => (0..3u8, 0..2u8, prop::bool::weighted(0.6))
            .prop_map(|(service, name, fires)| H::Alert { service, name, fires }),
        3 => (0..2u8, any::<bool>()).prop_map(|(service, good)| H::Look { service, good }),
        2 => prop::bool::weighted(0.8).prop_map(|admits| H::Gate { admits }),
        2 => prop::bool::weighted(0.8).prop_map(|well| H::StepEnds { well }),
        4 => (0..4u8, 1..6u8, 0..2u8)
            .prop_map(|(what, incident, who)| H::Ask { what, incident, who }),
        1 => (0..3u8, 0..2u8).prop_map(|(what, service)| H::Lock { what, service }),
        2 => (1..20u8, 0..3u8).prop_map(|(number, what)| H::Message { number, what }),
        6 => (0..2_400u16).prop_map(|seconds| H::Pass { seconds }),
        1 => (0..4_000u16).prop_map(|seconds| H::Back { seconds }),
        1 => Just(H::Crash),
    ];
    prop::collection::vec(one, 0..100)
}

fn sample(service: u8, good: bool, at: Timestamp) -> Sample {
    let status = if good { Status::Running } else { Status::Stopped };
    Sample {
        target: Target::service(format!("s{service}").into()),
        metric: "process_status".into(),
        at,
        observation: Observation::Read(Reading::Status(status)),
        detail: None,
    }
}

fn events(state: &State, happening: &Happening, now: Timestamp) -> Vec<Event> {
    match happening {
        Happening::Pass { .. } | Happening::Back { .. } | Happening::Crash => vec![Event::Tick],
        Happening::Alert { service, name, fires } => {
            let mut alert = firing(&format!("s{service}"), &format!("A{name}"));
            alert.ends_at = (!fires).then_some(now);
            vec![Event::AlertsReceived { source: Source::Alertmanager, alerts: vec![alert] }]
        }
        Happening::Look { service, good } => {
            let sample = sample(*service, *good, now);
            let level = if *good { Level::Clear } else { Level::Firing(Severity::Critical) };
            let finding = Finding {
                target: sample.target.clone(),
                symptom: "process_down".into(),
                level,
                sample: sample.clone(),
                rule: String::new(),
                chart: None,
            };
            vec![Event::Observed { sample }, Event::Found { finding }]
        }
        Happening::Gate { admits } => {
            let ruling = if *admits { Ruling::Admitted } else { Ruling::Refused };
            let judge = Judge { ruling, reason: "" };
            let plans = state.plans_due();
            let due = state.due();
            let plans = plans.iter().map(|plan| judge.plan(plan));
            plans.chain(due.iter().map(|due| judge.due(due))).collect()
        }
        Happening::StepEnds { well } => {
            let status =
                if *well { StepStatus::Succeeded } else { StepStatus::Exited { code: Some(1) } };
            let outcome = StepOutcome {
                status,
                output: String::new(),
                took: Millis(1),
                results: Default::default(),
            };
            let running = state.incidents().filter_map(|(_, incident)| {
                let attempt = incident.attempt.as_ref()?;
                let AttemptState::Running(step) = attempt.state else { return None };
                let (attempt, outcome) = (attempt.id, outcome.clone());
                Some(Event::StepFinished { attempt, step, outcome })
            });
            running.collect()
        }
        Happening::Ask { what, incident, who } => {
            let what = ["ack", "unack", "resolve", "escalate"][usize::from(*what)];
            let who = ["kim", "lee"][usize::from(*who)];
            asked(now, &[what, &incident.to_string(), who])
        }
        Happening::Lock { what: 2, .. } => asked(now, &["unlock", "test", "kim"]),
        Happening::Lock { what, service } => {
            let what = ["auto_restart", "notify"][usize::from(*what)];
            let until = format!("{}:00", now.as_second() / 60 + 10);
            asked(now, &["lock", "test", "kim", &until, what, &format!("s{service}")])
        }
        Happening::Message { number, what } => {
            let notification = NotificationId(u64::from(*number));
            let delivery = match what {
                0 => Delivery::Delivered { receipt: None },
                1 => Delivery::Permanent { error: String::new() },
                _ => return vec![Event::DeliveryStuck { notification }],
            };
            vec![Event::Delivered { notification, delivery }]
        }
    }
}

/// What was told of one incident since it last came.
#[derive(Default)]
struct Told {
    levels: BTreeSet<(u32, u16)>,
    acknowledged: bool,
    over: bool,
}

/// Walks the log and finds what must not be in it.
fn check(log: &[Decision]) -> Result<(), TestCaseError> {
    let mut told: BTreeMap<IncidentId, Told> = BTreeMap::new();
    let mut stood_in = BTreeSet::new();
    for Decision { fact, reason, .. } in log {
        let Some(id) = fact.incident() else { continue };
        let known = told.entry(id).or_default();
        match fact {
            Fact::IncidentReopened { .. } => *known = Told::default(),
            Fact::AcknowledgementEnded { .. } => *known = Told::default(),
            Fact::IncidentAcknowledged { .. } => known.acknowledged = true,
            Fact::IncidentResolved { .. } => {
                prop_assert!(!known.over, "{id} is over twice");
                known.over = true;
            }
            Fact::EscalationStepped { level, round, told, .. } => {
                prop_assert!(!known.over, "{id} climbs after its end");
                prop_assert!(!known.acknowledged, "{id} climbs though somebody has it");
                if !told.is_empty() {
                    let first = known.levels.insert((*round, level.0));
                    prop_assert!(first, "{} {} of round {} twice", id, level, round);
                }
            }
            Fact::NotificationQueued { kind: NotificationKind::Escalated, .. } => {
                use nightcrew_model::decision::Reason;
                if let Reason::Fallback { notification, .. } = reason {
                    prop_assert!(stood_in.insert(*notification), "{notification} fell back twice");
                } else if !matches!(reason, Reason::Calm { .. }) {
                    prop_assert!(!known.acknowledged, "{id} is told though somebody has it");
                    prop_assert!(!known.over, "{id} is told after its end");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn play(settings: &Settings, happenings: &[Happening]) -> Result<(), TestCaseError> {
    let mut state = State::default();
    let mut now = Timestamp::from_second(10_000).unwrap();
    let mut log: Vec<Decision> = Vec::new();
    for happening in happenings {
        now = match happening {
            Happening::Back { seconds } => {
                Timestamp::from_second(now.as_second() - i64::from(*seconds)).unwrap()
            }
            Happening::Pass { seconds } => Millis::from_secs(u64::from(*seconds)).after(now),
            _ => Millis::from_secs(1).after(now),
        };
        if matches!(happening, Happening::Crash) {
            let mut folded = State::default();
            log.iter().for_each(|decision| folded.apply(decision));
            let stored = serde_json::to_string(&folded).unwrap();
            prop_assert_eq!(&serde_json::from_str::<State>(&stored).unwrap(), &folded);
            for (id, _) in state.incidents() {
                prop_assert_eq!(folded.escalation(id), state.escalation(id));
                prop_assert_eq!(folded.root_of(id), state.root_of(id));
            }
            prop_assert_eq!(folded.next_escalation(), state.next_escalation());
            state = folded;
            log.extend(step(&mut state, settings, now, Event::Started));
        }
        for event in events(&state, happening, now) {
            let ticks = event == Event::Tick;
            log.extend(step(&mut state, settings, now, event));
            if ticks {
                prop_assert_eq!(state.audit(settings, now), []);
            }
        }
    }
    // In the end everybody who is to hear of it has heard of it.
    for _ in 0..60 {
        now = Millis::from_secs(600).after(now);
        log.extend(step(&mut state, settings, now, Event::Tick));
        prop_assert_eq!(state.audit(settings, now), []);
    }
    prop_assert_eq!(state.next_escalation(), None, "a level is still to come");
    prop_assert_eq!(state.storms().count(), 0);
    check(&log)
}

proptest! {
    #[test]
    fn nobody_is_told_twice_and_nothing_is_lost(happenings in happenings()) {
        play(&settings(false), &happenings)?;
    }

    #[test]
    fn nor_in_a_storm(happenings in happenings()) {
        play(&settings(true), &happenings)?;
    }
}
