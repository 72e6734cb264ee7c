//! From an alert to its incident.

use insta::assert_snapshot;

use nightcrew_engine::settings::Settings;

use crate::timeline::{run, run_with, settings};

#[test]
fn alerts_of_one_service_and_symptom_are_one_incident() {
    assert_snapshot!(run("
        00:00 prometheus fires alertname=HighErrors service=cart instance=a
        00:01 prometheus fires alertname=HighErrors service=cart instance=b
        00:02 prometheus fires alertname=HighErrors service=cart instance=a
        00:03 prometheus fires alertname=HighErrors service=pay instance=a
    "));
}

#[test]
fn an_alert_that_is_not_repeated_ends() {
    assert_snapshot!(run("
        00:00 prometheus fires alertname=A service=cart
        04:59 prometheus fires alertname=A service=cart
        09:58 tick
        09:59 tick
    "));
}

#[test]
fn a_webhook_alert_waits_for_its_source() {
    assert_snapshot!(run("
        00:00 alertmanager fires alertname=A service=cart
        50:00 tick
        51:00 alertmanager resolves alertname=A service=cart
    "));
}

#[test]
fn what_resolves_before_it_fired_changes_nothing() {
    assert_snapshot!(run("
        00:00 prometheus resolves alertname=A service=cart
    "), @"");
}

#[test]
fn an_incident_reopens_inside_the_window_and_is_new_after_it() {
    assert_snapshot!(run("
        00:00 prometheus fires alertname=A service=cart
        01:00 prometheus resolves alertname=A service=cart
        02:00 prometheus fires alertname=A service=cart
        03:00 prometheus resolves alertname=A service=cart
        63:00 tick
        64:00 prometheus fires alertname=A service=cart
    "));
}

#[test]
fn an_alert_of_another_source_is_healed_by_what_we_see() {
    assert_snapshot!(run("
        00:00 web process_status stopped
        00:00 prometheus fires alertname=WebDown service=web severity=page
        00:01 gate admits
        00:02 step ok
        00:03 web process_status running
        00:04 web process_status running
        00:05 prometheus resolves alertname=WebDown service=web severity=page
    "));
}

#[test]
fn a_source_that_goes_on_reporting_a_proven_repair_reopens_it() {
    assert_snapshot!(run("
        00:00 web health_status failing
        00:00 alertmanager fires alertname=WebDown service=web severity=page
        00:01 gate admits
        00:02 step ok
        00:03 web health_status passing
        00:04 web health_status passing
        05:03 tick
        05:04 tick
    "));
}

#[test]
fn further_fields_make_further_incidents() {
    let fields = ["service", "symptom_type", "env"].map(str::to_owned).to_vec();
    let settings = Settings { dedup_fields: fields, ..settings() };
    assert_snapshot!(run_with(
        &settings,
        "
        00:00 prometheus fires alertname=A service=cart env=prod instance=a
        00:01 prometheus fires alertname=A service=cart env=prod instance=b
        00:02 prometheus fires alertname=A service=cart env=stage
        00:03 prometheus fires alertname=A service=cart
    "
    ));
}
