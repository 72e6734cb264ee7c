//! `nightcrew demo`: what it promises, and that nothing of it is left.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::stage::{Stage, end_of, until};

struct Demo {
    stage: Stage,
    child: Child,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        let stage = Stage::new();
        let mut command = stage.command(env!("CARGO_BIN_EXE_nightcrew"), "demo");
        let child = command.arg("demo").args(args).spawn().unwrap();
        Self { stage, child }
    }

    /// Waits for its end, and gives its exit code.
    fn end(&mut self) -> Option<i32> {
        end_of(&mut self.child)
    }

    fn out(&self) -> String {
        self.stage.output("demo", "out")
    }

    /// No process, no mount, no folder of it is left.
    fn assert_clean(&self) {
        assert_eq!(self.stage.processes(), [], "processes are left");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let dir = self.stage.dir().to_str().unwrap();
        assert!(!mounts.contains(dir), "a mount is left");
        let left: Vec<String> = std::fs::read_dir(self.stage.dir())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("nightcrew-demo-"))
            .collect();
        assert_eq!(left, [""; 0], "folders are left");
    }
}

#[test]
fn the_demo_heals_three_and_hands_one_over() {
    let mut demo = Demo::start(&["--json", "--no-ui"]);
    assert_eq!(demo.end(), Some(0), "{}{}", demo.out(), demo.stage.output("demo", "err"));
    let report: Value = serde_json::from_str(&demo.out()).unwrap();
    assert_eq!(report["ok"], true);
    let incidents = report["incidents"].as_array().unwrap();
    let told: Vec<String> = incidents
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            let (service, symptom, state) = (text("service"), text("symptom"), text("state"));
            format!("{service} {symptom}: {state}, verified {}", one["verified"])
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    shop process_down: resolved, verified true
    shop service_unresponsive: resolved, verified true
    host disk_space_low: resolved, verified true
    ledger service_unresponsive: escalated, verified false
    ");
    for one in incidents {
        assert!(one["detected_ms"].is_u64(), "{one}");
        assert_eq!(one["repaired_ms"].is_u64(), one["verified"] == true, "{one}");
        assert!(one["repaired_ms"].is_u64() || one["repaired_ms"].is_null(), "{one}");
        assert!(one["id"].as_str().unwrap().starts_with("INC-"), "{one}");
        assert_is_record(Path::new(one["record"].as_str().unwrap()), one);
    }
    assert_metrics_are_there(&demo.stage.path(".nightcrew/demo/metrics"));
    demo.assert_clean();
}

/// The sections of the first source document's record, with the right ending.
fn assert_is_record(path: &Path, incident: &Value) {
    let record = std::fs::read_to_string(path).unwrap();
    let title = format!("# Incident {}", incident["id"].as_str().unwrap());
    let ending = match incident["state"].as_str() {
        Some("resolved") => "- **Status**: ✅ Resolved",
        _ => "- **Status**: ❌ Still failing",
    };
    let parts = [
        title.as_str(),
        "- **Type**: ",
        "- **Detected**: ",
        "- **Severity**: ",
        "- **Trigger**: ",
        "## Initial State",
        "## Actions Taken",
        "- **Command**: ",
        "- **Output**:",
        "## Verification",
        ending,
        "- **Final State**:",
    ];
    let mut rest = record.as_str();
    for part in parts {
        let found = rest.split_once(part);
        rest = found.unwrap_or_else(|| panic!("{part} is not next in:\n{record}")).1;
    }
    let name = path.file_name().unwrap().to_str().unwrap();
    let day: String = name.chars().take(10).collect();
    assert!(day.parse::<jiff::civil::Date>().is_ok(), "{name}");
}

fn assert_metrics_are_there(folder: &Path) {
    let mut n_files = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let moment = name.strip_suffix(".json").unwrap();
        assert!(jiff::civil::DateTime::strptime("%Y-%m-%d-%H%M", moment).is_ok(), "{name}");
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let metrics: Value = serde_json::from_str(&text).unwrap();
        assert!(!metrics["samples"].as_array().unwrap().is_empty());
        n_files += 1;
    }
    assert!(n_files > 0);
}

/// Interrupts a demo some time after it has said something.
fn interrupted_after(said: &str, delay: Duration) {
    let mut demo = Demo::start(&["--no-ui"]);
    until(said, || demo.out().contains(said).then_some(()));
    std::thread::sleep(delay);
    let pid = Pid::from_raw(i32::try_from(demo.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(demo.end(), Some(1));
    assert!(demo.stage.output("demo", "err").contains("stopped by Ctrl-C"));
    demo.assert_clean();
}

#[test]
fn a_demo_that_is_interrupted_between_two_repairs_cleans_up() {
    interrupted_after("INC-1: seen after", Duration::ZERO);
}

/// The moment at which the service is being started again is short, so several are tried.
#[test]
fn a_demo_that_is_interrupted_in_the_middle_of_a_repair_cleans_up() {
    for delay_ms in [0, 2, 4, 6, 8] {
        interrupted_after("(a)", Duration::from_millis(delay_ms));
    }
}
