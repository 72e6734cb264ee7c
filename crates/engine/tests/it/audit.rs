//! The audit: what is not as it must be is named.

use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_model::approval::Autonomy;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::IncidentId;

use crate::people::staffed;
use crate::timeline::{World, moment, settings};

fn audit(settings: &Settings, timeline: &str, at: &str) -> String {
    let mut world = World::new(settings);
    world.play(timeline);
    let violations = world.state().audit(settings, moment(at));
    violations.iter().map(|violation| format!("{violation}\n")).collect()
}

const FIRES: &str = "00:00 alertmanager fires alertname=A service=web";

#[test]
fn a_core_that_stands_still_is_found_out() {
    assert_eq!(audit(&staffed(), FIRES, "31:59"), "");
    assert_eq!(
        audit(&staffed(), FIRES, "32:00"),
        "the next level for INC-1 was due at 1970-01-01T00:30:00Z and was not told; tell it with \
         `nightcrew incidents escalate INC-1`, and restart the crew\n"
    );
    let fires = "00:00 prometheus fires alertname=A service=web";
    assert_eq!(audit(&settings(), fires, "05:59"), "");
    assert_eq!(
        audit(&settings(), fires, "06:00"),
        "alert 0c2865d470cc0f50 ended at 1970-01-01T00:05:00Z and still fires; restart the crew\n"
    );
    let proof = "
        00:10 web process_status stopped
        00:10 gate admits
        00:11 step ok
    ";
    assert_eq!(audit(&settings(), proof, "01:40"), "");
    assert_eq!(
        audit(&settings(), proof, "01:41"),
        "the proof of INC-1 was due at 1970-01-01T00:00:41Z and did not end; look at the \
         incident, and restart the crew\n"
    );
}

#[test]
fn what_nobody_goes_on_with_is_found() {
    let settings = settings();
    let mut world = World::new(&settings);
    world.play(FIRES);
    let without = |lost: &dyn Fn(&Fact) -> bool| {
        let mut state = State::default();
        let kept = world.decisions().iter().filter(|decision| !lost(&decision.fact));
        kept.for_each(|decision| state.apply(decision));
        state
    };
    let say = |state: &State| {
        let violations = state.audit(&settings, moment("00:01"));
        violations.iter().map(|violation| format!("{violation}\n")).collect::<String>()
    };
    let message = |fact: &Fact| matches!(fact, Fact::NotificationQueued { .. });
    let hand_over = |fact: &Fact| matches!(fact, Fact::IncidentEscalated { .. });
    let untold = without(&message);
    assert_eq!(
        say(&untold),
        "INC-1 was handed over and nobody was told; tell people with `nightcrew incidents \
         escalate INC-1`, and check the escalation policies\n"
    );
    let mut open = without(&|fact| message(fact) || hand_over(fact));
    assert_eq!(
        say(&open),
        "INC-1 is open and nothing goes on with it; take it over with `nightcrew incidents ack \
         INC-1`, and restart the crew\n"
    );
    // Somebody who has it is enough.
    let fact = Fact::IncidentAcknowledged { incident: IncidentId(1), by: "kim".into() };
    let reason = Reason::Asked { by: "kim".into() };
    open.apply(&Decision { at: moment("00:01"), fact, reason });
    assert_eq!(say(&open), "");
}

#[test]
fn where_nobody_wants_to_be_told_nobody_is_missed() {
    let nobody = Settings { channels: Vec::new(), ..settings() };
    assert_eq!(
        audit(&nobody, "00:00 alertmanager fires alertname=A service=web\n00:01 tick", "00:02"),
        ""
    );
}

#[test]
fn a_group_that_nobody_looks_at_is_found_out() {
    let settings = crate::routed::routed();
    let fires = "00:00 alertmanager fires alertname=A service=web";
    assert_eq!(audit(&settings, fires, "02:29"), "");
    assert_eq!(
        audit(&settings, fires, "02:30"),
        "the group {}:{service=\"web\"} was due at 1970-01-01T00:00:30Z and nobody looked at it; \
         restart the crew\n"
    );
}

#[test]
fn a_question_whose_time_is_up_is_found_out() {
    let asking = Settings { autonomy: Autonomy::Approve, ..settings() };
    let asked = "00:10 web process_status stopped\n00:10 gate admits";
    assert_eq!(audit(&asking, asked, "06:09"), "");
    assert_eq!(
        audit(&asking, asked, "06:10"),
        "the approval for INC-1 was due at 1970-01-01T00:05:10Z and did not expire; look at the \
         incident, and restart the crew\n"
    );
}
