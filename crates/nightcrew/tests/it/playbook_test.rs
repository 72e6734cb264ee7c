//! `nightcrew playbooks test`: a playbook heals a throw-away service, and nothing else is touched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::stage::{Done, Stage, end_of, free_address, until};

/// An operator's configuration with a service of its own, and these playbooks.
fn configure(stage: &Stage, playbooks: &Value) {
    let nobody = free_address();
    let config = json!({
        "host": { "interval_seconds": 60, "disks": [] },
        "services": {
            "web": {
                "start": { "argv": ["sleep", "600"] },
                "checks": [{ "tcp": nobody.to_string() }],
                "reload": "HUP",
                "log_files": [stage.text("web.log")],
                "log_reopen": "USR1",
                "http_actions": [format!("http://{nobody}/reset")],
            },
        },
        "policy": { "clean_roots": [stage.text("real-root")] },
        "playbooks": playbooks,
    });
    stage.write("n.json5", config.to_string().replace("NOBODY", &nobody.to_string()));
    stage.write("web.log", "a line of the real log\n");
    for name in ["old.log", "deep/old.log"] {
        let path = stage.write(&format!("real-root/{name}"), "of the operator\n");
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
}

fn test(stage: &Stage, name: &str, more: &[&str]) -> Done {
    let args = [&["playbooks", "test", name, "--config", "n.json5"], more].concat();
    stage.nightcrew(&args).calm()
}

/// Every file of a folder with what is in it, but the output of what the test itself runs.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            let is_output = entry.file_name().to_string_lossy().starts_with("run-");
            if !is_output {
                found.insert(path.clone(), std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// The result as JSON, of a test that touched nothing of the operator's and left nothing behind.
fn tested(playbooks: &Value, name: &str, more: &[&str]) -> (Option<i32>, Value) {
    let stage = Stage::new();
    configure(&stage, playbooks);
    let before = files(stage.dir());
    let done = test(&stage, name, &[&["--json"], more].concat());
    assert_eq!(files(stage.dir()), before, "only its own folder is touched, and removed");
    assert!(stage.processes().is_empty(), "the throw-away service is gone");
    let report = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{done:?}"));
    (done.code, report)
}

/// How each step went.
fn courses(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().map(|step| step["course"].as_str().unwrap()).collect()
}

#[test]
fn a_killed_process_is_brought_back_and_proven() {
    let playbooks = json!({ "down": {
        "condition": "process_status == 'stopped'",
        "actions": [{ "type": "restart_process", "service": "{service_name}" }],
    } });
    let (code, report) = tested(&playbooks, "down", &[]);
    assert_eq!((code, &report["why"]), (Some(0), &json!("healed and proven")), "{report}");
    assert_eq!(report["proof_of"], "playbook");
    assert_eq!(report["good_looks_in_a_row"], 3);
    assert_eq!(report["steps"][0]["gate"]["verdict"], "admitted");
    assert_eq!(report["steps"][0]["succeeded"], true);
}

#[test]
fn results_of_a_step_decide_about_the_next_and_a_reload_heals() {
    let playbooks = json!({ "ill": {
        "condition": "health_status == 'failing'",
        "actions": [
            { "type": "check_logs", "name": "logs", "within_minutes": 5 },
            { "type": "reload_service", "when": "logs.matches > 0" },
            { "type": "restart_service", "when": "logs.matches == 0" },
        ],
        "verify": { "condition": "health_status == 'passing'", "consecutive_checks": 2 },
    } });
    let (code, report) = tested(&playbooks, "ill", &[]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(courses(&report), ["ran", "ran", "skipped"], "{report}");
}

#[test]
fn a_request_that_asks_for_approval_is_approved_by_the_command_and_it_says_so() {
    let playbooks = json!({ "slow": {
        "condition": "api_latency_ms > 300",
        "actions": [{ "type": "request", "method": "POST", "url": "http://NOBODY/reset",
            "requires_approval": true }],
    } });
    let stage = Stage::new();
    configure(&stage, &playbooks);
    let done = test(&stage, "slow", &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("this command approved the plan"), "{}", done.out);
    assert!(done.out.contains("here: request POST http://127.0.0.1:"), "{}", done.out);
    assert!(!done.out.contains('\u{1b}'), "{}", done.out);
}

#[test]
fn old_files_are_removed_and_young_and_foreign_ones_stay() {
    let playbooks = json!({ "disk": {
        "condition": "disk_usage > 90",
        "actions": [
            { "type": "clean_files", "root": "REAL", "name": "*.log", "older_than_days": 3 },
            { "type": "run", "command": "docker system prune -f" },
        ],
    } });
    let stage = Stage::new();
    let written = playbooks.to_string().replace("REAL", &stage.text("real-root"));
    configure(&stage, &serde_json::from_str(&written).unwrap());
    let before = files(stage.dir());
    let done = test(&stage, "disk", &[]);
    assert_eq!(files(stage.dir()), before);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("young, foreign or of another name: all there"), "{}", done.out);
    assert!(done.out.contains("healed and proven; only shown, not run: step 2"), "{}", done.out);
}

#[test]
fn what_cannot_be_run_or_proven_fails_unless_that_is_fine() {
    let playbooks = json!({
        "shown": {
            "condition": "memory_usage > 95",
            "actions": [{ "type": "run", "command": "docker system prune -f" }],
        },
        "memory": {
            "condition": "process_memory_mb > 900",
            "actions": [{ "type": "collect_memory" }, { "type": "restart_service" }],
        },
    });
    for name in ["shown", "memory"] {
        let (code, report) = tested(&playbooks, name, &[]);
        assert_eq!((code, &report["healed"]), (Some(1), &json!(false)), "{report}");
        let (code, report) = tested(&playbooks, name, &["--shown-is-fine"]);
        assert_eq!(code, Some(0), "{report}");
    }
}

#[test]
fn what_the_gate_refuses_is_never_fine() {
    let playbooks = json!({ "down": {
        "condition": "process_status == 'stopped'",
        "actions": [
            { "type": "run", "command": "rm -rf /srv/cache" },
            { "type": "restart_process", "service": "web" },
        ],
    } });
    let (code, report) = tested(&playbooks, "down", &["--shown-is-fine"]);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(report["steps"][0]["gate"]["verdict"], "refused");
    let why = report["why"].as_str().unwrap();
    assert!(why.contains("the gate refuses step 1"), "{why}");
}

#[test]
fn a_log_is_rotated_while_it_is_written_to() {
    let stage = Stage::new();
    let playbooks = json!({ "rotate": {
        "symptoms": ["log too large"],
        "actions": [{ "type": "rotate_log", "path": stage.text("web.log") }],
        "verify": { "condition": "health_status == 'passing'", "consecutive_checks": 2 },
    } });
    configure(&stage, &playbooks);
    let done = test(&stage, "rotate", &["--json", "--shown-is-fine"]);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(done.code, Some(0), "{report}");
    assert_eq!(report["steps"][0]["succeeded"], true, "{report}");
    assert_eq!(std::fs::read(stage.path("web.log")).unwrap(), b"a line of the real log\n");
}

#[test]
fn a_playbook_or_service_that_is_not_there_is_a_mistake_of_usage() {
    let stage = Stage::new();
    configure(
        &stage,
        &json!({ "down": { "condition": "process_status == 'stopped'",
        "actions": ["restart_process web"] } }),
    );
    assert_eq!(test(&stage, "없음", &[]).code, Some(2));
    assert_eq!(test(&stage, "down", &["--service", "없음"]).code, Some(2));
}

#[test]
fn the_files_can_be_kept() {
    let stage = Stage::new();
    configure(
        &stage,
        &json!({ "down": { "condition": "process_status == 'stopped'",
        "actions": [{ "type": "restart_process", "service": "{service_name}" }] } }),
    );
    let done = test(&stage, "down", &["--keep", "--service", "web"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let kept = done.err.lines().find_map(|line| line.strip_prefix("kept: ")).unwrap();
    assert!(Path::new(kept).starts_with(stage.dir()) && Path::new(kept).join("data").is_dir());
    assert!(stage.processes().is_empty());
}

#[test]
fn a_test_that_is_interrupted_cleans_up() {
    let stage = Stage::new();
    configure(
        &stage,
        &json!({ "down": {
            "condition": "process_status == 'stopped'",
            "actions": [
                { "type": "wait", "duration_seconds": 30 },
                { "type": "restart_process", "service": "web" },
            ],
        } }),
    );
    let mut command = stage.command(env!("CARGO_BIN_EXE_nightcrew"), "run-test");
    command.args(["playbooks", "test", "down", "--config", "n.json5"]);
    let mut child = command.spawn().unwrap();
    until("it waits", || stage.output("run-test", "out").contains("step 1 started").then_some(()));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    assert!(stage.signal(pid, Signal::TERM));
    // A signal that is heard is no crash: it says so and fails.
    assert_eq!(end_of(&mut child), Some(1), "{}", stage.output("run-test", "err"));
    assert!(stage.output("run-test", "err").contains("stopped by SIGTERM"));
    assert!(stage.processes().is_empty(), "the throw-away service is gone");
    let left = files(stage.dir());
    let folder = |path: &&PathBuf| path.to_string_lossy().contains("nightcrew-playbook-");
    assert_eq!(left.keys().find(folder), None);
}
