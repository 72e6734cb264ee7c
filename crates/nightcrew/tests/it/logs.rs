//! Logs, followed by the real binary: rotated while they are written, through a crash.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::time::Instant;

use jiff::Timestamp;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Stage, until};

/// So many lines are written before anything goes wrong.
const QUIET_LINES: u32 = 1_200;

const CONFIG: &str = "
    workspace_dir: 'workspace',
    thresholds: { error_rate_per_min: { warning: 10, critical: 500, samples: 1 } },
    logs: {
      services: { shop: { paths: ['shop/*.log'] } },
      paths: ['var/log/auth.log'],
      report_interval_seconds: 1,
    },";

/// Lines of a program, written now.
fn lines(n: u32, text: impl Fn(u32) -> String) -> String {
    let mut lines = String::new();
    for n in 0..n {
        writeln!(lines, "{} {}", Timestamp::now(), text(n)).unwrap();
    }
    lines
}

fn append(stage: &Stage, name: &str, text: &str) {
    let mut file = File::options().create(true).append(true).open(stage.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Waits until the report of the day says of a log that it has so many lines.
fn until_reported(stage: &Stage, log: &str, n_lines: u32) -> String {
    let heading = format!("# {log}\n\n{n_lines} lines, ");
    let mut last = String::new();
    let report = || {
        let folder = fs::read_dir(stage.path("workspace/analysis")).ok()?;
        let read = |entry: fs::DirEntry| fs::read_to_string(entry.path()).ok();
        last = folder.flatten().filter_map(read).collect();
        last.contains(&heading).then(|| last.clone())
    };
    until(&format!("{n_lines} lines of {log} in the report"), report)
}

#[test]
fn what_logs_tell_is_told_once_and_counted_once() {
    let stage = Stage::new();
    stage.write("shop/app.log", lines(50, |n| format!("INFO before the start {n}")));
    stage.write("var/log/auth.log", "");
    let config = format!("{{ {QUIET_HOST}, {CONFIG} }}");
    let crew = Crew::up(&stage, &config);
    // Rotated while it is written, by renaming and by emptying.
    for n in 0..QUIET_LINES / 100 {
        append(&stage, "shop/app.log", &lines(100, |n| format!("INFO request {n} done in {n} ms")));
        if n == 5 {
            fs::rename(stage.path("shop/app.log"), stage.path("shop/app.log.1")).unwrap();
        }
    }
    // What is learned first is known then.
    until_reported(&stage, "shop", QUIET_LINES);
    append(&stage, "shop/app.log", &lines(60, |n| format!("ERROR payment of order {n} failed")));
    let guess = |n: u32| {
        let port = 1_024 + n;
        format!("web-1 sshd[{n}]: Failed password for root from 203.0.113.9 port {port} ssh2")
    };
    append(&stage, "var/log/auth.log", &lines(150, guess));
    let written = Instant::now();
    let told = until("the brute force", || crew.alert("alertname", "ssh_brute_force"));
    println!("logs: an alert {} ms after its lines", written.elapsed().as_millis());
    assert_eq!(told["labels"]["service"], "sshd", "{told}");
    assert_eq!(told["labels"]["resource"], "internet", "{told}");
    let told = until("the new error", || crew.alert("alertname", "new_error"));
    assert_eq!(told["labels"]["service"], "shop", "{told}");
    let told = until("the error rate", || crew.alert("alertname", "error_rate_high"));
    assert_eq!(told["labels"]["service"], "shop", "{told}");
    let report = until_reported(&stage, "shop", QUIET_LINES + 60);
    assert!(
        report.contains("new error message: payment of order <*> failed, 60 lines"),
        "{report}"
    );
    assert!(report.contains("`payment of order <*> failed`"), "{report}");
    let report = until_reported(&stage, "auth", 150);
    assert!(report.contains("SSH brute force: 203.0.113.9, 150 lines"), "{report}");

    // A crash, and lines that come while nobody follows.
    crew.kill();
    append(&stage, "shop/app.log", &lines(7, |n| format!("INFO request {n} done in {n} ms")));
    append(&stage, "var/log/auth.log", &lines(10, guess));
    let crew = Crew::listening(&stage);
    append(&stage, "shop/app.log", &lines(3, |n| format!("INFO request {n} done in {n} ms")));
    until_reported(&stage, "shop", QUIET_LINES + 70);
    let report = until_reported(&stage, "auth", 160);
    assert!(report.contains("SSH brute force: 203.0.113.9, 160 lines"), "{report}");
    let of = |symptom: &str| {
        crew.incidents().iter().filter(|incident| incident["symptom"] == symptom).count()
    };
    assert_eq!((of("ssh_brute_force"), of("new_error")), (1, 1));
}

#[test]
fn compressed_history_and_standard_input_are_analyzed() {
    let stage = Stage::new();
    let text = lines(40, |n| {
        format!("web-1 sshd[{n}]: Failed password for root from 203.0.113.9 port {n} ssh2")
    });
    let piped = stage.nightcrew_with(&["logs", "analyze", "-"], &[], &text);
    assert_eq!(piped.code, Some(0), "{}", piped.err);
    assert!(piped.out.contains("SSH brute force: 203.0.113.9, 40 lines"), "{}", piped.out);
    stage.write("auth.log.2", &text);
    assert_eq!(stage.tool("gzip", &["auth.log.2"]).code, Some(0));
    let read = stage.nightcrew(&["logs", "analyze", "auth.log.2.gz"]);
    assert!(read.out.contains("SSH brute force: 203.0.113.9, 40 lines"), "{}", read.out);
}
