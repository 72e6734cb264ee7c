//! Groups of alerts, digests and the daily word, as they arrive.

use std::collections::BTreeMap;

use nightcrew_config::settings::{AllClear, ChannelKind, WebhookBody};
use nightcrew_model::id::ReceiverName;
use nightcrew_model::interval::Zone;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::mute::StormRule;
use nightcrew_model::route::{Branch, GroupBy, Receiver, RouteRule, Routing};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;

use crate::receiver::{seconds, webhook};
use crate::stage::alert;
use crate::stage_virtual::{Scene, quiet};

/// Everything goes to one receiver, grouped by the name of the alert.
fn routing(group_wait: Millis, channels: &[&str]) -> Routing {
    let root = RouteRule {
        matchers: Matchers::default(),
        receiver: ReceiverName::from("ops"),
        group_by: GroupBy::Labels(["alertname".to_owned()].into()),
        group_wait,
        group_interval: seconds(60),
        repeat_interval: seconds(3_600),
        mute: Vec::new(),
        active: Vec::new(),
        continues: false,
    };
    let receiver = Receiver {
        name: "ops".into(),
        channels: channels.iter().map(|name| (*name).into()).collect(),
    };
    let root = Branch { rule: root, routes: Vec::new() };
    Routing::new(root, vec![receiver], Vec::new(), BTreeMap::new())
}

#[tokio::test(start_paused = true)]
async fn a_group_is_told_whole_in_words_and_in_the_body() {
    let folder = tempfile::tempdir().unwrap();
    let mut am = webhook("am");
    let mut ours = webhook("ours");
    (am.notify, ours.notify) = (Vec::new(), Vec::new());
    if let ChannelKind::Webhook { body, .. } = &mut am.kind {
        *body = WebhookBody::Alertmanager;
    }
    let mut settings = quiet(folder.path(), vec![am, ours]);
    settings.triage.routing = Some(routing(seconds(5), &["am", "ours"]));
    let scene = Scene::begin(settings).await;
    let named = |n: usize| {
        let mut found = alert(&[
            ("alertname", "Down"),
            ("service", "결제"),
            ("instance", &format!("host{n}:9100")),
            ("severity", "critical"),
        ]);
        found.annotations = [("summary", "응답이\n없어요")].into_iter().collect();
        found
    };
    scene.alerts((0..40).map(named).collect()).await;
    scene.taken("ours", 1, 20).await;
    scene.taken("am", 1, 20).await;
    let body = scene.receivers.taken("ours")[0].body.clone();
    assert_eq!(body["title"], "[FIRING:40] alertname=Down");
    assert_eq!(body["summary"], "40 alerts firing (critical), for ops. 응답이 없어요");
    let story = body["story"].as_array().unwrap();
    assert_eq!(story.len(), 31, "{story:?}");
    assert_eq!(story[30], "+10 more: nightcrew alerts list");
    assert!(story[0].as_str().unwrap().starts_with("instance=host"), "{story:?}");
    assert_eq!(body["group"]["alerts"].as_array().unwrap().len(), 40);
    assert_eq!(body["group"]["group_key"], r#"{}:{alertname="Down"}"#);
    assert_eq!(body["group"]["common_labels"]["service"], "결제");
    let body = scene.receivers.taken("am")[0].body.clone();
    assert_eq!(body["version"], "4");
    assert_eq!((&body["status"], &body["receiver"]), (&"firing".into(), &"ops".into()));
    assert_eq!(body["alerts"].as_array().unwrap().len(), 40);

    // One of them is over, and another begins: both are in the next message.
    let mut over = named(3);
    over.ends_at = Some(scene.clock.now());
    scene.alerts(vec![over, named(99)]).await;
    scene.taken("ours", 2, 120).await;
    let body = scene.receivers.taken("ours")[1].body.clone();
    assert_eq!(body["title"], "[FIRING:40] alertname=Down");
    assert!(body["summary"].as_str().unwrap().starts_with("40 alerts firing, 1 over"), "{body}");
    let alerts = body["group"]["alerts"].as_array().unwrap();
    let over: Vec<_> = alerts.iter().filter(|alert| alert["status"] == "resolved").collect();
    assert_eq!(over.len(), 1);
    assert_eq!(over[0]["labels"]["instance"], "host3:9100");
    assert!(over[0]["ends_at"].is_string(), "{}", over[0]);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_storm_keeps_back_is_counted_in_a_digest() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), vec![webhook("pager")]);
    settings.triage.storm = Some(StormRule { per_service: 5, global: 5, window: seconds(300) });
    let scene = Scene::begin(settings).await;
    let services: Vec<String> = (0..100).map(|n| format!("서비스{n}")).collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    scene.trouble(&services).await;
    let digest = async || {
        let taken = scene.receivers.taken("pager").into_iter();
        taken.into_iter().find(|arrived| arrived.text("kind") == "digest")
    };
    let digest = scene.until(60, "a digest", digest).await;
    let told = scene.receivers.taken("pager").len();
    assert!(told <= 3, "{told} messages");
    let suppressed = digest.body["digest"]["suppressed"].as_u64().unwrap();
    assert_eq!(suppressed, 100 - (told as u64 - 1));
    assert_eq!(digest.text("title"), format!("{suppressed} more suppressed"));
    let sample = digest.body["digest"]["sample"].as_array().unwrap();
    assert!(sample[0].as_str().unwrap().contains("서비스"), "{sample:?}");
    assert!(digest.text("summary").contains("nightcrew alerts list"), "{}", digest.body);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_daily_word_says_how_things_stand() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), vec![webhook("pager")]);
    // The crew begins at three.
    let at = "03:10".parse().unwrap();
    let channels = vec!["pager".into()];
    settings.triage.all_clear = Some(AllClear { at, zone: Zone::UTC, channels });
    let scene = Scene::begin(settings.clone()).await;
    scene.taken("pager", 1, 700).await;
    let word = scene.receivers.taken("pager").remove(0);
    assert_eq!(word.text("kind"), "all_clear");
    assert_eq!(word.text("title"), "All clear: 0 services watched, nothing open");
    assert!(word.text("summary").contains("0 incidents open"), "{}", word.body);
    scene.trouble(&["결제"]).await;
    scene.taken("pager", 2, 10).await;
    // The next day begins shortly before the time of the word.
    let (_, receivers, time) = scene.kill().await;
    let clock = Clock::starting_at("2026-11-22T03:09:30Z".parse().unwrap());
    let scene = Scene::begin_with(settings, clock, receivers, time).await;
    scene.taken("pager", 3, 60).await;
    let word = scene.receivers.taken("pager").remove(2);
    assert_eq!(word.text("title"), "Not all clear: 1 incident open, 0 services watched");
    assert!(word.body["story"].to_string().contains("결제"), "{}", word.body);
    scene.stop().await;
}
