//! `nightcrew playbooks review`: what a playbook in shadow would have done, beside what a person did.

use serde_json::Value;

use crate::crew::{Crew, QUIET_HOST, quiet};
use crate::stage::{Stage, until};

fn config() -> String {
    format!(
        "{{ {QUIET_HOST},
           services: {{ sleeper: {{ start: {{ argv: ['sleep', '600'] }}, interval_ms: 100 }} }},
           playbooks: {{ wake: {{ condition: \"process_status == 'stopped'\", stage: 'shadow',
             actions: [{{ type: 'restart_process', service: '{{service_name}}' }}] }} }} }}"
    )
}

#[test]
fn a_run_in_shadow_is_reviewed_by_what_a_person_did() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config());
    until("a person has it", || {
        let incident = crew.incident("sleeper", "process_down")?;
        (incident["state"] == "escalated").then_some(())
    });
    let resolved = crew.ask(&["incidents", "resolve", "INC-1", "--by", "kim"]);
    assert_eq!(resolved.code, Some(0), "{}", resolved.err);
    let review = crew.ask(&["playbooks", "review"]);
    assert_eq!(review.code, Some(0), "{}", review.err);
    assert!(review.out.contains("## `wake`"), "{}", review.out);
    assert!(review.out.contains("- **Proposal**: **keep**: 0 runs speak for it"), "{}", review.out);
    assert!(review.out.contains("ended by kim"), "{}", review.out);
    let json = crew.ask(&["playbooks", "review", "--since", "1h", "--json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["in_shadow"][0], "wake");
    assert_eq!(json["reviews"][0]["runs"][0]["attempt"], "INC-1/1");
    assert_eq!(crew.get("/api/v1/playbooks/review?since=x").unwrap().status, 400);
    assert!(!stage.path("data/run/sleeper.pid").exists(), "nothing of it ran");
    // The same from the folder: while the crew runs, and after it.
    let offline = ["playbooks", "review", "--data", "data", "--config", "nightcrew.json5"];
    let offline = |json: &[&str]| stage.nightcrew(&[&offline, json].concat()).calm();
    assert!(offline(&[]).out.contains("## `wake`"));
    crew.stop();
    let after: Value = serde_json::from_str(&offline(&["--json"]).out).unwrap();
    assert_eq!(after["reviews"], json["reviews"]);
}

#[test]
fn without_one_in_shadow_it_says_how_to_put_one_there() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let review = crew.ask(&["playbooks", "review"]);
    assert_eq!(review.code, Some(0), "{}", review.err);
    assert!(review.out.contains("`stage: \"shadow\"`"), "{}", review.out);
    crew.stop();
    let none = stage.nightcrew(&["playbooks", "review", "--data", "nowhere"]).calm();
    assert_eq!(none.code, Some(1), "{}", none.err);
}
