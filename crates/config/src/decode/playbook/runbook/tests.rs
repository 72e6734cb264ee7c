//! The runbooks of the second source document.

use super::*;
use crate::decode::tests::decode_one;
use crate::settings::Healing;

fn read(text: &str) -> (Vec<Runbook>, Vec<String>) {
    let healing = Healing::default();
    let shelf = Shelf {
        ground: Ground {
            healing: &healing,
            stop_timeout: Millis::from_secs(10),
            action_timeout_max: Millis::from_secs(600),
        },
        criteria: Criteria::default(),
        alive: alive(true),
    };
    decode_one(text, |at, cx| runbooks(at, &shelf, cx))
}

fn steps(runbook: &Runbook) -> Vec<String> {
    let steps = &runbook.written.playbook.steps;
    let said = steps.iter().map(|step| match &step.when {
        Some(when) => format!("{} when {when}", step.action),
        None => step.action.to_string(),
    });
    said.collect()
}

#[test]
fn verbs_become_steps_in_the_order_of_their_numbers() {
    let (found, problems) = read(
        "{ patterns: { oom_kill: { symptoms: ['OOMKilled', 'exit code 137'], severity: \
         'critical', actions: [\
         { step: 3, action: 'restart_service', command: 'docker compose restart ${SERVICE_NAME}' },\
         { step: 1, action: 'find_logs_pattern' }, { step: 2, action: 'increase_memory_limit' },\
         { step: 4, action: 'verify_stability', duration: '5m' }], escalate_if: '2회 이상 반복' } } }",
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        steps(&found[0]),
        [
            r"check_logs {service} of the last 10 min for '(?i)OOMKilled|exit code 137'",
            "raise_memory_limit {service} by 25 %",
            "docker compose restart {service_name}",
        ]
    );
    let playbook = &found[0].written.playbook;
    assert_eq!(
        playbook.trigger.symptoms,
        ["OOMKilled", "exit code 137", "out_of_memory", "container_restarting", "oom_kill"]
    );
    assert_eq!(playbook.limit.unwrap().times, 1);
    let verify = playbook.verify.as_ref().unwrap();
    assert_eq!(verify.condition.to_string(), "health_status == 'passing'");
    // Five minutes of looks every five seconds, and as long again in reserve.
    assert_eq!((verify.needed, verify.deadline), (61, Millis::from_secs(610)));
}

#[test]
fn a_restart_that_may_not_be_needed_waits_for_what_was_found() {
    let (found, problems) = read(
        "{ high_latency: { symptoms: ['응답 지연'], actions: [{ step: 1, action: \
         'restart_if_needed' }, { step: 2, action: 'verify_metrics', wait_seconds: 120 }] } }",
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        steps(&found[0]),
        ["check_resources {service}", "restart_service {service} when resources.pressed == true"]
    );
    let verify = found[0].written.playbook.verify.as_ref().unwrap();
    assert_eq!(verify.condition.to_string(), "latency_p99_ms <= 3000");
    assert_eq!((verify.wait_after, verify.deadline), (Millis(120_000), Millis(240_000)));
    assert_eq!(found[0].watched.as_ref().unwrap().to_string(), "latency_p99_ms > 3000");
}

#[test]
fn what_cannot_be_done_is_told() {
    let with = |action: &str| {
        format!("{{ p: {{ symptoms: ['x'], actions: [{{ action: 'check_logs' }}, {action}] }} }}")
    };
    let cases = [
        (with("{ action: 'scale_up' }"), "warning: p.actions[1].action: this version cannot do"),
        (with("{ action: 'restart_servic' }"), "did you mean `restart_service`?"),
        (with("{ action: 'x', command: 'a | b' }"), "`|` at offset 2 needs a shell"),
        (with("{ step: 1 }"), "nothing says the `action`"),
        (with("{ action: 'wait' }"), "nothing says how long"),
        (with("{ action: 'verify', duration: '5 lightyears' }"), "expected a time such as"),
        (with("{ action: 'verify', duration: 'é' }"), "expected a time such as"),
        (with("{ action: 'find_logs_pattern', pattern: '(' }"), "a regular expression"),
        ("{ p: { actions: [{ action: 'scale' }] } }".to_owned(), "nothing of this runbook can be"),
        ("{ p: { symptoms: ['x'] } }".to_owned(), "the runbook has no `actions`"),
        (
            "{ p: { actions: [{ action: 'check_logs' }], escalate_if: '때때로' } }".to_owned(),
            "this is not understood",
        ),
    ];
    for (text, expected) in cases {
        let said = read(&text).1.join("\n");
        assert!(said.contains(expected), "{text}: {said}");
    }
    let many = vec!["{ action: 'check_logs' }"; STEPS_MAX + 1].join(",");
    let (_, problems) = read(&format!("{{ p: {{ actions: [{many}] }} }}"));
    let said = problems.join("\n");
    assert!(said.contains("at most 64 actions, found 65"), "{said}");
}
