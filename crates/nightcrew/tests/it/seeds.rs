//! The files of the source documents, as they stand there: they load, and what they would do wrong
//! is told.

use serde_json::Value;

use crate::stage::Stage;

const SOURCES: &str = r#"{
  "prometheus": {
    "enabled": true,
    "endpoint": "http://localhost:9090",
    "queries": {
      "cpu": "rate(node_cpu_seconds_total[5m])",
      "memory": "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
      "disk": "node_filesystem_avail_bytes / node_filesystem_size_bytes"
    }
  },
  "logs": {
    "paths": [
      "/var/log/system.log",
      "/tmp/openclaw/*.log",
      "/var/log/nginx/*.log"
    ]
  },
  "healthchecks": [
    {"name": "API", "url": "http://localhost:8080/health", "interval": 60},
    {"name": "Database", "url": "http://localhost:5432/health", "interval": 120}
  ]
}"#;

const THRESHOLDS: &str = r#"{
  "cpu_usage": {"warning": 70, "critical": 90},
  "memory_usage": {"warning": 80, "critical": 95},
  "disk_usage": {"warning": 75, "critical": 90},
  "api_latency_ms": {"warning": 500, "critical": 2000},
  "error_rate_per_min": {"warning": 10, "critical": 50}
}"#;

const PLAYBOOKS: &str = r#"{
  "disk_space_low": {
    "condition": "disk_usage > 90",
    "actions": [
      "find /tmp -type f -mtime +7 -delete",
      "find /var/log -name '*.log.*' -mtime +30 -delete",
      "docker system prune -f"
    ]
  },
  "process_down": {
    "condition": "process_status == 'stopped'",
    "actions": [
      "systemctl restart {service_name}"
    ]
  }
}"#;

/// The same file as the page of the healer has it.
const PLAYBOOKS_WITH_PROOF: &str = r#"{
  "disk_space_low": {
    "condition": {
      "metric": "disk_usage",
      "operator": ">",
      "threshold": 90
    },
    "actions": [
      {
        "type": "shell",
        "command": "find /tmp -type f -mtime +7 -delete",
        "description": "Clean old temp files"
      },
      {
        "type": "shell",
        "command": "find /var/log -name '*.log.*' -mtime +30 -delete",
        "description": "Remove old log archives"
      },
      {
        "type": "shell",
        "command": "docker system prune -f",
        "description": "Clean Docker resources"
      }
    ],
    "verify": {
      "metric": "disk_usage",
      "operator": "<",
      "threshold": 85,
      "retry_count": 3,
      "retry_interval_seconds": 60
    }
  },
  "process_down": {
    "condition": {
      "metric": "process_status",
      "operator": "==",
      "value": "stopped"
    },
    "actions": [
      {
        "type": "service_restart",
        "service": "{process_name}",
        "description": "Restart the stopped process"
      }
    ],
    "verify": {
      "metric": "process_status",
      "operator": "==",
      "value": "running"
    }
  }
}"#;

/// Checks what is on a stage, and gives `severity file:line key: message (hint)` for each problem.
fn problems(stage: &Stage) -> Vec<String> {
    let check = stage.nightcrew(&["check", "--json", "--config", "."]).calm();
    let report: Value = serde_json::from_str(&check.out).unwrap();
    assert_eq!(report["ok"], true, "{}", check.out);
    assert_eq!(check.code, Some(0));
    let problems = report["problems"].as_array().unwrap();
    let text = |problem: &Value, key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    problems
        .iter()
        .map(|problem| {
            assert!(problem["line"].is_u64() && problem["column"].is_u64(), "{problem}");
            let file = text(problem, "file");
            let file = file.rsplit('/').next().unwrap_or_default().to_owned();
            format!(
                "{} {file}:{} {}: {} ({})",
                text(problem, "severity"),
                problem["line"],
                text(problem, "key"),
                text(problem, "message"),
                text(problem, "hint"),
            )
        })
        .collect()
}

/// Fails unless one problem has all of these words.
fn assert_told(problems: &[String], words: &[&str]) {
    let is_told = problems.iter().any(|problem| words.iter().all(|word| problem.contains(word)));
    assert!(is_told, "{words:?} is not told in:\n{}", problems.join("\n"));
}

#[test]
fn the_first_document_loads_and_its_mistakes_are_told() {
    let stage = Stage::new();
    stage.write("config/monitoring-sources.json", SOURCES);
    stage.write("config/alert-thresholds.json", THRESHOLDS);
    stage.write("config/autoheal-playbooks.json", PLAYBOOKS);
    let problems = problems(&stage);
    let sources = "warning monitoring-sources.json:";
    assert_told(
        &problems,
        &[sources, "queries.memory", "available part as a ratio", "memory_usage (80/95)"],
    );
    assert_told(
        &problems,
        &[sources, "queries.disk", "available part as a ratio", "disk_usage (75/90)"],
    );
    assert_told(&problems, &[sources, "port 5432", "PostgreSQL", "{ tcp: \"localhost:5432\" }"]);
    assert_told(&problems, &["process_down.condition", "no stopped process can be brought back"]);
    let list = stage.nightcrew(&["playbooks", "list", "--config", "."]).calm();
    insta::assert_snapshot!(list.out, @r"
    disk_space_low	disk_usage > 90	3	admits all
    process_down	process_status == 'stopped'	1	refuses 1
    ");
}

#[test]
fn the_healer_s_playbooks_load_as_they_are() {
    let stage = Stage::new();
    stage.write("config/autoheal-playbooks.json", PLAYBOOKS_WITH_PROOF);
    problems(&stage);
    let show = stage.nightcrew(&["playbooks", "show", "disk_space_low", "--config", "."]).calm();
    insta::assert_snapshot!(show.out, @r"
    disk_space_low: when disk_usage > 90
    1. find /tmp -type f -mtime +7 -delete (within 1 min)
       admitted (destructive): removes old regular files below clean roots; carried out by the crew's own walk, which no symbolic link can lead elsewhere
    2. find /var/log -name '*.log.*' -mtime +30 -delete (within 1 min)
       admitted (destructive): removes old regular files below clean roots; carried out by the crew's own walk, which no symbolic link can lead elsewhere
    3. docker system prune -f (within 1 min)
       admitted (destructive): the grammar of docker knows it
    proof: disk_usage < 85 in 2 samples in a row within 4 min
    ");
}

#[test]
fn the_second_document_s_schedule_is_told_to_be_impossible() {
    let stage = Stage::new();
    stage.write("openclaw.json", "{}");
    stage.write(
        "config/schedules.json5",
        "{ schedules: { daily: { agent: 'ops-monitor', cron: '0 9 30 * * *' /* 매일 09:30 */ } } }",
    );
    let problems = problems(&stage);
    assert_told(
        &problems,
        &["schedules.json5:1", "cron", "`30` cannot be the hour", "`30 9 * * *`"],
    );
}
