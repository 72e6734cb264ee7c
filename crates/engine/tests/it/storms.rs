//! More messages than people can read.

use std::fmt::Write as _;

use insta::assert_snapshot;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::storm::NAMED_MAX;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::mute::StormRule;
use nightcrew_model::unit::Millis;

use crate::people::staffed;
use crate::timeline::{World, run_with, settings};

/// The rule that a configuration has by default.
fn calm(settings: Settings) -> Settings {
    let storm = Some(StormRule { per_service: 10, global: 30, window: Millis::from_secs(300) });
    Settings { storm, ..settings }
}

/// Runs a timeline, and says only how many messages each channel got, and what was said of storms.
fn counted(settings: &Settings, timeline: &str) -> String {
    let mut world = World::new(settings);
    world.play(timeline);
    let mut counts = std::collections::BTreeMap::new();
    let mut suppressed = 0;
    let mut storms = String::new();
    for decision in world.decisions() {
        match &decision.fact {
            Fact::NotificationQueued { channel, kind, .. } => {
                *counts.entry(format!("{channel} {kind}")).or_insert(0) += 1;
            }
            Fact::NotificationSuppressed { .. } => suppressed += 1,
            _ => {}
        }
        let about_storms = matches!(
            decision.fact,
            Fact::StormBegan { .. } | Fact::StormEnded { .. }
        ) || matches!(decision.fact, Fact::NotificationQueued { kind, .. } if kind.as_str() == "digest");
        if about_storms {
            let at = crate::timeline::clock(decision.at);
            writeln!(storms, "{at} {} ({})", decision.fact, decision.reason).unwrap();
        }
    }
    format!("{storms}{counts:#?}\nsuppressed: {suppressed}")
}

#[test]
fn a_storm_in_one_post_is_three_messages() {
    assert_snapshot!(counted(
        &calm(staffed()),
        "
        00:00 ask burst 5000 결제
        00:01 tick
        00:12 tick
        05:01 tick
    "
    ));
}

#[test]
fn a_small_burst_is_over_at_once() {
    assert_snapshot!(run_with(
        &calm(settings()),
        "
        00:00 ask post a b c d
        00:01 tick
        00:02 tick
        00:03 alertmanager fires alertname=Down service=e
        00:04 alertmanager resolves alertname=Down service=a severity=critical
        00:04 alertmanager resolves alertname=Down service=c severity=critical
    "
    ));
}

#[test]
fn one_too_many_is_told_by_itself_a_moment_later() {
    assert_snapshot!(run_with(
        &calm(staffed()),
        "
        00:00 ask post a b c
        00:01 tick
        00:02 crash
        00:02 tick
        00:03 alertmanager resolves alertname=Down service=c severity=critical
    "
    ));
}

#[test]
fn one_too_many_that_ended_meanwhile_is_counted_only() {
    assert_snapshot!(run_with(
        &calm(settings()),
        "
        00:00 ask post a b c
        00:01 alertmanager resolves alertname=Down service=c severity=critical
        00:02 tick
    "
    ));
}

fn trickle(n: usize, service: &str, every: usize) -> String {
    let line = |n: usize| {
        let second = n * every;
        let (minute, second) = (second / 60, second % 60);
        format!(
            "{minute:02}:{second:02} alertmanager fires alertname=A{n} service={service}\n{minute:02}:{second:02} tick\n"
        )
    };
    (0..n).map(line).collect()
}

#[test]
fn a_service_has_its_cap() {
    let timeline = trickle(14, "web", 10)
        + "02:20 alertmanager fires alertname=A service=db\n02:21 ticks 10:00";
    assert_snapshot!(counted(&calm(settings()), &timeline));
}

#[test]
fn everything_has_its_cap() {
    let timeline: String = (0..40)
        .map(|n| {
            format!(
                "{:02}:{:02} alertmanager fires alertname=A service=s{n}\n",
                n * 5 / 60,
                n * 5 % 60
            )
        })
        .collect();
    assert_snapshot!(counted(&calm(settings()), &(timeline + "03:20 ticks 12:00")));
}

#[test]
fn each_level_of_an_escalation_is_reached_in_a_storm() {
    let out = counted(
        &calm(staffed()),
        "
        00:00 ask burst 200 web
        00:01 ticks 40:00
    ",
    );
    assert_snapshot!(out);
}

#[test]
fn what_the_channel_was_told_of_it_hears_the_end_of() {
    let ends = (0..100).map(|n| {
        format!("01:00 alertmanager resolves alertname=A{n} service=web severity=critical\n")
    });
    let timeline: String =
        std::iter::once("00:00 ask burst 100 web\n00:03 tick\n".to_owned()).chain(ends).collect();
    assert_snapshot!(counted(&calm(settings()), &timeline));
}

#[test]
fn a_rule_that_is_gone_ends_its_storms() {
    let (with, without) = (calm(settings()), settings());
    let mut world = World::new(&with);
    world.play("00:00 ask burst 100 web");
    let mut world = world.reload(&without);
    world.play("00:01 tick");
    assert_eq!(world.state().storms().count(), 0);
}

#[test]
fn a_digest_names_the_first_of_many() {
    let settings = calm(settings());
    let mut world = World::new(&settings);
    world.play("00:00 ask burst 100 web\n00:03 tick");
    let first = world.decisions().iter().find_map(|decision| match &decision.reason {
        Reason::KeptBack { first, .. } => Some(first.len()),
        _ => None,
    });
    assert_eq!(first, Some(NAMED_MAX));
}
