//! Alertmanager's own configuration, read as it is.

use std::path::Path;

use nightcrew_config::env::Env;
use nightcrew_config::import::alertmanager::{self, Imported};
use nightcrew_config::problem::Problem;
use nightcrew_config::settings::{Channel, ChannelKind, SmtpTls, WebhookBody};
use nightcrew_model::labels::Labels;
use nightcrew_model::unit::Millis;
use proptest::prelude::*;

use crate::{Folder, examples};

/// The shape of the example that Alertmanager ships (`doc/examples/simple.yml`).
const SIMPLE: &str = r#"
global:
  # The smarthost and SMTP sender used for mail notifications.
  smtp_smarthost: 'localhost:25'
  smtp_from: 'alertmanager@example.org'
  smtp_auth_username: 'alertmanager'
  smtp_auth_password: 'password'

templates:
  - '/etc/alertmanager/template/*.tmpl'

route:
  group_by: ['alertname', 'cluster', 'service']
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 3h
  receiver: team-X-mails
  routes:
    - matchers:
        - service=~"foo1|foo2|baz"
      receiver: team-X-mails
      routes:
        - matchers:
            - severity="critical"
          receiver: team-X-pager
    - match:
        service: files
      receiver: team-Y-mails
      routes:
        - match:
            severity: critical
          receiver: team-Y-pager
    - matchers:
        - service="database"
      receiver: team-DB-pager
      group_by: [alertname, cluster, database]
      routes:
        - matchers:
            - owner="team-X"
          receiver: team-X-pager
          continue: true
        - matchers:
            - owner="team-Y"
          receiver: team-Y-pager

inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning"]
    equal: [alertname, cluster, service]

receivers:
  - name: 'team-X-mails'
    email_configs:
      - to: 'team-X+alerts@example.org'
  - name: 'team-X-pager'
    email_configs:
      - to: 'team-X+alerts-critical@example.org'
    pagerduty_configs:
      - routing_key: 00000000000000000000000000000001
  - name: 'team-Y-mails'
    email_configs:
      - to: 'team-Y+alerts@example.org'
  - name: 'team-Y-pager'
    pagerduty_configs:
      - service_key: 00000000000000000000000000000002
  - name: 'team-DB-pager'
    pagerduty_configs:
      - routing_key: 00000000000000000000000000000003
"#;

fn lines(problems: &[Problem], folder: &Path) -> String {
    let prefix = format!("{}/", folder.display());
    let lines: Vec<String> =
        problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect();
    lines.join("\n")
}

/// Reads a text, and gives what could not be carried over, or the mistakes.
fn read(text: &str) -> Result<(Imported, String), String> {
    read_in(&Folder::new(&[("am.yml", text)]))
}

fn read_in(folder: &Folder) -> Result<(Imported, String), String> {
    let path = folder.path("am.yml");
    let home = path.parent().unwrap().to_owned();
    match alertmanager::load(&path, &Env::default()) {
        Ok(imported) => {
            let cannot = lines(&imported.cannot, &home);
            Ok((imported, cannot))
        }
        Err(problems) => Err(lines(&problems, &home)),
    }
}

fn receivers(imported: &Imported, labels: &[(&str, &str)]) -> Vec<String> {
    let labels: Labels = labels.iter().copied().collect();
    let ids = imported.routing.matching(&labels).into_iter();
    ids.map(|id| imported.routing.route(id).unwrap().rule.receiver.to_string()).collect()
}

fn channel<'i>(imported: &'i Imported, name: &str) -> &'i Channel {
    imported.channels.iter().find(|channel| channel.name.as_str() == name).unwrap()
}

#[test]
fn the_example_of_alertmanager_is_read_as_it_is() {
    let (imported, cannot) = read(SIMPLE).unwrap();
    assert_eq!(
        imported.counts.to_string(),
        "8 routes, 1 inhibit rules, 5 receivers, 0 time intervals"
    );
    insta::assert_snapshot!(cannot, @r#"
    am.yml:10:5: warning: templates[0]: templates of Go are not carried over; messages are written by Nightcrew (use a channel of the type webhook with a `template`)
    am.yml:65:9: warning: receivers[3].pagerduty_configs[0].service_key: a service key is of PagerDuty's Events API v1; the receiver exists without it (add an integration of the Events API v2 and write its `routing_key`)
    "#);
    assert_eq!(receivers(&imported, &[("service", "foo2")]), ["team-X-mails"]);
    let critical = [("service", "files"), ("severity", "critical")];
    assert_eq!(receivers(&imported, &critical), ["team-Y-pager"]);
    let both = [("service", "database"), ("owner", "team-X")];
    assert_eq!(receivers(&imported, &both), ["team-X-pager"]);
    let names: Vec<&str> = imported.channels.iter().map(|channel| channel.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "team-X-mails",
            "team-X-pager/email",
            "team-X-pager/pagerduty",
            "team-Y-mails",
            "team-DB-pager"
        ]
    );
    let mails = channel(&imported, "team-X-mails");
    assert!(!mails.send_resolved && mails.notify.is_empty());
    assert!(channel(&imported, "team-DB-pager").send_resolved);
    let ChannelKind::Email { smarthost, tls, username, from, .. } = &mails.kind else { panic!() };
    assert_eq!((smarthost.as_str(), *tls), ("localhost:25", SmtpTls::Starttls));
    assert_eq!(
        (username.as_deref(), from.as_str()),
        (Some("alertmanager"), "alertmanager@example.org")
    );
    let key = imported.routing.routes().nth(1).unwrap().1.key.clone();
    assert_eq!(key, r#"{}/{service=~"foo1|foo2|baz"}"#);
}

#[test]
fn the_sample_of_the_repository_lists_what_cannot_be_carried_over() {
    let path = examples().join("alertmanager/alertmanager.yml");
    let imported = alertmanager::load(&path, &Env::default()).unwrap();
    insta::assert_snapshot!(lines(&imported.cannot, path.parent().unwrap()), @r#"
    alertmanager.yml:18:5: warning: templates[0]: templates of Go are not carried over; messages are written by Nightcrew (use a channel of the type webhook with a `template`)
    alertmanager.yml:72:9: warning: receivers[2].slack_configs[0].channel: an incoming webhook has its own conversation, so `channel` chooses nothing (make one webhook for each conversation, or use a bot's token)
    alertmanager.yml:73:9: warning: receivers[2].slack_configs[0].title: the wording of messages is Nightcrew's own (for a wording of your own, use a webhook with a `template`)
    alertmanager.yml:83:5: warning: receivers[4].victorops_configs: Nightcrew has no channel for victorops; the receiver exists without it (declare a channel of the type webhook with a template in nightcrew.json5, and add it to the receiver in `receivers`)
    "#);
    assert_eq!(imported.resolve_timeout, Some(Millis::from_secs(300)));
    assert_eq!(imported.counts.time_intervals, 1);
    let night = [("service", "결제"), ("severity", "critical")];
    assert_eq!(receivers(&imported, &night), ["결제팀-당직"]);
    assert_eq!(receivers(&imported, &[("alertname", "Watchdog")]), ["null"]);
    let telegram = channel(&imported, "결제팀-당직/telegram");
    assert!(
        matches!(&telegram.kind, ChannelKind::Telegram { chat_id, .. } if chat_id == "-1001234567890")
    );
    let hook = channel(&imported, "database");
    assert!(matches!(&hook.kind, ChannelKind::Webhook { body: WebhookBody::Alertmanager, .. }));
    assert_eq!(imported.routing.inhibit_rules[0].name, "심각한-것이-먼저");
    assert_eq!(imported.routing.inhibit_rules[1].target.to_string(), r#"{alertname=~".+Down"}"#);
}

#[test]
fn a_yaml_file_is_a_whole_configuration() {
    let folder = Folder::new(&[("am.yml", SIMPLE)]);
    let (loaded, said) = folder.load("am.yml", &Env::default());
    insta::assert_snapshot!(said, @r#"
    am.yml:10:5: warning: templates[0]: templates of Go are not carried over; messages are written by Nightcrew (use a channel of the type webhook with a `template`)
    am.yml:65:9: warning: receivers[3].pagerduty_configs[0].service_key: a service key is of PagerDuty's Events API v1; the receiver exists without it (add an integration of the Events API v2 and write its `routing_key`)
    "#);
    assert_eq!(loaded.imported.unwrap().routes, 8);
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.channels.len(), 5);
    assert!(settings.channels.iter().all(|channel| channel.notify.is_empty()));
    assert_eq!(settings.triage.routing.unwrap().receivers.len(), 5);
    let (loaded, said) = Folder::new(&[("a.yml", "a: 1\n")]).load("a.yml", &Env::default());
    assert!(loaded.settings.is_none());
    insta::assert_snapshot!(said, @r#"
    a.yml:1:1: error: there is no `receivers` (a YAML file is read as Alertmanager's)
    a.yml:1:1: error: there is no `route` (a YAML file is read as Alertmanager's)
    a.yml:1:1: error: a: unknown key (known are global, inhibit_rules, mute_time_intervals, receivers, route, templates, time_intervals, tracing)
    "#);
}

#[test]
fn our_own_file_can_name_it_and_complete_it() {
    let own = r#"{
      alertmanager: "prom/am.yml",
      channels: { chat: { type: "console" }, "team-X-mails": { type: "console", notify: ["escalated"] } },
      receivers: { "team-Y-pager": ["chat"] },
      inhibit_rules: [{ source: "a=1", target: "b=1" }],
      time_intervals: { night: [{ times: ["22:00-24:00"] }] },
    }"#;
    let folder = Folder::new(&[("n.json5", own), ("prom/am.yml", SIMPLE)]);
    let (loaded, said) = folder.load("n.json5", &Env::default());
    insta::assert_snapshot!(said, @r#"
    n.json5:3:89: warning: channels.team-X-mails.notify: the channel is told twice: of alerts by the receiver team-X-mails, and of their incidents by `notify` (leave `notify` out, or write `notify: []`)
    prom/am.yml:10:5: warning: templates[0]: templates of Go are not carried over; messages are written by Nightcrew (use a channel of the type webhook with a `template`)
    prom/am.yml:65:9: warning: receivers[3].pagerduty_configs[0].service_key: a service key is of PagerDuty's Events API v1; the receiver exists without it (add an integration of the Events API v2 and write its `routing_key`)
    "#);
    assert!(loaded.files.iter().any(|file| file.ends_with("prom/am.yml")));
    let settings = loaded.settings.unwrap();
    let routing = settings.triage.routing.as_ref().unwrap();
    assert_eq!(routing.receiver(&"team-Y-pager".into()).unwrap().channels, ["chat".into()]);
    let names: Vec<&str> = routing.inhibit_rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["1", "2"]);
    let of = |name: &str| settings.channels.iter().find(|c| c.name.as_str() == name).unwrap();
    assert!(matches!(of("team-X-mails").kind, ChannelKind::Console));
    assert!(of("chat").notify.is_empty());
    for (text, expected) in [
        (
            "{ alertmanager: 'absent.yml' }",
            "n.json5:1:17: error: alertmanager: the included file cannot be used: there is no such file",
        ),
        (
            "{ alertmanager: 'am.yml', routing: { receiver: 'a' } }",
            "`routing` and `alertmanager` both say where alerts go",
        ),
        (
            "{ alertmanager: 'am.yml', receivers: { x: [] } }",
            "the Alertmanager has no receiver called \"x\"",
        ),
        ("{ alertmanager: 5 }", "alertmanager: expected a text"),
    ] {
        let folder = Folder::new(&[("n.json5", text), ("am.yml", SIMPLE)]);
        let (loaded, said) = folder.load("n.json5", &Env::default());
        assert!(loaded.settings.is_none() && said.contains(expected), "{text}\n{said}");
    }
}

const HEAD: &str = "route: {receiver: a}\nreceivers:\n- name: a\n";

/// What Alertmanager refuses is refused, at its place.
const MISTAKES: [(&str, &str); 14] = [
    ("receivers: []\n", "there is no `route`"),
    ("route: {}\nreceivers: []\n", "am.yml:1:8: error: route: the root route has no `receiver`"),
    (
        "route: {receiver: b}\nreceivers: [{name: a}]\n",
        "am.yml:1:19: error: route.receiver: there is no receiver called \"b\" (known are a)",
    ),
    (
        "route:\n  receiver: a\n  matchers: [x=1]\nreceivers: [{name: a}]\n",
        "am.yml:3:3: error: route.matchers: the root route takes every alert",
    ),
    (
        "route:\n  receiver: a\n  recevier: b\nreceivers: [{name: a}]\n",
        "am.yml:3:3: error: route.recevier: unknown key (did you mean `receiver`?)",
    ),
    (
        "route: {receiver: a, group_wait: 5x}\nreceivers: [{name: a}]\n",
        "am.yml:1:34: error: route.group_wait: expected a duration, found \"5x\"",
    ),
    ("route: {receiver: a, group_interval: 0s}\nreceivers: [{name: a}]\n", "expected from 1 ms"),
    (
        "route:\n  receiver: a\n  routes:\n  - matchers: ['팀=\"결제']\nreceivers: [{name: a}]\n",
        "am.yml:4:16: error: route.routes[0].matchers[0]: expected a matcher, but the closing quote is missing",
    ),
    (
        "route:\n  receiver: a\n  routes:\n  - match_re: {팀: '('}\nreceivers: [{name: a}]\n",
        "am.yml:4:19: error: route.routes[0].match_re.팀: expected a matcher, but not a regular expression: unclosed group",
    ),
    (
        "route: {receiver: a, routes: [{mute_time_intervals: [n]}]}\nreceivers: [{name: a}]\n",
        "`time_intervals` has nothing called \"n\"",
    ),
    (
        "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n",
        "am.yml:2:31: error: receivers[1].name: two receivers are called \"a\"",
    ),
    ("route: {receiver: a}\nreceivers: [{nam: a}]\n", "the receiver has no `name`"),
    (
        "route: {receiver: a}\nreceivers: [{name: a}]\ntime_intervals: [{name: n, time_intervals: [{times: [{start_time: '9:00', end_time: '18:00'}]}]}]\n",
        "two times of the day",
    ),
    (
        "route: {receiver: a}\nreceivers: [{name: a}]\nglobal: {resolve_timeout: later}\n",
        "am.yml:3:27: error: global.resolve_timeout: expected a duration",
    ),
];

const BAD_INTEGRATIONS: [(&str, &str); 18] = [
    ("webhook_configs: [{}]", "nothing says the `url`"),
    (
        "webhook_configs: [{url: 'x'}]",
        "am.yml:4:27: error: receivers[0].webhook_configs[0].url: expected an HTTP URL",
    ),
    ("webhook_configs: [{url: 'http://h/', url_file: 'f'}]", "both say it"),
    ("webhook_configs: [{url_file: 'f'}]", "there is no such file"),
    ("slack_configs: [{channel: '#a'}]", "or `slack_api_url` in `global`"),
    ("slack_configs: [{app_token: 's3cr3t'}]", "nothing says the `channel`"),
    ("telegram_configs: [{chat_id: 5}]", "nothing says the `bot_token`"),
    ("telegram_configs: [{bot_token: 's3cr3t', chat_id: ops}]", "the id of a chat"),
    ("pagerduty_configs: [{}]", "nothing says the `routing_key`"),
    ("pagerduty_configs: [{routing_key: 's3cr3t', service_key: 's3cr3t'}]", "two ways to the same"),
    ("opsgenie_configs: [{}]", "or `opsgenie_api_key` in `global`"),
    ("opsgenie_configs: [{api_key: 's3cr3t', responders: [{name: x}]}]", "has no `type`"),
    ("email_configs: [{to: a@b}]", "or `smtp_smarthost` in `global`"),
    ("email_configs: [{to: a, smarthost: 'h:25', from: a@b}]", "mail addresses"),
    ("discord_configs: [{}]", "nothing says the `webhook_url`"),
    ("discrd_configs: [{}]", "did you mean `discord_configs`?"),
    ("webhook_configs: [{url: 'http://h/', send_resolved: 5}]", "expected true or false"),
    ("webhook_configs: {url: 'http://h/'}", "expected an array"),
];

#[test]
fn mistakes_are_told_at_their_places() {
    for (text, expected) in MISTAKES {
        let said = read(text).unwrap_err();
        assert!(said.contains(expected), "{text}\n{said}");
    }
    for (integration, expected) in BAD_INTEGRATIONS {
        let said = read(&format!("{HEAD}  {integration}\n")).unwrap_err();
        assert!(said.contains(expected), "{integration}\n{said}");
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn integrations_have_what_global_says_and_the_defaults_of_their_kind() {
    let text = r#"
global:
  slack_app_token: xoxb-1
  opsgenie_api_key: key
  opsgenie_api_url: https://api.eu.opsgenie.com/
  telegram_api_url: http://127.0.0.1:9/
  pagerduty_url: http://127.0.0.1:9/v2/enqueue
  smtp_smarthost: mail.example.org:465
  smtp_from: a@example.org
  smtp_auth_username: u
  smtp_auth_password_file: pw
route: {receiver: a}
receivers:
- name: a
  slack_configs:
  - channel: '#결제'
  - channel: '#old'
    api_url: https://slack.com/api/chat.postMessage
    http_config: {authorization: {credentials: xoxb-2}}
    send_resolved: yes
  opsgenie_configs:
  - responders: [{type: team, name: 결제}, {type: user, username: kim@example.org}]
    tags: prod, 결제
  telegram_configs: [{bot_token: '1:x', chat_id: -5, message_thread_id: 3}]
  pagerduty_configs: [{routing_key: k}]
  email_configs: [{to: 'x@example.org'}]
  discord_configs: [{webhook_url: 'https://discord.com/api/webhooks/1/x'}]
  webhook_configs:
  - url: http://127.0.0.1:9/
    http_config: {authorization: {type: Token, credentials_file: pw}}
"#;
    let folder = Folder::new(&[("am.yml", text), ("pw", "비밀번호\n")]);
    let (imported, cannot) = read_in(&folder).unwrap();
    assert_eq!(cannot, "");
    assert!(!format!("{imported:?}").contains("비밀번호"));
    let all: Vec<String> = imported
        .channels
        .iter()
        .map(|channel| format!("{} {} {:?}", channel.name, channel.send_resolved, channel.kind))
        .collect();
    insta::assert_snapshot!(all.join("\n"), @r##"
    a/discord true Discord { webhook_url: [redacted] }
    a/email false Email { smarthost: "mail.example.org:465", tls: Tls, username: Some("u"), password: Some([redacted]), from: "a@example.org", to: ["x@example.org"] }
    a/pagerduty true Pagerduty { routing_key: [redacted], url: "http://127.0.0.1:9/v2/enqueue" }
    a/slack false SlackApi { token: [redacted], channel: "#결제", api_url: "https://slack.com/api" }
    a/slack-2 true SlackApi { token: [redacted], channel: "#old", api_url: "https://slack.com/api" }
    a/webhook true Webhook { url: [redacted], headers: {"Authorization": [redacted]}, body: Alertmanager }
    a/opsgenie true Opsgenie { api_key: [redacted], api_url: "https://api.eu.opsgenie.com", responders: ["team:결제", "user:kim@example.org"], tags: ["prod", "결제"] }
    a/telegram true Telegram { token: [redacted], chat_id: "-5", thread_id: Some(3), api_url: "http://127.0.0.1:9" }
    "##);
    let ChannelKind::Webhook { headers, .. } = &channel(&imported, "a/webhook").kind else {
        panic!()
    };
    assert_eq!(headers["Authorization"].expose(), "Token 비밀번호");
}

#[test]
fn everything_that_has_no_counterpart_is_listed_once() {
    let text = format!(
        "tracing: {{}}\nglobal:\n  http_config: {{proxy_url: 'http://p'}}\n  smtp_hello: me\n{HEAD}{}",
        r#"  webhook_configs: [{url: 'http://h/', max_alerts: 5, http_config: {basic_auth: {username: u}}}]
  opsgenie_configs: [{api_key: k, priority: P1, responders: [{type: team, id: '5'}, {type: teams, name: x}]}]
  email_configs: [{to: a@b, from: a@b, smarthost: 'h:25', html: x, tls_config: {}}]
  sns_configs: [{topic_arn: x}]
  carrier_pigeon_configs: [{coop: 5}]
"#
    );
    let (imported, cannot) = read(&text).unwrap();
    insta::assert_snapshot!(cannot, @r#"
    am.yml:1:1: warning: tracing: Nightcrew sends no traces (leave it out)
    am.yml:3:3: warning: global.http_config: proxies, certificates and other settings of connections are not carried over (let the crew reach everything directly, and the machine trust the certificates)
    am.yml:4:3: warning: global.smtp_hello: mail is sent with a user and a password, and the name of this machine (use `smtp_auth_username` and `smtp_auth_password`)
    am.yml:8:40: warning: receivers[0].webhook_configs[0].max_alerts: the limits of a message are Nightcrew's own (leave it out)
    am.yml:8:69: warning: receivers[0].webhook_configs[0].http_config.basic_auth: a user and a password are not carried over (write them into the URL: https://USER:PASSWORD@HOST/)
    am.yml:9:35: warning: receivers[0].opsgenie_configs[0].priority: the wording of messages is Nightcrew's own (for a wording of your own, use a webhook with a `template`)
    am.yml:9:75: warning: receivers[0].opsgenie_configs[0].responders[0].id: a responder is known by its name here (write its `name`)
    am.yml:9:86: warning: receivers[0].opsgenie_configs[0].responders[1].type: responders of this type are not carried over (name one team each)
    am.yml:10:59: warning: receivers[0].email_configs[0].html: the wording of messages is Nightcrew's own (for a wording of your own, use a webhook with a `template`)
    am.yml:10:68: warning: receivers[0].email_configs[0].tls_config: settings of TLS are not carried over (let the machine trust the certificate)
    am.yml:11:3: warning: receivers[0].sns_configs: Nightcrew has no channel for sns; the receiver exists without it (declare a channel of the type webhook or email in nightcrew.json5, and add it to the receiver in `receivers`)
    am.yml:12:3: warning: receivers[0].carrier_pigeon_configs: Nightcrew has no channel for carrier_pigeon; the receiver exists without it (declare a channel of the type webhook in nightcrew.json5, and add it to the receiver in `receivers`)
    "#);
    assert_eq!(imported.channels.len(), 3);
}

#[test]
fn groups_by_every_label_can_be_undone_below_and_names_of_intervals_are_not_inherited() {
    let text = "route:\n  receiver: a\n  group_by: ['...']\n  routes:\n  - match: {x: 1}\n    group_by: [b]\n    \
                mute_time_intervals: [n]\n    routes: [{match: {y: yes}}]\n  - match: {x: 2}\n    group_by: []\n\
                receivers: [{name: a}]\nmute_time_intervals: [{name: n, time_intervals: [{years: [2026]}]}]\n";
    let (imported, _) = read(text).unwrap();
    let rules: Vec<String> = imported
        .routing
        .routes()
        .map(|(_, route)| format!("{} {:?} {:?}", route.key, route.rule.group_by, route.rule.mute))
        .collect();
    insta::assert_snapshot!(rules.join("\n"), @r#"
    {} All []
    {}/{x="1"} Labels({"b"}) [IntervalName("n")]
    {}/{x="1"}/{y="yes"} Labels({"b"}) []
    {}/{x="2"} All []
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A file that is cut, or of which a line is lost, is read or refused, never worse.
    #[test]
    fn a_damaged_file_never_panics(cut in 0usize..2_000, line in 0usize..80, junk in "[-:\\[\\]{}'\" a가\n]{0,8}") {
        let head: String = SIMPLE.chars().take(cut).chain(junk.chars()).collect();
        let _ = read(&head);
        let fewer: Vec<&str> =
            SIMPLE.lines().enumerate().filter(|(n, _)| *n != line).map(|(_, l)| l).collect();
        let _ = read(&fewer.join("\n"));
    }
}
