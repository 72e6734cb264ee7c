//! Steps: conditions, other tries, taking back, and proofs over several metrics.

use insta::assert_snapshot;
use nightcrew_engine::settings::Settings;
use nightcrew_model::argv::Argv;
use nightcrew_model::condition::{Operand, Operator};
use nightcrew_model::expression::{Expression, ResultCondition};
use nightcrew_model::plan::{Action, OnFailure, Playbook, ResultValue, Retry, Step, Verify};
use nightcrew_model::sample::Status;
use nightcrew_model::unit::Millis;

use crate::timeline::{Wakes, World, condition, decide, planned, run_with, settings};

fn run(line: &str) -> Action {
    Action::Run { argv: Argv::parse(line).unwrap() }
}

fn stopped() -> Expression {
    condition("process_status", Operator::Equal, Operand::Status(Status::Stopped)).into()
}

/// A crew with one playbook, for a process that is down.
fn with(steps: Vec<Step>) -> Settings {
    let playbook = Playbook::new("process_down".into(), stopped(), steps);
    Settings { playbooks: vec![playbook], ..settings() }
}

fn checked() -> Step {
    let check = Action::CheckLogs { service: "{service}".into(), pattern: None, within: Millis(1) };
    Step { name: Some("logs".into()), ..planned(check) }
}

fn when_many(action: Action) -> Step {
    let when = Expression::Result(ResultCondition {
        step: "logs".into(),
        key: "matches".into(),
        operator: Operator::Greater,
        value: ResultValue::Number(10.0),
    });
    Step { when: Some(when), ..planned(action) }
}

#[test]
fn a_step_whose_condition_is_not_met_is_skipped() {
    let settings = with(vec![checked(), when_many(run("a one")), planned(run("b two"))]);
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok matches=3
        00:11 gate admits
        00:11 gate admits
        00:12 step ok
    "
    ));
}

#[test]
fn a_step_whose_condition_is_met_by_what_was_found_is_done() {
    let settings = with(vec![checked(), when_many(run("a one"))]);
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok matches=12
        00:12 crash
        00:12 gate admits
    "
    ));
}

#[test]
fn what_nobody_found_out_skips_the_step() {
    let settings = with(vec![checked(), when_many(run("a one"))]);
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 gate admits
    "
    ));
}

#[test]
fn a_condition_over_a_metric_waits_for_a_look_after_the_step_before() {
    let mut settings = settings();
    let full = condition("disk_usage", Operator::Greater, Operand::Number(90.0));
    settings.playbooks[2].steps[1].when = Some(full.into());
    let mut world = World::new(&settings);
    world.play(
        "
        00:10 host:/data disk_usage 95
        00:10 gate admits
        00:11 step ok
    ",
    );
    assert_eq!(world.state().due(), [], "the last look was before the step");
    let wanted = world.state().wanted();
    assert_eq!(wanted.iter().map(|it| it.metric.as_str()).collect::<Vec<_>>(), ["disk_usage"]);
    world.play(
        "
        00:20 host:/data disk_usage 93
        00:21 gate admits
    ",
    );
    assert_snapshot!(world.print());
}

#[test]
fn a_look_that_does_not_come_skips_the_step_after_a_while() {
    let mut settings = settings();
    let full = condition("disk_usage", Operator::Greater, Operand::Number(90.0));
    settings.playbooks[2].steps[1].when = Some(full.into());
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 host:/data disk_usage 95
        00:10 gate admits
        00:11 step ok
        02:11 tick
        02:11 gate admits
    "
    ));
}

#[test]
fn a_step_is_tried_again_after_its_pause_and_a_restart_forgets_neither() {
    let retry = Retry { times: 2, pause: Millis::from_secs(10) };
    let settings = with(vec![Step { retry, ..planned(run("a one")) }]);
    let (state, _) = decide(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step exits 1
    ",
        Wakes::WhenTold,
    );
    assert_eq!(state.due(), [], "it pauses");
    assert_eq!(state.next_due(), Some(crate::timeline::moment("00:21")));
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step exits 1
        00:12 crash
        00:21 tick
        00:21 gate admits
        00:22 step exits 1
        00:32 tick
        00:32 gate admits
        00:33 step exits 1
    "
    ));
}

#[test]
fn a_step_may_fail_and_the_playbook_goes_on() {
    let settings = with(vec![
        Step { on_failure: OnFailure::Continue, ..planned(run("a one")) },
        planned(run("b two")),
    ]);
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step exits 1
        00:11 gate admits
        00:12 step ok
    "
    ));
}

/// Three steps, of which the first two can be taken back; the third takes them back when it fails.
fn reversible() -> Settings {
    with(vec![
        Step { rollback: Some(run("unset one")), ..planned(run("set one")) },
        Step { rollback: Some(run("unset two")), ..planned(run("set two")) },
        Step { on_failure: OnFailure::RollBack, ..planned(run("reload")) },
    ])
}

#[test]
fn what_was_done_is_taken_back_the_last_first() {
    assert_snapshot!(run_with(
        &reversible(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:11 gate admits
        00:12 step ok
        00:12 gate admits
        00:13 step exits 1
        00:13 gate admits
        00:14 step ok
        00:14 gate admits
        00:15 step ok
    "
    ));
}

#[test]
fn what_cannot_be_taken_back_is_said_and_the_rest_is() {
    assert_snapshot!(run_with(
        &reversible(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:11 gate admits
        00:12 step ok
        00:12 gate admits
        00:13 step exits 1
        00:13 gate refuses not any more
        00:14 gate admits
        00:15 step exits 2
    "
    ));
}

#[test]
fn what_did_not_heal_is_taken_back() {
    assert_snapshot!(run_with(
        &reversible(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:11 gate admits
        00:12 step ok
        00:12 gate admits
        00:13 step ok
        00:20 web process_status stopped
        01:13 tick
        01:14 gate admits
        01:15 step ok
        01:15 gate admits
        01:16 step ok
    "
    ));
}

#[test]
fn taking_back_that_was_cut_off_is_not_repeated_and_goes_to_a_person() {
    assert_snapshot!(run_with(
        &reversible(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:11 gate admits
        00:12 step ok
        00:12 gate admits
        00:13 step exits 1
        00:13 gate admits
        00:14 crash
        00:15 tick
    "
    ));
}

/// A proof over two metrics: the service answers, and the machine has room.
fn two() -> Settings {
    let up = condition("health_status", Operator::Equal, Operand::Status(Status::Passing));
    let room = condition("disk_usage", Operator::Less, Operand::Number(90.0));
    let verify = Verify {
        condition: Expression::All { all: vec![up.into(), room.into()] },
        needed: 2,
        interval: Millis::from_secs(2),
        wait_after: Millis(0),
        deadline: Millis::from_secs(30),
    };
    let mut settings = with(vec![planned(run("a one"))]);
    settings.playbooks[0].verify = Some(verify);
    settings
}

#[test]
fn a_look_at_several_metrics_is_a_fresh_sample_of_each() {
    assert_snapshot!(run_with(
        &two(),
        "
        00:09 host disk_usage 10
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web health_status passing
        00:13 web health_status passing
        00:14 host disk_usage 20
        00:15 host disk_usage 20
        00:16 host disk_usage 20
        00:17 web health_status passing
    "
    ));
}

#[test]
fn one_bad_or_dark_metric_starts_the_proof_over() {
    assert_snapshot!(run_with(
        &two(),
        "
        00:09 host disk_usage 10
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web health_status passing
        00:13 host disk_usage 20
        00:15 host disk_usage 95
        00:17 web health_status passing
        00:18 host disk_usage 20
        00:20 web health_status unknown
        00:22 web health_status passing
        00:23 host disk_usage 20
        00:25 web health_status passing
        00:26 host disk_usage 20
    "
    ));
}
