//! Whatever happens to a playbook with five steps, two services of a group and people who say what
//! they like: nothing begins without its approval, nothing is done twice, nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_model::approval::{Autonomy, PlanHash, Shape, ShapeWord, StandingApproval};
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::event::Event;
use nightcrew_model::id::{AttemptId, IncidentId, StepIndex, Target};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::plan::{Ask, Mode, Plan, Retry, Stage, StepOutcome, StepStatus};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample, Status};
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::{Stage as TicketStage, TicketNews};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling};
use proptest::prelude::*;

use crate::boundaries::five_steps;
use crate::timeline::{Judge, ends_of};

/// What can happen, with small numbers so that things meet.
#[derive(Clone, Debug)]
enum Happening {
    Look { service: u8, status: Option<Status> },
    Gate { ruling: Ruling },
    StepEnds { well: bool, matches: Option<u8> },
    Approve { right: bool },
    Deny,
    Standing { given: bool },
    Ticket { incident: u8, news: u8 },
    Resolve { incident: u8 },
    Pass { seconds: u16 },
    Crash,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    use Happening as H;
    let status = prop::sample::select(vec![
        None,
        Some(Status::Running),
        Some(Status::Stopped),
        Some(Status::Stopped),
    ]);
    let ruling = prop::sample::select(vec![
        Ruling::Admitted,
        Ruling::Admitted,
        Ruling::Admitted,
        Ruling::Approval,
        Ruling::Refused,
    ]);
    let one = prop_oneof![
        6 => (0..2u8, status).prop_map(|(service, status)| H::Look { service, status }),
        6 => ruling.prop_map(|ruling| H::Gate { ruling }),
        5 => (prop::bool::weighted(0.8), prop::option::of(0..20u8))
            .prop_map(|(well, matches)| H::StepEnds { well, matches }),
        3 => prop::bool::weighted(0.8).prop_map(|right| H::Approve { right }),
        1 => Just(H::Deny),
        1 => any::<bool>().prop_map(|given| H::Standing { given }),
        1 => (1..4u8, 0..4u8).prop_map(|(incident, news)| H::Ticket { incident, news }),
        1 => (1..4u8).prop_map(|incident| H::Resolve { incident }),
        3 => (0..200u16).prop_map(|seconds| H::Pass { seconds }),
        1 => Just(H::Crash),
    ];
    prop::collection::vec(one, 0..150)
}

/// The five steps, and after them a playbook that is tried next, under some autonomy.
fn crews() -> impl Strategy<Value = Settings> {
    let autonomy = prop::sample::select(Autonomy::ALL.to_vec());
    let stage = prop::sample::select(vec![Stage::Live, Stage::Live, Stage::Shadow]);
    (autonomy, stage, any::<bool>(), any::<bool>()).prop_map(|(autonomy, stage, asks, grouped)| {
        let mut settings = five_steps();
        let mut next = settings.playbooks[0].clone();
        next.name = "next".into();
        next.steps.truncate(3);
        next.steps[1].retry = Retry { times: 1, pause: Millis::from_secs(30) };
        settings.playbooks[0].stage = stage;
        if asks {
            next.steps[0].ask = Ask::Always;
        }
        if grouped {
            let members = ["s0", "s1", "s2"].map(|name| (name.into(), "all".to_owned()));
            settings.groups = members.into_iter().collect();
        }
        settings.playbooks.push(next);
        Settings { autonomy, cooldown: Millis::from_secs(60), ..settings }
    })
}

fn looks(service: u8, status: Option<Status>, now: Timestamp) -> Vec<Event> {
    let target = Target::service(format!("s{service}").into());
    let observation = status
        .map_or(Observation::Unknown(nightcrew_model::sample::Unknown::BreakerOpen), |status| {
            Observation::Read(Reading::Status(status))
        });
    let metric = "process_status".into();
    let sample = Sample { target: target.clone(), metric, at: now, observation, detail: None };
    let mut events = vec![Event::Observed { sample: sample.clone() }];
    if let Some(status) = status {
        let fires = status == Status::Stopped;
        let level = if fires { Level::Firing(Severity::Critical) } else { Level::Clear };
        let (symptom, rule) = ("process_down".into(), String::new());
        let finding = Finding { target, symptom, level, sample, rule, chart: None };
        events.push(Event::Found { finding });
    }
    events
}

fn standing(until: Timestamp) -> StandingApproval {
    let literal = |word: &str| ShapeWord::Literal { word: word.to_owned() };
    let words = |line: &str| Shape(line.split(' ').map(literal).collect());
    StandingApproval {
        name: "all".into(),
        playbook: "next".into(),
        service: None,
        shapes: vec![words("set"), words("unset"), words("clean_files /data older than 1 min")],
        class_max: RiskClass::Destructive,
        by: "kim".into(),
        reason: String::new(),
        until,
    }
}

fn news(n: u8) -> TicketNews {
    match n {
        0 => TicketNews::Intended,
        1 => TicketNews::Opened { key: "OPS-1".into(), url: None },
        2 => TicketNews::Moved { stage: TicketStage::Done },
        _ => TicketNews::Refused { error: "no".to_owned() },
    }
}

fn events(state: &State, happening: &Happening, now: Timestamp) -> Vec<Event> {
    let by = || "kim".into();
    match happening {
        Happening::Crash | Happening::Pass { .. } => vec![Event::Tick],
        Happening::Look { service, status } => looks(*service, *status, now),
        Happening::Gate { ruling } => {
            let judge = Judge { ruling: *ruling, reason: "" };
            let plans: Vec<Event> = state.plans_due().iter().map(|due| judge.plan(due)).collect();
            plans.into_iter().chain(state.due().iter().map(|due| judge.due(due))).collect()
        }
        Happening::StepEnds { well, matches } => {
            let status =
                if *well { StepStatus::Succeeded } else { StepStatus::Exited { code: Some(1) } };
            let found = matches.map(|n| {
                let value = nightcrew_model::plan::ResultValue::Number(n.into());
                ("matches".into(), value)
            });
            let outcome = StepOutcome {
                status,
                output: String::new(),
                took: Millis(1),
                results: found.into_iter().collect(),
            };
            let attempts = state.incidents().filter_map(|(_, incident)| incident.attempt.as_ref());
            attempts.filter_map(|it| Some(ends_of(it.id, it.state)?(outcome.clone()))).collect()
        }
        Happening::Approve { right } => {
            let asked = state.awaiting().filter_map(|it| Some((it.id, it.request.as_ref()?.hash)));
            let wrong: PlanHash = "f".repeat(64).parse().unwrap();
            asked
                .map(|(attempt, hash)| Event::PlanApproved {
                    attempt,
                    hash: if *right { hash } else { wrong },
                    by: by(),
                })
                .collect()
        }
        Happening::Deny => {
            let first = state.awaiting().next();
            first.map(|it| Event::PlanDenied { attempt: it.id, by: by() }).into_iter().collect()
        }
        Happening::Standing { given: true } => {
            let approval = Box::new(standing(Millis::from_secs(600).after(now)));
            vec![Event::StandingApprovalAsked { approval }]
        }
        Happening::Standing { given: false } => {
            vec![Event::StandingApprovalEndAsked { approval: "all".into(), by: by() }]
        }
        Happening::Ticket { incident, news: n } => {
            let (incident, news) = (IncidentId(u64::from(*incident)), news(*n));
            vec![Event::TicketTold { incident, tracker: "jira".into(), news }]
        }
        Happening::Resolve { incident } => {
            vec![Event::ResolveAsked { incident: IncidentId(u64::from(*incident)), by: by() }]
        }
    }
}

/// What was decided about a plan before it began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Cleared,
    ByStanding,
    Asked,
    Approved,
}

/// What the log says of one attempt.
#[derive(Default)]
struct Course {
    plan: Option<Box<Plan>>,
    said: BTreeSet<Said>,
    starts: BTreeMap<StepIndex, u32>,
    retried: BTreeMap<StepIndex, u32>,
    undos: BTreeMap<StepIndex, u32>,
}

fn courses(log: &[Decision]) -> Result<BTreeMap<AttemptId, Course>, TestCaseError> {
    let mut courses: BTreeMap<AttemptId, Course> = BTreeMap::new();
    for decision in log {
        match &decision.fact {
            Fact::AttemptPlanned { attempt, plan } => {
                let before = courses
                    .insert(*attempt, Course { plan: Some(plan.clone()), ..Course::default() });
                prop_assert!(before.is_none(), "planned twice");
            }
            Fact::PlanCleared { attempt, .. } => {
                let course = courses.entry(*attempt).or_default();
                course.said.insert(Said::Cleared);
                if matches!(decision.reason, Reason::StandingApproval { .. }) {
                    course.said.insert(Said::ByStanding);
                }
            }
            Fact::ApprovalRequested { attempt, .. } => {
                courses.entry(*attempt).or_default().said.insert(Said::Asked);
            }
            Fact::ApprovalGiven { attempt, .. } => {
                courses.entry(*attempt).or_default().said.insert(Said::Approved);
            }
            Fact::StepStarted { attempt, step, verdict } => {
                let course = courses.entry(*attempt).or_default();
                let said = |said| course.said.contains(&said);
                let allowed = said(Said::Approved) || said(Said::ByStanding);
                prop_assert!(said(Said::Cleared) || allowed, "begun before it might");
                prop_assert!(!said(Said::Asked) || said(Said::Approved), "begun without the word");
                prop_assert!(allowed || verdict.verdict == Ruling::Admitted);
                prop_assert_ne!(verdict.verdict, Ruling::Refused);
                *course.starts.entry(*step).or_default() += 1;
            }
            Fact::StepFinished { attempt, step, .. } => {
                if matches!(decision.reason, Reason::Retried { .. }) {
                    *courses.entry(*attempt).or_default().retried.entry(*step).or_default() += 1;
                }
            }
            Fact::UndoStarted { attempt, step, .. } => {
                *courses.entry(*attempt).or_default().undos.entry(*step).or_default() += 1;
            }
            _ => {}
        }
    }
    Ok(courses)
}

fn check(log: &[Decision], autonomy: Autonomy) -> Result<(), TestCaseError> {
    for (id, course) in courses(log)? {
        let Some(plan) = course.plan else { panic!("{id} was never planned") };
        for (step, n) in &course.starts {
            prop_assert_eq!(plan.mode, Mode::Live, "what is only shown does nothing");
            let planned = &plan.steps[usize::from(step.0)];
            let retried = course.retried.get(step).copied().unwrap_or(0);
            prop_assert!(
                *n <= 1 + retried || planned.is_idempotent(),
                "{} step {} began {} times",
                id,
                step,
                n
            );
        }
        for (step, n) in &course.undos {
            prop_assert!(*n == 1, "{} undo of {} began {} times", id, step, n);
        }
        if autonomy < Autonomy::Approve {
            prop_assert!(course.starts.is_empty());
        }
        if autonomy == Autonomy::Approve && !course.starts.is_empty() {
            let allowed = [Said::Approved, Said::ByStanding];
            prop_assert!(
                allowed.iter().any(|said| course.said.contains(said)),
                "{} began without a word",
                id
            );
        }
    }
    Ok(())
}

fn check_state(state: &State) -> Result<(), TestCaseError> {
    let mut at_work = BTreeSet::new();
    for (id, incident) in state.incidents() {
        let active = incident.attempt.as_ref().filter(|it| it.state.is_active());
        let alone = incident.state == IncidentState::Open && active.is_none();
        prop_assert!(!alone || state.is_waiting(id), "{} is open and nobody has it", id);
        let works = matches!(incident.state, IncidentState::Resolving | IncidentState::Verifying);
        prop_assert!(!works || active.is_some(), "{} waits for an attempt that ended", id);
        if let Some(attempt) = active
            && matches!(attempt.state, AttemptState::Running(_) | AttemptState::Undoing(_))
        {
            let service = attempt.plan.target.service.clone();
            prop_assert!(at_work.insert(service), "two at work on one service");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_to_five_steps(settings in crews(), happenings in happenings()) {
        let mut state = State::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut log: Vec<Decision> = Vec::new();
        for happening in &happenings {
            let seconds = match happening { Happening::Pass { seconds } => *seconds, _ => 1 };
            now = Millis::from_secs(seconds.into()).after(now);
            if matches!(happening, Happening::Crash) {
                let mut folded = State::default();
                log.iter().for_each(|decision| folded.apply(decision));
                let stored = serde_json::to_string(&folded).unwrap();
                prop_assert_eq!(&serde_json::from_str::<State>(&stored).unwrap(), &folded);
                state = folded;
                log.extend(step(&mut state, &settings, now, Event::Started));
            }
            for event in events(&state, happening, now) {
                let ticks = event == Event::Tick;
                log.extend(step(&mut state, &settings, now, event));
                check_state(&state)?;
                if ticks {
                    prop_assert_eq!(state.audit(&settings, now), []);
                }
            }
        }
        check(&log, settings.autonomy)?;
    }
}
