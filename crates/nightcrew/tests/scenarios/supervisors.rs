//! The supervisors that cannot run here: what the crew would do is what their manuals say.

use serde_json::json;

use crate::crew::Crew;
use crate::scenario::Scenario;
use crate::stage::{Stage, free_address, until};

#[test]
fn a_service_is_restarted_through_whatever_supervises_it() {
    let name = "process down: Compose, Homebrew, launchd, OpenClaw gateway (plans only)";
    let Some(scenario) = Scenario::with(name, &[]) else { return };
    let stage = Stage::new();
    let compose = stage.write("compose.yml", "services: {}\n");
    let compose = compose.to_str().unwrap();
    let nobody = free_address().to_string();
    let checks = json!([{ "tcp": nobody, "interval_ms": 200, "timeout_ms": 190 }]);
    let config = json!({
        "dry_run": true,
        "host": { "interval_seconds": 60, "disks": [] },
        "services": {
            "mail": { "compose": { "service": "mail", "file": compose }, "checks": checks },
            "db": { "brew": "postgresql@16", "checks": checks },
            "agent": { "launchd": "gui/501/com.example.agent", "checks": checks },
            "gateway": { "openclaw_gateway": true, "checks": checks },
        },
        "thresholds": { "health_status": { "critical": "== 'failing'", "for": "1 of 1" } },
        "playbooks": { "restart": {
            "condition": "health_status == 'failing'",
            "actions": [{ "type": "restart_service" }],
        } },
        "healing": { "group_down_max_percent": 100 },
    });
    let crew = Crew::up(&stage, &config.to_string());
    let wanted = [
        ("mail", format!("docker compose -f {compose} restart mail")),
        ("db", "brew services restart postgresql@16".to_owned()),
        ("agent", "launchctl kickstart -k gui/501/com.example.agent".to_owned()),
        ("gateway", "openclaw gateway restart".to_owned()),
    ];
    for (service, words) in &wanted {
        until(&format!("{service}: {words}"), || {
            let incident = crew.incident(service, "service_unresponsive")?;
            let id = incident["id"].as_str()?.to_owned();
            let told = crew.json(&format!("/api/v1/incidents/{id}"));
            let timeline = told["timeline"].as_array()?;
            let step = timeline.iter().find(|entry| entry["fact"] == "step_started")?;
            step["text"].as_str()?.contains(words).then_some(())
        });
    }
    crew.stop();
    scenario.proven("the command lines are those of their manuals; nothing was started");
}
