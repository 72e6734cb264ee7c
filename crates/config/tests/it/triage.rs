//! How alerts become messages: channels, routing, quiet times, doors.

use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, load_at};
use nightcrew_config::settings::{InboundAuth, Settings};
use nightcrew_model::route::GroupBy;
use nightcrew_model::unit::Millis;

use crate::{Folder, load_text};

/// The problems of a text, as of a fixed day.
pub(crate) fn said(text: &str) -> String {
    judged(text).1
}

pub(crate) fn judged(text: &str) -> (Option<Settings>, String) {
    let folder = Folder::new(&[("n.json5", text)]);
    let now = "2026-11-21T00:00:00Z".parse().unwrap();
    let path = folder.path("n.json5");
    let loaded = load_at(ConfigSource::Path(path.clone()), &Env::default(), now);
    let lines = crate::problems(&loaded, path.parent().unwrap());
    (loaded.settings, lines)
}

/// Each text gives exactly this many problems, and the first says this.
pub(crate) fn table(cases: &[(&str, usize, &str)]) {
    for (text, n, expected) in cases {
        let said = said(text);
        assert!(said.contains(expected), "{text}\n{said}");
        assert_eq!(said.lines().count(), *n, "{text}\n{said}");
    }
}

const ROUTED: &str = r#"{
  channels: {
    console: { type: "console" },
    hook: { type: "webhook", url: "http://127.0.0.1:9/", body: "alertmanager" },
    lead: { type: "console", notify: ["escalated"] },
  },
  receivers: { team: ["hook"], "결제": ["console", "hook"] },
  time_intervals: { night: [{ times: ["22:00-24:00", "00:00-07:00"], location: "Asia/Seoul" }] },
  inhibit_rules: [
    { source: ["severity=\"critical\""], target: ["severity=\"warning\""], equal: ["alertname"] },
    { name: "site", source: "alertname=SiteDown", target: "alertname!=SiteDown" },
  ],
  routing: {
    receiver: "team", group_by: ["alertname"], group_wait_seconds: 5,
    routes: [
      { matchers: ["service=~\"결.*\""], receiver: "결제", group_interval_minutes: 1, continue: true,
        mute_time_intervals: ["night"],
        routes: [{ matchers: ["env=prod"], group_by: ["..."] }] },
      { matchers: ["team=db"], repeat_interval_hours: 12 },
    ],
  },
}"#;

#[test]
fn routes_have_what_their_parents_say() {
    let (loaded, said) = load_text(ROUTED);
    assert_eq!(said, "");
    let settings = loaded.settings.unwrap();
    let routing = settings.triage.routing.as_ref().unwrap();
    let rules: Vec<String> = routing
        .routes()
        .map(|(_, route)| {
            let rule = &route.rule;
            let group = match &rule.group_by {
                GroupBy::All => "all".to_owned(),
                GroupBy::Labels(labels) => format!("{labels:?}"),
            };
            format!(
                "{} {} {group} {} {} {} {:?} {}",
                route.key,
                rule.receiver,
                rule.group_wait,
                rule.group_interval,
                rule.repeat_interval,
                rule.mute,
                rule.continues
            )
        })
        .collect();
    insta::assert_snapshot!(rules.join("\n"), @r#"
    {} team {"alertname"} 5 s 5 min 4 h [] false
    {}/{service=~"결.*"} 결제 {"alertname"} 5 s 1 min 4 h [IntervalName("night")] true
    {}/{service=~"결.*"}/{env="prod"} 결제 all 5 s 1 min 4 h [] false
    {}/{team="db"} team {"alertname"} 5 s 5 min 12 h [] false
    "#);
    assert_eq!(routing.inhibit_rules[0].name, "1");
    assert_eq!(routing.inhibit_rules[1].name, "site");
    assert_eq!(routing.intervals.len(), 1);
    // Who is in a receiver hears of alerts and not of their incidents too.
    let notify: Vec<usize> = settings.channels.iter().map(|channel| channel.notify.len()).collect();
    assert_eq!(notify, [0, 0, 1]);
}

#[test]
fn routing_that_cannot_work_is_an_error() {
    let head = "channels: { c: { type: 'console' } }, receivers: { a: ['c'] }";
    let routed = |routing: &str| format!("{{ {head}, routing: {routing} }}");
    for (routing, expected) in [
        ("{}", "the root route has no `receiver`"),
        ("{ receiver: 'b' }", "there is no receiver called \"b\" (known are a)"),
        ("{ receiver: 'a', matchers: ['x=1'] }", "takes every alert, so it has no `matchers`"),
        ("{ receiver: 'a', continue: true }", "so it has no `continue`"),
        ("{ receiver: 'a', mute_time_intervals: ['x'] }", "so it has no `mute_time_intervals`"),
        ("{ receiver: 'a', group_by: ['...', 'x'] }", "stands for every label"),
        ("{ receiver: 'a', group_by: ['x', 'x'] }", "is written twice"),
        ("{ receiver: 'a', group_interval_seconds: 0 }", "expected from 1 ms"),
        ("{ receiver: 'a', group_wait: 5 }", "a duration carries its unit"),
        (
            "{ receiver: 'a', routes: [{ matchers: ['x=1'], active_time_intervals: ['nights'] }] }",
            "`time_intervals` has nothing called \"nights\"",
        ),
        (
            "{ receiver: 'a', routes: [{ matchers: 'x' }] }",
            "routing.routes[0].matchers: expected a matcher",
        ),
    ] {
        let text = routed(routing);
        let (loaded, said) = load_text(&text);
        assert!(loaded.settings.is_none(), "{text}");
        assert!(said.contains(expected), "{text}\n{said}");
    }
    let said = said("{ channels: { c: { type: 'console' } }, receivers: { a: ['d'] } }");
    assert!(
        said.contains("receivers.a[0]: there is no channel called \"d\" (known are c)"),
        "{said}"
    );
    assert!(said.contains("without `routing`, nothing is done with `receivers`"), "{said}");
    let deep = (0..40).fold("{}".to_owned(), |below, _| format!("{{ routes: [{below}] }}"));
    let (_, said) = load_text(&routed(&deep));
    assert!(said.contains("nested deeper than 32 levels"), "{said}");
}

/// A configuration with a receiver `a`.
fn routed(rest: &str) -> String {
    format!("{{ channels: {{ c: {{ type: 'console' }} }}, receivers: {{ a: ['c'] }}, {rest} }}")
}

#[test]
fn routes_that_no_alert_takes_are_told() {
    let routes =
        |routes: &str| routed(&format!("routing: {{ receiver: 'a', routes: [{routes}] }}"));
    let unreachable = "no alert ever comes to this route";
    table(&[
        (&routes("{ matchers: ['a=1'] }, { matchers: ['a=1'] }"), 1, unreachable),
        (&routes("{}, { matchers: ['a=1'] }"), 1, unreachable),
        (&routes("{ matchers: ['a=1'] }, { matchers: ['a=1', 'b=2'] }"), 1, unreachable),
        (&routes("{ matchers: ['a=~\"1|2\"'] }, { matchers: ['a=2'] }"), 1, unreachable),
        (&routes("{ matchers: ['a=1'], continue: true }, { matchers: ['a=1'] }"), 0, ""),
        (&routes("{ matchers: ['a=1', 'b=2'] }, { matchers: ['a=1'] }"), 0, ""),
        (
            &routes("{ matchers: ['a=1'], routes: [{ matchers: ['a=2'] }] }"),
            1,
            "never hold together",
        ),
        (
            &routes(
                "{ matchers: ['a=1'], routes: [{ matchers: ['b=1'] }, { matchers: ['b=1', 'a=1'] }] }",
            ),
            1,
            "routing.routes[0].routes[1]: no alert ever comes to this route: the one at",
        ),
    ]);
}

#[test]
fn receivers_and_rules_that_mean_nothing_are_told() {
    table(&[
        (
            &routed(
                "routing: { receiver: 'a', group_interval_minutes: 10, repeat_interval_minutes: 5 }",
            ),
            1,
            "people are told again after 5 min, but a group is only looked at every 10 min",
        ),
        (
            &routed("routing: { receiver: 'a', group_by: ['alert_name'] }"),
            1,
            "did you mean `alertname`?",
        ),
        (
            &routed(
                "routing: { receiver: 'a', group_by: ['결제선'], routes: [{ matchers: ['결제선=1'] }] }",
            ),
            0,
            "",
        ),
        (
            &routed(
                "routing: { receiver: 'a' }, inhibit_rules: [{ source: 'a=1', target: 'a=1' }]",
            ),
            1,
            "keep each other quiet",
        ),
        (
            &routed(
                "routing: { receiver: 'a' }, inhibit_rules: [{ source: 'a=1', target: 'a=1', equal: ['x'] }]",
            ),
            0,
            "",
        ),
        (
            "{ channels: { c: { type: 'console' } }, receivers: { a: ['c'], b: ['c'], null: [] }, \
             routing: { receiver: 'a', routes: [{ matchers: ['a=1'], receiver: 'null' }] } }",
            1,
            "receivers.b: no route leads to the receiver b",
        ),
        (
            "{ channels: { c: { type: 'console' } }, receivers: { a: [] }, routing: { receiver: 'a' } }",
            1,
            "what goes to it, nobody hears",
        ),
        (
            "{ channels: { c: { type: 'console', notify: ['escalated'] } }, receivers: { a: ['c'] }, \
             routing: { receiver: 'a' } }",
            1,
            "channels.c.notify: the channel is told twice",
        ),
    ]);
}

#[test]
fn fallbacks_end_somewhere() {
    let channels = |rest: &str| {
        format!("{{ channels: {{ a: {{ type: 'console', fallback: 'b' }}, {rest} }} }}")
    };
    table(&[
        (&channels("b: { type: 'console' }"), 0, ""),
        (
            &channels("c: { type: 'console' }"),
            1,
            "n.json5:1:47: error: channels.a.fallback: there is no channel called \"b\"",
        ),
        (
            &channels("b: { type: 'console', fallback: 'b' }"),
            1,
            "channels.b.fallback: the channel falls back to itself",
        ),
        (
            &channels(
                "b: { type: 'console', fallback: 'c' }, c: { type: 'console', fallback: 'a' }",
            ),
            1,
            "the fallbacks go in a circle: a → b → c → a",
        ),
        ("{ channels: { a: { type: 'console', notify: ['resolved'] } } }", 1, "nobody is woken"),
        (
            "{ channels: { a: { type: 'console', notify: ['escalate'] } } }",
            2,
            "did you mean `escalated`?",
        ),
        (
            "{ channels: { a: { type: 'console' } }, all_clear: { at: '09:00', channels: ['b'] } }",
            1,
            "no channel called \"b\"",
        ),
    ]);
}

#[test]
fn quiet_times_have_an_owner_a_reason_and_an_end() {
    let window = |body: &str| format!("{{ mute_windows: [{{ {body} }}] }}");
    let full = "matchers: ['service=배치'], owner: 'kim', reason: 'x'";
    table(&[
        (
            &window(&format!(
                "{full}, until: '2027-01-01T00:00', zone: 'Asia/Seoul', times: [{{ times: ['01:00-02:00'] }}]"
            )),
            0,
            "",
        ),
        (&window(full), 1, "the mute window has no `until` (nothing is mute for ever"),
        (&window("until: '2027-01-01T00:00'"), 3, "has no `matchers`"),
        (
            &window(&format!("{full}, until: '2026-11-20T00:00'")),
            1,
            "warning: mute_windows[0]: the mute window mute-1 is over",
        ),
        (
            &window(&format!("{full}, from: '2027-01-02T00:00', until: '2027-01-01T00:00'")),
            1,
            "ends before it begins",
        ),
        (
            &window(
                "matchers: ['a=~\".*\"'], owner: 'kim', reason: 'x', until: '2027-01-01T00:00'",
            ),
            1,
            "hold for every alert",
        ),
        (&window(&format!("{full}, until: 'tomorrow'")), 1, "expected a moment"),
        (
            &window(&format!("{full}, until: '2027-01-01T00:00', times: [{{ years: ['2024'] }}]")),
            1,
            "never come",
        ),
    ]);
}

#[test]
fn services_depend_on_one_another_and_not_in_a_circle() {
    let service =
        |rest: &str| format!("{{ checks: [{{ tcp: 'h:{}' }}] {rest} }}", 1_000 + rest.len());
    let (a, b) = (service(", depends_on: ['결제']"), service(""));
    let (settings, said) = judged(&format!(
        "{{ services: {{ 주문: {a}, 결제: {b} }}, dependencies: {{ needs: {{ 결제: ['db'] }}, window_minutes: 2 }} }}"
    ));
    assert!(
        said.contains("warning: dependencies.needs.결제[0]: no service called \"db\""),
        "{said}"
    );
    let dependencies = settings.unwrap().triage.dependencies;
    assert_eq!(dependencies.window, Millis::from_secs(120));
    assert_eq!(dependencies.needs[&"주문".into()], ["결제".into()]);
    table(&[(
        "{ dependencies: { needs: { a: ['b'], b: ['c', 'd'], c: ['a'] } } }",
        1,
        "the services need each other in a circle: a → b → c → a",
    )]);
}

#[test]
fn storms_flapping_watchdogs_and_words_that_all_is_well() {
    let (settings, said) = judged(
        "{ channels: { c: { type: 'console' } }, storm: null, flapping: { changes: 3, window_minutes: 10 }, \
         watchdogs: { prometheus: { matchers: ['alertname=Watchdog'], timeout_minutes: 10 } }, \
         heartbeat: { url: 'https://hc.example/ping', every_seconds: 30 }, \
         all_clear: { at: '09:00', zone: 'Asia/Seoul', channels: ['c'] } }",
    );
    assert_eq!(said, "");
    let triage = settings.unwrap().triage;
    assert_eq!(triage.storm, None);
    assert_eq!(triage.flap.unwrap().changes, 3);
    assert_eq!(triage.watchdogs[0].timeout, Millis::from_secs(600));
    assert_eq!(triage.heartbeat.unwrap().interval, Millis::from_secs(30));
    assert_eq!(triage.all_clear.unwrap().at.to_string(), "09:00:00");
    table(&[
        ("{ storm: { per_service: 50 } }", 1, "more messages than all of them"),
        ("{ storm: { per_service: 0 } }", 1, "from 1 to"),
        ("{ watchdogs: { a: { timeout_minutes: 1 } } }", 1, "which alert it listens for"),
        ("{ watchdogs: { a: { matchers: ['x!=1'], timeout_minutes: 1 } } }", 1, "any alert keeps"),
        ("{ watchdogs: { a: { matchers: ['x=1'] } } }", 1, "how long the alert may be silent"),
        ("{ heartbeat: {} }", 1, "has no `url`"),
        ("{ heartbeat: { url: 'x' } }", 1, "expected an HTTP URL"),
        ("{ all_clear: { at: '9', channels: ['console'] } }", 1, "expected a time of the day"),
        ("{ all_clear: { at: '09:00', channels: ['console'] } }", 0, ""),
        ("{ all_clear: {} }", 2, "nothing says when"),
    ]);
}

#[test]
fn doors_know_who_comes() {
    let (settings, said) = judged(
        r#"{ sources: {
          grafana: { secret: "${A:-x}", replay_window_seconds: 60 },
          pd: { type: "pagerduty", secrets: ["${A:-x}", "${B:-y}"] },
          datadog: { username: "nightcrew", password: "${A:-x}" },
          opsgenie: { token: "${A:-x}" },
          aws: { type: "cloudwatch", topics: ["arn:aws:sns:ap-northeast-2:123456789012:alarms"] },
          own: { type: "generic", token: "${A:-x}", mapping: {
            alerts: "/items", labels: { alertname: "/title" }, status: "/state", resolved: ["ok"] } },
        } }"#,
    );
    assert_eq!(said, "");
    let inbound = settings.unwrap().triage.inbound;
    let auths: Vec<&str> = inbound
        .iter()
        .map(|door| match &door.auth {
            InboundAuth::Open => "open",
            InboundAuth::Token(_) => "token",
            InboundAuth::Basic { .. } => "basic",
            InboundAuth::Signature(secrets) => ["", "one", "two"][secrets.len()],
            InboundAuth::Sns { .. } => "sns",
        })
        .collect();
    assert_eq!(auths, ["one", "two", "basic", "token", "sns", "token"]);
    assert_eq!(inbound[0].replay_window, Millis::from_secs(60));
    assert_eq!(inbound[5].mapping.as_ref().unwrap().labels["alertname"], "/title");
    let source = |body: &str| format!("{{ sources: {{ a: {{ {body} }} }} }}");
    table(&[
        (&source("token: '${T:-x}'"), 1, "the source has no `type`"),
        (&source("type: 'grafna', token: '${T:-x}'"), 1, "did you mean `grafana`?"),
        (&source("type: 'datadog', secret: '${T:-x}'"), 1, "does not sign its messages"),
        (&source("type: 'grafana', secret: '${T:-x}', token: '${T:-x}'"), 1, "two ways to prove"),
        (&source("type: 'grafana', username: 'u'"), 1, "go together"),
        (&source("type: 'grafana'"), 1, "only open on loopback"),
        (
            &source("type: 'grafana', topics: ['arn:aws:sns:x:1:y']"),
            1,
            "only messages of cloudwatch",
        ),
        (&source("type: 'cloudwatch', topics: ['alarms']"), 1, "the ARN of a topic"),
        (&source("type: 'generic', token: '${T:-x}'"), 1, "where its fields are"),
        (
            &source("type: 'sentry', token: '${T:-x}', mapping: { labels: { a: '/a' } }"),
            1,
            "only `generic` is mapped",
        ),
        (
            &source("type: 'generic', token: '${T:-x}', mapping: { labels: { a: 'a' } }"),
            2,
            "a JSON pointer",
        ),
        (
            &source(
                "type: 'generic', token: '${T:-x}', mapping: { labels: { a: '/a' }, status: '/s' }",
            ),
            1,
            "go together",
        ),
        ("{ sources: { 'a/b': { type: 'grafana' } } }", 1, "a part of a path"),
        (&source("type: 'sentry', secrets: ['s3cr3ts3cr3t']"), 1, "a secret seems to be written"),
    ]);
    assert!(
        !self::said(&source("type: 'sentry', secrets: [{ s3cr3t: 1 }, 's3cr3ts3cr3t']"))
            .contains("s3cr3ts3")
    );
}

#[test]
fn chats_prove_who_they_are() {
    let key = "0f".repeat(32);
    let (settings, said) = judged(&format!(
        "{{ chat: {{ slack: {{ signing_secret: '${{S:-x}}' }}, discord: {{ public_key: '{key}' }} }} }}"
    ));
    assert_eq!(said, "");
    let chat = settings.unwrap().triage.chat;
    assert!(chat.slack.is_some() && chat.telegram.is_none());
    assert_eq!(chat.discord, Some([15; 32]));
    table(&[
        ("{ chat: { telegram: {} } }", 1, "anybody could press its buttons"),
        (
            "{ chat: { discord: { public_key: '0f' } } }",
            1,
            "the public key of a Discord application",
        ),
    ]);
}

#[test]
fn key_fields_tell_incidents_apart() {
    let (settings, said) = judged(
        "{ deduplication: { key_fields: ['service', 'symptom_type', 'region'], window_minutes: 5 } }",
    );
    assert_eq!(said, "");
    let settings = settings.unwrap();
    assert_eq!(settings.triage.dedup_fields, ["service", "symptom_type", "region"]);
    assert_eq!(settings.healing.dedup_window, Millis::from_secs(300));
    table(&[
        ("{ deduplication: { key_fields: [] } }", 1, "every alert would be the same incident"),
        (
            "{ deduplication: { key_fields: ['servise'] } }",
            1,
            "deduplication.key_fields[0]: alerts hardly carry a label called \"servise\" (did you mean `service`?)",
        ),
        ("{ deduplication: { key_fields: ['the service'] } }", 1, "no alert carries"),
    ]);
}

#[test]
fn everything_has_a_limit() {
    let many = |n: usize, item: &str| vec![item; n].join(", ");
    let level = "{ notify: ['c'], timeout_minutes: 1 }";
    let levels = |n| crate::escalation::policies(&format!("{{ levels: [{}] }}", many(n, level)));
    let mails = |n| {
        format!(
            "{{ channels: {{ m: {{ type: 'email', smarthost: 'h:25', from: 'a@b', to: [{}] }} }} }}",
            many(n, "'c@d'")
        )
    };
    let secrets =
        |n| format!("{{ sources: {{ sentry: {{ secrets: [{}] }} }} }}", many(n, "'short'"));
    let template = |n| {
        let text = "x".repeat(n);
        format!(
            "{{ channels: {{ w: {{ type: 'webhook', url: 'http://h/', body: {{ template: '{text}' }} }} }} }}"
        )
    };
    table(&[
        (&levels(32), 0, ""),
        (&levels(33), 1, "at most 32 levels, found 33"),
        (&mails(50), 0, ""),
        (&mails(51), 1, "1 to 50 addresses"),
        (&secrets(8), 0, ""),
        (&secrets(9), 1, "1 to 8 secrets"),
        (&template(65_536), 0, ""),
        (&template(65_537), 1, "the template has 65537 bytes; at most 65536"),
        (
            &crate::escalation::policies("{ levels: [{ notify: ['c'], timeout_days: 31 }] }"),
            1,
            "expected from 0 ms to",
        ),
        (
            &crate::escalation::policies(
                "{ levels: [{ notify: ['c'], timeout_days: 1 }], repeat: 101 }",
            ),
            1,
            "from 0 to 100",
        ),
        ("{ storm: { global: 10001 } }", 1, "from 1 to 10000"),
        ("{ flapping: { window_days: 8 } }", 1, "to 168 h"),
        (
            &format!(
                "{{ sources: {{ {}: {{ type: 'sentry', token: 'short' }} }} }}",
                "a".repeat(65)
            ),
            1,
            "at most 64",
        ),
    ]);
}

#[test]
fn routing_of_openclaw_is_not_ours() {
    let folder = Folder::new(&[("openclaw.json", "{ routing: { groupChat: {} } }")]);
    let (loaded, said) = folder.load("", &Env::default());
    assert!(loaded.settings.is_some(), "{said}");
    assert_eq!(
        said,
        "openclaw.json:1:3: warning: routing: settings of OpenClaw itself: read, not acted on by this version"
    );
}
