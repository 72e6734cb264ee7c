//! What is learned of an incident is written when it closes, whatever happens in between.

use std::path::{Path, PathBuf};

use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::decision::Fact;
use nightcrew_model::id::IncidentId;
use nightcrew_model::unit::Millis;

use crate::stage::alert;
use crate::stage_virtual::{Scene, quiet};

fn file(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("workspace/incidents/2026-11-21-INC-{id}-post-mortem.md"))
}

fn trouble(symptom: &str) -> IncomingAlert {
    alert(&[("alertname", symptom), ("service", "결제")])
}

/// Waits until an incident closed.
async fn closed(scene: &Scene, id: u64) {
    let closed = async || {
        let stream = format!("incident/INC-{id}");
        let entries = scene.handle.journal().read_stream(&stream, 0, 1_000).await.unwrap();
        let is_closed = |fact: &Fact| *fact == Fact::IncidentClosed { incident: IncidentId(id) };
        entries.iter().any(|entry| is_closed(&entry.decision.fact)).then_some(())
    };
    scene.until(600, "closed", closed).await;
}

async fn written(scene: &Scene, folder: &Path, id: u64) -> String {
    let text = async || std::fs::read_to_string(file(folder, id)).ok();
    scene.until(120, "a post-mortem", text).await
}

#[tokio::test(start_paused = true)]
async fn what_is_learned_is_written_at_the_close_and_knows_what_was_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), Vec::new());
    settings.healing.dedup_window = Millis::from_secs(60);
    let scene = Scene::begin(settings.clone()).await;
    scene.alerts(vec![trouble("응답 없음")]).await;
    scene.pass(30).await;
    assert!(!file(folder.path(), 1).exists(), "it is not over");
    let end =
        |symptom: &str| IncomingAlert { ends_at: Some(scene.clock.now()), ..trouble(symptom) };
    scene.alerts(vec![end("응답 없음")]).await;
    closed(&scene, 1).await;
    let first = written(&scene, folder.path(), 1).await;
    println!("{first}");
    assert!(first.contains("응답 없음"), "{first}");

    // The same again and again, the last time with another trouble near it.
    scene.alerts(vec![trouble("응답 없음")]).await;
    scene.pass(5).await;
    scene.alerts(vec![end("응답 없음")]).await;
    closed(&scene, 2).await;
    scene.alerts(vec![trouble("응답 없음")]).await;
    scene.pass(5).await;
    scene.alerts(vec![trouble("디스크 가득"), end("응답 없음")]).await;
    closed(&scene, 3).await;
    let again = written(&scene, folder.path(), 3).await;
    assert!(again.contains("came 3 times in 30 days"), "{again}");
    assert!(again.contains("[INC-1, INC-2, INC-3]"), "what was before is named:\n{again}");
    assert!(again.contains("디스크 가득"), "what was near is named:\n{again}");

    // As a crash between the fact and the file leaves it.
    let (clock, receivers, time) = scene.kill().await;
    std::fs::remove_file(file(folder.path(), 1)).unwrap();
    let scene = Scene::begin_with(settings, clock, receivers, time).await;
    let again = written(&scene, folder.path(), 1).await;
    // It may know more by now of what began soon after, and nothing less.
    let told = |text: &str| text.split_once("## Timeline").unwrap().1.to_owned();
    assert_eq!(told(&again), told(&first));
    scene.stop().await;
}
