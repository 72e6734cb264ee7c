//! What the gate says, and why.

use jiff::Timestamp;
use nightcrew_act::gate::WORDS_MAX;
use nightcrew_act::lint::lint;
use nightcrew_act::rate::ACTIONS_PER_HOUR_MAX;
use nightcrew_model::argv::Argv;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::plan::{Action, Playbook, Step};
use nightcrew_model::sample::Status;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling};
use proptest::prelude::*;

use crate::machine::gate;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn run(line: &str) -> Action {
    Action::Run { argv: Argv::parse(line).unwrap() }
}

#[test]
fn a_refusal_says_why_and_what_to_do() {
    let gate = gate();
    for (line, rule, part) in [
        ("docker system prune -f --volumes", "docker.system-prune", "`--volumes` is not a flag"),
        ("docker system prune", "docker.system-prune", "needs -f or --force"),
        ("docker rm web", "gate.no-form", "`docker rm web` is not among what docker may be asked"),
        ("curl http://x", "gate.no-grammar", "no grammar for curl"),
        ("sudo reboot", "gate.wrapper", "give that one as the action itself"),
        ("A=b df", "gate.wrapper", "sets a variable"),
        ("df; id", "gate.not-argv", "needs a shell"),
        ("/opt/df", "gate.program", "neither a bare name nor in one of"),
        ("systemctl restart ssh", "systemctl.restart", "protected"),
        ("systemctl restart nginx web", "systemctl.restart", "not the unit of a declared service"),
        (
            "find /etc -type f -mtime +7 -delete",
            "find.delete",
            "not below a clean root (/tmp, /var/log)",
        ),
        ("find /tmp/link -type f -mtime +7 -delete", "find.delete", "symbolic link"),
        ("docker restart static-site", "docker.restart", "restart_allowed is false"),
        ("gzip /var/log/app/*", "gzip.compress", ""),
        ("logrotate -f /etc/logrotate.d/theirs", "logrotate.rotate", "root owns"),
        ("journalctl", "journalctl.read", "needs --no-pager"),
        ("systemctl restart nginx*", "systemctl.restart", "outside quotes"),
    ] {
        let verdict = gate.judge_line(line);
        assert_eq!(verdict.rule, rule, "{line}: {}", verdict.reason);
        if line != "systemctl restart nginx web" {
            assert!(verdict.reason.contains(part), "{line}: {}", verdict.reason);
        }
    }
}

#[test]
fn what_is_not_declared_needs_a_person() {
    let gate = gate();
    for (line, how) in [
        ("systemctl restart redis", "unit: \"redis.service\""),
        ("systemctl restart web", "unit: \"web.service\""),
        ("docker restart cache", "declare services.cache"),
        ("docker compose restart cache", "declare services.cache"),
        ("kubectl rollout restart deployment/cache", "declare services.cache"),
        ("brew services restart postgresql", "declare services.postgresql"),
    ] {
        let verdict = gate.judge_line(line);
        assert_eq!(verdict.verdict, Ruling::Approval, "{line}: {}", verdict.reason);
        assert_eq!(verdict.class, RiskClass::Disruptive);
        assert!(verdict.reason.contains(how), "{line}: {}", verdict.reason);
        assert!(gate.admit(&run(line), at(0)).admitted.is_none());
    }
}

#[test]
fn a_glob_is_shown_as_the_files_that_it_stands_for() {
    let verdict = gate().judge_line("gzip -9 /var/log/app/*.log");
    assert_eq!(verdict.argv, ["gzip", "-9", "/var/log/app/one.log", "/var/log/app/two.log"]);
}

#[test]
fn typed_actions_are_judged_by_the_inventory() {
    let gate = gate();
    let process = |name: &str| gate.judge(&Action::RestartProcess { service: name.into() });
    let service = |name: &str| gate.judge(&Action::RestartService { service: name.into() });
    assert_eq!(service("nginx").argv, ["systemctl", "restart", "nginx.service"]);
    assert_eq!(service("nginx").rule, "systemctl.restart");
    assert_eq!(service("web").rule, "restart_process");
    assert_eq!(process("web").verdict, Ruling::Admitted);
    assert_eq!(process("web").argv, ["/srv/web/run", "--port", "8080"]);
    assert_eq!(process("주문").verdict, Ruling::Admitted);
    assert!(process("nginx").reason.contains("start is not given"));
    assert!(service("nobody").reason.contains("not a declared service"));
    assert!(service("static-site").reason.contains("restart_allowed"));
    // A protected unit stays protected, whatever the operator calls its service.
    assert!(service("shell").reason.contains("protected"));
    for name in ["", "../web", "web\n", "{service_name}", "nightcrew"] {
        assert_eq!(process(name).verdict, Ruling::Refused, "{name:?}");
    }
}

#[test]
fn clean_files_needs_a_clean_root_an_age_and_a_plain_pattern() {
    let gate = gate();
    let clean = |root: &str, name: Option<&str>, age: Millis| {
        gate.judge(&Action::CleanFiles {
            root: root.into(),
            name: name.map(str::to_owned),
            older_than: age,
        })
    };
    let week = Millis::from_secs(7 * 86_400);
    assert_eq!(clean("/tmp", Some("*.보고서"), week).verdict, Ruling::Admitted);
    for (root, name, age) in [
        ("/etc", None, week),
        ("/tmp/../etc", None, week),
        ("/tmp/link", None, week),
        ("/tmp/app/a.tmp", None, week),
        ("tmp", None, week),
        ("/tmp", Some("../*"), week),
        ("/tmp", Some("a\n"), week),
        ("/tmp", Some(""), week),
        ("/tmp", None, Millis(0)),
    ] {
        assert_eq!(clean(root, name, age).verdict, Ruling::Refused, "{root} {name:?}");
    }
}

#[test]
fn the_hourly_cap_counts_what_interrupts_or_removes_and_nothing_else() {
    let gate = gate();
    for _ in 0..ACTIONS_PER_HOUR_MAX {
        assert!(gate.admit(&run("df -h"), at(0)).admitted.is_some());
        assert!(gate.admit(&run("systemctl restart nginx"), at(0)).admitted.is_some());
    }
    let judgement = gate.admit(&run("systemctl restart nginx"), at(3_599));
    assert!(judgement.admitted.is_none());
    assert_eq!(judgement.verdict.rule, "gate.rate-limit");
    assert_eq!(gate.judge(&run("systemctl restart nginx")).verdict, Ruling::Admitted);
    assert!(gate.admit(&run("df -h"), at(3_599)).admitted.is_some());
    assert!(gate.admit(&run("systemctl restart nginx"), at(3_600)).admitted.is_some());
}

#[test]
fn the_hourly_cap_survives_a_restart() {
    let before = gate();
    let after = gate();
    for second in 0..i64::try_from(ACTIONS_PER_HOUR_MAX).unwrap() {
        let verdict = before.admit(&run("docker system prune -f"), at(second)).verdict;
        after.remember(verdict.class, at(second));
    }
    assert!(after.admit(&run("docker system prune -f"), at(60)).admitted.is_none());
}

#[test]
fn a_line_of_too_many_words_is_refused() {
    let many = format!("df {}", "/tmp ".repeat(WORDS_MAX));
    assert!(gate().judge_line(&many).reason.contains("words"));
    let json = format!("[\"df\", \"{}\"]", "x".repeat(20_000));
    assert!(gate().judge_line(&json).reason.contains("longer"));
}

fn playbook(name: &str, metric: &str, actions: Vec<Action>) -> Playbook {
    let step =
        |action| Step { action, description: "복구".into(), timeout: Millis::from_secs(60) };
    Playbook {
        name: name.into(),
        condition: Condition {
            metric: metric.into(),
            operator: Operator::Equal,
            operand: Operand::Status(Status::Stopped),
        },
        steps: actions.into_iter().map(step).collect(),
        verify: None,
        cooldown: None,
    }
}

#[test]
fn lint_tells_of_every_step_that_would_not_run_for_every_service_it_can_be_about() {
    let playbooks = [
        playbook(
            "disk_space_low",
            "disk_usage",
            vec![
                run("find /tmp -type f -mtime +7 -delete"),
                run("find /var/log -name '*.log.*' -mtime +30 -delete"),
                run("docker system prune -f --volumes"),
            ],
        ),
        playbook(
            "process_down",
            "process_status",
            vec![Action::RestartService { service: "{process_name}".into() }],
        ),
        playbook("api_slow", "error_rate_per_min", vec![run("systemctl restart '{service_name}'")]),
    ];
    let told: Vec<String> = lint(&gate(), &playbooks)
        .into_iter()
        .map(|objection| {
            let service = objection.service.map_or("-".into(), String::from);
            format!(
                "{} {} {service} {}",
                objection.playbook, objection.step, objection.verdict.verdict
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "disk_space_low 3 - refused",
            "api_slow 1 postgres approval",
            "api_slow 1 shell approval",
            "api_slow 1 web approval",
            "api_slow 1 주문 refused",
        ]
    );
}

proptest! {
    #[test]
    fn no_service_name_changes_the_program_or_its_flags(
        name in prop_oneof!["\\PC{0,24}", "[-a-z. ;|&$/*=]{0,16}", Just("nginx".to_owned()), Just("web".to_owned())],
        line in prop::sample::select(vec![
            "systemctl restart '{service_name}'",
            "docker restart -t 10 '{service}'",
            "docker compose restart '{service}'",
            "kubectl rollout restart 'deployment/{service}'",
            "brew services restart '{process_name}'",
            "journalctl --no-pager -u '{service}' -n 10",
            "docker logs --tail=10 '{service}'",
            "find '/tmp/{service}' -type f -mtime +7 -delete",
            "gzip '/var/log/{service}.log'",
        ]),
    ) {
        let gate = gate();
        let written = run(line);
        let filled = written.for_service(&name.as_str().into());
        let verdict = gate.judge(&filled);
        if verdict.verdict == Ruling::Admitted {
            let Action::Run { argv } = written else { unreachable!() };
            prop_assert_eq!(verdict.argv.len(), argv.0.len());
            for (said, word) in verdict.argv.iter().zip(&argv.0) {
                if !word.as_str().contains('{') {
                    prop_assert_eq!(said, word.as_str());
                } else {
                    prop_assert!(!said.starts_with('-'));
                    prop_assert!(!said.split('/').any(|part| part == ".."), "{said}");
                }
            }
        }
    }

    #[test]
    fn no_line_makes_the_gate_panic(line in "\\PC{0,60}") {
        let _ = gate().judge_line(&line);
    }

    #[test]
    fn no_words_make_the_gate_panic(words in prop::collection::vec("(find|docker|systemctl|-delete|/tmp|restart|nginx|--|=|\\PC{0,4})", 0..8)) {
        let _ = gate().judge(&Action::Run { argv: Argv::literal(words) });
    }
}
