//! Silences and mute windows: who does not hear of what, and for how long.

use insta::assert_snapshot;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::silence::SILENCE_SHOWN_AFTER;
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_model::event::Event;
use nightcrew_model::interval::{DayPart, TimeInterval, Zone};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::silence::{Silence, SilenceState};

use crate::routed::{routed, told};
use crate::timeline::{Wakes, decide, moment};

#[test]
fn a_silence_keeps_people_from_hearing_until_it_ends() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 silence s1 00:00 20:00 instance=a
        00:00 alertmanager fires alertname=A service=cart instance=a
        00:00 alertmanager fires alertname=B service=cart instance=b
        30:00 tick
    "
    ));
}

#[test]
fn an_end_under_a_silence_is_told_when_the_silence_ends() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 alertmanager fires alertname=A service=cart
        01:00 silence s1 01:00 60:00 alertname=A
        02:00 alertmanager resolves alertname=A service=cart
        10:00 crash
        20:00 unsilence s1
        21:00 unsilence s1
        30:00 tick
    "
    ));
}

#[test]
fn what_came_and_went_under_a_silence_tells_nobody() {
    assert_snapshot!(told(
        &routed(),
        "
        00:00 silence s1 00:00 03:00 alertname=A
        01:00 alertmanager fires alertname=A service=cart
        02:00 alertmanager resolves alertname=A service=cart
        30:00 tick
    "
    ));
}

#[test]
fn an_active_silence_is_changed_in_place_where_the_past_stays() {
    assert_snapshot!(told(
        &routed(),
        "
        01:00 silence s1 00:00 20:00 alertname=A
        02:00 silence s1 01:00 30:00 alertname=A
        03:00 silence s1 02:00 30:00 alertname=A
        04:00 silence s1' 03:00 30:00 alertname=B
        05:00 silence s1'' 04:00 05:00 alertname=B
        06:00 silence s1'' 04:00 40:00 alertname=B
    "
    ));
}

#[test]
fn a_silence_that_has_not_begun_is_changed_freely() {
    assert_snapshot!(told(
        &routed(),
        "
        01:00 silence s1 10:00 20:00 alertname=A
        02:00 silence s1 05:00 30:00 alertname=A
        03:00 silence s1 02:00 30:00 alertname=A
        03:30 silence s2 10:00 20:00 alertname=A
        04:00 unsilence s2
        04:00 silence s3 01:00 04:00 alertname=A
        04:00 silence s3 05:00 05:00 alertname=A
    "
    ));
}

#[test]
fn an_unknown_silence_is_not_changed() {
    let silence = a_silence("unknown", "00:00", "10:00");
    let mut state = State::default();
    let event = Event::SilenceAsked { silence: Box::new(silence), fresh: "fresh".into() };
    assert_eq!(step(&mut state, &routed(), moment("00:00"), event), []);
}

#[test]
fn what_is_over_is_shown_for_five_days() {
    let timeline = "
        00:00 silence s1 00:00 01:00 alertname=A
        02:00 tick
    ";
    let settings = routed();
    let (mut state, _) = decide(&settings, timeline, Wakes::WhenTold);
    let s1 = || "s1".into();
    assert_eq!(state.silence(&s1()).unwrap().state(moment("02:00")), SilenceState::Expired);
    let last = SILENCE_SHOWN_AFTER.after(moment("00:59"));
    assert_eq!(step(&mut state, &settings, last, Event::Tick), []);
    assert_eq!(state.silences().count(), 1);
    let past = SILENCE_SHOWN_AFTER.after(moment("01:00"));
    assert_eq!(step(&mut state, &settings, past, Event::Tick), []);
    assert_eq!(state.silence(&s1()), None);
}

#[test]
fn a_mute_window_returns_at_its_times() {
    let window = Silence {
        repeats: vec![TimeInterval {
            times: vec![DayPart { from: 10, until: 20 }],
            zone: Zone::UTC,
            ..TimeInterval::default()
        }],
        ..a_silence("config/nightly", "00:00", "500:00")
    };
    let settings = Settings { mute_windows: vec![window], ..routed() };
    assert_snapshot!(told(
        &settings,
        "
        01:00 unsilence config/nightly
        09:00 alertmanager fires alertname=A service=cart
        10:00 alertmanager fires alertname=A service=pay
        40:00 tick
    "
    ));
}

fn a_silence(id: &str, starts: &str, ends: &str) -> Silence {
    Silence {
        id: id.into(),
        matchers: Matchers::parse("alertname=A").unwrap(),
        starts_at: moment(starts),
        ends_at: moment(ends),
        updated_at: moment(starts),
        created_by: "kim".into(),
        comment: "백업".to_owned(),
        repeats: Vec::new(),
    }
}
