//! `channels`: how people are told.

use std::collections::BTreeMap;

use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::ChannelName;

use crate::decode::Context;
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::settings::{Channel, ChannelKind, Secret};
use crate::tree::At;
use crate::web;

/// The hosts of Discord.
const DISCORD_HOSTS: [&str; 4] =
    ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"];

/// Reads `channels`.
pub(crate) fn channels(at: &At<'_>, cx: &mut Context<'_>) -> Vec<Channel> {
    let mut channels = Vec::new();
    for (name, at) in fields::named(at, "an object of channels", &mut cx.report) {
        if at.get("type").is_none() && cx.is_foreign(&at) {
            cx.later.note("channels without a type", &at);
            continue;
        }
        channels.extend(channel(name, &at, cx));
    }
    let tells = |kind| channels.iter().any(|channel| channel.notify.contains(&kind));
    if !channels.is_empty() && !tells(NotificationKind::Escalated) {
        cx.report
            .warning(at, "no channel is told of escalations, so nobody is woken")
            .hint("add \"escalated\" to `notify` of one channel");
    }
    channels
}

fn channel(name: &str, at: &At<'_>, cx: &mut Context<'_>) -> Option<Channel> {
    let mut fields = Fields::open(at, "an object with `type`", &mut cx.report)?;
    let kind_at = fields.take("type");
    let kind = fields.text("type", &mut cx.report);
    let notify = match fields.take("notify") {
        Some(at) => notify(&at, cx),
        None => vec![NotificationKind::Escalated, NotificationKind::Resolved],
    };
    let kind = match kind {
        Some("console") => Some(ChannelKind::Console),
        Some("webhook") => webhook(&mut fields, cx),
        Some("discord") => discord(&mut fields, cx),
        Some(other) => {
            let hint = suggestion(other, ["console", "webhook", "discord"]);
            if let Some(at) = &kind_at {
                cx.report.expected(at, "the type of a channel").hint(hint);
            }
            return None;
        }
        None => {
            if kind_at.is_none() {
                cx.report
                    .error(at, "the channel has no `type`")
                    .hint("known are console, webhook and discord");
            }
            return None;
        }
    };
    fields.finish(&mut cx.report);
    Some(Channel { name: ChannelName::from(name), kind: kind?, notify })
}

fn notify(at: &At<'_>, cx: &mut Context<'_>) -> Vec<NotificationKind> {
    let mut kinds = Vec::new();
    for (at, word) in fields::texts(at, &mut cx.report) {
        let known = [NotificationKind::Escalated, NotificationKind::Resolved];
        match known.into_iter().find(|kind| kind.to_string() == word) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => {
                let hint = suggestion(word, ["escalated", "resolved"]);
                cx.report.expected(&at, "what a channel can be told of").hint(hint);
            }
        }
    }
    kinds
}

/// The URL of a channel, under either of its names.
fn url<'a>(fields: &mut Fields<'a>, cx: &mut Context<'_>) -> Option<(At<'a>, &'a str)> {
    let given: Vec<At<'_>> =
        ["webhook_url", "url"].iter().filter_map(|key| fields.take(key)).collect();
    match &given[..] {
        [at] => {
            let text = fields::text(at, &mut cx.report)?;
            Some((at.clone(), text))
        }
        [] => {
            cx.report
                .error(fields.at(), "the channel has no URL")
                .hint("add `webhook_url: \"${DISCORD_WEBHOOK_URL}\"` or `url`");
            None
        }
        [first, ..] => {
            cx.report
                .error(first, "`url` and `webhook_url` both say where")
                .hint("keep one of the two");
            None
        }
    }
}

fn webhook(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    let headers_at = fields.take("headers");
    let headers = headers_at.map_or_else(BTreeMap::new, |at| headers(&at, cx));
    let (at, url) = url(fields, cx)?;
    if let Err(why) = web::http_url(url) {
        cx.report
            .error(&at, format!("expected an HTTP URL, but {why}"))
            .hint("such as \"https://alerts.example.org/hook\"");
        return None;
    }
    Some(ChannelKind::Webhook { url: Secret::new(url), headers })
}

fn headers(at: &At<'_>, cx: &mut Context<'_>) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    for (name, at) in fields::named(at, "an object of headers", &mut cx.report) {
        // RFC 9110 section 5.6.2: a name is a token.
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            let place = Place::new(at.key_span, at.path.clone());
            cx.report.error(place, "expected the name of an HTTP header");
            continue;
        }
        let Some(value) = fields::text(&at, &mut cx.report) else {
            continue;
        };
        if !value.chars().all(|c| matches!(c, ' '..='~' | '\t')) {
            cx.report
                .error(&at, "expected the value of an HTTP header: printable ASCII on one line");
            continue;
        }
        headers.insert(name.to_owned(), Secret::new(value));
    }
    headers
}

fn discord(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    const FORM: &str = "it looks like https://discord.com/api/webhooks/ID/TOKEN; for anything else \
                        use the type webhook";
    let (at, url) = url(fields, cx)?;
    let parsed = match web::http_url(url) {
        Ok(parsed) => parsed,
        Err(why) => {
            cx.report
                .error(&at, format!("expected the URL of a Discord webhook, but {why}"))
                .hint(FORM);
            return None;
        }
    };
    let why = if !parsed.is_https {
        Some("it is not https, and its token would be readable on the way")
    } else if !DISCORD_HOSTS.contains(&parsed.host.as_str()) {
        Some("its host is not Discord's")
    } else if !is_webhook_path(&parsed.path) {
        Some("its path is not that of a webhook")
    } else {
        None
    };
    if let Some(why) = why {
        cx.report
            .warning(&at, format!("this is not the URL of a Discord webhook: {why}"))
            .hint(FORM);
    }
    Some(ChannelKind::Discord { webhook_url: Secret::new(url) })
}

/// `/api/webhooks/{id}/{token}`, with an optional version behind `api`.
fn is_webhook_path(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    let mut parts = path.trim_matches('/').split('/').peekable();
    if parts.next() != Some("api") {
        return false;
    }
    parts.next_if(|part| {
        part.strip_prefix('v').is_some_and(|version| version.parse::<u8>().is_ok())
    });
    let rest: Vec<&str> = parts.collect();
    match &rest[..] {
        ["webhooks", id, token] => {
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            is_id && !token.is_empty()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn reads_every_type() {
        let (found, problems) = decode_one(
            "{ 콘솔: { type: 'console', notify: ['escalated'] },\
             hook: { type: 'webhook', url: 'http://127.0.0.1:9/x', headers: { 'X-Key': 'k' } },\
             d: { type: 'discord', webhook_url: 'https://discord.com/api/v10/webhooks/123/abc' } }",
            channels,
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].notify, [NotificationKind::Escalated]);
        assert!(!format!("{found:?}").contains("abc"));
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
            ("{ a: { type: 'slack' } }", "known are console, webhook, discord"),
            ("{ a: { type: 'console', notify: ['resolved'] } }", "nobody is woken"),
            ("{ a: { type: 'console', notify: ['escalate'] } }", "did you mean `escalated`?"),
            ("{ a: { } }", "has no `type`"),
        ];
        for (text, expected) in cases {
            let said = decode_one(text, channels).1.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
            assert!(!said.contains("s3cr3t"), "{said}");
        }
    }
}
