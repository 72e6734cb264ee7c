//! Why was nobody told?

use insta::assert_json_snapshot;
use nightcrew_model::id::ReceiverName;
use nightcrew_model::labels::Labels;

use crate::routed::routed;
use crate::timeline::{Wakes, decide, moment, settings};

#[test]
fn each_thing_that_keeps_an_alert_from_people_is_named() {
    let settings = routed();
    let timeline = "
        00:00 silence s1 00:00 20:00 service=결제
        00:00 alertmanager fires alertname=Dead service=결제 severity=critical team=night
        00:00 alertmanager fires alertname=Warm service=결제 severity=warning team=night audit=yes
        00:40 unsilence s1
        00:40 silence s2 00:40 20:00 alertname=Warm
        05:40 delivered N-1
        61:00 tick
    ";
    let (state, _) = decide(&settings, timeline, Wakes::WhenDue);
    let warm = state.alerts().find(|alert| alert.labels.get("alertname") == Some("Warm")).unwrap();
    assert_json_snapshot!(state.why(&settings, warm.fingerprint, moment("19:00")).unwrap());
    assert_json_snapshot!("groups", state.groups_view(&settings, moment("19:00")));
    let at_night = state.why(&settings, warm.fingerprint, moment("61:00")).unwrap();
    let by = at_night.routes[1].muted_by.as_ref().unwrap();
    assert_eq!(by.to_string(), "the route is mute at the time one");
    let nobody = Labels::default().fingerprint();
    assert_eq!(state.why(&settings, nobody, moment("19:00")), None);
}

#[test]
fn receivers_are_those_of_the_tree() {
    let labels: Labels = [("audit", "yes"), ("team", "db")].into_iter().collect();
    let state = nightcrew_engine::state::State::default();
    let names = |receivers: Vec<ReceiverName>| {
        receivers.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(state.receivers_of(&routed(), &labels)), ["audit", "db"]);
    assert_eq!(names(state.receivers_of(&settings(), &labels)), [""; 0]);
}
