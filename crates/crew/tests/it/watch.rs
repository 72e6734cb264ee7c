//! The dead man and the external heartbeat.

use nightcrew_config::settings::{Heartbeat, Secret};
use nightcrew_crew::audit::Violation;

use crate::receiver::{seconds, webhook};
use crate::stage_virtual::{Scene, quiet};

#[tokio::test(start_paused = true)]
async fn the_heartbeat_is_called_only_while_the_audit_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), vec![webhook("pager")]);
    let url = Secret::new("http://outside.test/beat");
    settings.triage.heartbeat = Some(Heartbeat { url, interval: seconds(30) });
    let scene = Scene::begin(settings).await;
    assert_eq!(scene.receivers.beats(), [], "nothing was looked at yet");
    let first = async || (!scene.receivers.beats().is_empty()).then_some(());
    scene.until(20, "a heartbeat", first).await;
    assert_eq!(scene.handle.audit().unwrap().violations, []);
    scene.pass(300).await;
    let n_beats = scene.receivers.beats().len();
    assert!((9..=12).contains(&n_beats), "{n_beats} in five minutes");
    // The journal goes away: nobody can be told any more.
    scene.handle.journal().close().await.unwrap();
    let failed = async || {
        let audit = scene.handle.audit().unwrap();
        let is = |wanted: fn(&Violation) -> bool| audit.violations.iter().any(wanted);
        let unwritable = is(|found| matches!(found, Violation::JournalReadOnly(_)));
        let unreadable = is(|found| matches!(found, Violation::OutboxUnreadable(_)));
        (unwritable && unreadable).then_some(())
    };
    scene.until(150, "both violations", failed).await;
    let n_beats = scene.receivers.beats().len();
    scene.pass(300).await;
    assert_eq!(scene.receivers.beats().len(), n_beats);
    scene.stop().await;
}
