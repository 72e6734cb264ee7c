//! From the first bad sample to the proof, or to a person.

use insta::assert_snapshot;
use nightcrew_engine::settings::Settings;
use nightcrew_model::plan::Mode;

use crate::timeline::{run, run_with, settings};

#[test]
fn heals_a_dead_process_and_proves_it() {
    assert_snapshot!(run("
        00:00 web process_status running
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:11 web process_status running
        00:12 web process_status running
    "));
}

#[test]
fn samples_from_before_the_step_prove_nothing() {
    assert_snapshot!(run("
        00:10 host:/data disk_usage 95
        00:10 gate admits
        00:11 step ok
        00:11 gate admits
        00:14 step ok
        00:13 host:/data disk_usage 10
        00:15 host:/data disk_usage 40
        00:16 host:/data disk_usage 40
    "));
}

#[test]
fn unknown_is_not_good() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web process_status running
        00:13 web process_status unknown
        00:14 web process_status running
        00:15 web process_status running
    "));
}

#[test]
fn a_burst_of_samples_is_one_look() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12.000 web process_status running
        00:12.001 web process_status running
        00:12.002 web process_status running
        00:13 web process_status running
    "));
}

#[test]
fn escalates_when_the_proof_does_not_come() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:20 web process_status stopped
        00:22 web process_status stopped
        00:24 web process_status stopped
        00:41 tick
        00:42 delivered N-1
        01:00 web process_status running
    "));
}

#[test]
fn escalates_when_the_gate_refuses() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate refuses web is not in the inventory
    "));
}

#[test]
fn escalates_when_a_step_fails_and_leaves_the_rest_alone() {
    assert_snapshot!(run("
        00:10 host:/data disk_usage 95
        00:10 gate admits
        00:11 step exits 3
        00:12 tick
    "));
}

#[test]
fn escalates_at_once_what_no_playbook_covers_and_heals_it_when_one_does() {
    assert_snapshot!(run("
        00:10 host:/data disk_usage 80
        00:40 host:/data disk_usage 92
        00:40 gate admits
    "));
}

#[test]
fn a_relapse_counts_as_a_failure_and_goes_to_a_person() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
        00:12 web process_status running
        00:13 web process_status running
        01:00 web process_status stopped
        04:00 web process_status stopped
        05:20 web process_status stopped
    "));
}

#[test]
fn a_service_that_is_back_before_the_first_step_is_not_restarted() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:11 web process_status running
        00:11 gate admits
        00:12 web process_status running
        00:13 web process_status running
    "));
}

#[test]
fn a_lingering_warning_does_not_bring_a_healed_incident_back() {
    assert_snapshot!(run("
        00:10 host:/data disk_usage 95
        00:10 gate admits
        00:11 step ok
        00:11 gate admits
        00:12 step ok
        00:13 host:/data disk_usage 80
        00:14 host:/data disk_usage 80
        00:15 host:/data disk_usage 80
        10:00 host:/data disk_usage 95
    "));
}

#[test]
fn one_service_is_worked_on_by_one_attempt_at_a_time() {
    assert_snapshot!(run("
        00:10 web process_status stopped
        00:10 gate admits
        00:10 web health_status failing
        00:11 web health_status failing
        00:12 step ok
        00:12 web process_status running
        00:13 web process_status running
        00:13 web health_status passing
        00:14 web health_status passing
    "));
}

#[test]
fn a_dry_run_shows_and_hands_over() {
    let dry = Settings { mode: Mode::DryRun, ..settings() };
    assert_snapshot!(run_with(
        &dry,
        "
        00:10 web process_status stopped
        00:10 gate admits
        00:10 step shown
    "
    ));
}

#[test]
fn a_proven_repair_that_breaks_before_its_alert_clears_reopens() {
    assert_snapshot!(run("
        00:10 web health_status failing
        00:11 web health_status failing
        00:11 gate admits
        00:12 step ok
        00:12.1 web health_status passing
        00:13 web health_status failing
        00:14 web health_status passing
        00:15 web health_status passing
        00:16 web health_status failing
        00:17 web health_status failing
    "));
}

#[test]
fn the_stop_inside_a_restart_is_no_failure_of_its_own() {
    assert_snapshot!(run("
        00:00 web health_status failing
        00:01 web health_status failing
        00:01 gate admits
        00:02 web process_status stopped
        00:03 step ok
        00:03 web process_status running
        00:04 web health_status passing
        00:05 web health_status passing
    "));
}

#[test]
fn a_service_that_stays_down_after_its_restart_is_a_failure_of_its_own() {
    assert_snapshot!(run("
        00:00 web health_status failing
        00:01 web health_status failing
        00:01 gate admits
        00:02 web process_status stopped
        00:03 step ok
        00:04 web process_status stopped
    "));
}
