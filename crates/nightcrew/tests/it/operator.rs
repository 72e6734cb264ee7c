//! What an operator does at night: looks, acknowledges, silences, locks, asks who is on call, and
//! tries the rules before they are needed.

use std::path::Path;

use serde_json::Value;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Done, Stage, until};

fn said(done: &Done) -> &str {
    assert_eq!(done.code, Some(0), "{}", done.err);
    done.out.trim()
}

fn config() -> String {
    format!(
        "{{ {QUIET_HOST},
  channels: {{ console: {{ type: 'console' }} }},
  people: {{ kim: {{ channels: ['console'] }} }},
  schedules: {{ primary: {{ zone: 'Asia/Seoul', layers: [
    {{ name: '주간', people: ['kim'], begins: '2026-03-02T09:00', turn_weeks: 1 }},
  ] }} }},
  escalation: {{ policies: [{{ name: 'default', levels: [
    {{ name: 'engineer', notify: ['schedule:primary'], timeout_minutes: 30 }},
    {{ name: 'team', notify: ['console'], timeout_minutes: 60 }},
  ] }}] }},
}}"
    )
}

#[test]
fn an_incident_is_seen_understood_and_taken_over() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config());
    let sent = crew.ask(&["alerts", "send", "alertname=Down", "service=결제", "severity=critical"]);
    let fingerprint = said(&sent).to_owned();
    until("the page", || {
        let facts = crew.facts("INC-1");
        facts.iter().any(|fact| fact == "notification_delivered").then_some(())
    });
    let shown = crew.ask(&["alerts", "show", &fingerprint]);
    assert!(said(&shown).contains("L1 of default"), "{}", shown.out);
    assert!(shown.out.contains("kim; the next level is told at"), "{}", shown.out);

    let acknowledged = crew.ask(&["incidents", "ack", "INC-1", "--by", "kim"]);
    assert_eq!(said(&acknowledged), "INC-1 escalated");
    assert!(crew.facts("INC-1").contains(&"incident_acknowledged".to_owned()));
    assert_eq!(
        said(&crew.ask(&["incidents", "resolve", "INC-1", "--by", "kim"])),
        "INC-1 resolved"
    );
    let again = crew.ask(&["incidents", "ack", "INC-1", "--by", "kim"]);
    assert_eq!(again.code, Some(1), "{}{}", again.out, again.err);
}

#[test]
fn silences_locks_and_calendars_are_set_and_seen() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config());
    let id = crew.ask(&["silences", "add", "service=web", "--for", "2h", "--reason", "배포"]);
    let id = said(&id).to_owned();
    assert!(said(&crew.ask(&["silences", "list"])).contains(&id));
    assert_eq!(said(&crew.ask(&["silences", "expire", &id])), "");
    assert_eq!(said(&crew.ask(&["silences", "list"])), "");
    let refused = crew.ask(&["silences", "add", "service=~.*", "--for", "2h", "--reason", "all"]);
    assert_eq!(refused.code, Some(2), "{}{}", refused.out, refused.err);

    let lock = ["--blocks", "auto_restart", "--service", "web", "--for", "30m", "--reason", "부하"];
    let taken = [&["locks", "add", "stress-test"][..], &lock, &["--by", "kim"]].concat();
    assert_eq!(said(&crew.ask(&taken)), "fence 1");
    let stolen = [&["locks", "add", "stress-test"][..], &lock, &["--by", "lee"]].concat();
    assert_eq!(crew.ask(&stolen).code, Some(1));
    assert!(said(&crew.ask(&["locks", "list"])).starts_with("stress-test\tkim\tweb"));
    assert_eq!(said(&crew.ask(&["locks", "release", "stress-test", "--by", "kim"])), "");
    assert_eq!(said(&crew.ask(&["locks", "list"])), "");

    assert!(said(&crew.ask(&["oncall", "show"])).starts_with("primary\tkim"));
    let feed = crew.ask(&["oncall", "schedule", "primary", "--ics"]);
    assert!(said(&feed).starts_with("BEGIN:VCALENDAR"));
    let stand_in =
        ["oncall", "override", "primary", "--person", "kim", "--for", "8h", "--by", "kim"];
    assert_eq!(said(&crew.ask(&stand_in)), "");
    assert!(said(&crew.ask(&["oncall", "test-page", "console"])).starts_with("N-"));
}

#[test]
fn what_cannot_be_read_is_kept_and_replayed() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config());
    let answer = crew.post("/hooks/grafana", "{잘림");
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.json()["dead_letter"], 1);
    assert!(said(&crew.ask(&["alerts", "dead-letters"])).starts_with("1\tgrafana"));
    let replayed = crew.ask(&["alerts", "replay"]);
    assert_eq!(replayed.code, Some(1), "it still cannot be read: {}", replayed.out);
}

#[test]
fn a_reload_takes_a_good_file_and_leaves_a_bad_one() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config());
    stage.write("nightcrew.json5", "{ channels: { console: { type: 'consol' } } }");
    let bad = crew.post("/-/reload", "");
    assert_eq!(bad.status, 500, "{}", bad.body);
    assert!(said(&crew.ask(&["oncall", "show"])).starts_with("primary"), "the last good one stays");
    stage.write("nightcrew.json5", config().replace("primary", "second"));
    assert_eq!(crew.post("/-/reload", "").status, 200);
    assert!(said(&crew.ask(&["oncall", "show"])).starts_with("second"));
}

#[test]
fn rule_tests_run_the_operator_s_rules_on_a_virtual_clock() {
    let stage = Stage::new();
    let rules = "{ tests: [{
  name: '결제는 당직에게',
  alerts: [{ at_seconds: 0, labels: { alertname: 'Down', service: '결제' } }],
  expect: [
    { from_seconds: 0, to_seconds: 1, channel: 'console', kind: 'escalated' },
    { from_seconds: 1800, to_seconds: 1801, channel: 'console', alerts: [{ service: '결제' }] },
  ],
  expect_nothing: [{ from_seconds: 2, to_seconds: 1799 }],
}] }";
    stage.write("nightcrew.json5", config());
    stage.write("rules.json5", rules);
    let check = |stage: &Stage| {
        stage.nightcrew(&["check", "--config", "nightcrew.json5", "--rules", "rules.json5"]).calm()
    };
    assert!(said(&check(&stage)).contains("ok     결제는 당직에게"));
    stage.write("rules.json5", rules.replace("1800, to_seconds: 1801", "60, to_seconds: 61"));
    let wrong = check(&stage);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.out.contains("rules.json5:6:5: tests[0].expect[1]"), "{}", wrong.out);
    assert!(wrong.out.contains("told were: 0 ms: escalated to console"), "{}", wrong.out);
}

#[test]
fn the_sample_of_the_on_call_features_passes_its_own_rule_tests() {
    let stage = Stage::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/oncall");
    let (config, rules) = (root.join("nightcrew.json5"), root.join("rules.test.json5"));
    let text = std::fs::read_to_string(&config).unwrap();
    let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    let env: Vec<(&str, &str)> = names.map(|name| (name, "https://127.0.0.1:9/x")).collect();
    let (config, rules) = (config.to_str().unwrap(), rules.to_str().unwrap());
    let args = ["check", "--config", config, "--rules", rules, "--json"];
    let checked = stage.nightcrew_with(&args, &env, "").calm();
    let report: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(report["ok"], true, "{}", checked.out);
    assert!(report["rule_tests"].as_array().unwrap().len() >= 3);
}
