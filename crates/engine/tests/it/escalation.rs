//! From a hand-over to somebody who takes care of it.

use insta::assert_snapshot;
use nightcrew_engine::oncall::OVERRIDES_MAX;
use nightcrew_engine::settings::Settings;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::escalation::Told;
use nightcrew_model::interval::{DayPart, TimeInterval};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::people::{level, listener, staffed};
use crate::timeline::{World, moment, run, run_with};

#[test]
fn climbs_from_level_to_level_and_round_again() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 alertmanager fires alertname=A service=결제 severity=page
        00:01 ticks 200:00
        210:00 alertmanager resolves alertname=A service=결제 severity=page
    "
    ));
}

#[test]
fn an_acknowledgement_stops_every_later_step() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        10:00 ask ack INC-1 kim
        10:01 ask ack INC-1 kim
        11:00 ask ack INC-1 lee
        11:01 ticks 200:00
        210:00 alertmanager resolves alertname=A service=web severity=page
        211:00 ask ack INC-1 kim
    "
    ));
}

#[test]
fn what_is_given_back_climbs_on_from_where_it_was() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        10:00 ask ack INC-1 kim
        20:00 ask unack INC-1 kim
        20:01 ask unack INC-1 kim
        20:02 ticks 60:00
    "
    ));
}

#[test]
fn an_acknowledgement_grows_old() {
    let mut settings = staffed();
    settings.policies[0].acknowledge_timeout = Some(Millis::from_secs(3_600));
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        10:00 ask ack INC-1 kim
        10:01 ticks 70:00
    "
    ));
}

#[test]
fn timers_survive_a_crash() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        10:00 crash
        29:59 tick
        31:00 crash
        31:01 tick
        31:02 crash
        31:03 ticks 40:00
    "
    ));
}

#[test]
fn a_clock_that_is_set_back_tells_nobody_twice() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        60:00 alertmanager fires alertname=A service=web severity=page
        91:00 tick
        30:00 ticks 91:00
        91:00 ticks 152:00
    "
    ));
}

#[test]
fn a_level_with_nobody_is_passed_over_for_all_to_see() {
    let mut settings = staffed();
    settings.schedules.clear();
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        00:01 ticks 70:00
    "
    ));
}

fn office() -> TimeInterval {
    TimeInterval { times: vec![DayPart { from: 60, until: 120 }], ..TimeInterval::default() }
}

#[test]
fn when_nobody_works_whoever_listens_is_told_and_the_climb_begins_with_the_hours() {
    let mut settings = staffed();
    for level in &mut settings.policies[0].levels {
        level.hours = vec![office()];
    }
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        00:01 ticks 95:00
    "
    ));
}

#[test]
fn a_replacement_is_told_instead() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 ask override primary lee 00:00 30:00
        00:00 ask override primary nobody 00:00 30:00
        00:00 ask override primary lee 30:00 30:00
        00:01 crash
        00:02 alertmanager fires alertname=A service=web severity=page
        40:00 alertmanager fires alertname=B service=web severity=page
    "
    ));
}

#[test]
fn the_first_policy_that_fits_is_taken() {
    let mut settings = staffed();
    let mut database = settings.policies[0].clone();
    database.name = "데이터베이스".into();
    database.matchers = Matchers::parse("{team=\"db\"}").unwrap();
    database.levels = vec![level("dba", &[Told::Person("lee".into())], 15)];
    database.repeat = 0;
    settings.policies.insert(0, database);
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=pg severity=page team=db
        00:01 alertmanager fires alertname=A service=web severity=page
        00:02 ticks 20:00
    "
    ));
}

#[test]
fn what_is_too_small_waits_until_it_grows() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 alertmanager fires alertname=A service=web severity=info
        00:01 ticks 01:00
        01:01 alertmanager fires alertname=A service=web severity=page
        01:02 tick
    "
    ));
}

#[test]
fn people_hear_of_what_takes_too_long_while_the_playbook_goes_on() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 web process_status stopped
        00:01 gate admits
        09:59 tick
        10:00 tick
        10:01 step ok
        10:02 web process_status running
        10:03 web process_status running
        10:04 tick
    "
    ));
}

#[test]
fn a_playbook_that_fails_after_people_heard_of_it_tells_nobody_again() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 web process_status stopped
        00:01 gate admits
        10:00 tick
        10:01 step exits 3
        10:02 ticks 41:00
    "
    ));
}

#[test]
fn an_alert_that_ends_while_a_late_playbook_is_at_work_waits_for_its_proof() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 web process_status stopped
        00:01 gate admits
        10:00 tick
        10:01 web process_status running
        10:02 tick
        10:03 step ok
        10:04 web process_status running
        10:05 web process_status running
    "
    ));
}

#[test]
fn what_people_end_is_over_until_its_source_insists() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        01:00 ask resolve INC-1 kim
        01:01 ask resolve INC-1 kim
        01:02 ticks 06:10
    "
    ));
}

#[test]
fn a_failed_repair_that_people_end_is_not_brought_back_by_the_same_sample() {
    assert_snapshot!(run("
        00:00 web process_status stopped
        00:01 gate refuses no
        00:10 ask resolve INC-1 kim
        00:11 web process_status stopped
        00:20 web process_status running
        05:30 web process_status stopped
    "));
}

#[test]
fn who_asks_for_people_gets_them_at_once() {
    let mut settings = staffed();
    settings.policies[0].severity_min = Severity::Critical;
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=web severity=warning
        00:01 ask escalate INC-1 kim
        00:02 ask escalate INC-1 kim
        00:03 ask ack INC-1 kim
        00:04 ask escalate INC-1 lee
    "
    ));
}

#[test]
fn an_incident_that_comes_back_has_nobody_yet() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        01:00 ask ack INC-1 kim
        02:00 alertmanager resolves alertname=A service=web severity=page
        03:00 alertmanager fires alertname=A service=web severity=page
        03:01 ticks 34:00
    "
    ));
}

#[test]
fn a_failing_channel_is_stood_in_for_once_and_not_in_circles() {
    let mut settings = staffed();
    settings.policies.clear();
    for (n, to) in [(0, "sms"), (1, "pager"), (2, "discord")] {
        settings.channels[n].fallback = Some(to.into());
    }
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        00:01 ask stuck N-1
        00:02 ask stuck N-1
        00:03 ask refused N-1
        00:04 ask refused N-2
        00:05 crash
        00:06 ask refused N-3
        00:07 alertmanager resolves alertname=A service=web severity=page
        00:08 ask refused N-4
        00:09 ask test pager kim
        00:09 ask test nowhere kim
        00:10 ask refused N-7
    "
    ));
}

#[test]
fn a_policy_that_is_gone_ends_its_climb() {
    let mut short = staffed();
    short.policies[0].levels.truncate(1);
    short.policies[0].repeat = 0;
    let without = Settings { policies: Vec::new(), ..staffed() };
    let fires = "00:00 alertmanager fires alertname=A service=web severity=page";
    let mut out = String::new();
    for later in [short, without] {
        let before = staffed();
        let mut world = World::new(&before);
        world.play(fires);
        let mut world = world.reload(&later);
        world.play("00:01 ticks 61:00");
        out.push_str(&world.print());
        assert_eq!(world.state().audit(&later, moment("61:00")), []);
    }
    assert_snapshot!(out);
}

#[test]
fn a_channel_that_only_hears_of_ends_hears_of_them() {
    let mut settings = staffed();
    settings.channels.push(listener("log", &[NotificationKind::Resolved]));
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=web severity=page
        00:01 alertmanager resolves alertname=A service=web severity=page
    "
    ));
}

#[test]
fn what_is_silenced_is_told_when_the_silence_ends() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 silence s1 00:00 20:00 {service=\"web\"}
        00:01 alertmanager fires alertname=A service=web severity=page
        00:02 alertmanager fires alertname=B service=web severity=page
        00:03 alertmanager resolves alertname=B service=web severity=page
        00:04 crash
        00:05 ticks 20:10
        25:00 silence s2 25:00 60:00 {service=\"web\"}
        25:01 ticks 59:00
        59:00 ask ack INC-1 kim
        59:01 ask unack INC-1 kim
        59:02 ticks 60:10
    "
    ));
}

#[test]
fn there_is_an_end_to_replacements() {
    let settings = staffed();
    let mut world = World::new(&settings);
    for _ in 0..=OVERRIDES_MAX {
        world.play("00:00 ask override primary lee 10:00 30:00");
    }
    assert_eq!(world.state().overrides(&"primary".into()).len(), OVERRIDES_MAX);
    // What is over makes room.
    world.play("31:00 ask override primary lee 40:00 50:00");
    assert_eq!(world.state().overrides(&"primary".into()).len(), 1);
    let on_call = |at| world.state().on_call(&settings, &"primary".into(), moment(at));
    assert_eq!(on_call("35:00"), Some("kim".into()));
    assert_eq!(on_call("45:00"), Some("lee".into()));
}
