//! Moving logs aside under real writers.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use jiff::Timestamp;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_config::settings::{Service, Signal};
use nightcrew_model::plan::{Action, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Ruling;
use nightcrew_runtime::clock::Clock;

use crate::machine::service;
use crate::stage::{Stranger, act_within, gate, refusal, until};

/// Writes numbered lines to `$1` until `$1.stop` is there, then says how many; opens it anew at
/// SIGHUP.
const WRITER: &str = r#"
    log=$1
    exec 3>>"$log"
    trap 'exec 3>>"$log"' HUP
    i=0
    : > "$log.ready"
    while [ ! -e "$log.stop" ]; do i=$((i+1)); echo "$i" >&3; done
    exec 3>&-
    echo "$i" > "$log.count.new"; mv "$log.count.new" "$log.count"
    while :; do sleep 1; done
"#;

/// Handles the signal and goes on writing to the file that it has.
const STUBBORN: &str = r#"
    log=$1
    exec 3>>"$log"
    trap ':' HUP
    echo line >&3
    : > "$log.ready"
    while :; do sleep 0.05; done
"#;

fn around(second: i64) -> Surroundings {
    let at = Timestamp::from_second(1_800_000_000 + second).unwrap();
    Surroundings::new(Clock::starting_at(at))
}

fn rotate(log: &Path) -> Action {
    Action::RotateLog { path: log.to_owned() }
}

fn logging(service: Service, log: &Path) -> Service {
    Service { log_files: vec![log.to_owned()], log_reopen: Some(Signal::Hup), ..service }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("app.log") && name.as_str() != "app.log.ready")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn no_line_is_lost_or_doubled_while_the_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let writer = Stranger::script(WRITER, &[log.to_str().unwrap()]);
    let beside = |name: &str| folder.path().join(format!("app.log.{name}"));
    until("the writer", || beside("ready").exists()).await;
    let gate = gate(folder.path(), vec![logging(writer.service("web", folder.path()), &log)]);
    let mut packed = Vec::new();
    for second in 0..5 {
        until("a line", || fs::metadata(&log).is_ok_and(|about| about.len() > 0)).await;
        let around = around(second);
        let outcome = act_within(&gate, &rotate(&log), Millis::from_secs(20), &around).await;
        assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
        let stamp = around.clock.now().strftime("%Y%m%dT%H%M%S").to_string();
        assert!(!beside(&stamp).exists());
        packed.push(beside(&format!("{stamp}.gz")));
    }
    fs::write(beside("stop"), "").unwrap();
    until("the end", || beside("count").exists()).await;
    let written: u64 = fs::read_to_string(beside("count")).unwrap().trim().parse().unwrap();
    let mut text = String::new();
    for path in packed {
        GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    }
    text.push_str(&fs::read_to_string(&log).unwrap());
    let numbers: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(1..=written), "{} of {written}", numbers.len());
}

#[tokio::test]
async fn a_writer_that_does_not_let_go_keeps_its_file_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let writer = Stranger::script(STUBBORN, &[log.to_str().unwrap()]);
    until("the writer", || folder.path().join("app.log.ready").exists()).await;
    let gate = gate(folder.path(), vec![logging(writer.service("web", folder.path()), &log)]);
    let outcome = act_within(&gate, &rotate(&log), Millis(300), &around(0)).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("still writes"), "{}", outcome.output);
    assert!(outcome.output.contains(&writer.pid().to_string()), "{}", outcome.output);
    assert!(outcome.output.contains("it has its name back"), "{}", outcome.output);
    assert_eq!(names(folder.path()), ["app.log"]);
    assert_eq!(fs::read_to_string(&log).unwrap(), "line\n");
}

#[tokio::test]
async fn a_signal_that_would_kill_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let deaf = "exec 3>>\"$1\"; echo x >&3; : > \"$1.ready\"; while :; do sleep 0.05; done";
    let writer = Stranger::script(deaf, &[log.to_str().unwrap()]);
    until("the writer", || folder.path().join("app.log.ready").exists()).await;
    let gate = gate(folder.path(), vec![logging(writer.service("web", folder.path()), &log)]);
    let outcome = act_within(&gate, &rotate(&log), Millis::from_secs(5), &around(0)).await;
    assert!(outcome.output.contains("does not handle SIGHUP"), "{}", outcome.output);
    assert_eq!(names(folder.path()), ["app.log"]);
    assert!(Path::new(&format!("/proc/{}/fd/3", writer.pid())).exists());
}

#[tokio::test]
async fn a_log_that_nobody_writes_needs_nobody_to_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    fs::write(&log, "하나\n").unwrap();
    let plain = Service { log_files: vec![log.clone()], ..service("batch") };
    let gate = gate(folder.path(), vec![plain]);
    let outcome = act_within(&gate, &rotate(&log), Millis::from_secs(5), &around(0)).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert_eq!(names(folder.path()).len(), 1);

    // Somebody has it open after all.
    let log = folder.path().join("app.log");
    let open = fs::File::create(&log).unwrap();
    fs::write(&log, "둘\n").unwrap();
    let outcome = act_within(&gate, &rotate(&log), Millis::from_secs(5), &around(1)).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("writes to it"), "{}", outcome.output);
    assert_eq!(fs::read_to_string(&log).unwrap(), "둘\n");
    drop(open);

    // Nothing is rotated over something, and an empty log is left alone.
    let outcome = act_within(&gate, &rotate(&log), Millis::from_secs(5), &around(0)).await;
    assert_eq!(outcome.status, StepStatus::Failed, "{}", outcome.output);
    assert_eq!(fs::read_to_string(&log).unwrap(), "둘\n");
    fs::write(&log, "").unwrap();
    let outcome = act_within(&gate, &rotate(&log), Millis::from_secs(5), &around(3)).await;
    assert!(outcome.output.contains("it is empty"), "{}", outcome.output);
}

#[test]
fn only_a_declared_log_whose_writer_can_be_told_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("app.log"), "x").unwrap();
    fs::write(path("other.log"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path("link.log")).unwrap();
    let stranger = Stranger::script("sleep 60", &[]);
    let untold =
        Service { log_files: vec![path("app.log")], ..stranger.service("web", folder.path()) };
    let declared =
        Service { log_files: vec![path("link.log"), path("absent.log")], ..service("batch") };
    let gate = gate(folder.path(), vec![untold, declared]);
    for (name, why) in [
        ("app.log", "services.web.log_reopen is not given"),
        ("other.log", "not one of a declared service's log_files"),
        ("link.log", "not a regular file"),
        ("../app.log", "not one of"),
        ("app.log\n", "control character"),
    ] {
        let reason = refusal(&gate, &rotate(&path(name)));
        assert!(reason.contains(why), "{name}: {reason}");
    }
    // What is not there yet may be there when it is needed.
    let verdict = gate.judge(&rotate(&path("absent.log")));
    assert_eq!(verdict.verdict, Ruling::Admitted, "{}", verdict.reason);
}
