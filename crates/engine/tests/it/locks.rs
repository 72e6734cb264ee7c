//! Locks: what is not done, and who is not told, while a test goes on.

use insta::assert_snapshot;
use jiff::Timestamp;
use nightcrew_engine::lock::LOCKS_MAX;
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_model::event::Event;
use nightcrew_model::id::Fence;
use nightcrew_model::lock::{Blocked, Lock};

use crate::people::staffed;
use crate::timeline::{World, moment, run_with, settings};

#[test]
fn a_lock_holds_playbooks_and_word_of_the_services_it_lists() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 ask lock 부하시험 kim 30:00 auto_restart web
        00:10 web process_status stopped
        00:11 tick
        00:20 db health_status failing
        00:21 db health_status failing
        00:30 web health_status failing
        20:00 web process_status stopped
        20:01 crash
        20:01 web process_status stopped
        29:00 web process_status stopped
        29:50 web process_status stopped
        29:51 tick
        30:01 tick
        30:02 gate admits
    "
    ));
}

#[test]
fn an_alert_under_test_is_told_when_the_test_is_over() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 ask lock test kim 30:00 auto_restart web
        00:01 alertmanager fires alertname=Slow service=web severity=page
        00:02 alertmanager fires alertname=Slow service=cart severity=page
        00:03 ticks 15:00
        15:00 alertmanager fires alertname=Errors service=web severity=page
        15:01 alertmanager resolves alertname=Errors service=web severity=page
        15:02 ask unlock test kim
        15:03 tick
    "
    ));
}

#[test]
fn a_lock_on_everything_stops_hands_and_not_mouths() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 ask lock freeze kim 30:00 auto_restart
        00:01 alertmanager fires alertname=Slow service=web severity=page
        00:02 web process_status stopped
        00:03 ask lock quiet kim 30:00 notify
        00:04 alertmanager fires alertname=Slow service=cart severity=page
        00:05 ask unlock quiet kim
        00:06 tick
    "
    ));
}

#[test]
fn one_owner_at_a_time_and_a_number_that_rises() {
    assert_snapshot!(run_with(
        &staffed(),
        "
        00:00 ask lock test kim 10:00 notify web
        00:01 ask lock test lee 10:00 notify web
        00:02 ask lock test kim 20:00 notify web,cart
        00:03 ask unlock test kim 1
        00:04 ask unlock test kim 2
        00:05 ask unlock test kim
        00:06 ask lock test lee 10:00 notify web
        10:01 ask lock test kim 20:00 notify web
        20:01 ask unlock test kim
        20:02 ask lock late kim 20:00 notify web
    "
    ));
}

#[test]
fn reads_say_what_is_locked() {
    let settings = staffed();
    let mut world = World::new(&settings);
    world.play(
        "
        00:00 ask lock test kim 10:00 auto_restart web
        00:01 crash
    ",
    );
    let state = world.state();
    let on = |what, service: &str, at| {
        state.lock_on(what, &service.into(), moment(at)).map(|lock| lock.fence)
    };
    assert_eq!(on(Blocked::AutoRestart, "web", "05:00"), Some(Fence(1)));
    assert_eq!(on(Blocked::Notify, "web", "05:00"), Some(Fence(1)));
    assert_eq!(on(Blocked::AutoScale, "web", "05:00"), None);
    assert_eq!(on(Blocked::AutoRestart, "cart", "05:00"), None);
    assert_eq!(on(Blocked::AutoRestart, "web", "10:00"), None);
    assert_eq!(state.locks().count(), 1);
    let day_after = moment("1460:00");
    let mut state = state.clone();
    assert_eq!(step(&mut state, &settings, day_after, Event::Tick), []);
    assert_eq!(state.locks().count(), 0);
}

#[test]
fn there_is_an_end_to_locks() {
    let mut state = State::default();
    let mut given = 0;
    for n in 0..=LOCKS_MAX {
        let lock = Lock {
            name: format!("l{n}").into(),
            owner: "kim".into(),
            reason: String::new(),
            services: Vec::new(),
            blocks: vec![Blocked::Notify],
            since: Timestamp::UNIX_EPOCH,
            expected_release: None,
            expires_at: moment("10:00"),
            fence: Fence(0),
        };
        let lock = Box::new(lock);
        given += step(&mut state, &settings(), moment("00:00"), Event::LockAsked { lock }).len();
    }
    assert_eq!(given, LOCKS_MAX);
}
