//! The files under the workspace folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nightcrew_model::chart::{Chart, Method, Point};
use nightcrew_model::decision::{AgentState, Fact};
use nightcrew_model::id::Target;
use nightcrew_model::sample::{Observation, Unknown};
use nightcrew_model::unit::Unit;
use nightcrew_report::fold::incident_record;
use nightcrew_report::markdown::markdown;
use nightcrew_report::workspace::{
    Heartbeat, METRICS_SAMPLES_MAX, remove_metrics_before, write_heartbeat, write_incident,
    write_metrics,
};
use serde_json::Value;

use crate::chronicle::{INCIDENT, at, healed, percent};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn an_incident_has_one_file_whatever_becomes_of_it() {
    let workspace = tempfile::tempdir().unwrap();
    let decisions = healed();
    for known in 2..=decisions.len() {
        let record = incident_record(INCIDENT, &decisions[..known]).unwrap();
        let path = write_incident(workspace.path(), &record).unwrap();
        assert_eq!(path, workspace.path().join("incidents/2026-11-21-INC-42.md"));
        assert_eq!(fs::read_to_string(&path).unwrap(), markdown(&record));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o700, 0o600);
    }
    assert_eq!(names(&workspace.path().join("incidents")), ["2026-11-21-INC-42.md"]);
}

#[test]
fn the_numbers_behind_an_alert_are_drawn_in_the_record_and_beside_it() {
    let workspace = tempfile::tempdir().unwrap();
    let mut decisions = healed();
    let fired = decisions.iter_mut().find_map(|decision| match &mut decision.fact {
        Fact::AlertFired { alert } => Some(alert),
        _ => None,
    });
    fired.unwrap().chart = Some(Box::new(Chart {
        method: Method::Forecast,
        unit: Unit::Percent,
        points: (0..9).map(|n| Point { at: at(n * 60_000), value: 80.0 + n as f64 }).collect(),
        ahead: Vec::new(),
        expected: None,
        limit: Some(90.0),
        since: None,
    }));
    let record = incident_record(INCIDENT, &decisions).unwrap();
    let path = write_incident(workspace.path(), &record).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("## Evidence"), "{text}");
    assert!(text.contains("![forecast](2026-11-21-INC-42-1.svg)"), "{text}");
    assert!(text.contains("90 ─"), "{text}");
    let drawn = fs::read_to_string(path.with_file_name("2026-11-21-INC-42-1.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
}

#[test]
fn files_of_samples_go_when_their_time_is_over_and_others_stay() {
    let workspace = tempfile::tempdir().unwrap();
    assert_eq!(remove_metrics_before(workspace.path(), at(0)).unwrap(), 0, "no folder");
    let samples = [percent(&Target::part("host".into(), "/"), 0, 97.25)];
    for minutes in [0, 5, 10, 15] {
        write_metrics(workspace.path(), at(minutes * 60_000), &samples).unwrap();
    }
    let folder = workspace.path().join("metrics");
    let others =
        ["notes.json", "2026-11-21-9999.json", "2020-01-01-0000.txt", "2020-1-1-0000.json"];
    for name in others {
        fs::write(folder.join(name), "x").unwrap();
    }
    assert_eq!(remove_metrics_before(workspace.path(), at(10 * 60_000)).unwrap(), 2);
    let mut left = names(&folder);
    left.retain(|name| !others.contains(&name.as_str()));
    left.sort();
    assert_eq!(left, ["2026-11-21-0310.json", "2026-11-21-0315.json"]);
    assert_eq!(names(&folder).len(), left.len() + others.len());
}

#[test]
fn samples_are_written_with_what_is_unknown() {
    let workspace = tempfile::tempdir().unwrap();
    let root = Target::part("host".into(), "/");
    let mut unknown = percent(&root, 0, 1.0);
    unknown.observation = Observation::Unknown(Unknown::Failed("마운트가 멈춤".into()));
    let samples = [percent(&root, 0, 97.25), unknown];
    let path = write_metrics(workspace.path(), at(5 * 60_000), &samples).unwrap();
    assert_eq!(path, workspace.path().join("metrics/2026-11-21-0305.json"));
    let written = json(&path);
    assert_eq!(written["at"], "2026-11-21T03:05:00Z");
    assert!(written["host"].is_string() || written["host"].is_null());
    assert_eq!(written["left_out"], 0);
    insta::assert_json_snapshot!(written["samples"], @r#"
    [
      {
        "at": "2026-11-21T03:00:00Z",
        "detail": null,
        "metric": "disk_usage",
        "target": "host:/",
        "unit": "percent",
        "value": 97.25
      },
      {
        "at": "2026-11-21T03:00:00Z",
        "detail": null,
        "metric": "disk_usage",
        "target": "host:/",
        "unit": null,
        "unknown": "마운트가 멈춤",
        "value": null
      }
    ]
    "#);
}

#[test]
fn a_file_of_samples_is_bounded_and_counts_what_it_leaves_out() {
    let workspace = tempfile::tempdir().unwrap();
    let sample = percent(&Target::service("host".into()), 0, 1.0);
    let samples = vec![sample; METRICS_SAMPLES_MAX + 3];
    let written = json(&write_metrics(workspace.path(), at(0), &samples).unwrap());
    assert_eq!(written["samples"].as_array().unwrap().len(), METRICS_SAMPLES_MAX);
    assert_eq!(written["left_out"], 3);
}

fn heartbeat(agent: &str) -> Heartbeat {
    Heartbeat {
        agent: agent.into(),
        state: AgentState::Healthy,
        at: at(0),
        detail: "라운드 12".into(),
    }
}

#[test]
fn a_heartbeat_is_named_after_its_agent() {
    let workspace = tempfile::tempdir().unwrap();
    let path = write_heartbeat(workspace.path(), &heartbeat("metrics-collector")).unwrap();
    assert_eq!(path, workspace.path().join("state/heartbeat/metrics-collector.json"));
    insta::assert_json_snapshot!(json(&path), @r#"
    {
      "agent": "metrics-collector",
      "at": "2026-11-21T03:00:00Z",
      "detail": "라운드 12",
      "state": "healthy"
    }
    "#);
}

#[test]
fn no_name_of_an_agent_leads_out_of_the_folder() {
    let workspace = tempfile::tempdir().unwrap();
    let long = "가".repeat(40);
    for name in ["", ".", "..", "../x", "a/b", ".hidden", "a\0b", "a b", &long] {
        let refused = write_heartbeat(workspace.path(), &heartbeat(name)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput, "{name:?}");
    }
    assert!(names(workspace.path()).is_empty());
    write_heartbeat(workspace.path(), &heartbeat("야간-감시")).unwrap();
}

#[test]
fn a_refused_write_leaves_the_old_file_and_no_other() {
    let workspace = tempfile::tempdir().unwrap();
    let record = incident_record(INCIDENT, &healed()).unwrap();
    // A folder stands in the place of the file: the rename is refused.
    let taken = workspace.path().join("incidents/2026-11-21-INC-42.md/in-the-way");
    fs::create_dir_all(&taken).unwrap();
    write_incident(workspace.path(), &record).unwrap_err();
    assert_eq!(names(&workspace.path().join("incidents")), ["2026-11-21-INC-42.md"]);
    assert!(taken.is_dir());
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let workspace = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    let path = write_heartbeat(workspace.path(), &heartbeat("autoheal")).unwrap();
    std::thread::scope(|scope| {
        let writer = |fill: &'static str| {
            let (workspace, done) = (workspace.path(), &done);
            move || {
                for n in 0..40 {
                    let mut beat = heartbeat("autoheal");
                    beat.detail = fill.repeat(n * 500);
                    write_heartbeat(workspace, &beat).unwrap();
                }
                done.store(true, Ordering::SeqCst);
            }
        };
        scope.spawn(writer("가"));
        scope.spawn(writer("🔥"));
        let mut n_reads = 0;
        while !done.load(Ordering::SeqCst) || n_reads == 0 {
            assert_eq!(json(&path)["state"], "healthy");
            n_reads += 1;
        }
    });
    assert_eq!(names(path.parent().unwrap()), ["autoheal.json"]);
}
