//! Settings: what holds when little is said.

use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, load};
use nightcrew_config::settings::{ProcessMatch, Settings};
use nightcrew_model::plan::Mode;
use nightcrew_model::unit::Millis;

use crate::load_text;

fn good(text: &str) -> Settings {
    let (loaded, said) = load_text(text);
    assert!(!said.contains("error"), "{said}");
    loaded.settings.unwrap()
}

fn names(settings: &Settings) -> Vec<&str> {
    let playbooks = settings.playbooks.iter();
    playbooks.map(|playbook| playbook.name.as_str()).collect()
}

fn metrics(settings: &Settings) -> Vec<&str> {
    let rules = settings.thresholds.iter();
    rules.map(|rule| rule.metric.as_str()).collect()
}

#[test]
fn without_a_configuration_this_host_is_watched_and_nothing_is_healed() {
    let loaded = load(ConfigSource::None, &Env::default());
    assert_eq!(loaded.problems, []);
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.data_dir.to_str(), Some(".nightcrew"));
    assert_eq!(settings.thresholds.len(), 6);
    assert_eq!(settings.playbooks, []);
    assert_eq!(settings.mode, Mode::Live);
    assert_eq!(settings.channels.len(), 1);
    let env: Env = [("NIGHTCREW_DATA", "/srv/crew")].into_iter().collect();
    let settings = load(ConfigSource::None, &env).settings.unwrap();
    assert_eq!(settings.data_dir.to_str(), Some("/srv/crew"));
    assert_eq!(settings.workspace_dir, settings.data_dir);
}

#[test]
fn a_service_may_be_restarted_exactly_when_something_says_how() {
    let settings = good(
        "{ services: { a: { start: { argv: ['x'] }, stop_timeout_ms: 90000 },\
         b: { process: { name: 'b' }, unit: 'b.service' }, c: { process: { name: 'c' } },\
         d: { start: { command: \"run 'a b'\" }, restart_allowed: false } } }",
    );
    let allowed: Vec<bool> = settings.services.values().map(|s| s.restart_allowed).collect();
    assert_eq!(allowed, [true, true, false, false]);
    let a = &settings.services[&"a".into()];
    assert_eq!(a.process, Some(ProcessMatch::Child));
    let d = &settings.services[&"d".into()];
    assert_eq!(d.start.as_ref().unwrap().argv, ["run", "a b"]);
    // Nobody has checks, so nobody can fail to answer.
    assert_eq!(names(&settings), ["process_down"]);
    assert_eq!(settings.playbooks[0].steps[0].timeout, Millis::from_secs(120));
}

#[test]
fn default_playbooks_need_a_service_that_may_be_restarted() {
    let checks = "checks: [{ tcp: 'h:1' }]";
    let settings = good(&format!("{{ services: {{ a: {{ {checks} }} }} }}"));
    assert_eq!(names(&settings), [""; 0]);
    let settings = good(&format!(
        "{{ services: {{ a: {{ {checks}, unit: 'a', process: {{ name: 'a' }} }} }} }}"
    ));
    assert_eq!(names(&settings), ["process_down", "service_unresponsive"]);
    let settings =
        good(&format!("{{ playbooks: {{}}, services: {{ a: {{ {checks}, unit: 'a' }} }} }}"));
    assert_eq!(names(&settings), [""; 0]);
}

#[test]
fn thresholds_of_states_stay_on_unless_they_are_spoken_of() {
    let settings = good("{ thresholds: { cpu_usage: { critical: 50 } } }");
    assert_eq!(metrics(&settings), ["cpu_usage", "process_status", "health_status"]);
    assert_eq!((settings.thresholds[0].needed, settings.thresholds[0].of), (4, 5));
    let settings = good(
        "{ thresholds: { process_status: null, health_status: { critical: 'failing', for: 9 } } }",
    );
    assert_eq!(metrics(&settings), ["health_status"]);
    assert_eq!(settings.thresholds[0].needed, 9);
    assert_eq!(good("{ thresholds: {} }").thresholds.len(), 6);
}

#[test]
fn a_condition_that_nobody_looks_for_gets_a_threshold() {
    let settings = good(
        "{ thresholds: { disk_usage: { critical: 90 } }, playbooks: {\
         큰_로그: { condition: 'log_file_size_mb > 1000', actions: ['logrotate /etc/l'] },\
         disk: { condition: 'disk_usage > 90', actions: ['a'] },\
         empty: { condition: 'disk_usage < 5', actions: ['a'] } } }",
    );
    let rules: Vec<String> = settings
        .thresholds
        .iter()
        .map(|rule| format!("{} {}", rule.symptom, rule.critical.as_ref().unwrap()))
        .collect();
    assert_eq!(
        rules,
        [
            "disk_space_low disk_usage > 90",
            "process_down process_status == 'stopped'",
            "service_unresponsive health_status == 'failing'",
            "log_file_oversized log_file_size_mb > 1000",
            "empty disk_usage < 5",
        ]
    );
}

#[test]
fn sections_of_the_second_document_become_settings() {
    let settings = good(
        "{ deduplication: { key_fields: ['service', 'symptom_type'], window_minutes: 30, action: \
         'update_existing' }, verification: { wait_after_restart: 120, check_interval: 30, \
         success_criteria: { consecutive_checks: 2 } }, guardrails: { circuit_breaker: { \
         failure_threshold: 5, reset_timeout_seconds: 90 } }, healing: { verify: { \
         consecutive_checks: 4 } } }",
    );
    assert_eq!(settings.healing.dedup_window, Millis::from_secs(1_800));
    assert_eq!(settings.healing.verify_interval, Millis::from_secs(30));
    assert_eq!(settings.healing.verify_needed, 4);
    assert_eq!(settings.healing.verify_deadline, Millis::from_secs(210));
    assert_eq!(settings.breaker.failures, 5);
    assert_eq!(settings.breaker.reset, Millis::from_secs(90));
}

#[test]
fn mistakes_of_services_are_told() {
    let cases = [
        ("a: { restart_allowed: true, process: { name: 'a' } }", "nothing says how to restart"),
        (
            "a: { process: { name: 'a', pid_file: '/x' } }",
            "exactly one way to find the process, found 2",
        ),
        ("a: { process: {} }", "found 0"),
        ("a: { process: { child: true } }", "without a `start`"),
        ("a: { process: { name: '/usr/bin/a' } }", "without a path"),
        ("a: { process: { command_line: '(' } }", "expected a regular expression"),
        ("a: { unit: '-H' }", "expected the name of a systemd unit"),
        ("a: { start: { command: 'a | b' } }", "`|` at offset 2 needs a shell"),
        ("a: { start: { command: 'ls *' } }", "not expanded"),
        ("a: { start: { argv: [] } }", "found an empty list"),
        ("a: { start: {} }", "expected either `argv` or `command`"),
        ("a: { start: { argv: ['x'], env: { A: 1 } } }", "put it into quotes"),
        ("a: { checks: [{}] }", "expected one of `http`, `tcp`, `command` and `certificate_file`"),
        ("a: { checks: [{ http: 'localhost' }] }", "does not begin with http"),
        ("a: { checks: [{ tcp: 'localhost' }] }", "expected `host:port`"),
        ("a: { checks: [{ tcp: 'h:1', expect_status: 200 }] }", "a TCP check has no answer"),
        ("a: { checks: [{ http: 'http://h/', expect_status: 99 }] }", "from 100 to 599"),
        ("a: { checks: [{ http: 'http://h/', interval_ms: 1000 }] }", "an answer may take 5 s"),
        ("a: { checks: { http: 'http://h/' } }", "put it into [ ]"),
        ("'../etc': {}", "expected a name that can be a file name"),
        ("'-rf': {}", "expected a name that can be a file name"),
        ("host: {}", "stands for this machine"),
        ("a: {}", "nothing of this service is looked at"),
        ("a: { interval_ms: 1 }", "expected from 100 ms to 24 h"),
    ];
    for (text, expected) in cases {
        let (_, said) = load_text(&format!("{{ services: {{ {text} }} }}"));
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn mistakes_of_playbooks_are_told() {
    let with = |playbook: &str| {
        format!(
            "{{ services: {{ 웹: {{ unit: 'web', process: {{ name: 'w' }}, checks: [{{ tcp: 'h:1' \
             }}] }}, db: {{ process: {{ name: 'd' }}, checks: [{{ tcp: 'h:2' }}] }} }}, playbooks: \
             {{ p: {{ {playbook} }} }} }}"
        )
    };
    let cases = [
        (
            "condition: 'cpu_usage > 95', actions: [{ type: 'restart_service', service: '웨' }]",
            "names a service that is not declared",
        ),
        (
            "condition: 'cpu_usage > 95', actions: [{ type: 'restart_service', service: 'db' }]",
            "db may not be restarted",
        ),
        (
            "condition: 'cpu_usage > 95', actions: [{ type: 'restart_process', service: '웹' }]",
            "웹 has no `start`",
        ),
        (
            "condition: 'health_status == failing', actions: [{ type: 'restart_service', service: '웹' }]",
            "웹 is restarted, whichever of 2 services",
        ),
        (
            "condition: 'disk_usage > 90', actions: [{ type: 'clean_files', root: '/home/x', older_than_days: 1 }]",
            "the gate would refuse to clean /home/x",
        ),
        (
            "condition: 'disk_usage > 60', actions: ['a']",
            "the condition holds earlier than the threshold",
        ),
        (
            "condition: 'disk_usage > 90', actions: ['a'], verify: 'disk_usage < 95'",
            "`disk_usage < 95` can hold while `disk_usage > 90` still holds",
        ),
        ("condition: 'disk_usage > 0.9', actions: ['a']", "looks like a ratio"),
        (
            "condition: 'disk_usage > 90', actions: ['a'], cooldown_seconds: 0",
            "without a rest between two runs",
        ),
        ("condition: 'disk_usage > 90', actions: ['{service} restart']", "cannot be the program"),
    ];
    for (text, expected) in cases {
        let (_, said) = load_text(&with(text));
        assert!(said.contains(expected), "{text}: {said}");
    }
    let (_, said) = load_text(
        "{ thresholds: { cpu_usage: { critical: 1e2, services: { web: { critical: 9 } } } },\
         healing: { cooldown_seconds: 0, verify: { deadline_seconds: 1 } } }",
    );
    for expected in
        ["never above 100", "this names a service", "without a rest", "can never succeed"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
