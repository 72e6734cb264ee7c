//! What was measured is kept: over a restart, beside a full disk, beside a damaged store.

use nightcrew_crew::handle::Handle;
use nightcrew_model::matcher::Matchers;
use nightcrew_runtime::http::Http;
use nightcrew_series::answer::{Question, Rows, Step};
use nightcrew_series::key::{METRIC_LABEL, UNIT_LABEL};
use nightcrew_series::sample::Moment;
use nightcrew_series::selector;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::stage::{eventually, settings, start};

const BUSY: &str = "{ host: { interval_ms: 200, disks: [] } }";

/// The samples of the memory of this host: their number, and the unit of the series.
async fn memory(handle: &Handle) -> Option<(usize, String)> {
    let matchers: Matchers = selector::parse("memory_usage{service=\"host\"}").unwrap();
    let (from, until) = (Moment::MIN, Moment::MAX);
    let question = Question { matchers, from, until, step: Step::Raw };
    let answer = handle.ask_series(question).await.ok()?;
    let Rows::Samples(lines) = answer.rows else { panic!("{answer:?}") };
    let [line] = lines.as_slice() else { return None };
    assert_eq!(line.labels.get(METRIC_LABEL), Some("memory_usage"));
    Some((line.rows.len(), line.labels.get(UNIT_LABEL).unwrap_or_default().to_owned()))
}

async fn stored(handle: &Handle, at_least: usize) -> usize {
    eventually("samples are stored", async || {
        let (n, unit) = memory(handle).await?;
        assert_eq!(unit, "percent");
        (n >= at_least).then_some(n)
    })
    .await
}

#[tokio::test]
async fn samples_are_stored_with_their_unit_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), BUSY);
    let crew = start(settings.clone(), Http::net()).await;
    let before = stored(crew.handle(), 3).await;
    let status = crew.handle().series_status();
    assert_eq!((status.trouble, status.dropped, status.refused), (None, 0, 0));
    crew.stop().await;
    let crew = start(settings, Http::net()).await;
    stored(crew.handle(), before + 1).await;
    crew.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_set_aside_and_another_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), BUSY);
    let series = nightcrew_crew::recording::folder(&settings.data_dir);
    std::fs::create_dir_all(&settings.data_dir).unwrap();
    std::fs::write(&series, "no folder").unwrap();
    let crew = start(settings.clone(), Http::net()).await;
    stored(crew.handle(), 1).await;
    let status = crew.handle().series_status();
    assert!(status.damage[0].contains("set aside"), "{status:?}");
    crew.stop().await;
    let names = std::fs::read_dir(&settings.data_dir).unwrap();
    let aside = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().starts_with("series-damaged-")
    };
    assert_eq!(names.filter_map(|entry| aside(entry).then_some(())).count(), 1);
}

/// A small file system, gone with the value.
struct SmallDisk(std::path::PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn while_the_disk_is_full_nothing_is_stored_and_everything_else_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), BUSY);
    let series = nightcrew_crew::recording::folder(&settings.data_dir);
    std::fs::create_dir_all(&series).unwrap();
    if mount("tmpfs", &series, "tmpfs", MountFlags::NOSUID, Some(c"size=64k")).is_err() {
        eprintln!("skipped: mounting is not allowed here");
        return;
    }
    let disk = SmallDisk(series.clone());
    let crew = start(settings, Http::net()).await;
    let handle = crew.handle();
    stored(handle, 1).await;
    std::fs::write(series.join("ballast"), vec![0; 1 << 20]).unwrap_err();
    let trouble = eventually("trouble", async || handle.series_status().trouble).await;
    assert!(trouble.contains("full"), "{trouble}");
    assert!(handle.is_ready(), "only the series have trouble");
    let n = stored(handle, 1).await;
    std::fs::remove_file(series.join("ballast")).unwrap();
    eventually("room again", async || handle.series_status().trouble.is_none().then_some(())).await;
    stored(handle, n + 1).await;
    crew.stop().await;
    drop(disk);
}
