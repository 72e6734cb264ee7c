//! From firing alerts to what the channels of a receiver are told.

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use nightcrew_engine::flush::{
    ALERTS_LOOKED_AT_FULL, FIRING_LISTED_MAX, FLUSHES_PER_STEP_MAX, GATHER, HELD_LISTED_MAX,
};
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_engine::storm::FLOOD_ALERTS;
use nightcrew_engine::told::TOLD_KEPT_MIN;
use nightcrew_engine::{STEP_DECISIONS_FULL, step};
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::event::Event;
use nightcrew_model::labels::Labels;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::mute::{StormRule, Watchdog};
use nightcrew_model::route::{Branch, GroupBy, Receiver, Routing};
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::Millis;

use crate::routed::{leaf, print, routed, told};
use crate::timeline::{Wakes, decide, moment};

#[test]
fn a_group_waits_is_told_and_told_again_when_it_changed() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart
        00:10 alertmanager fires alertname=B service=cart
        00:20 alertmanager fires alertname=A service=결제
        01:00 alertmanager fires alertname=C service=cart
        06:00 alertmanager resolves alertname=A service=cart
        11:00 alertmanager resolves alertname=B service=cart
        11:01 alertmanager resolves alertname=C service=cart
        60:00 tick
        61:00 alertmanager fires alertname=A service=cart
        62:00 tick
    "
    ));
}

#[test]
fn what_does_not_change_is_repeated() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart
        00:30 tick
        00:31 delivered N-1
        190:00 tick
    "
    ));
}

#[test]
fn what_began_long_ago_does_not_wait() {
    assert_snapshot!(told(
        &routed(),
        "
        05:00 alertmanager fires alertname=A service=cart @04:29
        05:00 alertmanager fires alertname=A service=pay @04:30
        05:10 alertmanager fires alertname=B service=pay @00:00
        05:11 tick
    "
    ));
}

#[test]
fn without_a_wait_it_is_told_at_once() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart at_once=yes
        00:01 alertmanager fires alertname=B service=cart at_once=yes
        05:01 tick
    "
    ));
}

#[test]
fn a_channel_that_does_not_hear_of_ends_hears_of_the_next_beginning() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart team=db
        00:00 alertmanager fires alertname=B service=cart team=db
        01:00 alertmanager resolves alertname=A service=cart team=db
        06:00 alertmanager resolves alertname=B service=cart team=db
        11:00 alertmanager fires alertname=A service=cart team=db
        12:00 tick
    "
    ));
}

#[test]
fn what_came_and_went_before_it_was_told_tells_nobody() {
    assert_snapshot!(told(&routed(), "
        00:00 alertmanager fires alertname=A service=cart
        00:10 alertmanager resolves alertname=A service=cart
        10:00 tick
    "), @"");
}

#[test]
fn what_went_and_came_back_between_two_looks_is_no_news() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart
        02:00 alertmanager resolves alertname=A service=cart
        03:00 alertmanager fires alertname=A service=cart
        30:00 tick
    "
    ));
}

#[test]
fn an_alert_goes_to_each_route_that_takes_it() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart audit=yes team=db
        00:00 alertmanager fires alertname=B service=cart audit=yes
        00:00 alertmanager fires alertname=C service=cart team=db severity=none
        01:00 tick
    "
    ));
}

#[test]
fn a_route_is_mute_at_its_times() {
    assert_snapshot!(told(
        &routed(),
        "
        50:00 alertmanager fires alertname=Day service=a team=day
        50:00 alertmanager fires alertname=Night service=b team=night
        59:00 alertmanager fires alertname=Late service=b team=night
        60:10 alertmanager resolves alertname=Night service=b team=night
        119:00 alertmanager resolves alertname=Day service=a team=day
        130:00 tick
    "
    ));
}

#[test]
fn a_message_that_waits_is_superseded_by_one_that_says_it_too() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart
        01:00 alertmanager fires alertname=B service=cart
        06:00 delivered N-1
        06:10 delivered N-2
        07:00 alertmanager resolves alertname=A service=cart
        11:00 alertmanager resolves alertname=B service=cart
        16:00 alertmanager fires alertname=A service=cart
        17:00 tick
    "
    ));
}

#[test]
fn a_crash_tells_nobody_twice_and_forgets_no_end() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart team=db
        00:00 alertmanager fires alertname=B service=cart team=db
        00:40 alertmanager resolves alertname=A service=cart team=db
        01:00 crash
        02:00 alertmanager fires alertname=C service=cart team=db
        03:00 alertmanager resolves alertname=B service=cart team=db
        03:01 alertmanager resolves alertname=C service=cart team=db
        03:02 crash
        20:00 tick
    "
    ));
}

#[test]
fn a_clock_that_is_set_back_tells_nothing_twice_and_stalls_nothing() {
    assert_snapshot!(told(
        &routed(),
        "
        90:00 alertmanager fires alertname=A service=cart @10:00
        91:00 alertmanager fires alertname=B service=cart
        30:00 tick
        35:00 tick
        40:00 alertmanager resolves alertname=A service=cart
        46:00 tick
    "
    ));
}

#[test]
fn a_storm_keeps_groups_back_until_it_is_over() {
    let storm = StormRule { per_service: 9, global: 2, window: Millis::from_secs(60) };
    let settings = Settings { storm: Some(storm), ..routed() };
    assert_snapshot!(told(
        &settings,
        "
        00:00 alertmanager fires alertname=A service=a
        00:00 alertmanager fires alertname=A service=b
        00:00 alertmanager fires alertname=A service=c
        20:00 tick
    "
    ));
}

#[test]
fn a_heartbeat_is_told_to_nobody() {
    let watchdog = Watchdog {
        name: "prometheus".into(),
        matchers: Matchers::parse("alertname=Watchdog").unwrap(),
        timeout: Millis::from_secs(36_000),
    };
    let settings = Settings { watchdogs: vec![watchdog], ..routed() };
    assert_snapshot!(told(&settings, "
        00:00 alertmanager fires alertname=Watchdog service=prometheus
        20:00 tick
    "), @"");
}

#[test]
fn what_was_told_long_ago_is_told_anew() {
    let settings = routed();
    let timeline = "
        00:00 silence s1 00:40 99999:00 alertname=A
        00:00 alertmanager fires alertname=A service=cart
        00:50 tick
    ";
    let (mut state, _) = decide(&settings, timeline, Wakes::WhenDue);
    let mut told_after = |minutes: i64, event: Event| {
        let now = TOLD_KEPT_MIN.after(moment("00:30")) + SignedDuration::from_mins(minutes);
        let decisions = step(&mut state, &settings, now, event);
        decisions.iter().any(|decision| matches!(decision.fact, Fact::GroupTold { .. }))
    };
    assert!(!told_after(0, Event::Tick));
    // It is forgotten with the next look for what is old.
    assert!(!told_after(61, Event::Tick));
    let end = Event::SilenceEndAsked { silence: "s1".into(), by: "lee".into() };
    assert!(!told_after(62, end));
    assert!(told_after(70, Event::Tick));
}

#[test]
fn a_reload_brings_alerts_to_their_new_receivers() {
    let settings = routed();
    let timeline = "
        00:00 alertmanager fires alertname=A service=cart team=db
        00:40 tick
    ";
    let (mut state, mut log) = decide(&settings, timeline, Wakes::WhenDue);
    let mut root = leaf("", "chat");
    root.routes = vec![leaf("team=db", "audit")];
    let receiver = Receiver { name: "audit".into(), channels: vec!["log".into()] };
    let routing = Routing::new(root, vec![receiver], Vec::new(), Default::default());
    let reloaded = Settings { routing: Some(routing), ..settings };
    log.extend(step(&mut state, &reloaded, moment("01:00"), Event::Tick));
    log.extend(step(&mut state, &reloaded, moment("01:00.01"), Event::Tick));
    log.extend(step(&mut state, &reloaded, moment("02:00"), Event::Tick));
    let gone = Settings { routing: None, ..reloaded };
    log.extend(step(&mut state, &gone, moment("20:00"), Event::Tick));
    assert_eq!(state.groups(), 0);
    assert_snapshot!(print(&log));
}

/// One group of everything, or one for each alert, without a wait.
fn at_once(group_by: GroupBy, channels: &[&str]) -> Settings {
    let mut rule = leaf("", "all").rule;
    (rule.group_by, rule.group_wait) = (group_by, Millis(0));
    let channels = channels.iter().map(|&channel| channel.into()).collect();
    let receiver = Receiver { name: "all".into(), channels };
    let root = Branch { rule, routes: Vec::new() };
    let routing = Routing::new(root, vec![receiver], Vec::new(), Default::default());
    Settings { routing: Some(routing), ..routed() }
}

/// When what came at the beginning is told.
fn gathered() -> Timestamp {
    GATHER.after(Timestamp::UNIX_EPOCH)
}

fn fires(n: std::ops::Range<usize>) -> Event {
    let alert = |n: usize| IncomingAlert {
        labels: [
            ("service", "결제".to_owned()),
            ("alertname", "A".to_owned()),
            ("n", n.to_string()),
        ]
        .into_iter()
        .collect(),
        annotations: Labels::default(),
        starts_at: None,
        ends_at: None,
        generator_url: String::new(),
    };
    Event::AlertsReceived { source: Source::Alertmanager, alerts: n.map(alert).collect() }
}

fn lists(decisions: &[Decision]) -> Vec<(String, usize)> {
    let list = |decision: &Decision| match &decision.fact {
        Fact::GroupTold { channel, firing, .. } => Some((channel.to_string(), firing.len())),
        Fact::GroupHeld { held, .. } => Some(("held".to_owned(), held.len())),
        _ => None,
    };
    decisions.iter().filter_map(list).collect()
}

#[test]
fn a_storm_of_alerts_is_one_message_for_each_channel() {
    let settings = at_once(GroupBy::Labels(["service".to_owned()].into()), &["chat", "pager"]);
    let mut state = State::default();
    let decisions = step(&mut state, &settings, Timestamp::UNIX_EPOCH, fires(0..5_000));
    let both = [("chat".to_owned(), 5_000), ("pager".to_owned(), 5_000)];
    // One step of so many decisions leaves telling to the next.
    assert_eq!(lists(&decisions), []);
    let decisions = step(&mut state, &settings, gathered(), Event::Tick);
    assert_eq!(lists(&decisions), both);
}

#[test]
fn a_flood_of_groups_is_two_messages_and_a_digest_and_few_groups_are_all_told() {
    let storm = Some(StormRule { per_service: 30, global: 30, window: Millis::from_secs(300) });
    let messages = |n_alerts: usize| {
        let settings = Settings { storm, ..at_once(GroupBy::All, &["chat"]) };
        let mut state = State::default();
        let mut decisions = step(&mut state, &settings, Timestamp::UNIX_EPOCH, fires(0..n_alerts));
        for ms in [10, 20, 3_000, 13_000] {
            let at = Millis(ms).after(Timestamp::UNIX_EPOCH);
            decisions.extend(step(&mut state, &settings, at, Event::Tick));
        }
        let queued = decisions.iter().filter_map(|decision| match &decision.fact {
            Fact::NotificationQueued { kind, .. } => Some(*kind),
            _ => None,
        });
        queued.map(|kind| kind.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(messages(usize::try_from(FLOOD_ALERTS).unwrap()), ["firing", "firing", "digest"]);
    assert_eq!(messages(20), ["firing"; 20]);
}

#[test]
fn a_group_of_very_many_lists_as_many_as_fit_and_each_channel_in_its_turn() {
    let settings = at_once(GroupBy::Labels(["service".to_owned()].into()), &["chat", "pager"]);
    let (mut state, now) = (State::default(), gathered());
    let begun = Timestamp::UNIX_EPOCH;
    let decisions = step(&mut state, &settings, begun, fires(0..FIRING_LISTED_MAX + 1));
    assert_eq!(lists(&decisions), []);
    let mut tick = |seconds: i64| {
        let now = now + SignedDuration::from_secs(seconds);
        let listed = lists(&step(&mut state, &settings, now, Event::Tick));
        (listed, state.next_due().is_some_and(|due| due <= now))
    };
    assert_eq!(tick(0), (vec![("chat".to_owned(), FIRING_LISTED_MAX)], true));
    assert_eq!(tick(0), (vec![("pager".to_owned(), FIRING_LISTED_MAX)], false));
    // What does not fit is no news again and again.
    assert_eq!(tick(300), (vec![], false));
    let silence = Event::SilenceAsked {
        silence: Box::new(Silence {
            id: "s".into(),
            matchers: Matchers::parse("alertname=A").unwrap(),
            starts_at: now,
            ends_at: moment("99:00"),
            updated_at: now,
            created_by: "kim".into(),
            comment: String::new(),
            repeats: Vec::new(),
        }),
        fresh: "s".into(),
    };
    let later = now + SignedDuration::from_secs(600);
    let mut decisions = step(&mut state, &settings, later, silence);
    decisions.extend(step(&mut state, &settings, later, Event::Tick));
    assert_eq!(lists(&decisions), [("held".to_owned(), HELD_LISTED_MAX)]);
}

#[test]
fn very_many_groups_are_looked_at_in_portions() {
    let n_groups = FLUSHES_PER_STEP_MAX + 1;
    let (settings, now) = (at_once(GroupBy::All, &["chat"]), gathered());
    let mut state = State::default();
    let begun = Timestamp::UNIX_EPOCH;
    let mut n_told = lists(&step(&mut state, &settings, begun, fires(0..n_groups))).len();
    let mut n_steps = 0;
    while state.next_due().is_some_and(|due| due <= now) {
        let decisions = step(&mut state, &settings, now, Event::Tick);
        assert!(decisions.len() <= STEP_DECISIONS_FULL + 10);
        n_told += lists(&decisions).len();
        n_steps += 1;
    }
    assert_eq!((n_told, n_steps), (n_groups, n_groups.div_ceil(STEP_DECISIONS_FULL / 2)));
    let later = Millis::from_secs(300).after(now);
    let due_after = |state: &mut State| {
        assert_eq!(step(state, &settings, later, Event::Tick), []);
        state.next_due().is_some_and(|due| due <= later)
    };
    assert!(due_after(&mut state));
    assert!(!due_after(&mut state));
}

#[test]
fn very_many_alerts_are_looked_at_in_portions() {
    let by_shard = GroupBy::Labels(["alertname".to_owned()].into());
    let (settings, begun) = (at_once(by_shard, &[]), Timestamp::UNIX_EPOCH);
    let mut state = State::default();
    drop(step(&mut state, &settings, begun, fires(0..ALERTS_LOOKED_AT_FULL)));
    let labels = [("service", "b"), ("alertname", "B")].into_iter().collect();
    let other = IncomingAlert {
        labels,
        annotations: Labels::default(),
        starts_at: None,
        ends_at: None,
        generator_url: String::new(),
    };
    let other = Event::AlertsReceived { source: Source::Alertmanager, alerts: vec![other] };
    drop(step(&mut state, &settings, begun, other));
    let now = gathered();
    // This step looks at the first group only.
    drop(step(&mut state, &settings, now, Event::Tick));
    assert_eq!(state.next_due(), Some(now));
    drop(step(&mut state, &settings, now, Event::Tick));
    assert_eq!(state.next_due(), Some(Millis::from_secs(300).after(now)));
}
