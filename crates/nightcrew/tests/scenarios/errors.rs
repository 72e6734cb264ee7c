//! A service answers with errors, or depends on one that does: runbooks in the shape of the third
//! source document.

use serde_json::json;

use crate::crew::Crew;
use crate::scenario::Scenario;
use crate::shop::{self, Shop};
use crate::stage::{Stage, until};
use crate::wire;

#[test]
fn a_service_that_fails_is_restarted_by_its_runbook() {
    let name = "high error rate: logs are checked, the service is restarted";
    let Some(mut scenario) = Scenario::with(name, &shop::NEEDS) else { return };
    let stage = Stage::new();
    let shop = Shop::new(&stage, "shop");
    // The checks are its only requests, and what they get is judged by its own count of errors.
    let mut check = shop.check("/health");
    check["expect_status"] = json!([200, 500]);
    let services = json!({ "shop": shop.service(&json!({
        "log_files": [shop.log()], "checks": [check],
    })) });
    let more = json!({
        "sources": { "shop": {
            "kind": "scrape", "url": format!("http://{}/metrics", shop.address),
            "interval_ms": 500, "timeout_ms": 490,
            "series": [{
                "metric": "error_ratio", "unit": "ratio", "series": "shop_error_ratio",
                "service": "shop",
            }],
        } },
        "patterns": { "high_error_rate": {
            "symptoms": ["error_rate_high"],
            "severity": "high",
            "actions": [
                { "step": 1, "action": "check_logs", "description": "Look for what fails" },
                { "step": 2, "action": "restart_service", "description": "Restart it" },
                { "step": 3, "action": "verify_metrics", "wait_seconds": 1 },
            ],
        } },
        // While it is restarted nobody answers, and it is asked again at once.
        "breaker": { "failures": 20, "reset_seconds": 1 },
        "verification": { "success_criteria": { "error_rate_below": 0.05 } },
    });
    let _first = shop.start();
    let crew = Crew::up(&stage, &shop::config(&services, &json!({}), &more));
    crew.until_healthy("shop");
    let pid = shop.pid();
    let incident = scenario.healed(&crew, ("shop", "error_rate_high"), || {
        shop.break_down("errors");
    });
    assert_eq!(incident["playbook"], "high_error_rate");
    let id = incident["id"].as_str().unwrap();
    let told = crew.ask(&["incidents", "timeline", id]).out;
    assert!(told.contains("check_logs shop"), "{told}");
    let answer = until("the shop answers", || wire::get(shop.address, "/health").ok());
    assert_eq!(answer.status, 200);
    assert_ne!(shop.pid(), pid);
    assert!(shop.said().contains("session store is corrupt"));
    crew.stop();
    scenario.proven("another process answers 200");
}

#[test]
fn a_slow_service_whose_dependency_fails_is_not_restarted_for_it() {
    let name = "high latency: dependencies are checked, the failing one is restarted";
    let Some(mut scenario) = Scenario::with(name, &shop::NEEDS) else { return };
    let stage = Stage::new();
    let (shop, bank) = (Shop::new(&stage, "shop"), Shop::new(&stage, "bank"));
    let services = json!({
        "shop": shop.service(&json!({
            "checks": [shop.check("/work")], "depends_on": ["bank"],
            "http_actions": [format!("http://{}/admin/reset-pool", shop.address)],
        })),
        "bank": bank.service(&json!({})),
    });
    let playbooks = json!({ "high_latency": {
        "condition": "api_latency_ms > 400",
        "actions": [
            { "type": "check_dependencies", "name": "needs", "service": "{service}" },
            { "type": "check_resources", "name": "machine", "service": "{service}" },
            { "type": "restart_service", "service": "bank", "when": "needs.failing > 0" },
            {
                "type": "request", "method": "POST",
                "url": format!("http://{}/admin/reset-pool", shop.address),
            },
        ],
        "verify": {
            "metric": "api_latency_ms", "operator": "<", "threshold": 300,
            "consecutive_checks": 3, "interval_ms": 300, "deadline_seconds": 10,
        },
    } });
    let thresholds = json!({ "thresholds": {
        "api_latency_ms": { "critical": 400, "for": "3 of 3" },
        "health_status": { "critical": "== 'failing'", "for": "3 of 3" },
    } });
    let crew = Crew::up(&stage, &shop::config(&services, &playbooks, &thresholds));
    crew.until_healthy("shop");
    crew.until_healthy("bank");
    let pids = (shop.pid(), bank.pid());
    scenario.healed(&crew, ("shop", "latency_high"), || {
        bank.break_down("errors");
        until("the bank is seen failing", || crew.incident("bank", "service_unresponsive"));
        shop.break_down("pool");
    });
    let slowest =
        shop::answers_within(shop.address, "/work", std::time::Duration::from_millis(400));
    let answer = until("the bank answers", || wire::get(bank.address, "/health").ok());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(shop.pid(), pids.0, "the slow service itself was restarted");
    assert_ne!(bank.pid(), pids.1);
    crew.stop();
    scenario.proven(&format!("the bank answers 200, the shop within {} ms", slowest.as_millis()));
}
