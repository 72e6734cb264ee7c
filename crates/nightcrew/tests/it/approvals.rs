//! A service with the autonomy `approve`: what a person says about a plan, and what then happens.

use serde_json::{Value, json};

use crate::crew::{Crew, quiet};
use crate::stage::{Stage, until};

/// A crew with one service that does not run; starting it needs approval.
fn config(approval_seconds: u64) -> String {
    config_of(&["sleeper"], approval_seconds)
}

/// A crew with services that do not run; starting them needs approval.
fn config_of(services: &[&str], approval_seconds: u64) -> String {
    let services: serde_json::Map<String, Value> = services
        .iter()
        .map(|name| {
            let service = json!({
                "start": { "argv": ["sleep", "600"] }, "interval_ms": 100, "autonomy": "approve",
            });
            ((*name).to_owned(), service)
        })
        .collect();
    let restart = json!([{ "type": "restart_process", "service": "{service_name}" }]);
    let config = json!({
        "host": { "interval_seconds": 60, "disks": [] },
        "services": services,
        "healing": {
            "cooldown_ms": 1, "approval_timeout_seconds": approval_seconds,
            "verify": { "consecutive_checks": 2, "interval_ms": 100 },
        },
        "playbooks": {
            "wake": { "condition": "process_status == 'stopped'", "actions": restart },
        },
    });
    config.to_string()
}

/// The only plan that waits.
fn waiting(crew: &Crew<'_>) -> Value {
    until("a plan that waits", || {
        let list = crew.ask(&["approvals", "list", "--json"]);
        let list: Value = serde_json::from_str(&list.out).ok()?;
        list["items"].as_array()?.first().cloned()
    })
}

fn runs(stage: &Stage) -> bool {
    stage.path("data/run/sleeper.pid").exists()
}

/// Waits until the incident is with a person, without anything having run.
fn until_escalated(stage: &Stage, crew: &Crew<'_>, fact: &str) {
    until("escalated", || {
        let incident = crew.incident("sleeper", "process_down")?;
        (incident["state"] == "escalated").then_some(())
    });
    let facts = crew.facts("INC-1");
    assert!(facts.iter().any(|told| told == fact), "{facts:?}");
    assert!(!facts.iter().any(|told| told == "step_started"), "{facts:?}");
    assert!(!runs(stage));
}

#[test]
fn a_plan_runs_once_it_is_approved_and_not_by_another_hash() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config(300));
    let plan = waiting(&crew);
    assert_eq!(plan["attempt"], "INC-1/1");
    let list = crew.ask(&["approvals", "list"]);
    assert!(list.out.contains("INC-1/1\tsleeper\twake\tdisruptive\t"), "{}", list.out);
    let show = crew.ask(&["approvals", "show", "INC-1/1"]);
    assert_eq!(show.code, Some(0), "{}", show.err);
    assert!(show.out.contains("   sleep 600"), "{}", show.out);
    let hash = plan["hash"].as_str().unwrap();
    assert!(show.out.contains(hash), "{}", show.out);
    // Another plan than the one that waits, by the command and by the API.
    let other = crew.ask(&["approvals", "approve", "INC-1/1", "000000000000"]);
    assert_eq!(other.code, Some(2), "{}", other.err);
    let body = json!({ "hash": "0".repeat(64), "by": "kim" }).to_string();
    assert_eq!(crew.post("/api/v1/approvals/INC-1/1/approve", body).status, 409);
    assert!(!runs(&stage));
    let begin = hash.get(..12).unwrap();
    let approved = crew.ask(&["approvals", "approve", "INC-1/1", begin, "--by", "kim"]);
    assert_eq!((approved.code, approved.out.trim()), (Some(0), "INC-1/1 approved"));
    crew.until_healthy("sleeper");
    assert!(runs(&stage));
    let incident = crew.ask(&["incidents", "timeline", "INC-1"]);
    assert!(incident.out.contains("kim"), "{}", incident.out);
    let again = crew.ask(&["approvals", "approve", "INC-1/1"]);
    assert_eq!(again.code, Some(2), "it waits no longer: {}", again.err);
    crew.stop();
}

#[test]
fn a_plan_that_is_denied_goes_to_a_person() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config(300));
    waiting(&crew);
    let denied = crew.ask(&["approvals", "deny", "INC-1/1", "--by", "kim"]);
    assert_eq!((denied.code, denied.out.trim()), (Some(0), "INC-1/1 denied"));
    until_escalated(&stage, &crew, "approval_denied");
    crew.stop();
}

#[test]
fn a_plan_that_nobody_answers_goes_to_a_person() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config(1));
    until_escalated(&stage, &crew, "approval_expired");
    crew.stop();
}

#[test]
fn a_request_outlives_a_crash_of_the_crew() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config(300));
    let before = waiting(&crew);
    crew.kill();
    let crew = Crew::listening(&stage);
    let after = waiting(&crew);
    assert_eq!(after, before, "the same request of the same plan, until the same time");
    assert!(!runs(&stage));
    let hash = after["hash"].as_str().unwrap();
    let approved = crew.ask(&["approvals", "approve", "INC-1/1", hash]);
    assert_eq!(approved.code, Some(0), "{}", approved.err);
    crew.until_healthy("sleeper");
    crew.stop();
}

#[test]
fn under_a_standing_approval_nobody_is_asked_until_it_ends() {
    let stage = Stage::new();
    let stand = [
        "approvals",
        "stand",
        "nights",
        "--playbook",
        "wake",
        "--service",
        "sleeper",
        "--shape",
        "sleep 600",
        "--for",
        "1h",
        "--reason",
        "야간 점검",
        "--by",
        "kim",
    ];
    // It stands before there is anything to heal, and longer than the crew runs.
    let crew = Crew::up(&stage, &quiet());
    let stood = crew.ask(&stand);
    assert_eq!(stood.code, Some(0), "{}", stood.err);
    crew.stop();
    let crew = Crew::up(&stage, &config_of(&["sleeper", "other"], 300));
    assert!(crew.ask(&["approvals", "list"]).out.contains("nights\twake\tsleeper\t"));
    crew.until_healthy("sleeper");
    let plan = waiting(&crew);
    assert_eq!(plan["target"]["service"], "other", "it is of one service");
    let id = crew.incident("sleeper", "process_down").unwrap();
    let facts = crew.facts(id["id"].as_str().unwrap());
    assert!(!facts.iter().any(|fact| fact == "approval_requested"), "{facts:?}");
    let ended = crew.ask(&["approvals", "end", "nights", "--by", "kim"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!crew.ask(&["approvals", "list"]).out.contains("nights"));
    assert_eq!(crew.ask(&["approvals", "end", "nights"]).code, Some(1), "it stands no longer");
    crew.stop();
}
