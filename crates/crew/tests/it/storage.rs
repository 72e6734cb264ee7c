//! What was acknowledged is there: after a restart, and while the disk is full.

use nightcrew_crew::handle::Refusal;
use nightcrew_model::alert::Source;
use nightcrew_runtime::http::Http;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::stage::{alert, eventually, settings, start};

const QUIET: &str = "{ host: { interval_seconds: 3600, disks: [] } }";

#[tokio::test]
async fn alerts_and_incidents_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), QUIET);
    let crew = start(settings.clone(), Http::net()).await;
    let alerts =
        (0..130).map(|n| alert(&[("alertname", "A"), ("service", "s"), ("n", &n.to_string())]));
    crew.handle().take_alerts(Source::AlertsApi, alerts.collect()).await.unwrap();
    crew.stop().await;
    let crew = start(settings, Http::net()).await;
    let firing = Some(nightcrew_model::alert::AlertState::Firing);
    assert_eq!(crew.handle().journal().alerts(firing, 1_000).await.unwrap().len(), 130);
    // The same alerts again are no news.
    let before = crew.handle().journal().last_position();
    let again = vec![alert(&[("alertname", "A"), ("service", "s"), ("n", "7")])];
    crew.handle().take_alerts(Source::AlertsApi, again).await.unwrap();
    let incidents = crew.handle().journal().incidents(nightcrew_journal::row::Which::All, None, 10);
    assert_eq!(incidents.await.unwrap().len(), 1);
    assert!(crew.handle().journal().last_position().0 <= before.0 + 5);
    crew.stop().await;
}

/// A small file system, gone with the value.
struct SmallDisk(std::path::PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_alerts_and_mends_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    if mount("tmpfs", &data, "tmpfs", MountFlags::NOSUID, Some(c"size=3m")).is_err() {
        eprintln!("skipped: mounting is not allowed here");
        return;
    }
    let disk = SmallDisk(data.clone());
    let crew = start(settings(folder.path(), QUIET), Http::net()).await;
    let handle = crew.handle().clone();
    handle.take_alerts(Source::AlertsApi, vec![alert(&[("alertname", "first")])]).await.unwrap();
    std::fs::write(data.join("ballast"), vec![0; 8 << 20]).unwrap_err();
    let mut accepted = vec!["first".to_owned()];
    let refusal = eventually("a refusal", async || {
        let name = format!("n{}", accepted.len());
        match handle.take_alerts(Source::AlertsApi, vec![alert(&[("alertname", &name)])]).await {
            Ok(()) => {
                accepted.push(name);
                None
            }
            Err(refusal) => Some(refusal),
        }
    })
    .await;
    assert!(matches!(refusal, Refusal::Storage(_)), "{refusal:?}");
    eventually("not ready", async || (!handle.is_ready()).then_some(())).await;
    std::fs::remove_file(data.join("ballast")).unwrap();
    eventually("room again", async || {
        let again = vec![alert(&[("alertname", "last")])];
        handle.take_alerts(Source::AlertsApi, again).await.ok()
    })
    .await;
    accepted.push("last".to_owned());
    let rows = handle.journal().alerts(None, 1_000).await.unwrap();
    for name in &accepted {
        let is_it = |row: &&nightcrew_journal::row::AlertRow| {
            row.alert.labels.get("alertname") == Some(name)
        };
        assert!(rows.iter().any(|row| is_it(&row)), "{name} was acknowledged and is not there");
    }
    crew.stop().await;
    let verified = nightcrew_journal::rebuild::verify(&data).unwrap();
    assert!(verified.entries > 0);
    drop(disk);
}
