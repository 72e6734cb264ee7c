//! The disks: each its own collector, so that a dead network disk harms no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::catalogue;
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_model::unit::{Millis, Unit};

use crate::collector::Collector;
use crate::host::mounts::{self, MOUNTS_MAX};
use crate::host::space::{self, Fill};
use crate::sampling::{number, percent, sample};

/// How a mounted file system is asked; a test puts one in its place that hangs.
type Ask = fn(&Path) -> Result<Fill, Unknown>;

/// Looks at the disks.
#[derive(Debug)]
pub(crate) struct DiskWatch {
    timeout: Millis,
    breaker: settings::Breaker,
    disks: Disks,
    ask: Ask,
}

#[derive(Debug)]
enum Disks {
    /// The disks of the settings; a target is named by the path that the operator wrote.
    Listed(Vec<(settings::Disk, Collector<Fill>)>),
    /// Whatever is mounted.
    Mounted {
        mountinfo: PathBuf,
        list: Collector<Vec<PathBuf>>,
        looks: BTreeMap<PathBuf, Collector<Fill>>,
    },
}

impl DiskWatch {
    pub(crate) fn new(host: &settings::Host, breaker: settings::Breaker) -> Self {
        let disks = match &host.disks {
            settings::Disks::Listed(disks) => Disks::Listed(
                disks
                    .iter()
                    .map(|disk| (disk.clone(), Collector::new(host.timeout, breaker)))
                    .collect(),
            ),
            settings::Disks::All => Disks::Mounted {
                mountinfo: PathBuf::from("/proc/self/mountinfo"),
                list: Collector::new(host.timeout, breaker),
                looks: BTreeMap::new(),
            },
        };
        Self { timeout: host.timeout, breaker, disks, ask: space::of_file_system }
    }

    /// Looks at every disk at the same time.
    pub(crate) async fn look(&mut self, at: Timestamp) -> Vec<Sample> {
        let ask = self.ask;
        match &mut self.disks {
            Disks::Listed(disks) => {
                let looks = disks.iter_mut().map(|(disk, collector)| async move {
                    let path = disk.path.clone();
                    let seen = match disk.quota_bytes {
                        None => collector.look(at, move |_| ask(&path)).await,
                        Some(quota) => {
                            let look = collector.look(at, move |cancelled| {
                                space::of_quota(&path, quota, cancelled)
                            });
                            look.await
                        }
                    };
                    disk_sample(at, &disk.path, seen, disk.quota_bytes.is_some())
                });
                join_all(looks).await
            }
            Disks::Mounted { mountinfo, list, looks } => {
                let path = mountinfo.clone();
                let points = match list.look(at, move |_| mounted(&path)).await {
                    Ok(points) => points,
                    Err(why) => return unknown(at, looks.keys(), &why),
                };
                // One that is gone but whose look still hangs is kept: should it come back, it must
                // not get a second thread.
                looks.retain(|point, collector| points.contains(point) || collector.is_stuck());
                for point in points.iter().take(MOUNTS_MAX) {
                    looks
                        .entry(point.clone())
                        .or_insert_with(|| Collector::new(self.timeout, self.breaker));
                }
                let due = looks.iter_mut().filter(|(point, _)| points.contains(point));
                let due = due.map(|(point, collector)| async move {
                    let path = point.clone();
                    let seen = collector.look(at, move |_| ask(&path)).await;
                    disk_sample(at, point, seen, false)
                });
                let mut samples = join_all(due).await;
                samples.extend(too_many(at, points.len()));
                samples
            }
        }
    }
}

fn mounted(mountinfo: &Path) -> Result<Vec<PathBuf>, Unknown> {
    let text = std::fs::read(mountinfo)
        .map_err(|error| Unknown::Failed(format!("{}: {error}", mountinfo.display())))?;
    Ok(mounts::storage(mounts::parse(&text)?))
}

fn disk_sample(
    at: Timestamp,
    path: &Path,
    seen: Result<Fill, Unknown>,
    may_pass_100: bool,
) -> Sample {
    let (reading, words) = match seen {
        Ok(fill) if may_pass_100 => (number(fill.percent, Unit::Percent), Some(fill.words)),
        Ok(fill) => (percent(fill.percent), Some(fill.words)),
        Err(why) => (Err(why), None),
    };
    let target = Target::part(ServiceName::host(), &path.to_string_lossy());
    sample(at, &target, catalogue::DISK_USAGE, reading, words)
}

/// The list of mounts could not be read: nothing is known of any disk.
fn unknown<'a>(
    at: Timestamp,
    known: impl Iterator<Item = &'a PathBuf>,
    why: &Unknown,
) -> Vec<Sample> {
    let mut samples: Vec<Sample> =
        known.map(|point| disk_sample(at, point, Err(why.clone()), false)).collect();
    if samples.is_empty() {
        samples.push(of_host(at, why.clone()));
    }
    samples
}

/// What says that there are more disks than are watched.
fn too_many(at: Timestamp, mounts: usize) -> Option<Sample> {
    let left = mounts.checked_sub(MOUNTS_MAX).filter(|&left| left > 0)?;
    let why = format!(
        "{left} of {mounts} mounted file systems are not watched; list those that matter in \
         `host.disks`"
    );
    Some(of_host(at, Unknown::Failed(why)))
}

fn of_host(at: Timestamp, why: Unknown) -> Sample {
    let host = Target::service(ServiceName::host());
    sample(at, &host, catalogue::DISK_USAGE, Err(why), None)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use nightcrew_model::sample::Observation;

    use super::*;

    fn watch_of(mountinfo: PathBuf, ask: Ask) -> DiskWatch {
        let host = settings::Host {
            interval: Millis::from_secs(15),
            timeout: Millis(50),
            disks: settings::Disks::All,
        };
        let mut watch = DiskWatch::new(&host, settings::Breaker::default());
        watch.ask = ask;
        if let Disks::Mounted { mountinfo: used, .. } = &mut watch.disks {
            *used = mountinfo;
        }
        watch
    }

    fn shown(samples: &[Sample]) -> Vec<String> {
        let shown = |sample: &Sample| format!("{} {}", sample.target, sample.observation);
        samples.iter().map(shown).collect()
    }

    fn half(_: &Path) -> Result<Fill, Unknown> {
        Ok(Fill { percent: 50.0, words: "절반".into() })
    }

    static RELEASED: AtomicBool = AtomicBool::new(false);
    static THREADS: AtomicUsize = AtomicUsize::new(0);

    fn dead_server(path: &Path) -> Result<Fill, Unknown> {
        if path == Path::new("/mnt/죽은 서버") {
            THREADS.fetch_add(1, Ordering::SeqCst);
            while !RELEASED.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        }
        half(path)
    }

    #[tokio::test]
    async fn a_dead_network_disk_starves_no_other_and_piles_up_no_threads() {
        let folder = tempfile::tempdir().unwrap();
        let mountinfo = folder.path().join("mountinfo");
        let text = r"27 1 254:0 / / rw - ext4 /dev/vda rw
33 27 0:60 / /mnt/죽은\040서버 rw - nfs4 nas:/x rw
";
        std::fs::write(&mountinfo, text).unwrap();
        let mut watch = watch_of(mountinfo.clone(), dead_server);
        for round in 0..20 {
            let at = Timestamp::from_second(round).unwrap();
            assert_eq!(
                shown(&watch.look(at).await),
                ["host:/ 50 %", "host:/mnt/죽은 서버 unknown (no answer within 50 ms)"]
            );
        }
        assert_eq!(THREADS.load(Ordering::SeqCst), 1);

        // Unmounted and mounted again while the look still hangs: still no second thread.
        std::fs::write(&mountinfo, "27 1 254:0 / / rw - ext4 /dev/vda rw\n").unwrap();
        let at = Timestamp::from_second(20).unwrap();
        assert_eq!(shown(&watch.look(at).await), ["host:/ 50 %"]);
        std::fs::write(&mountinfo, text).unwrap();
        watch.look(at).await;
        assert_eq!(THREADS.load(Ordering::SeqCst), 1);
        RELEASED.store(true, Ordering::SeqCst);
    }

    #[tokio::test]
    async fn a_lost_list_of_mounts_makes_every_known_disk_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let mountinfo = folder.path().join("mountinfo");
        let mut watch = watch_of(mountinfo.clone(), half);
        let nothing = watch.look(Timestamp::UNIX_EPOCH).await;
        assert_eq!(nothing[0].target.to_string(), "host");
        std::fs::write(&mountinfo, "27 1 254:0 / / rw - ext4 /dev/vda rw\n").unwrap();
        watch.look(Timestamp::UNIX_EPOCH).await;
        std::fs::remove_file(&mountinfo).unwrap();
        let lost = watch.look(Timestamp::UNIX_EPOCH).await;
        assert_eq!(lost[0].target.to_string(), "host:/");
        assert!(matches!(lost[0].observation, Observation::Unknown(Unknown::Failed(_))));
    }

    #[tokio::test]
    async fn more_mounts_than_are_watched_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let mountinfo = folder.path().join("mountinfo");
        let text = (0..MOUNTS_MAX + 2).fold(String::new(), |mut text, n| {
            writeln!(text, "{n} 1 9:{n} / /mnt/{n} rw - xfs /dev/x rw").unwrap();
            text
        });
        std::fs::write(&mountinfo, text).unwrap();
        let mut watch = watch_of(mountinfo, half);
        let samples = watch.look(Timestamp::UNIX_EPOCH).await;
        assert_eq!(samples.len(), MOUNTS_MAX + 1);
        let last = shown(&samples).pop().unwrap();
        assert!(last.starts_with("host unknown (2 of 130 mounted"), "{last}");
    }

    #[tokio::test]
    async fn listed_disks_are_named_as_the_operator_wrote_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), vec![0; 300]).unwrap();
        let disk = |path: PathBuf, quota_bytes| settings::Disk { path, quota_bytes };
        let host = settings::Host {
            interval: Millis::from_secs(15),
            timeout: Millis::from_secs(5),
            disks: settings::Disks::Listed(vec![
                disk(folder.path().to_owned(), Some(200)),
                disk(folder.path().join("gone"), None),
            ]),
        };
        let mut watch = DiskWatch::new(&host, settings::Breaker::default());
        let path = folder.path().display();
        assert_eq!(
            shown(&watch.look(Timestamp::UNIX_EPOCH).await),
            [
                format!("host:{path} 150 %"),
                format!("host:{path}/gone unknown (nothing of that name)")
            ]
        );
    }
}
