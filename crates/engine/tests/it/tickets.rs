//! Tickets: what trackers were told is noted once, and known until nothing is opened again.

use nightcrew_engine::ticket::{TICKETS_MAX, stage_of};
use nightcrew_model::event::Event;
use nightcrew_model::id::IncidentId;
use nightcrew_model::ticket::{Stage, TicketNews};

use crate::timeline::{World, moment, settings};

const INCIDENT: IncidentId = IncidentId(1);

fn told(incident: IncidentId, news: TicketNews) -> Event {
    Event::TicketTold { incident, tracker: "jira".into(), news }
}

#[test]
fn what_is_known_already_is_no_fact_and_a_restart_forgets_nothing() {
    let settings = settings();
    let mut world = World::new(&settings);
    world.play("00:10 web process_status stopped");
    let opened = TicketNews::Opened { key: "OPS-7".into(), url: None };
    let news =
        [TicketNews::Intended, opened.clone(), TicketNews::Moved { stage: Stage::InProgress }];
    for news in news.iter().chain(&news) {
        world.step(moment("00:11"), told(INCIDENT, news.clone()));
    }
    let n_told = world.decisions().iter().filter(|it| it.fact.actor() == "ticket-keeper").count();
    assert_eq!(n_told, 3);
    world.play("00:12 crash");
    let ticket = world.state().ticket(INCIDENT, &"jira".into()).unwrap();
    assert_eq!(ticket.key, Some("OPS-7".into()));
    assert_eq!(ticket.stage, Some(Stage::InProgress));
    world.step(moment("00:13"), told(IncidentId(99), opened));
    assert_eq!(world.state().tickets().count(), 1, "nobody knows that incident");
}

#[test]
fn a_ticket_is_known_until_nothing_is_opened_again() {
    let settings = settings();
    let mut world = World::new(&settings);
    world.play("00:10 web health_status failing\n00:11 web health_status failing");
    world.step(moment("00:11"), told(INCIDENT, TicketNews::Intended));
    world.play("00:12 web health_status passing\n00:13 web health_status passing");
    world.play(
        "00:14 gate admits\n00:15 web health_status passing\n00:16 web health_status passing",
    );
    assert_eq!(world.state().incident(INCIDENT).map(stage_of), Some(Stage::Done));
    world.play("70:00 tick");
    assert!(world.state().incident(INCIDENT).is_none(), "closed");
    let known = |world: &World<'_>| world.state().tickets().next().map(|(_, _, it)| it.closed_at);
    assert_eq!(known(&world), Some(Some(moment("70:00"))));
    world.play("1600:00 tick");
    assert_eq!(known(&world), None);
}

#[test]
fn the_stage_of_a_ticket_follows_its_incident() {
    let settings = settings();
    let mut world = World::new(&settings);
    let stage = |world: &World<'_>| world.state().incident(INCIDENT).map(stage_of);
    world.play("00:10 web process_status stopped");
    assert_eq!(stage(&world), Some(Stage::InProgress));
    world.play("00:10 gate admits\n00:11 step ok");
    assert_eq!(stage(&world), Some(Stage::InReview));
    world.play("01:00 tick");
    assert_eq!(stage(&world), Some(Stage::Escalated));
    world.play("01:01 web process_status running");
    assert_eq!(stage(&world), Some(Stage::Done));
}

#[test]
fn so_many_tickets_are_known_and_no_more() {
    let settings = settings();
    let mut world = World::new(&settings);
    world.play("00:10 web process_status stopped");
    for n in 0..=TICKETS_MAX {
        let tracker = format!("t{n}").as_str().into();
        let event = Event::TicketTold { incident: INCIDENT, tracker, news: TicketNews::Intended };
        world.step(moment("00:11"), event);
    }
    assert_eq!(world.state().tickets().count(), TICKETS_MAX);
}
