//! What the gate says, and why.

use jiff::Timestamp;
use nightcrew_act::gate::WORDS_MAX;
use nightcrew_act::lint::lint;
use nightcrew_model::argv::Argv;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::plan::{Action, Bindings, Method, Playbook, Step};
use nightcrew_model::sample::Status;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling};
use proptest::prelude::*;

use crate::machine::gate;

/// As the settings say where nothing is said.
const ACTIONS_PER_HOUR: u32 = 60;

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
    for _ in 0..ACTIONS_PER_HOUR {
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
    for second in 0..i64::from(ACTIONS_PER_HOUR) {
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
    let step = |action| Step::new(action, "복구", Millis::from_secs(60));
    let condition = Condition {
        metric: metric.into(),
        operator: Operator::Equal,
        operand: Operand::Status(Status::Stopped),
    };
    Playbook::new(name.into(), condition, actions.into_iter().map(step).collect())
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
            "api_slow 1 agent approval",
            "api_slow 1 api approval",
            "api_slow 1 box approval",
            "api_slow 1 postgres approval",
            "api_slow 1 shell approval",
            "api_slow 1 web approval",
            "api_slow 1 주문 refused",
        ]
    );
}

/// Texts that an alert can bring along, the worst first.
fn from_outside() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "x; rm -rf /",
            "--volumes",
            "-delete",
            "--root=/tmp",
            "-exec",
            "a b",
            "$(id)",
            "nginx\n--force",
            "\u{2010}f",
            "../../etc/passwd",
            "{service}",
            "${SERVICE}",
            "{zone}",
            "",
        ])
        .prop_map(str::to_owned),
        prop::sample::select(vec!["nginx", "web", "box", "api", "postgres"])
            .prop_map(str::to_owned),
        "\\PC{0,24}",
        "[-a-z0-9. ;|&$/*={}]{0,16}",
    ]
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
        let Ok(filled) = written.render(&Bindings::of(name.as_str().into())) else {
            return Ok(());
        };
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
    fn no_label_changes_the_program_or_its_flags(
        service in from_outside(),
        zone in from_outside(),
        count in from_outside(),
        line in prop::sample::select(vec![
            "systemctl --no-pager restart '{zone}'",
            "systemctl show --no-pager --property='{zone}' '{service}'",
            "docker restart -t '{count}' '{zone}'",
            "docker logs --tail='{count}' '{zone}'",
            "docker compose -f '/srv/shop/{zone}.yaml' restart '{service}'",
            "journalctl --no-pager --since '{zone}' -n '{count}' -u '{service}'",
            "certbot renew --cert-name='{zone}'",
            "redis-cli -h '{zone}' -p '{count}' '{service}'",
            "kubectl rollout status 'deployment/{zone}' --timeout='{count}s'",
            "launchctl kickstart -k 'gui/{count}/{zone}'",
            "find '/tmp/{zone}' -type f -name '{service}' -mtime '+{count}' -delete",
            "gzip '/var/log/{zone}/{service}.log'",
            "'{zone}' -h",
        ]),
    ) {
        let gate = gate();
        let written = run(line);
        let parameters = [("zone".into(), zone), ("count".into(), count)].into();
        let bindings = Bindings { service: service.as_str().into(), parameters };
        let Ok(filled) = written.render(&bindings) else {
            return Ok(());
        };
        let verdict = gate.judge(&filled);
        let Action::Run { argv } = written else { unreachable!() };
        if verdict.verdict == Ruling::Refused {
            return Ok(());
        }
        prop_assert_eq!(verdict.argv.len(), argv.0.len());
        prop_assert_eq!(&verdict.argv[0], argv.0[0].as_str());
        for (said, word) in verdict.argv.iter().zip(&argv.0) {
            match word.as_str().split_once('{') {
                None => prop_assert_eq!(said, word.as_str()),
                Some((before, _)) => {
                    prop_assert!(said.starts_with(before));
                    prop_assert_eq!(said.starts_with('-'), before.starts_with('-'), "{}", said);
                    prop_assert!(!said.split('/').any(|part| part == ".."), "{}", said);
                    prop_assert!(!said.chars().any(char::is_control));
                }
            }
        }
    }

    #[test]
    fn no_label_makes_an_undeclared_url_or_log(text in from_outside()) {
        let gate = gate();
        let bindings = Bindings::of(text.as_str().into());
        for action in [
            Action::Request { method: Method::Post, url: "http://127.0.0.1/{service}".into() },
            Action::RotateLog { path: "/var/log/{service}.log".into() },
        ] {
            if let Ok(filled) = action.render(&bindings) {
                prop_assert_eq!(gate.judge(&filled).verdict, Ruling::Refused);
            }
        }
    }

    #[test]
    fn no_service_name_makes_a_typed_action_panic_or_names_another(text in from_outside()) {
        let gate = gate();
        let declared = ["nginx", "web", "box", "api", "postgres", "static-site", "agent", "shell", "주문"];
        let service = || text.as_str().into();
        for action in [
            Action::RestartService { service: service() },
            Action::RestartProcess { service: service() },
            Action::ReloadService { service: service() },
            Action::CheckLogs { service: service(), pattern: Some("(".into()), within: Millis(1) },
            Action::CheckDependencies { service: service() },
            Action::CheckResources { service: service() },
            Action::CollectMemory { service: service() },
            Action::RaiseMemoryLimit { service: service(), by_percent: 10 },
        ] {
            let verdict = gate.judge(&action);
            prop_assert!(
                verdict.verdict == Ruling::Refused || declared.contains(&text.as_str()),
                "{}: {}", action, verdict.reason
            );
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
