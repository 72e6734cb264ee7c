//! Telling people: order, limits, receivers with every fault, crashes.

use std::collections::BTreeSet;

use nightcrew_config::settings::{ChannelKind, Fallback, Rate, Secret};
use nightcrew_crew::lane::WaitsFor;
use nightcrew_model::escalation::{Contact, Level, Person, Policy, Told};
use nightcrew_model::event::Event;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::receiver::{Arrived, Mode, seconds, webhook};
use crate::stage::alert;
use crate::stage_virtual::{Scene, quiet};

fn keys(arrived: &[Arrived]) -> BTreeSet<String> {
    arrived.iter().map(|arrived| arrived.text("dedup_key").to_owned()).collect()
}

fn repeats(arrived: &[Arrived]) -> usize {
    arrived.iter().filter(|arrived| arrived.body["possible_repeat"] == true).count()
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_down_for_an_hour_gets_everything_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let channels = vec![webhook("pager"), webhook("chat")];
    let scene = Scene::begin(quiet(folder.path(), channels)).await;
    scene.receivers.set("pager", Mode::Answers(503));
    scene.trouble(&["결제", "주문"]).await;
    scene.taken("chat", 2, 10).await;
    // One of them is over while the receiver is down: two messages about it wait, in order.
    let mut over = alert(&[("alertname", "응답 없음"), ("service", "결제")]);
    over.ends_at = Some(scene.clock.now());
    scene.alerts(vec![over]).await;
    scene.taken("chat", 3, 10).await;
    scene.pass(3_600).await;
    assert_eq!(scene.receivers.taken("pager").len(), 0);
    let lane =
        scene.handle.lanes().into_iter().find(|lane| lane.channel == "pager".into()).unwrap();
    assert!(lane.failed_in_a_row > 4 && lane.last_error.is_some(), "{lane:?}");
    scene.receivers.set("pager", Mode::Takes);
    scene.taken("pager", 3, 1_000).await;
    scene.pass(60).await;
    let taken = scene.receivers.taken("pager");
    assert_eq!((taken.len(), keys(&taken).len()), (3, 3));
    assert_eq!(repeats(&taken), 0, "each try was refused, so none is a repeat");
    let kinds = |service: &str| -> Vec<String> {
        let about = taken.iter().filter(|arrived| arrived.text("service") == service);
        about.map(|arrived| arrived.text("kind").to_owned()).collect()
    };
    assert_eq!(kinds("결제"), ["escalated", "resolved"]);
    assert_eq!(kinds("주문"), ["escalated"]);
    for arrived in &taken {
        assert!(arrived.text("at").starts_with("2026-11-21T03:00:"), "{}", arrived.body);
        assert!(arrived.text("summary").starts_with("Late by"), "{}", arrived.body);
    }
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_answers_429_for_ever_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut pager = webhook("pager");
    pager.fallback = Some(Fallback { channel: "sms".into(), after: 3 });
    let mut sms = webhook("sms");
    sms.notify = Vec::new();
    let scene = Scene::begin(quiet(folder.path(), vec![pager, sms, webhook("chat")])).await;
    scene.receivers.set("pager", Mode::Limited { after_seconds: 60 });
    let services = ["a", "b", "c", "d", "e"];
    scene.trouble(&services).await;
    scene.taken("chat", 5, 10).await;
    let lane =
        scene.handle.lanes().into_iter().find(|lane| lane.channel == "pager".into()).unwrap();
    assert_eq!(lane.waits.unwrap().because, WaitsFor::Receiver);
    assert!(scene.receivers.at("pager").len() <= 2, "it asked to be left alone");
    // The fallback hears of each of them once, also of those that were never tried.
    scene.taken("sms", 5, 400).await;
    scene.pass(600).await;
    let told = scene.receivers.taken("sms");
    assert_eq!((told.len(), keys(&told).len()), (5, 5));
    let about: BTreeSet<&str> = told.iter().map(|arrived| arrived.text("service")).collect();
    assert_eq!(about, services.into());
    let story = told[0].body["story"].to_string();
    assert!(story.contains("could not be delivered to pager"), "{story}");
    // No more than it allows.
    let tries = scene.receivers.at("pager");
    let first = tries[0].at;
    let later = tries.iter().filter(|tried| Millis::between(first, tried.at) > seconds(1)).count();
    assert!(later <= 2 * 12, "{later} tries in about ten minutes");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_may_be_an_arrival() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(folder.path(), vec![webhook("pager")])).await;
    scene.receivers.set("pager", Mode::CutsMidBody);
    scene.trouble(&["결제"]).await;
    scene.taken("pager", 1, 10).await;
    scene.receivers.set("pager", Mode::Takes);
    scene.taken("pager", 2, 30).await;
    scene.pass(300).await;
    let taken = scene.receivers.taken("pager");
    assert_eq!((taken.len(), keys(&taken).len(), repeats(&taken)), (2, 1, 1));
    assert_eq!(taken[1].body["possible_repeat"], true);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(folder.path(), vec![webhook("pager"), webhook("chat")])).await;
    scene.receivers.set("pager", Mode::Never);
    let services: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    scene.trouble(&services).await;
    scene.taken("chat", 20, 5).await;
    assert!(scene.receivers.at("pager").len() <= 2);
    // Its own messages take turns.
    let all_tried = async || {
        let tries = scene.receivers.at("pager");
        let about: BTreeSet<&str> = tries.iter().map(|tried| tried.text("service")).collect();
        (about.len() == 20).then_some(())
    };
    scene.until(900, "a try of each", all_tried).await;
    let tries = scene.receivers.at("pager");
    assert!(
        tries.len() < 40,
        "{} tries: the first are repeated before the last begin",
        tries.len()
    );
    assert_eq!(scene.handle.audit_now().await.violations, []);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_a_channel_holds_in_every_window_and_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut pager = webhook("pager");
    pager.rate = Some(Rate { messages: 2, window: seconds(60) });
    let settings = quiet(folder.path(), vec![pager]);
    let scene = Scene::begin(settings.clone()).await;
    scene.trouble(&["a", "b", "c", "d", "e"]).await;
    scene.taken("pager", 2, 10).await;
    scene.pass(5).await;
    assert_eq!(scene.receivers.at("pager").len(), 2);
    let wait = scene.handle.lanes()[0].waits.unwrap();
    assert_eq!(wait.because, WaitsFor::Limit);
    assert_eq!(scene.handle.audit_now().await.violations, []);
    let (clock, receivers, time) = scene.stop_to_begin_again().await;
    let scene = Scene::begin_with(settings, clock, receivers, time).await;
    scene.taken("pager", 5, 200).await;
    let taken = scene.receivers.taken("pager");
    for window in taken.windows(3) {
        let apart = Millis::between(window[0].at, window[2].at);
        // What lies between taking room and arriving is the load of this machine.
        assert!(apart >= seconds(55), "three messages within {apart}");
    }
    assert_eq!((taken.len(), keys(&taken).len()), (5, 5));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_enough_tries_another_channel_tells_it_too_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut pager = webhook("pager");
    pager.fallback = Some(Fallback { channel: "sms".into(), after: 3 });
    let mut sms = webhook("sms");
    sms.notify = Vec::new();
    let scene = Scene::begin(quiet(folder.path(), vec![pager, sms])).await;
    scene.receivers.set("pager", Mode::Answers(500));
    scene.trouble(&["결제"]).await;
    scene.taken("sms", 1, 60).await;
    assert_eq!(scene.receivers.at("pager").len(), 3);
    scene.pass(1_200).await;
    assert_eq!(scene.receivers.at("sms").len(), 1);
    assert!(scene.receivers.at("pager").len() > 5, "it is tried on");
    scene.receivers.set("pager", Mode::Takes);
    scene.taken("pager", 1, 1_000).await;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_try_and_outcome_makes_one_possible_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let settings = quiet(folder.path(), vec![webhook("pager")]);
    let scene = Scene::begin(settings.clone()).await;
    scene.receivers.set("pager", Mode::Never);
    scene.trouble(&["결제"]).await;
    let arrived = async || (!scene.receivers.at("pager").is_empty()).then_some(());
    scene.until(10, "a try", arrived).await;
    let (clock, receivers, time) = scene.kill().await;
    receivers.set("pager", Mode::Takes);
    let scene = Scene::begin_with(settings, clock, receivers, time).await;
    // Nobody waits for the end of a try whose maker is gone.
    scene.taken("pager", 1, 10).await;
    scene.pass(600).await;
    let tries = scene.receivers.at("pager");
    assert_eq!((tries.len(), keys(&tries).len()), (2, 1));
    assert_eq!(repeats(&tries), 1);
    assert_eq!(tries[1].body["possible_repeat"], true);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_lets_a_message_under_way_end_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = quiet(folder.path(), vec![webhook("pager")]);
    let scene = Scene::begin(settings.clone()).await;
    scene.receivers.set("pager", Mode::TakesAfter { seconds: 5 });
    scene.trouble(&["결제"]).await;
    let arrived = async || (!scene.receivers.at("pager").is_empty()).then_some(());
    scene.until(10, "a try", arrived).await;
    let (clock, receivers, time) = scene.stop_to_begin_again().await;
    let scene = Scene::begin_with(settings, clock, receivers, time).await;
    scene.pass(300).await;
    assert_eq!(scene.receivers.at("pager").len(), 1);
    let counts = scene.handle.journal().outbox_counts().await.unwrap();
    assert_eq!((counts.pending, counts.delivered), (0, 1));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_queue_arrives_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(folder.path(), vec![webhook("pager")])).await;
    let services: Vec<String> = (0..300).map(|n| format!("s{n}")).collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    scene.trouble(&services).await;
    scene.taken("pager", 300, 120).await;
    scene.pass(10).await;
    let taken = scene.receivers.taken("pager");
    assert_eq!((taken.len(), keys(&taken).len(), repeats(&taken)), (300, 300, 0));
    // Two at a time: nobody is overtaken by more than who is under way beside it.
    for (n, arrived) in taken.iter().enumerate() {
        let begun: usize = arrived.text("service").trim_start_matches('s').parse().unwrap();
        assert!(begun.abs_diff(n) <= 2, "s{begun} is number {n}");
    }
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_gone_gets_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), vec![webhook("pager")]);
    let scene = Scene::begin(settings.clone()).await;
    scene.receivers.set("pager", Mode::Answers(500));
    scene.trouble(&["결제"]).await;
    let tried = async || (!scene.receivers.at("pager").is_empty()).then_some(());
    scene.until(10, "a try", tried).await;
    settings.channels = vec![webhook("chat")];
    scene.handle.reload(settings).await.unwrap();
    let failed = async || {
        let counts = scene.handle.journal().outbox_counts().await.unwrap();
        (counts.failed == 1 && counts.pending == 0).then_some(())
    };
    scene.until(60, "the message is given up", failed).await;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_test_says_who_asked() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(folder.path(), vec![webhook("pager")])).await;
    let asked = Event::TestAsked { channel: "pager".into(), by: "김철수".into() };
    scene.handle.submit(vec![asked]).await.unwrap();
    scene.taken("pager", 1, 10).await;
    let taken = scene.receivers.taken("pager");
    assert!(taken[0].text("summary").starts_with("김철수 asked for it"), "{}", taken[0].body);
    assert_eq!(taken[0].text("kind"), "test");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn people_are_called_by_name_and_an_earlier_message_is_changed_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut discord = webhook("discord");
    discord.kind = ChannelKind::Discord {
        webhook_url: Secret::new("http://discord.test/api/webhooks/1/token"),
    };
    let mut settings = quiet(folder.path(), vec![discord]);
    let contact = Contact { channel: "discord".into(), mention: Some("<@42>".to_owned()) };
    let kim = Person { name: "김철수".into(), channels: vec![contact] };
    settings.triage.people = [("김철수".into(), kim)].into();
    settings.triage.policies = vec![Policy {
        name: "기본".into(),
        matchers: Matchers::default(),
        severity_min: Severity::Info,
        automatic: None,
        levels: vec![Level {
            name: "engineer".to_owned(),
            notify: vec![Told::Person("김철수".into())],
            timeout: seconds(1_800),
            hours: Vec::new(),
        }],
        repeat: 0,
        acknowledge_timeout: None,
    }];
    let scene = Scene::begin(settings).await;
    scene.trouble(&["결제"]).await;
    scene.taken("discord POST", 1, 10).await;
    let told = scene.receivers.taken("discord POST").remove(0).body;
    assert!(told.to_string().contains("<@42>"), "{told}");
    let mut over = alert(&[("alertname", "응답 없음"), ("service", "결제")]);
    over.ends_at = Some(scene.clock.now());
    scene.alerts(vec![over]).await;
    scene.taken("discord PATCH 4711", 1, 60).await;
    scene.stop().await;
}
