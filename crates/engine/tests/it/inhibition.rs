//! Alerts that keep people from hearing of others.

use insta::assert_snapshot;

use crate::routed::{routed, told};

#[test]
fn a_worse_alert_keeps_the_milder_one_of_its_service_quiet() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=Dead service=cart severity=critical
        00:00 alertmanager fires alertname=Warm service=cart severity=warning
        00:00 alertmanager fires alertname=Warm service=pay severity=warning
        10:00 alertmanager resolves alertname=Dead service=cart severity=critical
        20:00 tick
    "
    ));
}

#[test]
fn who_is_on_both_sides_of_a_rule_hushes_others_and_not_itself() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=Down service=cart instance=a
        00:00 alertmanager fires alertname=Down service=cart instance=b
        00:00 alertmanager fires alertname=Slow service=cart
        00:01 crash
        01:00 alertmanager resolves alertname=Down service=cart instance=a
        06:00 alertmanager resolves alertname=Down service=cart instance=b
        20:00 tick
    "
    ));
}
