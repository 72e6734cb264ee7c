//! From a dead process to the record.

use nightcrew_model::decision::Fact;
use nightcrew_model::id::IncidentId;
use nightcrew_runtime::http::Http;
use rustix::process::Signal;

use crate::stage::{eventually, settings, signal, start, start_service, until};

const SLEEPER: &str = r#"{
    host: { interval_seconds: 1, disks: [] },
    services: { sleeper: { start: { argv: ["sleep", "600"] }, interval_ms: 60000, stop_timeout_ms: 500 } },
    playbooks: {
        process_down: {
            condition: "process_status == 'stopped'",
            actions: [{ type: "restart_process", service: "{service_name}", description: "다시 시작" }],
            verify: {
                metric: "process_status", operator: "==", value: "running",
                consecutive_checks: 3, interval_ms: 100, deadline_seconds: 5,
            },
        },
    },
}"#;

#[tokio::test]
async fn a_killed_process_is_restarted_proven_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), SLEEPER);
    start_service(&settings, "sleeper").await;
    let crew = start(settings.clone(), Http::net()).await;
    let handle = crew.handle().clone();
    eventually("ready", async || handle.is_ready().then_some(())).await;
    let before = signal(&settings, "sleeper", Signal::KILL);
    let decisions = until(&handle, |fact| matches!(fact, Fact::IncidentResolved { .. })).await;
    let last = decisions.last().unwrap();
    assert_eq!(last.fact, Fact::IncidentResolved { incident: IncidentId(1), verified: true });
    let started = decisions.iter().find(|d| matches!(d.fact, Fact::StepStarted { .. })).unwrap();
    let fired = decisions.iter().find(|d| matches!(d.fact, Fact::AlertFired { .. })).unwrap();
    // No time is asserted here beyond the order; the benchmark prints how long it takes.
    assert!(fired.at <= started.at && started.at < last.at);
    let record = eventually("a record of the end", async || {
        let day = fired.at.strftime("%Y-%m-%d");
        let path = settings.workspace_dir.join(format!("incidents/{day}-INC-1.md"));
        let text = std::fs::read_to_string(path).ok()?;
        text.contains("✅ Resolved").then_some(text)
    })
    .await;
    for part in
        ["# Incident INC-1", "## Initial State", "## Actions Taken", "다시 시작", "## Verification"]
    {
        assert!(record.contains(part), "{part} is not in:\n{record}");
    }
    let after = signal(&settings, "sleeper", Signal::KILL);
    assert_ne!(before, after, "it is another process");
    crew.stop().await;
}

#[tokio::test]
async fn a_dry_run_executes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), SLEEPER);
    settings.mode = nightcrew_model::plan::Mode::DryRun;
    let crew = start(settings.clone(), Http::net()).await;
    let handle = crew.handle().clone();
    let decisions = until(&handle, |fact| matches!(fact, Fact::IncidentEscalated { .. })).await;
    let shown = decisions.iter().any(|decision| match &decision.fact {
        Fact::StepFinished { outcome, .. } => {
            outcome.status == nightcrew_model::plan::StepStatus::Shown
        }
        _ => false,
    });
    assert!(shown, "the step was not shown");
    assert!(!settings.run_dir().join("sleeper.pid").exists(), "something was started");
    crew.stop().await;
}
