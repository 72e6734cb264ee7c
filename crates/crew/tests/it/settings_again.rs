//! Reloads: everything that can change changes at once, or nothing does.

use nightcrew_crew::reload::{ReloadError, Reloader};
use nightcrew_model::mute::StormRule;
use nightcrew_model::plan::Mode;

use crate::receiver::{seconds, webhook};
use crate::stage_virtual::{Scene, quiet};

#[tokio::test(start_paused = true)]
async fn a_reload_holds_for_the_core_and_for_who_tells_people() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), vec![webhook("old")]);
    let scene = Scene::begin(settings.clone()).await;
    scene.trouble(&["a"]).await;
    scene.taken("old", 1, 10).await;
    settings.channels = vec![webhook("새것")];
    settings.triage.storm = Some(StormRule { per_service: 1, global: 1, window: seconds(60) });
    settings.mode = Mode::DryRun;
    settings.listen.set_port(1);
    let reloaded = scene.handle.reload(settings).await.unwrap();
    assert_eq!(reloaded.needs_restart, ["listen"]);
    let rules = scene.handle.view(|_, rules, _| (rules.mode, rules.channels.len(), rules.storm));
    let (mode, n_channels, storm) = rules.await.unwrap();
    assert_eq!((mode, n_channels, storm.is_some()), (Mode::DryRun, 1, true));
    assert_eq!(scene.handle.settings().channels[0].name.as_str(), "새것");
    assert_ne!(scene.handle.settings().listen.port(), 1);
    scene.trouble(&["b"]).await;
    let arrived = async || {
        (!scene.receivers.taken("%EC%83%88%EA%B2%83").is_empty()
            || !scene.receivers.taken("새것").is_empty())
        .then_some(())
    };
    scene.until(10, "the other channel is told", arrived).await;
    assert_eq!(scene.receivers.at("old").len(), 1);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bad_settings_change_nothing_and_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let settings = quiet(folder.path(), vec![webhook("pager")]);
    let scene = Scene::begin(settings.clone()).await;
    assert_eq!(scene.handle.reload_again().await, Err(ReloadError::NoSource));
    let bad = "nightcrew.json5:3:1: 틀렸어요";
    scene.handle.reload_from(Reloader::new(move || Err(bad.to_owned())));
    let refused = scene.handle.reload_again().await;
    assert_eq!(refused, Err(ReloadError::Configuration(bad.to_owned())));
    assert_eq!(scene.handle.last_reload().unwrap().outcome, refused);
    assert_eq!(scene.handle.settings().channels.len(), 1);
    let mut other = settings;
    other.channels.push(webhook("chat"));
    scene.handle.reload_from(Reloader::new(move || Ok(other.clone())));
    assert_eq!(scene.handle.reload_again().await.unwrap().needs_restart, [""; 0]);
    assert_eq!(scene.handle.settings().channels.len(), 2);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_view_sees_what_was_answered_and_a_panic_in_it_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(folder.path(), vec![webhook("pager")])).await;
    for n in 1..=20_usize {
        scene.trouble(&[format!("s{n}").as_str()]).await;
        let seen = scene.handle.view(|state, _, _| state.n_alerts()).await;
        assert_eq!(seen, Ok(n));
    }
    let panicked = scene.handle.view(|_, _, _| -> () { panic!("on purpose") }).await;
    assert!(panicked.is_err());
    assert_eq!(scene.handle.view(|state, _, _| state.n_alerts()).await, Ok(20));
    scene.stop().await;
}
