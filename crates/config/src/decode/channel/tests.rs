//! Every type of channel, right and wrong.

use super::*;
use crate::decode::tests::decode_one;

fn read(at: &At<'_>, cx: &mut Context<'_>) -> Vec<Channel> {
    channels(at, &mut Seen::default(), cx)
}

#[test]
fn reads_every_type() {
    let (found, problems) = decode_one(
        r##"{
          콘솔: { type: "console", notify: ["escalated"], send_resolved: false },
          hook: { type: "webhook", url: "http://127.0.0.1:9/x", headers: { "X-Key": "k" } },
          am: { type: "webhook", url: "http://127.0.0.1:9/", body: "alertmanager" },
          own: { type: "webhook", url: "http://h/", body: { template: "{}" }, rate: { messages: 2, per_seconds: 10 } },
          d: { type: "discord", webhook_url: "https://discord.com/api/v10/webhooks/123/abc", fallback: "콘솔" },
          s1: { type: "slack", webhook_url: "https://hooks.slack.com/services/T/B/abc" },
          s2: { type: "slack", token: "xoxb-abc", channel: "#장애", api_url: "http://127.0.0.1:9/api/" },
          t: { type: "telegram", token: "1:abc", chat_id: -1001234567890, thread_id: 7 },
          p: { type: "pagerduty", routing_key: "abc", fallback: { channel: "t", after: 3 } },
          o: { type: "opsgenie", api_key: "abc", region: "eu", responders: ["team:결제"], tags: ["prod"] },
          g: { type: "github", repository: "example/operations", token: "abc", labels: ["incident"], rate: null },
          g2: { type: "github", repository: "example/operations", token: "abc" },
          e: { type: "email", smarthost: "smtp.example.org:465", username: "u", password: "abc", from: "Nightcrew <n@example.org>", to: "당직@example.org" },
        }"##,
        read,
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(found.len(), 13);
    assert_eq!(found[0].notify, [NotificationKind::Escalated]);
    assert!(!found[0].send_resolved && found[1].send_resolved);
    assert!(!format!("{found:?}").contains("abc"));
    let get = |name: &str| found.iter().find(|channel| channel.name.as_str() == name).unwrap();
    assert_eq!(get("own").rate, Some(Rate { messages: 2, window: Millis::from_secs(10) }));
    assert_eq!(get("d").rate, Some(DISCORD_RATE));
    assert_eq!((get("g").rate, get("g2").rate), (None, Some(TICKET_RATE)));
    assert_eq!(get("d").fallback.as_ref().unwrap().after, FALLBACK_AFTER);
    assert_eq!(get("p").fallback.as_ref().unwrap().after, 3);
    let ChannelKind::SlackApi { api_url, channel, .. } = &get("s2").kind else { panic!() };
    assert_eq!((api_url.as_str(), channel.as_str()), ("http://127.0.0.1:9/api", "#장애"));
    let ChannelKind::Telegram { chat_id, thread_id, .. } = &get("t").kind else { panic!() };
    assert_eq!((chat_id.as_str(), *thread_id), ("-1001234567890", Some(7)));
    let ChannelKind::Opsgenie { api_url, .. } = &get("o").kind else { panic!() };
    assert_eq!(api_url, "https://api.eu.opsgenie.com");
    let ChannelKind::Email { tls, to, .. } = &get("e").kind else { panic!() };
    assert_eq!(
        (*tls, to.as_slice()),
        (crate::settings::SmtpTls::Tls, &["당직@example.org".to_owned()][..])
    );
}

/// What a kind needs, and what is said where it is not there.
const NEEDS: [(&str, &str); 23] = [
    ("{ a: { type: 'slack' } }", "has no URL"),
    ("{ a: { type: 'slack', webhook_url: 'https://h/', channel: '#x' } }", "its own conversation"),
    ("{ a: { type: 'slack', token: 'xoxb-s3cr3t' } }", "nothing says the `channel`"),
    (
        "{ a: { type: 'slack', token: 's3cr3ttoken', channel: 'x' } }",
        "not the token of a Slack bot",
    ),
    ("{ a: { type: 'telegram', chat_id: 5 } }", "nothing says the `token`"),
    ("{ a: { type: 'telegram', token: '1:s3cr3t', chat_id: 'ops' } }", "the id of a chat"),
    (
        "{ a: { type: 'telegram', token: '1:s3cr3t', chat_id: 5, thread_id: 0.5 } }",
        "the id of a topic",
    ),
    ("{ a: { type: 'pagerduty' } }", "nothing says the `routing_key`"),
    ("{ a: { type: 'pagerduty', routing_key: 's3cr3t', url: 'x' } }", "expected an HTTP URL"),
    ("{ a: { type: 'opsgenie', api_key: 's3cr3t', region: 'ue' } }", "expected a region"),
    (
        "{ a: { type: 'opsgenie', api_key: 's3cr3t', region: 'eu', api_url: 'http://h/' } }",
        "both say where",
    ),
    (
        "{ a: { type: 'opsgenie', api_key: 's3cr3t', responders: ['ops'] } }",
        "somebody who is responsible",
    ),
    (
        "{ a: { type: 'github', token: 's3cr3t', repository: 'operations' } }",
        "expected a repository",
    ),
    (
        "{ a: { type: 'email', smarthost: 'smtp', from: 'a@b', to: 'c@d' } }",
        "host and port of a mail server",
    ),
    (
        "{ a: { type: 'email', smarthost: 'h:25', from: 'a', to: 'c@d' } }",
        "expected a mail address",
    ),
    ("{ a: { type: 'email', smarthost: 'h:25', from: 'a@b', to: [] } }", "1 to 50 addresses"),
    (
        "{ a: { type: 'email', smarthost: 'h:25', tls: 'ssl', from: 'a@b', to: 'c@d' } }",
        "kept private",
    ),
    (
        "{ a: { type: 'email', smarthost: 'h:25', tls: 'none', username: 'u', password: 's3cr3t', from: 'a@b', to: 'c@d' } }",
        "as plain text",
    ),
    ("{ a: { type: 'webhook', url: 'http://h/', body: 'grafana' } }", "\"alertmanager\" or"),
    (
        "{ a: { type: 'webhook', url: 'http://h/', body: { template: 'x', template_file: 'y' } } }",
        "either `template`",
    ),
    (
        "{ a: { type: 'webhook', url: 'http://h/', template_file: 'absent.j2' } }",
        "there is no such file",
    ),
    ("{ a: { type: 'console', rate: { messages: 5 } } }", "a number of messages and a time"),
    ("{ a: { type: 'console', fallback: {} } }", "nothing says the `channel`"),
];

#[test]
fn what_a_kind_needs_is_asked_for() {
    for (text, expected) in NEEDS {
        let said = decode_one(text, read).1.join("\n");
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains("s3cr3t"), "{said}");
    }
    let local = "{ a: { type: 'email', smarthost: '127.0.0.1:25', tls: 'none', username: 'u', \
                 password: 'x', from: 'a@b', to: 'c@d' } }";
    assert_eq!(decode_one(local, read).1, [""; 0]);
}

#[test]
fn what_cannot_tell_anybody_is_told_without_showing_the_url() {
    let cases = [
        (
            "{ a: { type: 'discord', webhook_url: 'http://discord.com/api/webhooks/1/s3cr3t' } }",
            "not https",
        ),
        (
            "{ a: { type: 'discord', webhook_url: 'https://evil.example/api/webhooks/1/s3cr3t' } }",
            "host",
        ),
        (
            "{ a: { type: 'discord', webhook_url: 'https://discord.com/api/webhooks/x/s3cr3t' } }",
            "path",
        ),
        ("{ a: { type: 'discord', webhook_url: 's3cr3t' } }", "http:// or https://"),
        ("{ a: { type: 'webhook', url: 5 } }", "expected a text, found 5"),
        ("{ a: { type: 'webhook', url: 's3cr3t', webhook_url: 's3cr3t' } }", "both say where"),
        ("{ a: { type: 'webhook' } }", "has no URL"),
        ("{ a: { type: 'webhook', url: 'http://h/', headers: { A: 's3cr3t\\n' } } }", "header"),
        ("{ a: { type: 'teams' } }", "known are console, webhook, discord"),
        ("{ a: { type: 'console', notify: ['escalate'] } }", "did you mean `escalated`?"),
        ("{ a: { } }", "has no `type`"),
    ];
    for (text, expected) in cases {
        let said = decode_one(text, read).1.join("\n");
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}
