use std::fs;

use nightcrew_config::settings::{Breaker, Disk, Disks, Host};
use nightcrew_model::catalogue::DISK_USAGE;
use nightcrew_model::unit::Millis;
use nightcrew_observe::host::HostCollector;
use nightcrew_runtime::clock::Clock;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::fixture::{said, value};

/// A small file system in memory, unmounted with the test.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn of_one_mebibyte() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = Some(c"size=1m");
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), options) {
            Ok(()) => Some(Self(folder)),
            Err(errno) => {
                eprintln!("skipped: no tmpfs can be mounted here: {errno}");
                None
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(self.0.path(), UnmountFlags::DETACH).ok();
    }
}

#[tokio::test]
async fn a_real_file_system_fills_and_empties() {
    let Some(tmpfs) = Tmpfs::of_one_mebibyte() else {
        return;
    };
    let host = Host {
        interval: Millis::from_secs(15),
        timeout: Millis::from_secs(5),
        disks: Disks::Listed(vec![Disk { path: tmpfs.0.path().to_owned(), quota_bytes: None }]),
    };
    let mut collector = HostCollector::new(&host, Breaker::default());
    let file = tmpfs.0.path().join("로그.log");
    fs::write(&file, vec![b'x'; 768 << 10]).unwrap();
    let samples = collector.collect(&Clock::System).await;
    assert!((value(&samples, DISK_USAGE) - 75.0).abs() < 1.0);
    assert_eq!(said(&samples, DISK_USAGE).1, "786.4 kB of 1.0 MB used, 262.1 kB left");
    fs::remove_file(&file).unwrap();
    let samples = collector.collect(&Clock::System).await;
    assert!(value(&samples, DISK_USAGE) < 1.0);
}
