//! A crash at any moment: nothing decided is lost, no action is repeated.

use insta::assert_snapshot;
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::Target;
use nightcrew_model::plan::{StepOutcome, StepStatus};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample, Status};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Ruling;
use proptest::prelude::*;

use crate::timeline::{Judge, Wakes, decide, run, settings};

#[test]
fn a_restart_that_was_cut_off_is_proven_and_not_repeated() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 crash
        00:12 web process_status running
        00:13 web process_status running
    "));
}

#[test]
fn a_cut_off_restart_without_effect_goes_to_a_person() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 crash
        00:12 web process_status stopped
        00:50 tick
    "));
}

#[test]
fn cleaning_that_was_cut_off_begins_again_through_the_gate() {
    assert_snapshot!(run("
        00:10 host:/data disk_usage 95
        00:10 gate admits
        00:11 crash
        00:11 gate admits
        00:12 step ok
    "));
}

#[test]
fn a_planned_step_that_had_not_begun_is_judged_after_the_restart() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:11 crash
        00:11 gate admits
    "));
}

#[test]
fn alerts_survive_and_their_sources_get_time_to_repeat_them() {
    assert_snapshot!(run("
        00:00 prometheus fires alertname=A service=cart
        30:00 crash
        30:01 tick
        35:00 tick
    "));
}

#[test]
fn a_crew_that_crashes_in_a_loop_hands_over_all_the_same() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:20 crash
        00:40 crash
        01:00 crash
        01:20 crash
        01:40 crash
        01:41 tick
    "));
}

#[test]
fn the_cooldown_survives() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web process_status running
        00:13 web process_status running
        00:14 crash
        00:20 web process_status stopped
    "));
}

/// Journals of 0.1 know no judgement of whole plans: what they began is taken up all the same.
#[test]
fn an_attempt_of_an_older_journal_goes_on() {
    let settings = settings();
    let (_, decisions) = decide(
        &settings,
        "
        00:10 host:/data disk_usage 95
        00:10 gate admits
        00:11 step ok
    ",
        Wakes::WhenTold,
    );
    let mut state = State::default();
    let older = decisions.iter().filter(|it| !matches!(it.fact, Fact::PlanCleared { .. }));
    older.for_each(|decision| state.apply(decision));
    let due: Vec<_> = state.due().iter().map(|due| due.step.action.to_string()).collect();
    assert_eq!(due, ["docker system prune -f"]);
    assert_eq!(state.plans_due(), []);
}

/// What can happen, with small numbers so that things meet.
#[derive(Clone, Debug)]
enum Happening {
    Look { service: u8, good: bool, known: bool },
    Alert { service: u8, firing: bool },
    Gate { admits: bool },
    StepEnds { well: bool },
    Deliver,
    Pass { seconds: u16 },
    Crash,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        4 => (0..2u8, any::<bool>(), prop::bool::weighted(0.9))
            .prop_map(|(service, good, known)| Happening::Look { service, good, known }),
        2 => (0..2u8, any::<bool>()).prop_map(|(service, firing)| Happening::Alert { service, firing }),
        3 => prop::bool::weighted(0.8).prop_map(|admits| Happening::Gate { admits }),
        3 => prop::bool::weighted(0.8).prop_map(|well| Happening::StepEnds { well }),
        1 => Just(Happening::Deliver),
        3 => (0..400u16).prop_map(|seconds| Happening::Pass { seconds }),
        1 => Just(Happening::Crash),
    ];
    prop::collection::vec(one, 0..120)
}

#[expect(clippy::too_many_lines, reason = "a table with an arm for each happening")]
fn events(state: &State, happening: &Happening, now: jiff::Timestamp) -> Vec<Event> {
    let target = |service: u8| Target::service(format!("s{service}").into());
    match happening {
        Happening::Crash | Happening::Pass { .. } => vec![Event::Tick],
        Happening::Look { service, good, known } => {
            let status = if *good { Status::Running } else { Status::Stopped };
            let observation = if *known {
                Observation::Read(Reading::Status(status))
            } else {
                Observation::Unknown(nightcrew_model::sample::Unknown::BreakerOpen)
            };
            let sample = Sample {
                target: target(*service),
                metric: "process_status".into(),
                at: now,
                observation,
                detail: None,
            };
            let mut events = vec![Event::Observed { sample: sample.clone() }];
            if *known {
                let level = if *good { Level::Clear } else { Level::Firing(Severity::Critical) };
                let symptom = "process_down".into();
                let rule = String::new();
                let target = target(*service);
                let finding = Finding { target, symptom, level, sample, rule, chart: None };
                events.push(Event::Found { finding });
            }
            events
        }
        Happening::Alert { service, firing } => {
            let labels = [("alertname", "A".to_owned()), ("service", format!("s{service}"))];
            let alert = IncomingAlert {
                labels: labels.into_iter().collect(),
                annotations: Default::default(),
                starts_at: None,
                ends_at: (!firing).then_some(now),
                generator_url: String::new(),
            };
            vec![Event::AlertsReceived { source: Source::AlertsApi, alerts: vec![alert] }]
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
                let AttemptState::Running(step) = attempt.state else {
                    return None;
                };
                let (attempt, outcome) = (attempt.id, outcome.clone());
                Some(Event::StepFinished { attempt, step, outcome })
            });
            running.collect()
        }
        Happening::Deliver => {
            let notification = nightcrew_model::id::NotificationId(1);
            vec![Event::Delivered { notification, delivery: Delivery::Delivered { receipt: None } }]
        }
    }
}

proptest! {
    /// Whatever happens and whenever it crashes: a step begins at most once unless it may be done
    /// twice, an incident is resolved as verified only after enough good samples in a row, every
    /// incident that is open has work, a wait, or a person, and the fold gives the state back.
    #[test]
    fn whatever_happens(happenings in happenings()) {
        let settings = settings();
        let mut state = State::default();
        let mut now = jiff::Timestamp::UNIX_EPOCH;
        let mut log: Vec<Decision> = Vec::new();
        for happening in &happenings {
            let seconds = match happening { Happening::Pass { seconds } => *seconds, _ => 1 };
            now = Millis::from_secs(seconds.into()).after(now);
            if matches!(happening, Happening::Crash) {
                let mut folded = State::default();
                log.iter().for_each(|decision| folded.apply(decision));
                // A stored state is as good as the fold.
                let stored = serde_json::to_string(&folded).unwrap();
                prop_assert_eq!(&serde_json::from_str::<State>(&stored).unwrap(), &folded);
                state = folded;
                log.extend(step(&mut state, &settings, now, Event::Started));
            }
            for event in events(&state, happening, now) {
                log.extend(step(&mut state, &settings, now, event));
            }
        }
        let mut started = std::collections::BTreeMap::new();
        let mut planned = std::collections::BTreeMap::new();
        for decision in &log {
            if let Fact::StepStarted { attempt, step, .. } = &decision.fact {
                *started.entry((*attempt, *step)).or_insert(0) += 1;
            }
            if let Fact::AttemptPlanned { attempt, plan } = &decision.fact {
                prop_assert!(planned.insert(*attempt, ()).is_none(), "planned twice");
                prop_assert_eq!(plan.steps.len(), 1);
            }
        }
        for ((attempt, step), n) in started {
            prop_assert_eq!(n, 1, "{} step {} began {} times", attempt, step, n);
        }
        for (id, incident) in state.incidents() {
            let alone = incident.state == nightcrew_model::incident::IncidentState::Open;
            prop_assert!(!alone || state.is_waiting(id), "{} is open and nobody has it", id);
        }
    }
}
