//! Remedies one after another: what fails, relapses, runs too often or is not trusted yet.

use insta::assert_snapshot;
use nightcrew_engine::settings::Settings;
use nightcrew_model::argv::{Argv, Word};
use nightcrew_model::condition::{Operand, Operator};
use nightcrew_model::decision::Fact;
use nightcrew_model::expression::Expression;
use nightcrew_model::plan::{Action, Parameter, ParameterKind, Playbook, RunLimit, Stage, Trigger};
use nightcrew_model::sample::Status;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use proptest::prelude::*;

use crate::timeline::{Wakes, condition, decide, planned, run_with, settings};

fn run(line: &str) -> Action {
    Action::Run { argv: Argv::parse(line).unwrap() }
}

fn playbook(name: &str) -> Playbook {
    let down = condition("process_status", Operator::Equal, Operand::Status(Status::Stopped));
    Playbook::new(name.into(), down, vec![planned(run(name))])
}

/// A crew that first reloads and then restarts what is down.
fn both() -> Settings {
    Settings { playbooks: vec![playbook("reload"), playbook("restart")], ..settings() }
}

#[test]
fn what_does_not_heal_is_followed_by_the_next_and_then_by_a_person() {
    assert_snapshot!(run_with(
        &both(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step exits 1
        00:12 web process_status stopped
        00:12 gate admits
        00:13 step ok
        00:20 web process_status stopped
        01:13 tick
    "
    ));
}

#[test]
fn what_relapses_is_followed_by_the_next_and_then_by_a_person_whatever_crashes() {
    assert_snapshot!(run_with(
        &both(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web process_status running
        00:13 web process_status running
        01:00 crash
        10:00 web process_status stopped
        10:00 gate admits
        10:01 step ok
        10:02 web process_status running
        10:03 web process_status running
        11:00 crash
        20:00 web process_status stopped
    "
    ));
}

#[test]
fn a_plan_that_the_gate_refuses_anywhere_does_nothing_and_the_next_has_its_turn() {
    let mut settings = both();
    settings.playbooks[0].steps[0].rollback = Some(run("undo it"));
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate refuses no such program
    "
    ));
}

#[test]
fn the_same_remedy_runs_so_often_against_a_target_and_no_more() {
    let limit = RunLimit { times: 2, window: Millis::from_secs(3_600) };
    let mut settings = Settings {
        cooldown: Millis(0),
        dedup_window: Millis::from_secs(30),
        playbooks: vec![playbook("restart")],
        ..settings()
    };
    settings.playbooks[0].limit = Some(limit);
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web process_status running
        00:13 web process_status running
        01:00 tick
        01:10 web process_status stopped
        01:10 gate admits
        01:11 step ok
        01:12 web process_status running
        01:13 web process_status running
        02:00 tick
        02:05 crash
        02:10 web process_status stopped
    "
    ));
}

#[test]
fn a_playbook_that_fails_everywhere_is_left_alone() {
    let breaker = RunLimit { times: 2, window: Millis::from_secs(600) };
    let settings =
        Settings { playbook_breaker: breaker, playbooks: vec![playbook("restart")], ..settings() };
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 a process_status stopped
        00:10 gate admits
        00:11 step exits 1
        00:12 b process_status stopped
        00:12 gate admits
        00:13 step exits 1
        00:14 crash
        00:15 c process_status stopped
        10:14 d process_status stopped
    "
    ));
}

#[test]
fn what_is_in_shadow_is_shown_and_counts_as_nothing_tried() {
    let mut settings = both();
    settings.playbooks[0].stage = Stage::Shadow;
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 gate admits
        00:12 step ok
    "
    ));
}

#[test]
fn what_is_only_in_shadow_goes_to_a_person_once() {
    let mut settings = both();
    settings.playbooks.truncate(1);
    settings.playbooks[0].stage = Stage::Shadow;
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:20 web process_status stopped
        00:30 web process_status stopped
    "
    ));
}

#[test]
fn a_group_is_not_worked_on_when_too_much_of_it_is_down() {
    let group = |name: &str| (name.into(), "shop".to_owned());
    let settings = Settings { groups: ["a", "b", "c"].map(group).into_iter().collect(), ..both() };
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 a process_status stopped
        00:10 gate admits
        00:11 b process_status stopped
        00:12 step ok
        00:13 a process_status running
        00:14 a process_status running
        00:15 gate admits
        00:16 c process_status stopped
        02:10 c process_status stopped
        02:17 tick
    "
    ));
}

#[test]
fn a_playbook_says_when_a_person_gets_it() {
    let mut settings = both();
    let hot = condition("cpu_usage", Operator::Greater, Operand::Number(90.0));
    settings.playbooks[0].escalate_if = Some(hot.into());
    assert_snapshot!(
        "it_is_so",
        run_with(&settings, "00:09 host cpu_usage 95\n00:10 web process_status stopped")
    );
    let locked = "
        00:01 ask lock deploy kim 60:00 auto_restart
        00:09 host cpu_usage 95
        00:10 web process_status stopped
    ";
    assert_snapshot!("it_is_so_whatever_else_holds", run_with(&settings, locked));
    assert_snapshot!(
        "nobody_knows",
        run_with(
            &settings,
            "00:10 web process_status stopped\n02:05 web process_status stopped\n02:10 tick"
        )
    );
    assert_snapshot!(
        "it_is_not_so",
        run_with(&settings, "00:09 host cpu_usage 5\n00:10 web process_status stopped")
    );
}

/// A playbook that applies by what is said, and not by what is seen.
fn by_symptom(symptoms: &[&str], severity: Option<Severity>) -> Settings {
    let trigger = Trigger {
        condition: None,
        symptoms: symptoms.iter().map(|&symptom| symptom.to_owned()).collect(),
        severity,
    };
    let playbook = Playbook { trigger, ..playbook("high_error_rate") };
    Settings { playbooks: vec![playbook], ..settings() }
}

#[test]
fn symptoms_are_found_in_what_is_wrong_and_in_what_is_said() {
    let planned = |settings: &Settings, timeline: &str| {
        let (_, decisions) = decide(settings, timeline, Wakes::WhenTold);
        decisions.iter().any(|it| matches!(it.fact, Fact::AttemptPlanned { .. }))
    };
    let fires = "00:10 alertmanager fires alertname=High5xx service=web severity=critical";
    assert!(planned(&by_symptom(&["HIGH5XX"], None), fires));
    assert!(planned(&by_symptom(&["5xx"], None), fires), "in the name");
    assert!(!planned(&by_symptom(&["oom"], None), fires));
    assert!(!planned(&by_symptom(&[], None), fires), "a trigger that asks for nothing");
    assert!(!planned(&by_symptom(&["  "], None), fires));
    assert!(planned(&by_symptom(&["5xx"], Some(Severity::Critical)), fires));
    let warns = "00:10 alertmanager fires alertname=High5xx service=web severity=warning";
    assert!(!planned(&by_symptom(&["5xx"], Some(Severity::Critical)), warns));
    let named = "00:10 alertmanager fires alertname=high_error_rate service=web";
    assert!(planned(&by_symptom(&["something else"], None), named), "the name of the playbook");
}

/// A playbook with a parameter from a label.
fn with_unit(kind: ParameterKind, default: Option<&str>) -> Settings {
    let mut settings = by_symptom(&["A"], None);
    let parameter =
        Parameter { kind, label: Some("unit".to_owned()), default: default.map(str::to_owned) };
    settings.playbooks[0].parameters = [("unit".into(), parameter)].into_iter().collect();
    let line = "systemctl --no-pager restart '{unit}' '{service}'";
    settings.playbooks[0].steps = vec![planned(run(line))];
    settings
}

#[test]
fn a_parameter_comes_from_the_alert_or_its_default_and_a_bad_one_from_nowhere() {
    let settings = with_unit(ParameterKind::Name, Some("nginx"));
    let plan = |labels: &str| {
        let timeline = format!("00:10 alertmanager fires alertname=A service=web {labels}");
        let (_, decisions) = decide(&settings, &timeline, Wakes::WhenTold);
        let plan = decisions.iter().find_map(|it| match &it.fact {
            Fact::AttemptPlanned { plan, .. } => Some(plan.steps[0].action.to_string()),
            _ => None,
        });
        plan.unwrap_or_else(|| decisions[2].reason.to_string())
    };
    assert_eq!(plan("unit=httpd"), "systemctl --no-pager restart httpd web");
    assert_eq!(plan(""), "systemctl --no-pager restart nginx web");
    let bad = "parameter unit of high_error_rate: `--now` is not of its kind";
    assert_eq!(plan("unit=--now"), bad);
    let settings = with_unit(ParameterKind::Number { min: 1, max: 9 }, None);
    let fires = "00:10 alertmanager fires alertname=A service=web";
    assert_snapshot!(run_with(&settings, fires));
}

proptest! {
    /// Whatever the labels hold, the program, the count of words and the options are those of the
    /// playbook.
    #[test]
    fn labels_never_change_the_program_the_words_or_the_options(
        unit in "\\PC{0,30}|-[-a-z]{0,9}|[a-z;|$ /.]{0,12}|[a-z]{1,5}",
        service in "\\PC{1,20}|[a-z;{} -]{1,12}|[a-z]{1,5}",
    ) {
        use nightcrew_engine::state::State;
        use nightcrew_model::alert::{IncomingAlert, Source};
        use nightcrew_model::event::Event;

        let settings = with_unit(ParameterKind::Name, None);
        let labels = [("alertname", "A"), ("service", service.as_str()), ("unit", unit.as_str())];
        let alert = IncomingAlert {
            labels: labels.into_iter().collect(),
            annotations: Default::default(),
            starts_at: None,
            ends_at: None,
            generator_url: String::new(),
        };
        let mut state = State::default();
        let alerts = vec![alert];
        let event = Event::AlertsReceived { source: Source::Alertmanager, alerts };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let decisions = nightcrew_engine::step(&mut state, &settings, now, event);
        let mut n_plans = 0;
        for decision in &decisions {
            let Fact::AttemptPlanned { plan, .. } = &decision.fact else { continue };
            n_plans += 1;
            let Action::Run { argv } = &plan.steps[0].action else { panic!("another action") };
            prop_assert_eq!(argv.program(), "systemctl");
            prop_assert_eq!(argv.0.len(), 5);
            let options = argv.0.iter().map(Word::as_str).filter(|word| word.starts_with('-'));
            prop_assert_eq!(options.collect::<Vec<_>>(), ["--no-pager"]);
        }
        // What could not be made safe is a person's.
        let escalated = |fact: &Fact| matches!(fact, Fact::IncidentEscalated { .. });
        prop_assert!(n_plans == 1 || decisions.iter().any(|it| escalated(&it.fact)));
    }
}

#[test]
fn a_condition_over_several_metrics_waits_for_what_is_looked_at() {
    let down = condition("process_status", Operator::Equal, Operand::Status(Status::Stopped));
    let hot = condition("cpu_usage", Operator::Greater, Operand::Number(90.0));
    let both = Expression::All { all: vec![down.into(), hot.into()] };
    let mut settings = both_of(both);
    assert_snapshot!(
        "all_are_known",
        run_with(&settings, "00:09 host cpu_usage 95\n00:10 web process_status stopped")
    );
    assert_snapshot!("nobody_looks", run_with(&settings, "00:10 web process_status stopped"));
    settings.playbooks[0].trigger.condition = settings.playbooks[0]
        .trigger
        .condition
        .clone()
        .map(|not| Expression::Not { not: Box::new(Expression::Not { not: Box::new(not) }) });
    assert_snapshot!(
        "the_last_look_is_old",
        run_with(
            &settings,
            "
            00:09 host cpu_usage 95
            05:10 web process_status stopped
            05:20 host cpu_usage 95
            05:20 tick
        "
        )
    );
}

fn both_of(condition: Expression) -> Settings {
    let playbook = Playbook::new("hot".into(), condition, vec![planned(run("cool"))]);
    Settings { playbooks: vec![playbook], ..settings() }
}

#[test]
fn a_service_that_another_incident_s_step_restarts_is_not_repaired_at_the_same_time() {
    let failing = condition("health_status", Operator::Equal, Operand::Status(Status::Failing));
    let restart = planned(Action::RestartService { service: "web".into() });
    let mut settings = settings();
    settings.playbooks.insert(0, Playbook::new("web_first".into(), failing, vec![restart]));
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 shop health_status failing
        00:01 shop health_status failing
        00:01 gate admits
        00:02 web process_status stopped
        00:03 step ok
        00:03 web process_status stopped
        00:04 shop health_status passing
        00:05 shop health_status passing
        00:06 gate admits
    "
    ));
}
