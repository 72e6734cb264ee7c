//! From a killed process to the proof, as the interfaces tell it.

use nightcrew_runtime::process::read_child_pid_file;
use rustix::process::Signal;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Stage, free_address, until};

#[test]
fn from_a_kill_to_the_proof_everything_happens_in_order() {
    let stage = Stage::new();
    let crew = Crew::up(
        &stage,
        &format!(
            "{{ {QUIET_HOST},
               services: {{ '잠꾸러기': {{ start: {{ argv: ['sleep', '600'] }}, interval_ms: 60000 }} }},
               healing: {{ cooldown_ms: 1, relapse_window_ms: 0, verify: {{ consecutive_checks: 2, interval_ms: 100 }} }} }}"
        ),
    );
    // It did not run: starting it was the first repair.
    crew.until_healthy("잠꾸러기");
    assert_eq!(crew.incident("잠꾸러기", "process_down").unwrap()["attempts"], 1);
    let child = || {
        let file = stage.path("data/run/잠꾸러기.pid");
        read_child_pid_file(&file).unwrap().expect("a process").pid
    };
    let killed = child();
    let incident = crew.healed("잠꾸러기", "process_down", || {
        assert!(stage.signal(killed, Signal::KILL));
    });
    assert_ne!(child(), killed, "it is another process");
    let id = incident["id"].as_str().unwrap();
    let mut facts = crew.facts(id);
    // Messages go their own way, at their own time.
    facts.retain(|fact| !fact.starts_with("notification_"));
    let begin = facts.iter().rposition(|fact| fact == "attempt_planned").unwrap();
    let wanted = [
        "attempt_planned",
        "plan_cleared",
        "step_started",
        "step_finished",
        "verification_started",
        "verification_sampled",
        "verification_sampled",
        "attempt_succeeded",
        "incident_resolved",
    ];
    let told: Vec<&str> = facts.iter().skip(begin).map(String::as_str).take(wanted.len()).collect();
    assert_eq!(told, wanted, "{facts:?}");
    assert_eq!(facts.first().map(String::as_str), Some("incident_opened"));
    let reopened = facts.iter().rposition(|fact| fact == "incident_reopened").unwrap();
    assert_eq!(reopened + 1, begin, "{facts:?}");
    let timeline = crew.ask(&["incidents", "timeline", id]);
    assert_eq!(timeline.code, Some(0), "{}", timeline.err);
    assert!(timeline.out.contains("INC-1/2 step 1 started: sleep 600"), "{}", timeline.out);
    until("a record that tells the end", || {
        let folder = std::fs::read_dir(stage.path("data/incidents")).ok()?;
        let name = folder.flatten().map(|entry| entry.path()).next()?;
        let record = std::fs::read_to_string(name).ok()?;
        (record.contains("✅ Resolved") && record.contains("잠꾸러기")).then_some(())
    });
    crew.stop();
}

#[test]
fn a_dry_run_starts_nothing() {
    let stage = Stage::new();
    let crew = Crew::up(
        &stage,
        &format!(
            "{{ {QUIET_HOST}, dry_run: true,
               services: {{ sleeper: {{ start: {{ argv: ['sleep', '600'] }} }} }} }}"
        ),
    );
    until("escalated", || {
        let incident = crew.incident("sleeper", "process_down")?;
        (incident["state"] == "escalated").then_some(())
    });
    assert!(!stage.path("data/run/sleeper.pid").exists());
    let started = stage.processes().into_iter().filter(|pid| *pid != crew.pid()).count();
    assert_eq!(started, 0);
    crew.stop();
}

#[test]
fn a_restart_of_the_crew_itself_is_not_taken_for_a_new_failure() {
    // A part of it ignores the request to end, so the restart takes its second: in that time the
    // service is stopped because the crew stops it.
    const SERVICE: &str = "(trap '' TERM; exec sleep 600) & exec sleep 600";
    let stage = Stage::new();
    let nobody = free_address();
    let config = serde_json::json!({
        "host": { "interval_seconds": 60, "disks": [] },
        "services": {
            "deaf": {
                "start": { "argv": ["sh", "-c", SERVICE] },
                "stop_timeout_ms": 1_000,
                "interval_ms": 200,
                "checks": [{ "tcp": nobody.to_string(), "interval_ms": 250, "timeout_ms": 200 }],
            },
        },
        "healing": {
            "cooldown_seconds": 60,
            "verify": { "consecutive_checks": 2, "interval_ms": 100, "deadline_ms": 1_500 },
        },
    });
    let crew = Crew::up(&stage, &config.to_string());
    // Nobody ever listens there, so the restart is tried and the rest is for a person.
    until("handed over", || {
        let incident = crew.incident("deaf", "service_unresponsive")?;
        (incident["state"] == "escalated" && incident["attempts"] == 1).then_some(())
    });
    if let Some(down) = crew.incident("deaf", "process_down") {
        let id = down["id"].as_str().unwrap();
        let told = crew.ask(&["incidents", "timeline", id]).out;
        assert_eq!(down["relapses"], 0, "it was taken for a relapse:\n{told}");
        assert_eq!(down["attempts"], 1, "it was repaired twice:\n{told}");
    }
}
