//! The sample configurations of the repository.

use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, Loaded, load};
use nightcrew_config::settings::Disks;
use nightcrew_config::settings::source::{Given, SourceKind};
use nightcrew_model::plan::Mode;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;

use crate::{examples, problems};

fn load_example(name: &str, env: &Env) -> (Loaded, String) {
    let path = examples().join(name);
    let loaded = load(ConfigSource::Path(path.clone()), env);
    let folder = if path.is_dir() { path } else { examples() };
    let said = problems(&loaded, &folder);
    (loaded, said)
}

#[test]
fn the_sample_with_every_key_has_no_problem() {
    let (loaded, said) = load_example("nightcrew.json5", &Env::default());
    assert_eq!(said, "");
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.mode, Mode::DryRun);
    assert_eq!(settings.services.len(), 6);
    assert_eq!(settings.playbooks.len(), 5);
    assert_eq!(settings.trackers.len(), 3);
    assert_eq!(settings.healing.ask_from, Some(RiskClass::Destructive));
    assert_eq!(settings.channels.len(), 2);
    assert!(matches!(&settings.host.disks, Disks::Listed(disks) if disks.len() == 2));
    assert!(settings.data_dir.is_absolute());
    assert_eq!((settings.slos.len(), settings.detection.relatives.len()), (2, 1));
    assert_eq!(settings.detection.flat_line.severity, None);
    assert_eq!(settings.playbooks[3].verify.as_ref().unwrap().deadline, Millis::from_secs(70));
}

#[test]
fn the_sample_of_on_call_has_no_problem() {
    let (loaded, said) = load_example("oncall/nightcrew.json5", &Env::default());
    assert_eq!(said, "");
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.channels.len(), 11);
    let triage = &settings.triage;
    assert_eq!(triage.routing.as_ref().unwrap().routes().count(), 5);
    assert_eq!(triage.policies.len(), 2);
    assert_eq!(triage.policies[1].automatic, Some(Millis::from_secs(600)));
    assert_eq!((triage.people.len(), triage.schedules.len(), triage.inbound.len()), (4, 1, 6));
    let notify = |name: &str| {
        let channel = settings.channels.iter().find(|channel| channel.name.as_str() == name);
        channel.unwrap().notify.len()
    };
    // Those of receivers hear of alerts, the others of incidents.
    assert_eq!([notify("slack"), notify("bridge"), notify("discord")], [0, 0, 2]);
}

#[test]
fn the_sample_of_tickets_has_no_problem_and_is_what_the_documentation_shows() {
    let tokens = ["JIRA_API_TOKEN", "JIRA_PERSONAL_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"];
    let env: Env = tokens.into_iter().map(|name| (name.to_owned(), "t".to_owned())).collect();
    let (loaded, said) = load_example("tickets/nightcrew.json5", &env);
    assert_eq!(said, "");
    let trackers = loaded.settings.unwrap().trackers;
    let names: Vec<&str> = trackers.iter().map(|tracker| tracker.name.as_str()).collect();
    assert_eq!(names, ["jira", "jira-own", "github", "gitlab"]);
    assert_eq!(trackers[0].resolver.as_ref().map(|it| it.label.as_str()), Some("nightcrew"));
    let docs = std::fs::read_to_string(examples().join("../docs/tickets.md")).unwrap();
    let sample = std::fs::read_to_string(examples().join("tickets/nightcrew.json5")).unwrap();
    let shown: Vec<&str> = docs.split("```json5\n").skip(1).collect();
    assert_eq!(shown.len(), 3, "one for each tracker");
    for block in shown {
        let block = block.split("```").next().unwrap();
        let lines = block.lines().map(str::trim).filter(|line| !line.is_empty());
        for line in lines {
            assert!(sample.contains(line), "the sample has no line {line:?}");
        }
    }
}

#[test]
fn the_sample_of_sources_has_no_problem_and_every_kind() {
    let (loaded, said) = load_example("sources/nightcrew.json5", &Env::default());
    assert_eq!(said, "");
    let settings = loaded.settings.unwrap();
    let kinds: Vec<&str> = settings.sources.iter().map(|source| source.kind.as_str()).collect();
    for word in SourceKind::WORDS.into_iter().filter(|word| *word != "victoriametrics") {
        assert!(kinds.contains(&word), "{word}: {kinds:?}");
    }
    assert!(settings.triage.inbound.is_empty());
}

#[test]
fn the_first_documents_queries_are_asked_where_their_meaning_is_sure() {
    let (loaded, _) = load_example("ops-automation", &Env::default());
    let sources = loaded.settings.unwrap().sources;
    let SourceKind::Prometheus(it) = &sources[0].kind else { panic!("{sources:?}") };
    let asked: Vec<(&str, Given)> =
        it.queries.iter().map(|q| (q.asked.metric.as_str(), q.asked.given)).collect();
    let left = Given::RatioLeft;
    assert_eq!(asked, [("memory_usage", left), ("disk_usage", left)]);
    assert_eq!(it.endpoint.url, "http://localhost:9090");
}

#[test]
fn the_second_documents_limit_holds_for_signoz() {
    let text = "{ guardrails: { rate_limits: { signoz_queries_per_minute: 20 } }, \
                sources: { signoz: { url: 'https://signoz.example.com', token: 't' } } }";
    let (loaded, said) = crate::load_text(text);
    assert_eq!(said, "");
    assert_eq!(loaded.settings.unwrap().sources[0].queries_per_minute, 20);
}

#[test]
fn the_sample_of_an_alertmanager_is_a_whole_configuration() {
    let (loaded, said) = load_example("alertmanager/alertmanager.yml", &Env::default());
    assert!(!said.contains(" error: "), "{said}");
    let counts = loaded.imported.unwrap();
    assert_eq!((counts.routes, counts.receivers, counts.inhibit_rules), (5, 5, 2));
    assert_eq!(loaded.settings.unwrap().channels.len(), 5);
}

#[test]
fn the_first_document_loads_as_it_is() {
    let (loaded, said) = load_example("ops-automation", &Env::default());
    insta::assert_snapshot!(said, @r#"
    config/autoheal-playbooks.json:10:3: warning: playbooks.process_down.condition: no service has a `start` or a `unit`, so no stopped process can be brought back (declare the service: services: { web: { unit: "nginx.service", … } })
    config/monitoring-sources.json:6:14: warning: prometheus.queries.cpu: the query gives seconds per second for each core and mode, but cpu_usage (70/90) is the used part in percent, so it is not asked (ask for `100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))`)
    config/monitoring-sources.json:7:17: warning: prometheus.queries.memory: the query gives the available part as a ratio from 0 to 1, but memory_usage (80/95) is the used part in percent; it is converted (ask for `100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)`)
    config/monitoring-sources.json:8:15: warning: prometheus.queries.disk: the query gives the available part as a ratio from 0 to 1, but disk_usage (75/90) is the used part in percent; it is converted (ask for `100 * (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)`)
    config/monitoring-sources.json:20:33: warning: healthchecks[1].url: port 5432 is PostgreSQL's, which does not speak HTTP, so the check will fail (check it with { tcp: "localhost:5432" })
    "#);
    let settings = loaded.settings.unwrap();
    let services: Vec<&str> = settings.services.keys().map(|name| name.as_str()).collect();
    assert_eq!(services, ["api", "database"]);
    assert_eq!(settings.services[&"database".into()].checks[0].interval, Millis::from_secs(120));
    let steps = &settings.playbooks[0].steps;
    assert_eq!(steps[1].description, "find /var/log -name '*.log.*' -mtime +30 -delete");
    let logs: Vec<&str> = settings.logs.files.iter().map(|files| files.pattern.as_str()).collect();
    assert_eq!(logs, ["/var/log/system.log", "/tmp/openclaw/*.log", "/var/log/nginx/*.log"]);
    assert_eq!(settings.playbooks[0].verify, None);
    assert_eq!(settings.thresholds.len(), 7);
}

#[test]
fn the_second_document_loads_as_its_tree() {
    let env: Env = [
        ("SIGNOZ_API_URL", "https://signoz.example.com/api"),
        ("SIGNOZ_API_KEY", "sk-sig-xxxxxxxxxxxx"),
        ("JIRA_API_TOKEN", "ATATT3xxxxxxxxxxxxx"),
        ("DISCORD_WEBHOOK_URL", "https://discord.com/api/webhooks/1/yyyy"),
    ]
    .into_iter()
    .collect();
    let (loaded, said) = load_example("openclaw-agent-configs", &env);
    insta::assert_snapshot!(said, @r#"
    openclaw.json:3:3: warning: agents: read, not acted on by this version
    openclaw.json:18:3: warning: mcpServers: read, not acted on by this version
    config/agents/ops-monitor.json5:5:5: warning: agents[0].tools[0]: the SigNoz MCP server has no tool of this name (did you mean `signoz_list_services`?)
    config/agents/ops-monitor.json5:6:5: warning: agents[0].tools[1]: the SigNoz MCP server has no tool of this name (did you mean `signoz_query_metrics`?)
    config/agents/ops-monitor.json5:8:5: warning: agents[0].tools[3]: the SigNoz MCP server has no tool of this name (did you mean `signoz_get_trace_details`?)
    config/agents/ops-monitor.json5:9:5: warning: agents[0].tools[4]: the SigNoz MCP server has no tool of this name (did you mean `signoz_list_alert_rules`?)
    config/agents/ops-monitor.json5:10:5: warning: agents[0].tools[5]: the SigNoz MCP server has no tool of this name (did you mean `signoz_create_alert`?)
    config/agents/ops-monitor.json5:60:5: warning: agents[0].sandbox.filesystem: sandbox: read, not acted on by this version
    project/integrations/signoz.json5:6:5: warning: mcpServers.signoz.env.SIGNOZ_API_URL: the SigNoz MCP server does not read this variable (it reads SIGNOZ_URL)
    config/healthcheck.json5:3:3: warning: healthcheck: read, not acted on by this version
    config/schedules.json5:2:3: warning: schedules: read, not acted on by this version
    config/schedules.json5:8:13: warning: schedules.jira-resolver-daily.cron: six fields where five are expected (minute hour day-of-month month day-of-week); read with seconds first, `30` cannot be the hour (0 to 23) (write `30 9 * * *`)
    config/bindings/agent-bindings.json5:2:1: warning: bindings: read, not acted on by this version
    config/channels/incident-channel.json5:2:1: warning: channels.incident-channel: channels without a type: read, not acted on by this version
    project/integrations/jira-issue.json5:2:1: warning: integrations: read, not acted on by this version
    project/thresholds/alerting.json5:6:7: warning: services.frontend.latency_p99_ms: services.*.latency_p99_ms: read, not acted on by this version
    project/thresholds/alerting.json5:8:7: warning: services.frontend.error_rate_threshold: services.*.error_rate_threshold: read, not acted on by this version
    project/thresholds/escalation.json5:12:16: warning: levels.L2.mention: at Discord this is only text: it calls nobody (write "<@USER_ID>" or "<@&ROLE_ID>", or add the person to `people`)
    project/thresholds/escalation.json5:18:16: warning: levels.L3.mention: at Discord this is only text: it calls nobody (write "<@USER_ID>" or "<@&ROLE_ID>", or add the person to `people`)
    project/thresholds/runbooks.json5:39:9: warning: patterns.high_latency.actions[2]: no service may be restarted, so this does nothing (declare the service with a `start` or a `unit`)
    project/thresholds/runbooks.json5:52:9: warning: patterns.oom_kill.actions[1]: no memory limit may be raised, so this does nothing (give the service a `memory_limit_max_mb`)
    project/thresholds/runbooks.json5:53:9: warning: patterns.oom_kill.actions[2]: no service may be restarted, so this does nothing (declare the service with a `start` or a `unit`)
    project/thresholds/runbooks.json5:62:28: warning: patterns.connection_pool_exhaustion.actions[0].action: this version cannot do this, so the runbook goes on without the step (give a `command`, or leave the step out)
    project/thresholds/runbooks.json5:63:28: warning: patterns.connection_pool_exhaustion.actions[1].action: this version cannot do this, so the runbook goes on without the step (give a `command`, or leave the step out)
    project/thresholds/runbooks.json5:64:9: warning: patterns.connection_pool_exhaustion.actions[2]: no service may be restarted, so this does nothing (declare the service with a `start` or a `unit`)
    "#);
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.breaker.failures, 3);
    assert_eq!(settings.breaker.reset, Millis::from_secs(60));
    assert_eq!(settings.healing.dedup_window, Millis::from_secs(3_600));
    assert_eq!(settings.healing.verify_interval, Millis::from_secs(30));
    assert_eq!(settings.healing.verify_needed, 2);
    let playbooks: Vec<&str> = settings.playbooks.iter().map(|it| it.name.as_str()).collect();
    let runbooks = ["high_error_rate", "high_latency", "oom_kill", "connection_pool_exhaustion"];
    assert_eq!(playbooks, runbooks);
    let proof = settings.playbooks[0].verify.as_ref().unwrap();
    assert_eq!(proof.condition.to_string(), "error_ratio < 0.01 and latency_p99_ms < 3000");
    assert_eq!((proof.needed, proof.wait_after), (2, Millis::from_secs(120)));
    let services: Vec<&str> = settings.services.keys().map(|name| name.as_str()).collect();
    assert_eq!(services, ["frontend"]);
    assert_eq!(settings.channels.len(), 1);
    let rate = settings.channels[0].rate.unwrap();
    assert_eq!((rate.messages, rate.window), (5, Millis::from_secs(60)));
    let policy = &settings.triage.policies[0];
    assert_eq!(policy.automatic, Some(Millis::from_secs(600)));
    let levels: Vec<(&str, Millis)> =
        policy.levels.iter().map(|level| (level.name.as_str(), level.timeout)).collect();
    let minutes = |minutes: u64| Millis::from_secs(minutes * 60);
    assert_eq!(
        levels,
        [("L2 담당 엔지니어 호출", minutes(30)), ("L3 팀 리드 에스컬레이션", minutes(60))]
    );
    let lead = &settings.triage.people[&"team-lead".into()].channels[0];
    assert_eq!((lead.channel.as_str(), lead.mention.as_deref()), ("discord", Some("@team-lead")));
}

#[test]
fn without_env_the_second_document_says_what_is_missing() {
    let (loaded, said) = load_example("openclaw-agent-configs", &Env::default());
    assert!(loaded.settings.is_none());
    let errors: Vec<&str> = said.lines().filter(|line| line.contains(" error: ")).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    project/integrations/signoz.json5:6:22: error: mcpServers.signoz.env.SIGNOZ_API_URL: the variable SIGNOZ_API_URL is not set (.env.example asks for it: copy that file to .env and fill it in)
    project/integrations/signoz.json5:7:22: error: mcpServers.signoz.env.SIGNOZ_API_KEY: the variable SIGNOZ_API_KEY is not set (.env.example asks for it: copy that file to .env and fill it in)
    project/integrations/jira.json5:6:22: error: mcpServers.jira.env.JIRA_API_TOKEN: the variable JIRA_API_TOKEN is not set (.env.example asks for it: copy that file to .env and fill it in)
    project/integrations/discord.json5:4:47: error: channels.discord.webhook_url: the variable DISCORD_WEBHOOK_URL is not set (.env.example asks for it: copy that file to .env and fill it in)
    "#);
}

/// The shape of the second document's playbooks, as the page of its healer shows them.
#[test]
fn playbooks_with_objects_and_verification_load_as_they_are() {
    let text = r#"{
      "disk_space_low": {
        "condition": { "metric": "disk_usage", "operator": ">", "threshold": 90 },
        "actions": [
          { "type": "shell", "command": "find /tmp -type f -mtime +7 -delete", "description": "Clean old temp files" },
          { "type": "shell", "command": "docker system prune -f", "description": "Clean Docker resources" }
        ],
        "verify": { "metric": "disk_usage", "operator": "<", "threshold": 85, "retry_count": 3, "retry_interval_seconds": 60 }
      },
      "process_down": {
        "condition": { "metric": "process_status", "operator": "==", "value": "stopped" },
        "actions": [
          { "type": "service_restart", "service": "{process_name}", "description": "Restart the stopped process" }
        ],
        "verify": { "metric": "process_status", "operator": "==", "value": "running" }
      }
    }"#;
    let folder = crate::Folder::new(&[("autoheal-playbooks.json", text)]);
    let (loaded, said) = folder.load("", &Env::default());
    insta::assert_snapshot!(said, @r#"
    autoheal-playbooks.json:10:7: warning: playbooks.process_down.condition: no service has a `start` or a `unit`, so no stopped process can be brought back (declare the service: services: { web: { unit: "nginx.service", … } })
    autoheal-playbooks.json:13:11: warning: playbooks.process_down.actions[0]: no service may be restarted, so this does nothing (declare the service with a `start` or a `unit`)
    "#);
    let playbooks = loaded.settings.unwrap().playbooks;
    let disk = playbooks[0].verify.as_ref().unwrap();
    assert_eq!((disk.needed, disk.interval), (2, Millis::from_secs(60)));
    assert_eq!(disk.deadline, Millis::from_secs(240));
    let process = playbooks[1].verify.as_ref().unwrap();
    assert_eq!((process.needed, process.deadline), (3, Millis::from_secs(120)));
}

#[test]
fn the_sample_of_playbooks_has_no_problem_and_every_action() {
    let (loaded, said) = load_example("playbooks/nightcrew.json5", &Env::default());
    // The file of its certificate and of its services lie on no machine of ours.
    assert_eq!(said, "");
    let settings = loaded.settings.unwrap();
    let steps = settings.playbooks.iter().flat_map(|playbook| &playbook.steps);
    let kinds: std::collections::BTreeSet<String> = steps
        .map(|step| {
            let action = serde_json::to_value(&step.action).unwrap();
            action["type"].as_str().unwrap().to_owned()
        })
        .collect();
    let shown = [
        "check_dependencies",
        "check_logs",
        "check_resources",
        "clean_files",
        "collect_memory",
        "raise_memory_limit",
        "reload_service",
        "request",
        "restart_service",
        "rotate_log",
        "run",
        "wait",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), shown);
    assert_eq!(settings.playbooks.len(), 13);
}
