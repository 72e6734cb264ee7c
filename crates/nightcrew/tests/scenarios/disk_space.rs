//! A file system runs full of what nobody misses.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::statvfs;
use serde_json::json;

use crate::crew::Crew;
use crate::mounts::Mounts;
use crate::scenario::Scenario;
use crate::stage::{Stage, until};

const DISK_MB: u32 = 16;
const DAY: Duration = Duration::from_secs(86_400);

/// Writes a file that was last changed some days ago.
fn write(path: &Path, megabytes: usize, days: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, vec![b'x'; megabytes << 20]).unwrap();
    let changed = SystemTime::now().checked_sub(DAY * days).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
}

/// How full a file system is, in percent, as `df` counts.
fn used_percent(disk: &Path) -> u64 {
    let seen = statvfs(disk).unwrap();
    let used = seen.f_blocks - seen.f_bfree;
    used * 100 / (used + seen.f_bavail)
}

#[test]
fn a_disk_full_of_old_files_and_rotated_logs_has_room_again() {
    let Some(mut scenario) = Scenario::as_root("disk space low: old files and rotated logs", &[])
    else {
        return;
    };
    let stage = Stage::new();
    let mounts = Mounts::below(&stage);
    let disk = mounts.tmpfs("disk", DISK_MB);
    let outside = stage.path("outside/app.log.1");
    write(&outside, 1, 90);
    let young = [disk.join("cache/young.tmp"), disk.join("log/app.log.1")];
    let current = disk.join("log/app.log");
    symlink(stage.path("outside"), disk.join("elsewhere")).unwrap();
    let config = json!({
        "host": { "interval_seconds": 1, "disks": [disk] },
        "thresholds": { "disk_usage": { "warning": 70, "critical": 90, "for": "2 of 2" } },
        "playbooks": {
            "disk_space_low": {
                "condition": "disk_usage > 90",
                "actions": [
                    {
                        "type": "clean_files", "root": disk.join("log"), "name": "*.log.*",
                        "older_than_days": 7, "description": "Remove rotated logs",
                    },
                    format!("find {} -type f -mtime +7 -delete", disk.join("cache").display()),
                    // Through the link there is nothing to remove.
                    {
                        "type": "clean_files", "root": disk, "name": "*.old",
                        "older_than_days": 7, "description": "Remove what is marked as old",
                    },
                ],
                "verify": {
                    "metric": "disk_usage", "operator": "<", "threshold": 60,
                    "consecutive_checks": 3, "interval_ms": 200, "deadline_seconds": 20,
                },
            },
        },
        "policy": { "clean_roots": [disk] },
    });
    let crew = Crew::up(&stage, &config.to_string());
    until("the disk is seen", || crew.get("/api/v1/services"));
    let incident = scenario.healed(&crew, ("host", "disk_space_low"), || {
        for path in young.iter().chain([&current]) {
            write(path, 1, 1);
        }
        for n in 2..7 {
            write(&disk.join(format!("log/app.log.{n}")), 1, 10 * n);
        }
        for n in 0..6 {
            write(&disk.join(format!("cache/한글 {n}/object.bin")), 1, 30);
        }
        write(&disk.join("left.old"), 1, 8);
        assert!(used_percent(&disk) > 90, "{} %", used_percent(&disk));
    });
    assert_eq!(incident["playbook"], "disk_space_low");
    let left = used_percent(&disk);
    assert!(left < 30, "{left} % in use");
    for path in young.iter().chain([&current, &outside]) {
        assert!(path.exists(), "{} is gone", path.display());
    }
    assert!(!disk.join("left.old").exists());
    let size = fs::metadata(&outside).unwrap().len();
    assert_eq!(size, 1 << 20);
    crew.stop();
    scenario.proven(&format!("statvfs: {left} % in use; young files and files outside survive"));
}
