//! The command line: what it promises in its help, its exit codes, its output in a pipe.

use std::path::Path;

use serde_json::{Value, json};

use crate::crew::{Crew, quiet};
use crate::stage::{Stage, free_address};

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    folder.canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
}

/// The output of a check, without the folder in which the examples are.
fn check(name: &str, env: &[(&str, &str)]) -> (Option<i32>, String) {
    let stage = Stage::new();
    let done = stage.nightcrew_with(&["check", "--config", &example(name)], env, "").calm();
    let said = format!("{}{}", done.err, done.out);
    (done.code, said.replace(&format!("{}/", example("")), "").replace(&example(""), ""))
}

#[test]
fn the_help_names_every_command() {
    let stage = Stage::new();
    let help = stage.nightcrew(&["--help"]);
    assert_eq!(help.code, Some(0));
    insta::assert_snapshot!(help.out, @r#"
    An autonomous on-call crew: watches, heals what it may, proves it, and tells a person the rest

    Usage: nightcrew [OPTIONS] <COMMAND>

    Commands:
      up         Run the crew
      demo       Break a throw-away service and a throw-away disk for real, and watch them being healed
      check      Read a configuration and name every mistake in it
      doctor     Look at this machine: what works here, what does not, how to mend it
      status     Say how the running crew is
      agents     The members of the crew
      alerts     The alerts that the crew knows
      incidents  The incidents
      approvals  The plans that wait for a person
      silences   Keep people from hearing of some alerts for some time
      locks      Keep something from being done to some services for some time
      oncall     Who is on call
      playbooks  The playbooks of a configuration: what the gate says of them, how they do
      detect     The detectors, over files, and what they found
      slo        What is promised about services, and what is left of it
      logs       What is in log files
      metrics    What was measured
      gate       The gate that every action passes
      backtest   What would have been found and done with other limits or playbooks
      schema     Print the JSON Schema of the configuration, for editors
      rebuild    Rebuild the tables of a journal from its log, while no crew runs on it
      help       Print this message or the help of the given subcommand(s)

    Options:
      -v, --verbose...  Log more; twice for everything
      -h, --help        Print help
      -V, --version     Print version

    Exit codes: 0 done or healthy, 1 the answer is "no", 2 usage or configuration error, 3 the running
    crew cannot be reached.
    "#);
    let help = stage.nightcrew(&["playbooks", "--help"]);
    insta::assert_snapshot!(help.out, @r"
    The playbooks of a configuration: what the gate says of them, how they do

    Usage: nightcrew playbooks [OPTIONS] <COMMAND>

    Commands:
      list    List them, with what the gate says of their steps
      show    Show one
      review  Compare those in shadow with what people did instead, and say which are fit to run
      test    Break a throw-away service for real and see whether one heals it and proves it
      help    Print this message or the help of the given subcommand(s)

    Options:
      -v, --verbose...  Log more; twice for everything
      -h, --help        Print help
    ");
    let help = stage.nightcrew(&["playbooks", "test", "--help"]);
    insta::assert_snapshot!(help.out, @r"
    Break a throw-away service for real and see whether one heals it and proves it

    Usage: nightcrew playbooks test [OPTIONS] <NAME>

    Arguments:
      <NAME>  Its name

    Options:
          --config <PATH>      A configuration file, or a folder that holds nightcrew.json5,
                               openclaw.json or config/*.json [env: NIGHTCREW_CONFIG=]
      -v, --verbose...         Log more; twice for everything
          --service <SERVICE>  Under the name of this service [default: one that the playbook could be
                               about]
          --keep               Keep the files of the test
          --shown-is-fine      Do not fail because something cannot be run or proven on a throw-away
                               service, as long as the gate admits it
          --json               Print the result as JSON
      -h, --help               Print help
    ");
    let help = stage.nightcrew(&["playbooks", "review", "--help"]);
    insta::assert_snapshot!(help.out, @r"
    Compare those in shadow with what people did instead, and say which are fit to run

    Usage: nightcrew playbooks review [OPTIONS]

    Options:
          --since <SPAN>   How far back decisions in shadow are reviewed: `12h`, `30d` [default: 30d]
      -v, --verbose...     Log more; twice for everything
          --data <DIR>     Read this data folder instead of asking a crew; one may run on it
          --config <PATH>  A configuration file, or a folder that holds nightcrew.json5, openclaw.json
                           or config/*.json [env: NIGHTCREW_CONFIG=]
          --url <URL>      Where the crew listens [env: NIGHTCREW_URL=] [default: http://127.0.0.1:7979]
          --json           Print JSON
      -h, --help           Print help
    ");
    let help = stage.nightcrew(&["approvals", "--help"]);
    insta::assert_snapshot!(help.out, @r"
    The plans that wait for a person

    Usage: nightcrew approvals [OPTIONS] <COMMAND>

    Commands:
      list     List the plans that wait, and what is approved for a while
      show     Show a plan that waits: every step, as it would run
      approve  Let a plan run
      deny     Keep a plan from running: a person takes the incident
      stand    Approve every action of some shapes for a while
      end      Take a standing approval back
      help     Print this message or the help of the given subcommand(s)

    Options:
      -v, --verbose...  Log more; twice for everything
      -h, --help        Print help
    ");
    let help = stage.nightcrew(&["up", "--help"]);
    insta::assert_snapshot!(help.out, @r"
    Run the crew

    Usage: nightcrew up [OPTIONS]

    Options:
          --config <PATH>  A configuration file, or a folder that holds nightcrew.json5, openclaw.json
                           or config/*.json [env: NIGHTCREW_CONFIG=]
      -v, --verbose...     Log more; twice for everything
          --data <DIR>     The folder of the journal and of everything that the crew writes [default:
                           ./.nightcrew] [env: NIGHTCREW_DATA=]
          --listen <ADDR>  Where HTTP is served; a loopback address [default: 127.0.0.1:7979]
          --dry-run        Judge and record every plan, and execute nothing
      -h, --help           Print help
    ");
}

#[test]
fn mistakes_of_usage_are_2() {
    let stage = Stage::new();
    let cases: [&[&str]; 5] =
        [&["upp"], &["up", "--nope"], &[], &["gate", "explain"], &["incidents", "show", "x"]];
    for args in cases {
        let done = stage.nightcrew(args).calm();
        assert_eq!(done.code, Some(2), "{args:?}: {}", done.err);
        assert_eq!(done.out, "", "{args:?}");
        assert!(!done.err.is_empty());
    }
    assert_eq!(stage.nightcrew(&["--version"]).code, Some(0));
}

#[test]
fn without_a_crew_the_exit_code_is_3_and_says_how_to_start_one() {
    let stage = Stage::new();
    let url = format!("http://{}", free_address());
    let commands: [&[&str]; 5] = [
        &["status"],
        &["agents", "list"],
        &["alerts", "list"],
        &["incidents", "list"],
        &["incidents", "show", "INC-1"],
    ];
    for command in commands {
        let done = stage.nightcrew(&[command, &["--url", &url]].concat()).calm();
        assert_eq!(done.code, Some(3), "{command:?}: {}", done.err);
        assert!(done.err.contains("start it with `nightcrew up`"), "{}", done.err);
        assert_eq!(done.out, "");
    }
}

#[test]
fn the_sample_with_every_key_has_no_mistake() {
    let (code, said) = check("nightcrew.json5", &[]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(said, @r"
    1 files, 0 errors, 0 warnings
    ");
}

#[test]
fn the_first_document_s_files_load_and_their_mistakes_are_told() {
    let (code, said) = check("ops-automation", &[]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(said, @r#"
    ops-automation/config/autoheal-playbooks.json:10:3: warning: playbooks.process_down.condition: no service has a `start` or a `unit`, so no stopped process can be brought back (declare the service: services: { web: { unit: "nginx.service", … } })
    ops-automation/config/monitoring-sources.json:6:14: warning: prometheus.queries.cpu: the query gives seconds per second for each core and mode, but cpu_usage (70/90) is the used part in percent, so it is not asked (ask for `100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))`)
    ops-automation/config/monitoring-sources.json:7:17: warning: prometheus.queries.memory: the query gives the available part as a ratio from 0 to 1, but memory_usage (80/95) is the used part in percent; it is converted (ask for `100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)`)
    ops-automation/config/monitoring-sources.json:8:15: warning: prometheus.queries.disk: the query gives the available part as a ratio from 0 to 1, but disk_usage (75/90) is the used part in percent; it is converted (ask for `100 * (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)`)
    ops-automation/config/monitoring-sources.json:20:33: warning: healthchecks[1].url: port 5432 is PostgreSQL's, which does not speak HTTP, so the check will fail (check it with { tcp: "localhost:5432" })
    3 files, 0 errors, 5 warnings
    "#);
}

#[test]
fn the_second_document_s_tree_loads_and_its_mistakes_are_told() {
    let env = [
        ("SIGNOZ_API_URL", "https://signoz.example.com/api"),
        ("SIGNOZ_API_KEY", "sk-sig-xxxxxxxxxxxx"),
        ("JIRA_API_TOKEN", "ATATT3xxxxxxxxxxxxx"),
        ("DISCORD_WEBHOOK_URL", "https://discord.com/api/webhooks/1/yyyy"),
    ];
    let (code, said) = check("openclaw-agent-configs", &env);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(said, @r##"
    openclaw-agent-configs/openclaw.json:3:3: warning: agents: read, not acted on by this version
    openclaw-agent-configs/openclaw.json:18:3: warning: mcpServers: read, not acted on by this version
    openclaw-agent-configs/config/agents/ops-monitor.json5:5:5: warning: agents[0].tools[0]: the SigNoz MCP server has no tool of this name (did you mean `signoz_list_services`?)
    openclaw-agent-configs/config/agents/ops-monitor.json5:6:5: warning: agents[0].tools[1]: the SigNoz MCP server has no tool of this name (did you mean `signoz_query_metrics`?)
    openclaw-agent-configs/config/agents/ops-monitor.json5:8:5: warning: agents[0].tools[3]: the SigNoz MCP server has no tool of this name (did you mean `signoz_get_trace_details`?)
    openclaw-agent-configs/config/agents/ops-monitor.json5:9:5: warning: agents[0].tools[4]: the SigNoz MCP server has no tool of this name (did you mean `signoz_list_alert_rules`?)
    openclaw-agent-configs/config/agents/ops-monitor.json5:10:5: warning: agents[0].tools[5]: the SigNoz MCP server has no tool of this name (did you mean `signoz_create_alert`?)
    openclaw-agent-configs/config/agents/ops-monitor.json5:60:5: warning: agents[0].sandbox.filesystem: sandbox: read, not acted on by this version
    openclaw-agent-configs/project/integrations/signoz.json5:6:5: warning: mcpServers.signoz.env.SIGNOZ_API_URL: the SigNoz MCP server does not read this variable (it reads SIGNOZ_URL)
    openclaw-agent-configs/config/healthcheck.json5:3:3: warning: healthcheck: read, not acted on by this version
    openclaw-agent-configs/config/schedules.json5:2:3: warning: schedules: read, not acted on by this version
    openclaw-agent-configs/config/schedules.json5:8:13: warning: schedules.jira-resolver-daily.cron: six fields where five are expected (minute hour day-of-month month day-of-week); read with seconds first, `30` cannot be the hour (0 to 23) (write `30 9 * * *`)
    openclaw-agent-configs/config/bindings/agent-bindings.json5:2:1: warning: bindings: read, not acted on by this version
    openclaw-agent-configs/config/channels/incident-channel.json5:2:1: warning: channels.incident-channel: channels without a type: read, not acted on by this version
    openclaw-agent-configs/project/integrations/jira-issue.json5:2:1: warning: integrations: read, not acted on by this version
    openclaw-agent-configs/project/thresholds/alerting.json5:6:7: warning: services.frontend.latency_p99_ms: services.*.latency_p99_ms: read, not acted on by this version
    openclaw-agent-configs/project/thresholds/alerting.json5:8:7: warning: services.frontend.error_rate_threshold: services.*.error_rate_threshold: read, not acted on by this version
    openclaw-agent-configs/project/thresholds/escalation.json5:12:16: warning: levels.L2.mention: at Discord this is only text: it calls nobody (write "<@USER_ID>" or "<@&ROLE_ID>", or add the person to `people`)
    openclaw-agent-configs/project/thresholds/escalation.json5:18:16: warning: levels.L3.mention: at Discord this is only text: it calls nobody (write "<@USER_ID>" or "<@&ROLE_ID>", or add the person to `people`)
    openclaw-agent-configs/project/thresholds/runbooks.json5:39:9: warning: patterns.high_latency.actions[2]: no service may be restarted, so this does nothing (declare the service with a `start` or a `unit`)
    openclaw-agent-configs/project/thresholds/runbooks.json5:52:9: warning: patterns.oom_kill.actions[1]: no memory limit may be raised, so this does nothing (give the service a `memory_limit_max_mb`)
    openclaw-agent-configs/project/thresholds/runbooks.json5:53:9: warning: patterns.oom_kill.actions[2]: no service may be restarted, so this does nothing (declare the service with a `start` or a `unit`)
    openclaw-agent-configs/project/thresholds/runbooks.json5:62:28: warning: patterns.connection_pool_exhaustion.actions[0].action: this version cannot do this, so the runbook goes on without the step (give a `command`, or leave the step out)
    openclaw-agent-configs/project/thresholds/runbooks.json5:63:28: warning: patterns.connection_pool_exhaustion.actions[1].action: this version cannot do this, so the runbook goes on without the step (give a `command`, or leave the step out)
    openclaw-agent-configs/project/thresholds/runbooks.json5:64:9: warning: patterns.connection_pool_exhaustion.actions[2]: no service may be restarted, so this does nothing (declare the service with a `start` or a `unit`)
    17 files, 0 errors, 25 warnings
    "##);
}

#[test]
fn playbooks_are_listed_with_what_the_gate_says() {
    let stage = Stage::new();
    let config = example("nightcrew.json5");
    let list = stage.nightcrew(&["playbooks", "list", "--config", &config]).calm();
    assert_eq!(list.code, Some(0));
    insta::assert_snapshot!(list.out, @r"
    disk_space_low	disk_usage > 90	2	admits all
    slow_answers	api_latency_ms > 4000 and not (cpu_usage > 95), latency_high | 응답 지연, warning or worse	11	admits all
    process_down	process_status == 'stopped'	1	admits all
    web_does_not_answer	health_status == 'failing'	1	admits all
    high_error_rate	에러율 급증 | 5xx 응답 증가 | error_rate_high | error_lines | high_error_rate	2	admits all
    ");
    let list = stage.nightcrew(&["playbooks", "list", "--json", "--config", &config]).calm();
    let listed: Value = serde_json::from_str(&list.out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 5);
    let none = stage.nightcrew(&["playbooks", "show", "없음", "--config", &config]).calm();
    assert_eq!(none.code, Some(2), "{}", none.err);
}

#[test]
fn the_schema_is_printed_as_json() {
    let stage = Stage::new();
    let printed = stage.nightcrew(&["schema"]);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let schema: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["playbooks"].is_object());
}

/// One alert of a service.
fn report(crew: &Crew<'_>) {
    let alert = json!([{
        "labels": { "alertname": "느림", "service": "결제", "severity": "critical" },
        "endsAt": "2100-01-01T00:00:00Z",
    }]);
    assert_eq!(crew.post("/api/v2/alerts", alert.to_string()).status, 200);
}

#[test]
fn a_running_crew_is_asked() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    report(&crew);
    let agents = crew.ask(&["agents", "list", "--json"]);
    let agents: Value = serde_json::from_str(&agents.out).unwrap();
    let agents: Vec<String> = agents["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| format!("{} {}", agent["name"], agent["state"]))
        .collect();
    insta::assert_snapshot!(agents.join("\n"), @r#"
    "alert-handler" "healthy"
    "autoheal" "healthy"
    "metrics-collector" "healthy"
    "orchestrator" "healthy"
    "reporter" "healthy"
    "#);
    let status = crew.ask(&["status", "--json"]);
    assert_eq!(status.code, Some(0));
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["ready"], true);
    assert_eq!(status["incidents"]["open"], 1);
    assert_eq!(status["alerts"]["active"], 1);
    let show = crew.ask(&["incidents", "show", "INC-1", "--json"]);
    let show: Value = serde_json::from_str(&show.out).unwrap();
    let entry = &show["timeline"][0];
    assert_eq!(entry["fact"], "incident_opened");
    assert!(entry["at"].is_string() && entry["reason"].is_string(), "{entry}");
    let none = crew.ask(&["incidents", "show", "INC-99"]);
    assert_eq!(none.code, Some(1), "{}", none.err);
    assert!(none.err.contains("INC-99"), "{}", none.err);
}

#[test]
fn what_is_listed_in_a_pipe_is_plain_text() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    report(&crew);
    let commands: [(&[&str], &str); 6] = [
        (&["status"], "incidents open: 1, alerts active: 1"),
        (&["agents", "list"], "orchestrator"),
        (&["alerts", "list"], "결제"),
        (&["incidents", "list"], "INC-1\t결제\t느림\tescalated\tcritical\t"),
        (&["incidents", "list", "--open"], "INC-1"),
        (&["incidents", "show", "INC-1"], "escalated to a person"),
    ];
    let mut missing = Vec::new();
    for (args, expected) in commands {
        let done = crew.ask(args);
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.err);
        assert!(!done.out.contains('\u{1b}'), "{args:?} colours a pipe: {}", done.out);
        assert!(!done.out.contains('│') && !done.out.contains('┌'), "{args:?}: {}", done.out);
        if !done.out.contains(expected) {
            missing.push(format!("{args:?} does not say {expected:?}:\n{}", done.out));
        }
    }
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_doctor_says_how_to_mend() {
    let stage = Stage::new();
    stage.write("n.json5", "{ listen: '127.0.0.1:0' }");
    let doctor = stage.nightcrew(&["doctor", "--config", "n.json5", "--json"]).calm();
    let found: Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(doctor.code == Some(0), found["ok"] == true);
    for finding in found["findings"].as_array().unwrap() {
        let is_good = finding["health"] == "good";
        assert_eq!(finding["hint"].is_null(), is_good, "{finding}");
    }
    stage.write("n.json5", "{ listen: 5 }");
    assert_eq!(stage.nightcrew(&["doctor", "--config", "n.json5"]).calm().code, Some(1));
}
