//! `channels`: how people are told.

pub(crate) mod chat;
pub(crate) mod mail;
pub(crate) mod ticket;
pub(crate) mod webhook;

use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::ChannelName;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::seen::{Seen, SeenChannel};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::settings::{Channel, ChannelKind, Fallback, Rate};
use crate::tree::{At, Value};
use crate::web;

/// The types of channels.
const KINDS: [&str; 9] = [
    "console",
    "webhook",
    "discord",
    "slack",
    "telegram",
    "pagerduty",
    "opsgenie",
    "github",
    "email",
];

/// What happens to incidents, as far as `notify` can choose it.
const NOTIFY: [NotificationKind; 4] = [
    NotificationKind::Escalated,
    NotificationKind::Acknowledged,
    NotificationKind::Resolved,
    NotificationKind::ApprovalWanted,
];

/// After how many failed tries another channel is told, where nothing is said.
const FALLBACK_AFTER: u32 = 5;

/// The limits of the second source document, where nothing is said: five messages a minute at
/// Discord, ten tickets an hour.
pub(crate) const DISCORD_RATE: Rate = Rate { messages: 5, window: Millis::from_secs(60) };
pub(crate) const TICKET_RATE: Rate = Rate { messages: 10, window: Millis::from_secs(3_600) };

/// Reads `channels`.
pub(crate) fn channels(at: &At<'_>, seen: &mut Seen, cx: &mut Context<'_>) -> Vec<Channel> {
    let mut channels = Vec::new();
    for (name, at) in fields::named(at, "an object of channels", &mut cx.report) {
        if at.get("type").is_none() && cx.is_foreign(&at) {
            cx.later.note("channels without a type", &at);
            continue;
        }
        seen.channels.insert(
            ChannelName::from(name),
            SeenChannel {
                kind: at.get("type").and_then(|at| at.node.text()).unwrap_or_default().to_owned(),
                notify: at.get("notify").as_ref().map(Place::from),
                rate: at.get("rate").as_ref().map(Place::from),
                fallback: at.get("fallback").as_ref().map(Place::from),
            },
        );
        channels.extend(channel(name, &at, cx));
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
    let send_resolved = fields.boolean("send_resolved", &mut cx.report);
    let fallback = fields.take("fallback").and_then(|at| fallback(&at, cx));
    let rate_at = fields.take("rate");
    let kind = match kind {
        Some("console") => Some(ChannelKind::Console),
        Some("webhook") => webhook::webhook(&mut fields, cx),
        Some("discord") => chat::discord(&mut fields, cx),
        Some("slack") => chat::slack(&mut fields, cx),
        Some("telegram") => chat::telegram(&mut fields, cx),
        Some("pagerduty") => ticket::pagerduty(&mut fields, cx),
        Some("opsgenie") => ticket::opsgenie(&mut fields, cx),
        Some("github") => ticket::github(&mut fields, cx),
        Some("email") => mail::email(&mut fields, cx),
        Some(other) => {
            if let Some(at) = &kind_at {
                let hint = suggestion(other, KINDS);
                cx.report.expected(at, "the type of a channel").hint(hint);
            }
            return None;
        }
        None => {
            if kind_at.is_none() {
                cx.report
                    .error(at, "the channel has no `type`")
                    .hint(format!("known are {}", KINDS.join(", ")));
            }
            return None;
        }
    };
    fields.finish(&mut cx.report);
    let kind = kind?;
    let rate = match rate_at {
        Some(at) => rate(&at, cx),
        None => default_rate(&kind),
    };
    Some(Channel {
        name: ChannelName::from(name),
        kind,
        notify,
        send_resolved: send_resolved.unwrap_or(true),
        fallback,
        rate,
    })
}

/// The limit of a kind, where nothing is said.
pub(crate) fn default_rate(kind: &ChannelKind) -> Option<Rate> {
    match kind {
        ChannelKind::Discord { .. } => Some(DISCORD_RATE),
        ChannelKind::Github { .. } => Some(TICKET_RATE),
        _ => None,
    }
}

fn notify(at: &At<'_>, cx: &mut Context<'_>) -> Vec<NotificationKind> {
    let mut kinds = Vec::new();
    for (at, word) in fields::texts(at, &mut cx.report) {
        match NOTIFY.into_iter().find(|kind| kind.as_str() == word) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => {
                let hint = suggestion(word, NOTIFY.map(NotificationKind::as_str));
                cx.report.expected(&at, "what a channel can be told of").hint(hint);
            }
        }
    }
    kinds
}

/// `"other"`, or `{ channel: "other", after: 5 }`.
fn fallback(at: &At<'_>, cx: &mut Context<'_>) -> Option<Fallback> {
    if at.node.text().is_some() {
        let name = fields::text(at, &mut cx.report)?;
        return Some(Fallback { channel: ChannelName::from(name), after: FALLBACK_AFTER });
    }
    let mut fields =
        Fields::open(at, "the name of a channel, or { channel, after }", &mut cx.report)?;
    let channel = required(&mut fields, "channel", "the channel that is told instead", cx);
    let after = fields.integer("after", 1..=1_000, &mut cx.report);
    fields.finish(&mut cx.report);
    Some(Fallback {
        channel: ChannelName::from(channel?.1),
        after: after.unwrap_or(FALLBACK_AFTER),
    })
}

/// `{ messages: 5, per_seconds: 60 }`, or `null` for no limit.
fn rate(at: &At<'_>, cx: &mut Context<'_>) -> Option<Rate> {
    if let Value::Null = at.node.value {
        return None;
    }
    let mut fields = Fields::open(at, "{ messages, per_seconds }, or null", &mut cx.report)?;
    let messages = fields.integer("messages", 1..=100_000, &mut cx.report);
    let range = Millis(1_000)..=Millis::from_secs(86_400);
    let window = fields.duration("per", range, &mut cx.report);
    if !fields.has("messages") || !fields.has_duration("per") {
        cx.report
            .error(at, "a limit is a number of messages and a time")
            .hint("such as { messages: 5, per_seconds: 60 }");
    }
    fields.finish(&mut cx.report);
    Some(Rate { messages: messages?, window: window? })
}

/// The text of a key that has to be there.
pub(crate) fn required<'a>(
    fields: &mut Fields<'a>,
    key: &str,
    hint: &str,
    cx: &mut Context<'_>,
) -> Option<(At<'a>, &'a str)> {
    let Some(at) = fields.take(key) else {
        cx.report.error(fields.at(), format!("nothing says the `{key}`")).hint(hint);
        return None;
    };
    let text = fields::text(&at, &mut cx.report)?;
    Some((at, text))
}

/// The base of an API, without the slash at its end.
pub(crate) fn api_url(
    fields: &mut Fields<'_>,
    key: &str,
    default: &str,
    cx: &mut Context<'_>,
) -> Option<String> {
    let Some(at) = fields.take(key) else {
        return Some(default.to_owned());
    };
    let url = fields::text(&at, &mut cx.report)?;
    http(&at, url, default, cx)?;
    Some(url.trim_end_matches('/').to_owned())
}

/// Tells of what is no HTTP URL.
pub(crate) fn http(at: &At<'_>, url: &str, such_as: &str, cx: &mut Context<'_>) -> Option<()> {
    match web::http_url(url) {
        Ok(_) => Some(()),
        Err(why) => {
            cx.report
                .error(at, format!("expected an HTTP URL, but {why}"))
                .hint(format!("such as {such_as}"));
            None
        }
    }
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

#[cfg(test)]
mod tests;
