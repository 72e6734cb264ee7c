//! One of two services grows without an end.

use std::fs;

use rustix::process::Pid;
use serde_json::json;

use crate::crew::Crew;
use crate::scenario::Scenario;
use crate::shop::{self, Shop};
use crate::stage::Stage;

/// How much memory a process holds, in MB of 1,000,000 bytes.
fn resident_mb(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1_024 / 1_000_000
}

#[test]
fn the_service_that_grows_is_restarted_gracefully_and_the_other_one_is_left_alone() {
    let name = "memory leak: the right process of two";
    let Some(mut scenario) = Scenario::with(name, &shop::NEEDS) else { return };
    let stage = Stage::new();
    let (leaky, sound) = (Shop::new(&stage, "leaky"), Shop::new(&stage, "sound"));
    let services = json!({
        "leaky": leaky.service(&json!({})), "sound": sound.service(&json!({})),
    });
    let playbooks = json!({ "memory_leak": {
        "condition": "process_memory_mb > 120",
        "actions": [{ "type": "restart_service", "service": "{service}" }],
        "verify": {
            "condition": "process_memory_mb < 80 and health_status == 'passing'",
            "consecutive_checks": 3, "interval_ms": 200, "deadline_seconds": 20,
        },
    } });
    let thresholds = json!({ "thresholds": {
        "process_memory_mb": { "critical": 120, "for": "3 of 3" },
    } });
    let crew = Crew::up(&stage, &shop::config(&services, &playbooks, &thresholds));
    crew.until_healthy("leaky");
    crew.until_healthy("sound");
    let (grown, kept) = (leaky.pid(), sound.pid());
    let incident = scenario.healed(&crew, ("leaky", "process_memory_high"), || {
        leaky.break_down("memory");
    });
    assert_eq!(incident["playbook"], "memory_leak");
    let now = leaky.pid();
    assert_ne!(now, grown);
    assert_eq!(sound.pid(), kept, "the other service was touched");
    assert!(!sound.said().contains("SIGTERM"));
    let asked = format!("[{grown}] SIGTERM: closing the shop");
    assert!(leaky.said().contains(&asked), "it was not asked to end:\n{}", leaky.said());
    let held = resident_mb(now);
    assert!(held < 80, "{held} MB");
    crew.stop();
    scenario.proven(&format!("VmRSS {held} MB; it saw SIGTERM; the other kept its pid"));
}
