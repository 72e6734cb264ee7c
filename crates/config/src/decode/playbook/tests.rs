//! Playbooks in every shape.

use nightcrew_model::plan::{Ask, OnFailure};

use super::*;
use crate::decode::tests::decode_one;

fn read(text: &str) -> (Vec<Written>, Vec<String>) {
    let healing = Healing::default();
    let ground = Ground {
        healing: &healing,
        stop_timeout: Millis::from_secs(10),
        action_timeout_max: Millis::from_secs(600),
    };
    decode_one(text, |at, cx| playbooks(at, &ground, cx))
}

#[test]
fn counted_looks_become_times() {
    let (found, problems) = read(
        "{ p: { condition: 'disk_usage > 90', actions: ['df -h'], verify: { metric: \
         'disk_usage', operator: '<', threshold: 85, retry_count: 3, retry_interval_seconds: \
         60 } } }",
    );
    assert_eq!(problems, [""; 0]);
    let verify = found[0].playbook.verify.clone().unwrap();
    assert_eq!(verify.interval, Millis::from_secs(60));
    assert_eq!(verify.deadline, Millis::from_secs(240));
    assert_eq!(verify.needed, 2);
}

#[test]
fn typed_actions_are_read() {
    let (found, problems) = read(
        "{ 정리: { condition: 'disk_usage > 90', cooldown_seconds: 60, actions: [\
         { type: 'clean_files', root: '/tmp', name: '*.tmp', older_than_minutes: 5 },\
         { type: 'restart_process', service: 'web', timeout_seconds: 5 },\
         { type: 'service_restart', service: '{process_name}', description: '재시작' },\
         { type: 'shell', command: 'echo ok' }, { type: 'run', argv: ['echo', 'a b'] }],\
         verify: 'disk_usage <= 90' } }",
    );
    assert_eq!(problems, [""; 0]);
    let steps = &found[0].playbook.steps;
    let said: Vec<String> = steps.iter().map(|step| step.action.to_string()).collect();
    assert_eq!(
        said,
        [
            "clean_files /tmp named '*.tmp' older than 5 min",
            "restart_process web",
            "restart_service {process_name}",
            "echo ok",
            "echo 'a b'",
        ]
    );
    assert_eq!(steps[1].timeout, Millis::from_secs(5));
    assert_eq!(steps[2].description, "재시작");
    assert_eq!(found[0].playbook.cooldown, Some(Millis::from_secs(60)));
}

#[test]
fn what_cannot_work_is_told() {
    let with =
        |action: &str| format!("{{ p: {{ condition: 'disk_usage > 90', actions: [{action}] }} }}");
    let cases = [
        (with("'a; b'"), "f:1:50: error: p.actions[0]: `;` at offset 1 needs a shell"),
        (with("{ type: 'clean_file', root: '/tmp' }"), "did you mean `clean_files`?"),
        (with("{ type: 'clean_files', root: 'tmp', older_than_days: 1 }"), "expected an absolute"),
        (with("{ type: 'clean_files', root: '/a/../b', older_than_days: 1 }"), "without `..`"),
        (with("{ type: 'clean_files', root: '/tmp' }"), "does not say how old"),
        (with("{ type: 'clean_files', root: '/tmp', older_than: 1 }"), "carries its unit"),
        (
            with("{ type: 'clean_files', root: '/tmp', name: '../x', older_than_days: 1 }"),
            "expected a pattern",
        ),
        (with("{ type: 'run' }"), "expected either `command` or `argv`"),
        (with("{ type: 'run', argv: [] }"), "expected a program"),
        (with("{ type: 'run', argv: ['a'], timeout_seconds: 6000 }"), "expected from 100 ms"),
        (with(""), "the playbook does nothing"),
        ("{ p: { actions: ['a'] } }".to_owned(), "the playbook has no `condition`"),
        (
            "{ p: { condition: 'disk_usage > 1', actions: ['a'], verify: { condition: \
             'disk_usage < 1', interval_ms: 1000, consecutive_checks: 3, deadline_seconds: 2 } } }"
                .to_owned(),
            "verification can never succeed: 3 good samples need 2 s, and the deadline is 2 s",
        ),
    ];
    for (text, expected) in cases {
        let said = read(&text).1.join("\n");
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn the_number_of_actions_has_a_limit() {
    let many = vec!["'a'"; STEPS_MAX + 1].join(",");
    let text = format!("{{ p: {{ condition: 'disk_usage > 90', actions: [{many}] }} }}");
    assert!(read(&text).1[0].contains("at most 64 actions, found 65"));
}

#[test]
fn our_own_form_is_read_whole() {
    let (found, problems) = read(
        "{ p: { description: 'x', symptoms: ['log_file_oversized', '로그'], severity: 'high', \
         condition: { any: ['disk_usage > 90', 'not (load_1m < 5)'] }, \
         escalate_if: 'disk_usage > 99', limit: { times: 2, window_hours: 6 }, stage: 'shadow', \
         parameters: { days: { type: 'number', min: 1, max: 30, default: 7 }, \
           file: { type: 'path', below: '/var/log', label: 'path' }, \
           colour: { type: 'one_of', values: ['blue', 'green'], default: 'blue' }, \
           pool: { type: 'name', label: 'pool' } }, \
         steps: [ \
           { type: 'check_logs', name: 'logs', pattern: 'time(d )?out', within_minutes: 5 }, \
           { type: 'check_resources', name: 'load' }, { type: 'check_dependencies' }, \
           { type: 'collect_memory' }, { type: 'wait', duration_seconds: 90 }, \
           { type: 'request', method: 'post', url: 'http://127.0.0.1:1/reset', \
             when: 'logs.matches > 3 and load.pressed == true', idempotent: true, \
             retry: { times: 2, pause_seconds: 1 }, on_failure: 'continue' }, \
           { type: 'rotate_log', path: '{file}', requires_approval: true }, \
           { type: 'raise_memory_limit', by_percent: 10, on_failure: 'rollback', \
             rollback: { type: 'reload_service' } } ], \
         verify: { all: ['disk_usage < 85', 'load_1m < 5'], consecutive_checks: 2 } } }",
    );
    assert_eq!(problems, [""; 0]);
    let playbook = &found[0].playbook;
    assert_eq!(playbook.trigger.symptoms, ["log_file_oversized", "로그"]);
    assert_eq!(playbook.trigger.severity, Some(Severity::Critical));
    let condition = playbook.trigger.condition.as_ref().unwrap().to_string();
    assert_eq!(condition, "disk_usage > 90 or not (load_1m < 5)");
    assert_eq!(playbook.escalate_if.as_ref().unwrap().to_string(), "disk_usage > 99");
    assert_eq!(playbook.limit, Some(RunLimit { times: 2, window: Millis::from_secs(21_600) }));
    assert_eq!((playbook.stage, playbook.parameters.len()), (Stage::Shadow, 4));
    assert_eq!(playbook.parameters[&"days".into()].default.as_deref(), Some("7"));
    let said: Vec<String> = playbook.steps.iter().map(|step| step.action.to_string()).collect();
    assert_eq!(
        said,
        [
            "check_logs {service} of the last 5 min for 'time(d )?out'",
            "check_resources {service}",
            "check_dependencies {service}",
            "collect_memory {service}",
            "wait 1 min 30 s",
            "request POST http://127.0.0.1:1/reset",
            "rotate_log {file}",
            "raise_memory_limit {service} by 10 %",
        ]
    );
    let step = &playbook.steps[5];
    assert_eq!(
        step.when.as_ref().unwrap().to_string(),
        "logs.matches > 3 and load.pressed == true"
    );
    assert_eq!((step.retry.times, step.retry.pause), (2, Millis(1_000)));
    assert_eq!((step.idempotent, step.on_failure), (Some(true), OnFailure::Continue));
    assert_eq!(playbook.steps[6].ask, Ask::Always);
    let undo = playbook.steps[7].rollback.as_ref().unwrap();
    assert_eq!(undo.to_string(), "reload_service {service}");
    assert_eq!(playbook.steps[4].timeout, Millis::from_secs(120));
    let proof = &playbook.verify.as_ref().unwrap().condition;
    assert_eq!(proof.to_string(), "disk_usage < 85 and load_1m < 5");
}

#[test]
fn what_is_wrong_in_our_own_form_is_told() {
    let with =
        |keys: &str| format!("{{ p: {{ condition: 'disk_usage > 90', actions: ['a'], {keys} }} }}");
    let step = |keys: &str| {
        format!(
            "{{ p: {{ condition: 'disk_usage > 90', actions: [{{ type: 'check_logs', name: \
             'logs' }}, {{ {keys} }}] }} }}"
        )
    };
    let cases = [
        (with("steps: ['a']"), "`actions` and `steps` both say"),
        (with("symptoms: []"), "expected from 1 to 64 symptoms"),
        (with("severity: 'bad'"), "expected a severity, found \"bad\""),
        (with("stage: 'shadows'"), "did you mean `shadow`?"),
        (with("limit: { times: 3 }"), "a limit is a number of times and a window"),
        (with("escalate_if: 'x'"), "expected a comparison"),
        (with("parameters: { service: { type: 'name', label: 'a' } }"), "stands for the service"),
        (with("parameters: { 'a b': { type: 'name', label: 'a' } }"), "the name of a parameter"),
        (with("parameters: { a: { type: 'name' } }"), "nothing says what the parameter is"),
        (with("parameters: { a: { type: 'names', label: 'a' } }"), "did you mean `name`?"),
        (with("parameters: { a: { type: 'number', label: 'a' } }"), "how large the number may be"),
        (with("parameters: { a: { type: 'number', min: 5, max: 4, label: 'a' } }"), "no number is"),
        (with("parameters: { a: { type: 'number', max: 4, default: 5 } }"), "not of the parameter"),
        (with("parameters: { a: { type: 'one_of', values: ['-x'], label: 'a' } }"), "no dash"),
        (with("parameters: { a: { type: 'one_of', values: [], label: 'a' } }"), "found none"),
        (
            with("parameters: { a: { type: 'path', below: 'var', label: 'a' } }"),
            "the absolute path",
        ),
        (step("type: 'check_logs', name: 'logs'"), "two steps are named `logs`"),
        (step("type: 'check_logs', name: '1 a'"), "expected a name by which later steps"),
        (step("type: 'check_logs', pattern: '('"), "expected a regular expression"),
        (step("type: 'run', argv: ['a'], when: 'logs.match > 1'"), "finds nothing of this name"),
        (
            step("type: 'run', argv: ['a'], retry: { times: 11 }"),
            "expected a whole number from 0 to 10",
        ),
        (step("type: 'run', argv: ['a'], retry: {}"), "how often it is tried again"),
        (step("type: 'run', argv: ['a'], on_failure: 'stopp'"), "did you mean `stop`?"),
        (step("type: 'run', argv: ['a'], rollback: { type: 'runn' }"), "did you mean `run`?"),
        (step("type: 'wait'"), "nothing says how long"),
        (step("type: 'wait', duration_hours: 2"), "expected from 1 ms to 10 min"),
        (step("type: 'request', url: 'ftp://x'"), "expected an HTTP URL"),
        (step("type: 'request', url: 'http://x', method: 'PATCH'"), "expected one of GET, POST"),
        (step("type: 'request'"), "the request has no `url`"),
        (step("type: 'rotate_log', path: 'x.log'"), "expected an absolute path"),
        (step("type: 'raise_memory_limit', by_percent: 200"), "a whole number from 1 to 100"),
        (step("type: 'check_resource'"), "did you mean `check_resources`?"),
    ];
    for (text, expected) in cases {
        let said = read(&text).1.join("\n");
        assert!(said.contains(expected), "{text}: {said}");
    }
    let many: Vec<String> = (0..=parameter::PARAMETERS_MAX)
        .map(|n| format!("a{n}: {{ type: 'name', label: 'a' }}"))
        .collect();
    let text = with(&format!("parameters: {{ {} }}", many.join(", ")));
    assert!(read(&text).1[0].contains("at most 16 parameters, found 17"));
}
