//! Heartbeats that must always be heard, and the crew's own.

use insta::assert_snapshot;
use nightcrew_engine::settings::{AllClear, Settings};
use nightcrew_model::interval::Zone;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::mute::Watchdog;
use nightcrew_model::unit::Millis;

use crate::timeline::{World, run_with, settings};

fn watched() -> Settings {
    let watchdogs = vec![Watchdog {
        name: "prometheus-서울".into(),
        matchers: Matchers::parse("{alertname=\"Watchdog\"}").unwrap(),
        timeout: Millis::from_secs(300),
    }];
    Settings { watchdogs, ..settings() }
}

#[test]
fn silence_is_an_incident_and_a_word_ends_it() {
    assert_snapshot!(run_with(
        &watched(),
        "
        00:00 prometheus fires alertname=Watchdog service=prometheus
        04:00 prometheus fires alertname=Watchdog service=prometheus
        04:01 ticks 09:10
        10:00 crash
        10:01 ticks 16:00
        16:01 prometheus fires alertname=Watchdog service=prometheus
        16:02 ticks 21:00
    "
    ));
}

#[test]
fn one_that_was_never_heard_is_silent_too_and_a_restart_gives_it_its_time() {
    assert_snapshot!(run_with(
        &watched(),
        "
        00:00 crash
        00:01 ticks 04:59
        04:59 crash
        05:00 ticks 09:50
        09:55 ticks 10:00
    "
    ));
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_it_from_being_missed() {
    assert_snapshot!(run_with(
        &watched(),
        "
        60:00 prometheus fires alertname=Watchdog service=prometheus
        10:00 ticks 16:00
    "
    ));
}

#[test]
fn one_that_is_no_longer_configured_is_not_missed() {
    let (with, without) = (watched(), settings());
    let mut world = World::new(&with);
    world.play("00:00 ticks 05:00");
    let mut world = world.reload(&without);
    world.play("05:01 tick");
    assert_snapshot!(world.print());
}

fn daily() -> Settings {
    let all_clear = Some(AllClear {
        at: jiff::civil::time(9, 0, 0, 0),
        zone: Zone::named("Asia/Seoul").unwrap(),
        channels: vec!["discord".into(), "mail".into()],
    });
    Settings { all_clear, ..settings() }
}

#[test]
fn all_clear_once_a_day() {
    // Nine in Seoul is midnight; a day has 1,440 minutes.
    assert_snapshot!(run_with(
        &daily(),
        "
        1439:59 tick
        1440:00 tick
        1440:01 tick
        1440:02 crash
        1440:03 tick
        1439:00 tick
        1440:00 tick
        3239:59 tick
        3240:00 tick
        3300:00 tick
        4680:00 tick
        4680:01 tick
        5760:00 tick
        999360:00 tick
        5761:00 tick
        7200:00 tick
    "
    ));
}
