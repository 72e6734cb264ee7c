//! Approvals: a person's word on exactly one plan, or on every plan of a narrow kind.

use insta::assert_snapshot;
use nightcrew_engine::approval::{SHAPES_MAX, STANDING_MAX};
use nightcrew_engine::settings::{Listener, Settings};
use nightcrew_engine::state::State;
use nightcrew_model::approval::{Autonomy, PlanHash, Shape, ShapeWord, StandingApproval};
use nightcrew_model::decision::{Fact, NotificationKind};
use nightcrew_model::event::Event;
use nightcrew_model::plan::Action;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;

use crate::timeline::{Wakes, World, decide, moment, planned, run_with, settings};

/// What a person says of the plan that waits for a word: `approve kim`, `approve another kim`,
/// `deny kim`.
pub(crate) fn said(state: &State, words: &[&str]) -> Vec<Event> {
    let one = state.awaiting().next().map(|attempt| (attempt.id, attempt.request.clone()));
    match (words, one) {
        (["approve", "another", by], Some((attempt, _))) => {
            let hash = "0".repeat(64).parse::<PlanHash>().unwrap();
            vec![Event::PlanApproved { attempt, hash, by: (*by).into() }]
        }
        (["approve", by], Some((attempt, Some(request)))) => {
            vec![Event::PlanApproved { attempt, hash: request.hash, by: (*by).into() }]
        }
        (["deny", by], Some((attempt, _))) => {
            vec![Event::PlanDenied { attempt, by: (*by).into() }]
        }
        _ => panic!("nothing waits for a word, or no such word: {words:?}"),
    }
}

/// People are asked before anything is done.
fn asking() -> Settings {
    Settings { autonomy: Autonomy::Approve, ..settings() }
}

#[test]
fn a_plan_that_is_approved_runs_and_is_proven() {
    assert_snapshot!(run_with(
        &asking(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:30 approve another kim
        00:40 approve kim
        00:40 gate admits
        00:41 step ok
        00:42 web process_status running
        00:43 web process_status running
    "
    ));
}

#[test]
fn what_is_denied_is_not_done_and_is_a_persons() {
    assert_snapshot!(run_with(
        &asking(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:40 deny kim
        00:41 web process_status stopped
        09:00 tick
    "
    ));
}

#[test]
fn what_nobody_answers_expires_and_a_restart_forgets_no_timer() {
    assert_snapshot!(run_with(
        &asking(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        02:00 crash
        05:09 tick
        05:10 tick
    "
    ));
}

/// A pager that is only asked, and a chat that hears of everything.
fn asking_a_pager() -> Settings {
    let mut settings = asking();
    settings.channels.push(Listener {
        channel: "pager".into(),
        notify: vec![NotificationKind::ApprovalWanted],
        send_resolved: true,
        fallback: None,
    });
    settings.channels[0].notify.push(NotificationKind::ApprovalWanted);
    settings
}

/// What each channel was told, in order.
fn told(timeline: &str) -> Vec<String> {
    let (_, decisions) = decide(&asking_a_pager(), timeline, Wakes::WhenDue);
    let queued = decisions.iter().filter_map(|decision| match &decision.fact {
        Fact::NotificationQueued { channel, kind, .. } => Some(format!("{channel} {kind}")),
        _ => None,
    });
    queued.collect()
}

const ASKED: &str = "
    00:10 web process_status stopped
    00:10 gate admits
";

#[test]
fn who_was_only_asked_hears_that_it_was_approved_and_who_hears_more_hears_the_end() {
    let healed = "
        00:20 approve kim
        00:20 gate admits
        00:21 step ok
        00:22 web process_status running
        00:23 web process_status running
    ";
    assert_eq!(
        told(&format!("{ASKED}{healed}")),
        [
            "discord approval_wanted",
            "pager approval_wanted",
            "discord approval_ended",
            "pager approval_ended",
            "discord resolved"
        ]
    );
}

#[test]
fn who_was_only_asked_hears_that_it_was_denied_or_expired_and_the_alert_of_others_goes_on() {
    for end in ["00:20 deny kim", "06:00 tick"] {
        assert_eq!(
            told(&format!("{ASKED}{end}\n    07:00 crash\n    07:01 tick\n")),
            [
                "discord approval_wanted",
                "pager approval_wanted",
                "discord escalated",
                "pager approval_ended"
            ],
            "{end}"
        );
    }
}

#[test]
fn who_was_only_asked_hears_that_it_ended_by_itself() {
    assert_eq!(
        told(&format!("{ASKED}00:20 web process_status running\n    00:21 tick\n")),
        [
            "discord approval_wanted",
            "pager approval_wanted",
            "discord resolved",
            "pager approval_ended"
        ]
    );
}

#[test]
fn the_time_limit_is_due_to_the_moment() {
    let (state, decisions) = decide(
        &asking(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        09:00 tick
    ",
        Wakes::WhenDue,
    );
    assert_eq!(state.awaiting().count(), 0);
    assert!(
        decisions.iter().any(
            |it| it.at == moment("05:10") && it.fact.to_string() == "INC-1/1: approval expired"
        )
    );
}

#[test]
fn an_approval_that_comes_too_late_decides_nothing() {
    assert_snapshot!(run_with(
        &asking(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        05:10 approve kim
        05:11 tick
    "
    ));
}

#[test]
fn a_question_is_taken_back_when_it_ends_by_itself() {
    assert_snapshot!(run_with(
        &asking(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:20 web process_status running
    "
    ));
}

#[test]
fn what_waits_for_a_word_holds_no_place_and_waits_for_its_turn() {
    let mut settings = settings();
    settings.playbooks[0].steps[0].ask = nightcrew_model::plan::Ask::Always;
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 web health_status failing
        00:12 web health_status failing
        00:12 gate admits
        00:13 approve kim
        00:14 web health_status failing
        00:15 step exits 1
        00:15 gate admits
        00:16 step ok
    "
    ));
}

#[test]
fn the_crew_asks_where_it_may_act_when_the_gate_the_class_or_the_step_says_so() {
    let timeline = "
        00:10 web process_status stopped
        00:10 gate admits
    ";
    let from = |class| Settings { ask_from: Some(class), ..settings() };
    let asks = |settings: &Settings, timeline: &str| {
        decide(settings, timeline, Wakes::WhenTold).0.awaiting().count() == 1
    };
    assert!(!asks(&settings(), timeline));
    assert!(!asks(&from(RiskClass::Destructive), timeline));
    assert!(asks(&from(RiskClass::Disruptive), timeline));
    assert!(asks(&settings(), &timeline.replace("admits", "asks")));
}

#[test]
fn channels_that_listen_to_questions_are_asked_instead_of_those_that_are_woken() {
    let mut settings = asking();
    settings.channels.push(Listener {
        channel: "slack".into(),
        notify: vec![NotificationKind::ApprovalWanted],
        send_resolved: true,
        fallback: None,
    });
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:20 deny kim
    "
    ));
}

#[test]
fn a_plan_that_the_settings_no_longer_make_does_not_run() {
    let before = asking();
    let mut after = asking();
    after.playbooks[0].steps.push(planned(Action::Wait { duration: Millis(1) }));
    let mut world = World::new(&before);
    world.play(
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:20 approve kim
    ",
    );
    let mut world = world.reload(&after);
    world.play("00:21 gate admits");
    assert_snapshot!(world.print());
}

#[test]
fn a_service_that_is_only_watched_goes_to_a_person_without_a_plan() {
    let settings = Settings {
        autonomy_of: [("web".into(), Autonomy::Observe)].into_iter().collect(),
        ..settings()
    };
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:20 web process_status stopped
    "
    ));
}

#[test]
fn a_suggestion_is_judged_and_goes_to_a_person() {
    let settings = Settings { autonomy: Autonomy::Suggest, ..settings() };
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:20 web process_status stopped
        00:30 web process_status running
    "
    ));
}

fn standing(until: &str, third: ShapeWord) -> StandingApproval {
    let literal = |word: &str| ShapeWord::Literal { word: word.to_owned() };
    StandingApproval {
        name: "restarts".into(),
        playbook: "process_down".into(),
        service: None,
        shapes: vec![Shape(vec![literal("restart_process"), third])],
        class_max: RiskClass::Disruptive,
        by: "kim".into(),
        reason: "known leak".to_owned(),
        until: moment(until),
    }
}

#[test]
fn a_standing_approval_covers_plans_of_its_shape_until_it_ends() {
    let settings = asking();
    let mut world = World::new(&settings);
    let asked = |approval| Event::StandingApprovalAsked { approval: Box::new(approval) };
    world.step(moment("00:01"), asked(standing("60:00", ShapeWord::Service)));
    world.play(
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web process_status running
        00:13 web process_status running
        00:14 db process_status stopped
        00:14 crash
        00:15 gate admits
    ",
    );
    let end = Event::StandingApprovalEndAsked { approval: "restarts".into(), by: "lee".into() };
    world.step(moment("00:16"), end);
    world.play(
        "
        00:17 step ok
        00:18 cart process_status stopped
        00:18 gate admits
    ",
    );
    assert_snapshot!(world.print());
}

#[test]
fn a_standing_approval_is_narrow_and_ends() {
    let settings = asking();
    let set = |approval| {
        let mut world = World::new(&settings);
        let approval = Box::new(approval);
        world.step(moment("00:01"), Event::StandingApprovalAsked { approval });
        world.state().standing_approvals(moment("00:02")).count()
    };
    assert_eq!(set(standing("60:00", ShapeWord::Service)), 1);
    assert_eq!(set(standing("00:01", ShapeWord::Service)), 0, "over at once");
    assert_eq!(set(standing("43202:00", ShapeWord::Service)), 0, "longer than 30 days");
    let nothing = StandingApproval { shapes: vec![], ..standing("60:00", ShapeWord::Number) };
    assert_eq!(set(nothing), 0);
    let any = Shape(vec![ShapeWord::Service, ShapeWord::Service]);
    let anything = StandingApproval { shapes: vec![any], ..standing("60:00", ShapeWord::Number) };
    assert_eq!(set(anything), 0, "any program");
}

#[test]
fn what_was_approved_and_has_not_begun_ends_with_its_alert() {
    let mut settings = settings();
    settings.playbooks[0].steps[0].ask = nightcrew_model::plan::Ask::Always;
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 web health_status failing
        00:12 web health_status failing
        00:12 gate admits
        00:13 approve kim
        00:14 web process_status running
        00:15 step ok
        00:16 web process_status stopped
    "
    ));
}

#[test]
fn what_was_approved_does_not_begin_under_a_lock_that_came_later() {
    assert_snapshot!(run_with(
        &asking(),
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:20 ask lock deploy kim 10:00 auto_restart web
        00:30 approve lee
        00:31 gate admits
    "
    ));
}

#[test]
fn a_standing_approval_that_is_taken_back_stops_what_it_let_begin() {
    let mut settings = asking();
    let again = settings.playbooks[0].steps[0].clone();
    settings.playbooks[0].steps.push(again);
    let mut world = World::new(&settings);
    let approval = Box::new(standing("60:00", ShapeWord::Service));
    world.step(moment("00:01"), Event::StandingApprovalAsked { approval });
    world.play(
        "
        00:10 web process_status stopped
        00:10 gate admits
    ",
    );
    let end = Event::StandingApprovalEndAsked { approval: "restarts".into(), by: "lee".into() };
    world.step(moment("00:11"), end);
    world.play(
        "
        00:12 step ok
        00:12 gate admits
    ",
    );
    assert_snapshot!(world.print());
}

#[test]
fn so_many_standing_approvals_and_shapes_and_no_more() {
    let settings = asking();
    let mut world = World::new(&settings);
    let mut ask = |approval| {
        let approval = Box::new(approval);
        world.step(moment("00:01"), Event::StandingApprovalAsked { approval });
        world.state().standing_approvals(moment("00:02")).count()
    };
    let one = standing("60:00", ShapeWord::Service);
    let shapes = vec![one.shapes[0].clone(); SHAPES_MAX + 1];
    assert_eq!(ask(StandingApproval { shapes, ..one.clone() }), 0);
    for n in 0..STANDING_MAX {
        ask(StandingApproval { name: format!("s{n}").as_str().into(), ..one.clone() });
    }
    assert_eq!(ask(one.clone()), STANDING_MAX, "one too many");
    let renewed = StandingApproval { name: "s0".into(), until: moment("90:00"), ..one };
    assert_eq!(ask(renewed), STANDING_MAX, "known ones can be renewed");
    let longest = world.state().standing_approvals(moment("80:00")).count();
    assert_eq!(longest, 1, "they end by themselves");
}

#[test]
fn where_a_policy_is_for_it_whom_it_calls_first_is_asked() {
    let settings = Settings { autonomy: Autonomy::Approve, ..crate::people::staffed() };
    assert_snapshot!(run_with(
        &settings,
        "
        00:10 web process_status stopped
        00:10 gate admits
        05:10 tick
    "
    ));
}
