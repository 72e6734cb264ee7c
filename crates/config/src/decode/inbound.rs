//! `sources` without a `kind`: the doors through which other systems tell of alerts.

use std::collections::BTreeMap;

use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::source::is_asked;
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::settings::{Inbound, InboundAuth, Mapping, Secret};
use crate::tree::At;

/// How old a signed message may be, where nothing is said.
const REPLAY_WINDOW: Millis = Millis::from_secs(300);

/// The largest number of secrets that hold at the same time.
const SECRETS_MAX: usize = 8;

/// The longest name of a door, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Who can be behind a door of its own.
const DOORS: [Source; 11] = [
    Source::Alertmanager,
    Source::Grafana,
    Source::Signoz,
    Source::Pagerduty,
    Source::Opsgenie,
    Source::Datadog,
    Source::Newrelic,
    Source::Sentry,
    Source::Cloudwatch,
    Source::Uptime,
    Source::Generic,
];

/// Those whose messages can be signed with a secret.
const SIGNED: [Source; 4] = [Source::Grafana, Source::Pagerduty, Source::Sentry, Source::Generic];

/// Reads `sources`.
pub(crate) fn sources(at: &At<'_>, cx: &mut Context<'_>) -> Vec<Inbound> {
    let named = fields::named(at, "an object of sources", &mut cx.report);
    let doors = named.into_iter().filter(|(_, at)| !is_asked(at));
    doors.filter_map(|(name, at)| source(name, &at, cx)).collect()
}

fn source(name: &str, at: &At<'_>, cx: &mut Context<'_>) -> Option<Inbound> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.chars().all(plain) || name.is_empty() || name.len() > NAME_CHARS_MAX {
        cx.report
            .error(
                Place::new(at.key_span, at.path.clone()),
                "expected a name that can be a part of a path: /hooks/NAME",
            )
            .hint(format!("at most {NAME_CHARS_MAX} ASCII letters, digits, `-` and `_`"));
        return None;
    }
    let mut fields = Fields::open(at, "an object with `type`", &mut cx.report)?;
    let source = kind(name, &mut fields, cx);
    let auth = auth(&mut fields, source, at, cx);
    let range = Millis(1_000)..=Millis::from_secs(86_400);
    let replay_window = fields.duration("replay_window", range, &mut cx.report);
    let mapping_at = fields.take("mapping");
    let mapping = mapping_at.as_ref().and_then(|at| mapping(at, cx));
    fields.finish(&mut cx.report);
    let source = source?;
    match (&mapping_at, source == Source::Generic) {
        (None, true) => {
            cx.report
                .error(at, "a generic source has to say where its fields are")
                .hint("add `mapping: { alerts: \"/alerts\", labels: { alertname: \"/name\" } }`");
        }
        (Some(at), false) => {
            cx.report
                .error(at, format!("the fields of {source} are known; only `generic` is mapped"))
                .hint("leave `mapping` out, or write `type: \"generic\"`");
        }
        _ => {}
    }
    Some(Inbound {
        name: name.to_owned(),
        source,
        auth: auth?,
        replay_window: replay_window.unwrap_or(REPLAY_WINDOW),
        mapping,
    })
}

/// The type, which may be left out where the name is one.
fn kind(name: &str, fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Source> {
    let known = |word: &str| DOORS.into_iter().find(|source| source.as_str() == word);
    let words = DOORS.map(Source::as_str);
    let Some(at) = fields.take("type") else {
        let found = known(name);
        if found.is_none() {
            cx.report.error(fields.at(), "the source has no `type`").hint(suggestion(name, words));
        }
        return found;
    };
    let word = fields::text(&at, &mut cx.report)?;
    let found = known(word);
    if found.is_none() {
        cx.report.expected(&at, "the type of a source").hint(suggestion(word, words));
    }
    found
}

/// How a caller proves who it is: at most one way.
fn auth(
    fields: &mut Fields<'_>,
    source: Option<Source>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Option<InboundAuth> {
    let token_at = fields.take("token");
    let token = fields.text("token", &mut cx.report);
    let secrets = secrets(fields, cx);
    let user_at = fields.take("username");
    let username = fields.text("username", &mut cx.report);
    let password_at = fields.take("password");
    let password = fields.text("password", &mut cx.report);
    let topics_at = fields.take("topics");
    let topics = topics_at.as_ref().map(|at| topics(at, cx));
    let mut ways: Vec<(&str, At<'_>)> = Vec::new();
    ways.extend(token_at.map(|at| ("token", at)));
    ways.extend(secrets.as_ref().map(|(at, _)| ("secret", at.clone())));
    ways.extend(user_at.clone().or(password_at.clone()).map(|at| ("username", at)));
    ways.extend(topics_at.map(|at| ("topics", at)));
    if let [(first, _), (second, at), ..] = &ways[..] {
        cx.report
            .error(at, format!("`{first}` and `{second}` are two ways to prove the same"))
            .hint("keep one of the two");
        return None;
    }
    let Some((way, at)) = ways.pop() else {
        if source == Some(Source::Cloudwatch) {
            return Some(InboundAuth::Sns { topics: Vec::new() });
        }
        cx.report
            .warning(
                at,
                "whoever reaches this door can tell of alerts, so it is only open on loopback",
            )
            .hint("add `token: \"${…}\"`, or `secret` where the messages are signed");
        return Some(InboundAuth::Open);
    };
    match way {
        "token" => Some(InboundAuth::Token(Secret::new(token?))),
        "secret" => {
            if let Some(source) = source.filter(|source| !SIGNED.contains(source)) {
                let signed = SIGNED.map(Source::as_str).join(", ");
                cx.report
                    .error(&at, format!("{source} does not sign its messages with a secret"))
                    .hint(format!("use `token`; signed are {signed}, and cloudwatch by `topics`"));
                return None;
            }
            secrets.map(|(_, secrets)| InboundAuth::Signature(secrets))
        }
        "topics" => {
            if source.is_some_and(|source| source != Source::Cloudwatch) {
                cx.report.error(&at, "only messages of cloudwatch come from `topics`");
                return None;
            }
            Some(InboundAuth::Sns { topics: topics? })
        }
        _ => {
            if user_at.is_none() || password_at.is_none() {
                cx.report.error(&at, "a user and a password go together: `username`, `password`");
            }
            let password = Secret::new(password?);
            Some(InboundAuth::Basic { username: username?.to_owned(), password })
        }
    }
}

/// `secret`, or `secrets` while keys change.
fn secrets<'a>(fields: &mut Fields<'a>, cx: &mut Context<'_>) -> Option<(At<'a>, Vec<Secret>)> {
    let one_at = fields.take("secret");
    let one = fields.text("secret", &mut cx.report);
    let many_at = fields.take("secrets");
    let mut found: Vec<Secret> = one.map(Secret::new).into_iter().collect();
    if let Some(at) = &many_at {
        let texts = fields::texts(at, &mut cx.report);
        if texts.is_empty() || texts.len() > SECRETS_MAX {
            cx.report.expected(at, &format!("1 to {SECRETS_MAX} secrets"));
        }
        found.extend(texts.into_iter().map(|(_, text)| Secret::new(text)));
    }
    Some((one_at.or(many_at)?, found))
}

fn topics(at: &At<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let mut topics = Vec::new();
    for (at, topic) in fields::texts(at, &mut cx.report) {
        if topic.starts_with("arn:") && topic.split(':').nth(2) == Some("sns") {
            topics.push(topic.to_owned());
        } else {
            cx.report
                .expected(&at, "the ARN of a topic")
                .hint("such as \"arn:aws:sns:ap-northeast-2:123456789012:alarms\"");
        }
    }
    topics
}

fn mapping(at: &At<'_>, cx: &mut Context<'_>) -> Option<Mapping> {
    let mut fields = Fields::open(at, "an object of JSON pointers", &mut cx.report)?;
    let mapping = Mapping {
        alerts: pointer(&mut fields, "alerts", cx),
        labels: pointers(&mut fields, "labels", cx),
        annotations: pointers(&mut fields, "annotations", cx),
        status: pointer(&mut fields, "status", cx),
        resolved: match fields.take("resolved") {
            Some(at) => {
                let texts = fields::texts(&at, &mut cx.report);
                texts.into_iter().map(|(_, text)| text.to_owned()).collect()
            }
            None => Vec::new(),
        },
        severity: pointer(&mut fields, "severity", cx),
        starts_at: pointer(&mut fields, "starts_at", cx),
        url: pointer(&mut fields, "url", cx),
    };
    fields.finish(&mut cx.report);
    if mapping.labels.is_empty() {
        cx.report
            .error(at, "the mapping gives no label, so every alert would be the same")
            .hint("such as `labels: { alertname: \"/title\", service: \"/service\" }`");
    }
    if mapping.status.is_some() == mapping.resolved.is_empty() {
        cx.report
            .error(at, "`status` and `resolved` go together: where the state is, and what ends it")
            .hint("such as `status: \"/state\", resolved: [\"ok\"]`");
    }
    Some(mapping)
}

fn pointer(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> Option<String> {
    let at = fields.take(key)?;
    pointer_at(&at, cx)
}

fn pointers(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> BTreeMap<String, String> {
    let at = fields.take(key);
    let named = at.map(|at| fields::named(&at, "an object of JSON pointers", &mut cx.report));
    let named = named.unwrap_or_default().into_iter();
    named.filter_map(|(name, at)| Some((name.to_owned(), pointer_at(&at, cx)?))).collect()
}

/// A JSON pointer (RFC 6901): `/` before each part, `~0` for `~`, `~1` for `/`.
fn pointer_at(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    let text = fields::text(at, &mut cx.report)?;
    let tildes_are_good =
        text.split('~').skip(1).all(|rest| rest.starts_with('0') || rest.starts_with('1'));
    if text.starts_with('/') && tildes_are_good {
        return Some(text.to_owned());
    }
    cx.report
        .expected(at, "a JSON pointer (RFC 6901)")
        .hint("such as \"/data/alerts\" or \"/labels/0/name\"");
    None
}
