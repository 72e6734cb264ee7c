//! A log file grows too large while its writer goes on writing.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;
use rustix::process::Signal;
use serde_json::json;

use crate::crew::Crew;
use crate::nginx;
use crate::private::within;
use crate::scenario::Scenario;
use crate::shop;
use crate::stage::{Stage, free_address, until};
use crate::wire;

/// Writes numbered lines until it is asked to end, and opens its file anew on SIGUSR1.
const WRITER: &str = r#"
import signal, sys, time
path, megabytes = sys.argv[1], int(sys.argv[2])
state = {"file": open(path, "a"), "reopen": False, "fast": 0, "end": False}
signal.signal(signal.SIGUSR1, lambda *_: state.update(reopen=True))
signal.signal(signal.SIGUSR2, lambda *_: state.update(fast=megabytes * 10_000))
signal.signal(signal.SIGTERM, lambda *_: state.update(end=True))
n = 0
while not state["end"]:
    if state["reopen"]:
        state["reopen"] = False
        state["file"].close()
        state["file"] = open(path, "a")
    state["file"].write(f"{n:010} {'x' * 88}\n")
    n += 1
    if state["fast"] > 0:
        state["fast"] -= 1
    else:
        state["file"].flush()
        time.sleep(0.001)
state["file"].close()
open(path + ".count", "w").write(str(n))
"#;

/// The numbers at the begin of the lines of a log.
fn numbers(text: &str) -> Vec<u64> {
    text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// The files beside a log whose names begin as its own.
fn siblings(log: &Path) -> Vec<PathBuf> {
    let name = log.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(log.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name) && path != log)
        .collect();
    found.sort();
    found
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_log_is_rotated_and_no_line_is_lost_or_doubled() {
    let name = "log file oversized: rotated while it is written";
    let Some(mut scenario) = Scenario::with(name, &shop::NEEDS) else { return };
    let stage = Stage::new();
    let script = stage.write("writer.py", WRITER);
    let log = stage.write("logs/writer.log", "");
    let services = json!({ "writer": {
        "start": { "argv": ["python3", script, log, "4"] },
        "stop_timeout_ms": 3_000, "interval_ms": 250,
        "log_files": [log], "log_reopen": "USR1",
    } });
    let playbooks = json!({ "log_file_oversized": {
        "condition": "log_file_size_mb > 3",
        "actions": [{ "type": "rotate_log", "path": log }],
        "verify": {
            "metric": "log_file_size_mb", "operator": "<", "threshold": 2,
            "consecutive_checks": 1, "interval_ms": 500, "deadline_seconds": 90,
        },
    } });
    let more = json!({
        "thresholds": { "log_file_size_mb": { "critical": 3, "for": "1 of 1" } },
        "logs": { "services": { "writer": { "paths": [log] } } },
    });
    let crew = Crew::up(&stage, &shop::config(&services, &playbooks, &more));
    crew.until_healthy("writer");
    let pid = stage.path("data/run/writer.pid");
    let writer = nightcrew_runtime::process::read_child_pid_file(&pid).unwrap().unwrap().pid;
    let incident = scenario.healed(&crew, ("writer", "log_file_oversized"), || {
        assert!(stage.signal(writer, Signal::USR2));
        until("the log is large", || (fs::metadata(&log).ok()?.len() > 3_000_000).then_some(()));
    });
    assert_eq!(incident["playbook"], "log_file_oversized");
    assert!(stage.signal(writer, Signal::TERM));
    let count = stage.path("logs/writer.log.count");
    let count: u64 = until("the writer ends", || fs::read_to_string(&count).ok()?.parse().ok());
    let old = siblings(&log);
    let old: Vec<&PathBuf> = old.iter().filter(|path| path.extension().unwrap() == "gz").collect();
    assert_eq!(old.len(), 1, "{old:?}");
    let (before, after) = (unpacked(old[0]), fs::read_to_string(&log).unwrap());
    let mut found = numbers(&before);
    found.extend(numbers(&after));
    let wanted: Vec<u64> = (0..count).collect();
    assert!(found == wanted, "of {count} lines {} were found", found.len());
    assert!(before.len() > 3_000_000, "{}", before.len());
    crew.stop();
    scenario.proven(&format!("{count} numbered lines: each one once in the .gz or the new file"));
}

/// Ends the visits, also when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks a web server until it is over; slowly, once its log was large.  How often it was asked.
fn visit(address: SocketAddr, log: &Path, over: &AtomicBool) -> u64 {
    let (mut asked, mut is_large) = (0_u64, false);
    while !over.load(Ordering::Relaxed) {
        let answer = wire::get(address, &format!("/visit/{asked}")).unwrap();
        assert_eq!(answer.status, 200);
        asked += 1;
        is_large |= fs::metadata(log).is_ok_and(|seen| seen.len() > 250_000);
        if is_large {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    asked
}

#[test]
fn logrotate_moves_the_log_of_nginx() {
    let name = "log file oversized: logrotate, on nginx under load";
    let Some(mut scenario) = Scenario::as_root(name, &["nginx", "logrotate"]) else { return };
    let (stage, address) = (Stage::new(), free_address());
    let dir = stage.dir().display();
    let log = stage.write("logs/access.log", "");
    // The crew, and what it runs, see the folder of the log here.
    let folders = [
        ("logs", "/var/log"),
        ("logrotate.d", "/etc/logrotate.d"),
        ("state", "/var/lib/logrotate"),
    ];
    let seen = "/var/log/access.log";
    let server = format!("server {{ listen {address}; location / {{ return 200 ok; }} }}");
    let http = format!("access_log {}; {server}", log.display());
    let _nginx = nginx::start(&stage, address, &http);
    let rotation = format!(
        "{seen} {{\n  size 100k\n  rotate 3\n  create\n  postrotate\n    kill -USR1 $(cat \
         {dir}/nginx.pid)\n  endscript\n}}\n"
    );
    stage.write("logrotate.d/nginx-scenario", rotation);
    let services = json!({ "nginx": {
        "process": { "pid_file": stage.path("nginx.pid") },
        "interval_ms": 250,
        "checks": [shop::check(address, "/")],
    } });
    let playbooks = json!({ "log_file_oversized": {
        "condition": "log_file_size_mb > 0.2",
        "actions": ["logrotate /etc/logrotate.d/nginx-scenario"],
        "verify": {
            "metric": "log_file_size_mb", "operator": "<", "threshold": 0.1,
            "consecutive_checks": 1, "interval_ms": 500, "deadline_seconds": 90,
        },
    } });
    let more = json!({
        "thresholds": { "log_file_size_mb": { "critical": 0.2, "for": "1 of 1" } },
        "logs": { "services": { "nginx": { "paths": [seen] } } },
    });
    stage.write("nightcrew.json5", shop::config(&services, &playbooks, &more));
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let crew = Crew::started(&stage, anywhere, &within(&stage, &folders));
    crew.until_healthy("nginx");
    let over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let visitor = scope.spawn(|| visit(address, &log, &over));
        let end = End(&over);
        scenario.healed(&crew, ("nginx", "log_file_oversized"), || {
            until("the log is large", || (fs::metadata(&log).ok()?.len() > 250_000).then_some(()));
        });
        drop(end);
        visitor.join().unwrap()
    });
    let old = siblings(&log);
    assert_eq!(old, [stage.path("logs/access.log.1")]);
    let text = fs::read_to_string(&old[0]).unwrap() + &fs::read_to_string(&log).unwrap();
    let visits = text.matches("/visit/").count();
    assert_eq!(u64::try_from(visits).unwrap(), asked);
    crew.stop();
    scenario.proven(&format!("{asked} requests, each one in the old or the new log"));
}
