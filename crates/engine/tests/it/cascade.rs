//! Services that break because one that they need broke.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use nightcrew_engine::settings::Settings;
use nightcrew_model::mute::Dependencies;
use nightcrew_model::unit::Millis;

use crate::timeline::{run_with, settings};

fn needing(needs: &[(&str, &[&str])]) -> Settings {
    let needs = needs.iter().map(|(service, needed)| {
        ((*service).into(), needed.iter().map(|needed| (*needed).into()).collect())
    });
    let needs: BTreeMap<_, _> = needs.collect();
    let dependencies = Dependencies { needs, window: Millis::from_secs(300) };
    Settings { dependencies, ..settings() }
}

fn shop() -> Settings {
    needing(&[("web", &["cart"]), ("cart", &["db", "cache"]), ("결제", &["db"])])
}

#[test]
fn the_root_is_told_and_its_effects_wait() {
    assert_snapshot!(run_with(
        &shop(),
        "
        00:00 alertmanager fires alertname=Down service=db
        00:30 alertmanager fires alertname=Slow service=cart
        01:00 alertmanager fires alertname=Errors service=web
        01:30 alertmanager fires alertname=Errors service=결제
        01:31 crash
        01:40 alertmanager fires alertname=Errors service=other
        02:00 alertmanager resolves alertname=Errors service=결제
        03:00 alertmanager resolves alertname=Down service=db
        03:10 alertmanager resolves alertname=Slow service=cart
        03:59 tick
        04:00 tick
    "
    ));
}

#[test]
fn in_one_post_the_order_does_not_matter() {
    assert_snapshot!(run_with(&shop(), "00:00 ask post web cart db"));
}

#[test]
fn what_was_told_before_its_cause_broke_stands() {
    assert_snapshot!(run_with(
        &shop(),
        "
        00:00 alertmanager fires alertname=Errors service=web
        00:30 alertmanager fires alertname=Down service=db
        01:00 alertmanager resolves alertname=Errors service=web
    "
    ));
}

#[test]
fn what_broke_long_before_is_no_cause() {
    assert_snapshot!(run_with(
        &shop(),
        "
        00:00 alertmanager fires alertname=Down service=db
        05:01 alertmanager fires alertname=Errors service=web
    "
    ));
}

#[test]
fn a_circle_has_one_root() {
    let circle =
        needing(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"]), ("a", &["b", "a"])]);
    assert_snapshot!(run_with(
        &circle,
        "
        00:00 ask post d c b a
        00:10 alertmanager resolves alertname=Down service=c severity=critical
        00:11 ticks 02:00
    "
    ));
}

#[test]
fn a_deeper_cause_takes_the_place_of_a_known_one() {
    assert_snapshot!(run_with(
        &shop(),
        "
        00:00 ask post cart web
        00:10 ask post db
        00:20 alertmanager fires alertname=More service=web
    "
    ));
}
