//! What comes and goes.

use insta::assert_snapshot;
use nightcrew_engine::settings::Settings;
use nightcrew_model::mute::FlapRule;
use nightcrew_model::unit::Millis;

use crate::people::staffed;
use crate::timeline::{run_with, settings};

fn nervous(settings: Settings) -> Settings {
    let flap = Some(FlapRule { changes: 2, window: Millis::from_secs(600) });
    Settings { flap, ..settings }
}

#[test]
fn what_flaps_is_told_of_once_until_it_is_calm() {
    assert_snapshot!(run_with(
        &nervous(staffed()),
        "
        00:00 alertmanager fires alertname=A service=결제
        01:00 alertmanager resolves alertname=A service=결제
        02:00 alertmanager fires alertname=A service=결제
        03:00 alertmanager resolves alertname=A service=결제
        04:00 alertmanager fires alertname=A service=결제
        05:00 alertmanager resolves alertname=A service=결제
        05:30 crash
        06:00 alertmanager fires alertname=A service=결제
        06:01 ticks 17:00
    "
    ));
}

#[test]
fn what_flapped_and_stays_away_is_not_told_of() {
    assert_snapshot!(run_with(
        &nervous(settings()),
        "
        00:00 alertmanager fires alertname=A service=web
        01:00 alertmanager resolves alertname=A service=web
        02:00 alertmanager fires alertname=A service=web
        03:00 alertmanager resolves alertname=A service=web
        04:00 alertmanager fires alertname=A service=web
        05:00 alertmanager resolves alertname=A service=web
        05:01 ticks 70:00
    "
    ));
}

#[test]
fn what_opens_anew_is_a_change_too() {
    let settings = Settings { dedup_window: Millis::from_secs(30), ..nervous(settings()) };
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=web
        01:00 alertmanager resolves alertname=A service=web
        01:31 tick
        02:00 alertmanager fires alertname=A service=web
        03:00 alertmanager resolves alertname=A service=web
        03:31 tick
        04:00 alertmanager fires alertname=A service=web
    "
    ));
}

#[test]
fn healing_that_flaps_is_suppressed_for_all_to_see() {
    assert_snapshot!(run_with(
        &Settings {
            cooldown: Millis(0),
            dedup_window: Millis::from_secs(30),
            ..nervous(settings())
        },
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
        02:10 web process_status stopped
        02:10 gate admits
        02:11 step ok
        02:12 web process_status running
        02:13 web process_status running
    "
    ));
}
