//! Playbooks and the trust in the crew, judged as a whole.

use crate::load_text;

/// Loads a service `web` with everything, and one playbook.
fn said(playbook: &str) -> String {
    let text = format!(
        "{{ services: {{ web: {{ unit: 'web.service', checks: [{{ tcp: '127.0.0.1:1' }}], \
         reload: 'unit', log_files: ['/var/log/web.log'], http_actions: \
         ['http://127.0.0.1:1/reset'] }} }}, playbooks: {{ p: {playbook} }} }}"
    );
    load_text(&text).1
}

#[test]
fn what_the_gate_would_refuse_is_told_before() {
    let with = |step: &str| said(&format!("{{ condition: 'disk_usage > 90', actions: [{step}] }}"));
    assert_eq!(with("{ type: 'request', url: 'http://127.0.0.1:1/reset' }"), "");
    assert_eq!(with("{ type: 'rotate_log', path: '/var/log/web.log' }"), "");
    assert_eq!(with("{ type: 'reload_service', service: 'web' }"), "");
    let cases = [
        (
            "{ type: 'request', url: 'http://127.0.0.1:1/x' }",
            "error: playbooks.p.actions[0]: the gate",
        ),
        ("{ type: 'rotate_log', path: '/var/log/x.log' }", "the gate would refuse to rotate"),
        ("{ type: 'reload_service', service: 'wep' }", "did you mean `web`?"),
        ("{ type: 'check_logs', service: 'db' }", "names a service that is not declared"),
        ("{ type: 'raise_memory_limit', service: 'web' }", "`memory_limit_max_mb`"),
        ("{ type: 'raise_memory_limit' }", "warning: playbooks.p.actions[0]: no memory limit"),
    ];
    for (step, expected) in cases {
        let said = with(step);
        assert!(said.contains(expected), "{step}: {said}");
    }
}

#[test]
fn placeholders_and_parameters_agree() {
    let with = |parameters: &str, word: &str| {
        said(&format!(
            "{{ condition: 'disk_usage > 90', parameters: {{ {parameters} }}, actions: [{{ type: \
             'run', argv: ['journalctl', '{word}'] }}] }}"
        ))
    };
    let days = "days: { type: 'number', max: 9, default: 1 }";
    assert_eq!(with(days, "--vacuum-time={days}d"), "");
    assert_eq!(with("", "{{.Names}}"), "");
    assert!(with(days, "x").contains("p.parameters.days: no step uses this parameter"));
    assert!(with("", "{dayz}").contains("a placeholder of this step stands for nothing"));
}

#[test]
fn what_does_harm_or_proves_nothing_is_told() {
    let cases = [
        (
            "{ condition: 'disk_usage > 90', actions: [{ type: 'run', argv: ['df'], retry: 2 }] }",
            "p.actions[0].retry: what failed may have happened in part",
        ),
        (
            "{ condition: 'disk_usage > 90', actions: [{ type: 'check_resources', rollback: 'df' }] }",
            "there is nothing to take back",
        ),
        (
            "{ condition: 'disk_usage > 90', actions: [{ type: 'run', argv: ['df'], on_failure: \
             'rollback' }] }",
            "no step before this one has a `rollback`",
        ),
        ("{ symptoms: ['x'], actions: ['df'] }", "error: playbooks.p: nothing proves"),
        ("{ symptoms: ['x'], actions: ['df'], verify: 'always' }", "this always holds"),
        (
            "{ condition: 'disk_usage > 90', actions: ['df'], verify: { all: ['disk_usage < 95', \
             'load_1m < 5'] } }",
            "so it does not prove a repair (verify `disk_usage <= 90` or stricter)",
        ),
        (
            "{ condition: 'disk_usage > 90', actions: ['df'] }, q: { condition: 'disk_usage > 90', \
             actions: ['df'] }",
            "playbooks.q: p is done about the same already",
        ),
    ];
    for (playbook, expected) in cases {
        let said = said(playbook);
        assert!(said.contains(expected), "{playbook}: {said}");
    }
    let good = "{ condition: 'disk_usage > 90', actions: ['df'], verify: { all: ['disk_usage < \
                85', 'load_1m < 5'] } }";
    assert_eq!(said(good), "");
}

#[test]
fn trust_that_cannot_work_is_told() {
    let text = "{ services: { web: { unit: 'w.service', checks: [{ tcp: '127.0.0.1:1' }], group: \
                'shop', autonomy: 'approve' } }, healing: { approval_timeout_minutes: 30 }, \
                escalation: { policies: [{ name: 'p', levels: [{ name: 'l', notify: ['console'], \
                timeout_minutes: 5 }] }] } }";
    let (_, said) = load_text(text);
    assert!(said.contains("services.web.group: no other service is in this group"), "{said}");
    assert!(said.contains("healing: an approval waits 30 min"), "{said}");
}

#[test]
fn runbooks_stand_behind_own_playbooks_and_before_the_defaults() {
    let text = "{ services: { web: { unit: 'w.service', process: { name: 'w' } } }, patterns: { \
                high_latency: { symptoms: ['slow'], actions: [{ action: 'restart_service' }] } } }";
    let (loaded, said) = load_text(text);
    assert_eq!(said, "");
    let settings = loaded.settings.unwrap();
    let names: Vec<&str> = settings.playbooks.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["high_latency", "process_down"]);
    let watched = settings.thresholds.iter().filter_map(|rule| rule.critical.as_ref());
    assert!(watched.into_iter().any(|limit| limit.to_string() == "latency_p99_ms > 3000"));
}

#[test]
fn the_second_documents_sandbox_grants_what_containers_may_be_asked() {
    let text = "{ agents: [{ sandbox: { docker: { allowed_commands: ['restart'], \
                blocked_commands: ['rm', 'exec'] } } }], services: { web: { container: 'web' }, \
                db: { container: 'db', containers: { allowed: ['logs'] } } } }";
    let (loaded, _) = load_text(text);
    let services = loaded.settings.unwrap().services;
    let allowed = |name: &str| services[&name.into()].containers.allowed.len();
    assert_eq!((allowed("web"), allowed("db")), (1, 1));
    assert!(services[&"web".into()].restart_allowed);
}

#[test]
fn the_examples_of_the_documentation_can_be_used() {
    let path = crate::examples().join("../docs/playbooks-reference.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text.split("```json5\n").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let block = block.split("```").next().unwrap();
        let (_, said) = load_text(block);
        let said: Vec<&str> = said.lines().filter(|it| !it.contains("allowed_commands")).collect();
        assert_eq!(said, [""; 0], "{block}");
    }
}
