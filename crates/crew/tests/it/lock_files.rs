//! Lock files of other programs, and the crew's own view of its locks.

use std::path::PathBuf;

use nightcrew_crew::locks::FILES_MAX;
use nightcrew_model::event::Event;
use nightcrew_model::id::{Fence, LockName};
use nightcrew_model::lock::{Blocked, Lock};
use nightcrew_model::unit::Millis;

use crate::stage_virtual::{Scene, quiet};

const STRESS: &str = r#"{
    locked_by: "demo-controller", reason: "부하 시험",
    locked_at: "2026-11-21T12:00:00+09:00", expected_release: "2026-11-21T12:05:00+09:00",
    blocks: ["auto_restart", "auto_scale"],
}"#;

async fn held(scene: &Scene) -> Vec<Lock> {
    let held = scene.handle.view(|state, _, now| {
        state.locks().filter(|lock| lock.is_held(now)).cloned().collect::<Vec<_>>()
    });
    held.await.unwrap()
}

fn folder(scene: &Scene) -> PathBuf {
    let folder = scene.handle.settings().workspace_dir.join("state/locks");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(start_paused = true)]
async fn a_lock_file_holds_while_it_is_there() {
    let place = tempfile::tempdir().unwrap();
    let settings = quiet(place.path(), Vec::new());
    let scene = Scene::begin(settings.clone()).await;
    let file = folder(&scene).join("stress-test.lock");
    std::fs::write(&file, STRESS).unwrap();
    let taken = async || held(&scene).await.pop();
    let lock = scene.until(10, "the lock", taken).await;
    assert_eq!(lock.owner.as_str(), "file:demo-controller");
    assert_eq!(lock.blocks, [Blocked::AutoRestart, Blocked::AutoScale]);
    // Nothing is decided again while nothing changes, nor after a restart.
    let before = scene.handle.journal().last_position();
    scene.pass(30).await;
    assert_eq!(scene.handle.journal().last_position(), before);
    let (clock, receivers, time) = scene.kill().await;
    let scene = Scene::begin_with(settings, clock, receivers, time).await;
    scene.pass(10).await;
    assert_eq!(held(&scene).await[0].fence, lock.fence);
    // It is changed, then broken, then gone.
    std::fs::write(&file, STRESS.replace("auto_scale", "notify")).unwrap();
    let changed =
        async || held(&scene).await.pop().filter(|lock| lock.blocks.contains(&Blocked::Notify));
    scene.until(10, "the change", changed).await;
    std::fs::write(&file, "{ locked_by: ").unwrap();
    scene.pass(10).await;
    assert_eq!(held(&scene).await.len(), 1, "who writes a file may not be done yet");
    std::fs::remove_file(&file).unwrap();
    let released = async || held(&scene).await.is_empty().then_some(());
    scene.until(10, "the release", released).await;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_file_does_not_hold_for_ever() {
    let place = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(place.path(), Vec::new())).await;
    std::fs::write(folder(&scene).join("stress-test.lock"), STRESS).unwrap();
    let taken = async || held(&scene).await.pop();
    scene.until(10, "the lock", taken).await;
    scene.pass(16 * 60).await;
    assert_eq!(held(&scene).await, []);
    scene.pass(60).await;
    assert_eq!(held(&scene).await, [], "it is not taken again");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bad_files_are_not_obeyed() {
    let place = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(place.path(), Vec::new())).await;
    let dir = folder(&scene);
    std::fs::write(dir.join("broken.lock"), "{").unwrap();
    std::fs::write(dir.join("binary.lock"), [0xff, 0xfe]).unwrap();
    std::fs::write(dir.join("huge.lock"), " ".repeat(1 << 20)).unwrap();
    std::fs::write(dir.join("nobody.lock"), "{ reason: 'x', blocks: ['notify'] }").unwrap();
    std::fs::create_dir(dir.join("folder.lock")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.join("link.lock")).unwrap();
    std::fs::write(dir.join("good.lock"), STRESS).unwrap();
    let taken = async || held(&scene).await.pop();
    scene.until(10, "the good one", taken).await;
    scene.pass(10).await;
    assert_eq!(held(&scene).await.len(), 1);
    assert_eq!(std::fs::read_to_string(dir.join("broken.lock")).unwrap(), "{");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_crews_own_locks_are_shown_as_files() {
    let place = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(place.path(), Vec::new())).await;
    let now = scene.clock.now();
    let lock = Lock {
        name: "정비".into(),
        owner: "김철수".into(),
        reason: "점검".into(),
        services: vec!["결제".into()],
        blocks: vec![Blocked::Notify],
        since: now,
        expected_release: None,
        expires_at: Millis::from_secs(600).after(now),
        fence: Fence::default(),
    };
    // What another owner holds is not taken by a file of the same name.
    let asked = Event::LockAsked { lock: Box::new(lock) };
    scene.handle.submit(vec![asked]).await.unwrap();
    let file = folder(&scene).join("정비.lock");
    let shown = async || std::fs::read_to_string(&file).ok();
    let text = scene.until(10, "the file", shown).await;
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["locked_by"], "김철수");
    assert_eq!(shown["blocks"], serde_json::json!(["notify"]));
    std::fs::write(&file, STRESS).unwrap();
    scene.pass(10).await;
    assert_eq!(held(&scene).await[0].owner.as_str(), "김철수");
    std::fs::write(&file, text).unwrap();
    let name = LockName::from("정비");
    let ended = Event::LockEndAsked { lock: name, fence: None, by: "김철수".into() };
    scene.handle.submit(vec![ended]).await.unwrap();
    let gone = async || (!file.exists()).then_some(());
    scene.until(10, "the file goes", gone).await;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_files_are_obeyed_than_there_may_be() {
    let place = tempfile::tempdir().unwrap();
    let scene = Scene::begin(quiet(place.path(), Vec::new())).await;
    let dir = folder(&scene);
    for n in 0..=FILES_MAX {
        std::fs::write(dir.join(format!("f{n:03}.lock")), STRESS).unwrap();
    }
    let most = async || (held(&scene).await.len() == FILES_MAX).then_some(());
    scene.until(10, "as many locks as there may be", most).await;
    scene.pass(10).await;
    assert_eq!(held(&scene).await.len(), FILES_MAX);
    scene.stop().await;
}
