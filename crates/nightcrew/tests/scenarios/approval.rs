//! A plan that a person approved is the plan that runs, or none does.

use serde_json::{Value, json};

use crate::counter::Counter;
use crate::crew::Crew;
use crate::scenario::Scenario;
use crate::shop;
use crate::stage::{Stage, until};

/// A crew whose only playbook sends one request to this page, once a person approves it.
fn config(counter: &Counter, page: &str) -> String {
    let services = json!({ "shop": {
        "checks": [{ "http": counter.url("/health"), "interval_ms": 300, "timeout_ms": 290 }],
        "http_actions": [counter.url("/old"), counter.url("/new")],
        "autonomy": "approve",
    } });
    let playbooks = json!({ "ask": {
        "condition": "health_status == 'failing'",
        "actions": [{ "type": "request", "method": "POST", "url": counter.url(page) }],
        "verify": "health_status == 'passing'",
    } });
    shop::config(&services, &playbooks, &json!({}))
}

fn waiting(crew: &Crew<'_>) -> Value {
    until("a plan waits for a person", || {
        crew.json("/api/v1/approvals")["items"].as_array()?.first().cloned()
    })
}

#[test]
fn a_plan_that_changed_after_its_approval_was_asked_for_does_not_run() {
    let name = "approval: a plan that changed meanwhile does not run";
    let Some(scenario) = Scenario::with(name, &[]) else { return };
    let stage = Stage::new();
    let counter = Counter::start();
    counter.fail("/health");
    let crew = Crew::up(&stage, &config(&counter, "/old"));
    let asked = waiting(&crew);
    assert!(asked["steps"][0]["action"].as_str().unwrap().contains("/old"), "{asked}");
    stage.write("nightcrew.json5", config(&counter, "/new"));
    let reloaded = crew.post("/-/reload", "");
    assert_eq!(reloaded.status, 200, "{}", reloaded.body);
    let attempt = asked["attempt"].as_str().unwrap();
    let hash = asked["hash"].as_str().unwrap();
    // Whether it is refused here or at the first step: nothing may be done.
    let approve = ["approvals", "approve", attempt, hash, "--by", "kim"];
    let said = crew.ask(&approve);
    println!("{:?} {}{}", said.code, said.out, said.err);
    until("a person has it", || {
        let incident = crew.incident("shop", "service_unresponsive")?;
        (incident["state"] == "escalated").then_some(())
    });
    assert_eq!((counter.count("/old"), counter.count("/new")), (0, 0));
    crew.stop();
    scenario.proven("0 requests came; the incident is with a person");
}

#[test]
fn an_approved_plan_runs_once() {
    let name = "approval: an approved plan runs";
    let Some(mut scenario) = Scenario::with(name, &[]) else { return };
    let stage = Stage::new();
    let counter = Counter::start();
    counter.mend("/old", "/health");
    let crew = Crew::up(&stage, &config(&counter, "/old"));
    crew.until_healthy("shop");
    scenario.healed(&crew, ("shop", "service_unresponsive"), || {
        counter.fail("/health");
        let asked = waiting(&crew);
        assert_eq!(counter.count("/old"), 0, "before anybody said so");
        let attempt = asked["attempt"].as_str().unwrap();
        let wrong = ["approvals", "approve", attempt, &"0".repeat(64), "--by", "kim"];
        assert_ne!(crew.ask(&wrong).code, Some(0), "another plan's hash");
        assert_eq!(counter.count("/old"), 0, "approved by another plan's hash");
        let approved = crew.ask(&["approvals", "approve", attempt, "--by", "kim"]);
        assert_eq!(approved.code, Some(0), "{}{}", approved.out, approved.err);
    });
    assert_eq!((counter.count("/old"), counter.count("/new")), (1, 0));
    crew.stop();
    scenario.proven("1 request came, after the approval and not before");
}
