//! What only informs stands beside an incident, opens none and wakes nobody.

use insta::assert_snapshot;

use nightcrew_model::decision::Fact;

use crate::routed::routed;
use crate::timeline::{Wakes, decide, run, settings};

#[test]
fn what_informs_opens_no_incident() {
    assert_snapshot!(run("
        00:00 web informs cpu_usage_unusual
        09:00 web clears cpu_usage_unusual
    "));
}

#[test]
fn what_informs_joins_the_open_incident_of_its_service_before_and_after_it_begins() {
    assert_snapshot!(run("
        00:00 cart informs cpu_usage_unusual
        00:00 pay informs cpu_usage_unusual
        01:00 alertmanager fires alertname=Slow service=cart
        02:00 cart informs memory_usage_drifts
    "));
}

#[test]
fn what_informs_holds_no_incident_open() {
    assert_snapshot!(run("
        00:00 cart informs cpu_usage_unusual
        01:00 alertmanager fires alertname=Slow service=cart
        02:00 alertmanager resolves alertname=Slow service=cart
        03:00 cart clears cpu_usage_unusual
    "));
}

#[test]
fn what_informs_no_more_ends_nothing() {
    assert_snapshot!(run("
        00:00 cart informs cpu_usage_unusual
        01:00 alertmanager fires alertname=Slow service=cart
        02:00 cart clears cpu_usage_unusual
        03:00 alertmanager resolves alertname=Slow service=cart
    "));
}

#[test]
fn what_becomes_worse_opens_an_incident() {
    assert_snapshot!(run("
        00:00 cart informs disk_space_low_soon
        01:00 cart warns disk_space_low_soon
        02:00 cart informs disk_space_low_soon
        03:00 cart clears disk_space_low_soon
    "));
}

#[test]
fn what_informs_goes_to_no_group() {
    let told = |timeline: &str| {
        let (_, decisions) = decide(&routed(), timeline, Wakes::WhenDue);
        let told = |fact: &Fact| matches!(fact, Fact::NotificationQueued { .. });
        decisions.iter().filter(|decision| told(&decision.fact)).count()
    };
    assert_eq!(told("00:00 web informs cpu_usage_unusual\n90:00 tick"), 0);
    let restarted = "00:00 web informs cpu_usage_unusual\n10:00 crash\n90:00 tick";
    assert_eq!(told(restarted), 0);
    assert!(told("00:00 web informs a\n01:00 web warns a\n02:00 tick\n90:00 tick") > 0);
}

#[test]
fn a_restart_remembers_what_informs() {
    let timeline = "
        00:00 cart informs cpu_usage_unusual
        01:00 alertmanager fires alertname=Slow service=cart
    ";
    let (state, _) = decide(&settings(), timeline, Wakes::WhenTold);
    let bytes = serde_json::to_vec(&state).unwrap();
    let read: nightcrew_engine::state::State = serde_json::from_slice(&bytes).unwrap();
    let (_, incident) = read.incidents().next().unwrap();
    assert_eq!((incident.alerts.len(), incident.context.len()), (1, 1));
}
