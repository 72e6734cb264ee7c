//! `receivers`: each of their integrations becomes a channel.

use nightcrew_model::id::{ChannelName, ReceiverName};
use nightcrew_model::route::Receiver;

use crate::decode::Context;
use crate::decode::channel::default_rate;
use crate::decode::seen::{Seen, SeenChannel};
use crate::fields::Fields;
use crate::import::alertmanager::global::Global;
use crate::import::alertmanager::{Found, cannot, integration};
use crate::import::scalar;
use crate::nearest::nearest;
use crate::problem::Severity;
use crate::settings::{Channel, ChannelKind};
use crate::tree::{At, Entry};

/// Kinds of receivers that Nightcrew does not speak, and what can stand in for them.
const OTHERS: [(&str, &str); 12] = [
    ("incidentio_configs", "a channel of the type webhook"),
    ("jira_configs", "a channel of the type github or webhook"),
    ("mattermost_configs", "a channel of the type slack: Mattermost reads the same messages"),
    ("msteams_configs", "a channel of the type webhook with a template"),
    ("msteamsv2_configs", "a channel of the type webhook with a template"),
    ("pushover_configs", "a channel of the type telegram or webhook"),
    ("rocketchat_configs", "a channel of the type slack: Rocket.Chat reads the same messages"),
    ("sns_configs", "a channel of the type webhook or email"),
    ("victorops_configs", "a channel of the type webhook with a template"),
    ("webex_configs", "a channel of the type webhook with a template"),
    ("wechat_configs", "a channel of the type webhook with a template"),
    ("squadcast_configs", "a channel of the type webhook"),
];

/// How one kind of integration is read.
#[derive(Clone, Copy)]
struct Kind {
    key: &'static str,
    /// Our word for it.
    word: &'static str,
    /// Whether it tells that alerts ended, where nothing is said (`config/notifiers.go`).
    send_resolved: bool,
    read: fn(&mut Fields<'_>, &Global, &mut Context<'_>) -> Option<ChannelKind>,
}

/// The kinds that Nightcrew speaks.
const KINDS: [Kind; 7] = [
    Kind {
        key: "discord_configs",
        word: "discord",
        send_resolved: true,
        read: integration::discord,
    },
    Kind { key: "email_configs", word: "email", send_resolved: false, read: integration::email },
    Kind {
        key: "pagerduty_configs",
        word: "pagerduty",
        send_resolved: true,
        read: integration::pagerduty,
    },
    Kind { key: "slack_configs", word: "slack", send_resolved: false, read: integration::slack },
    Kind {
        key: "webhook_configs",
        word: "webhook",
        send_resolved: true,
        read: integration::webhook,
    },
    Kind {
        key: "opsgenie_configs",
        word: "opsgenie",
        send_resolved: true,
        read: integration::opsgenie,
    },
    Kind {
        key: "telegram_configs",
        word: "telegram",
        send_resolved: true,
        read: integration::telegram,
    },
];

/// Reads `receivers`.
pub(super) fn receivers(
    at: &At<'_>,
    global: &Global,
    found: &mut Found,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) {
    for at in scalar::items(at, cx) {
        let Some(mut fields) = Fields::open(&at, "an object with `name`", &mut cx.report) else {
            continue;
        };
        let name = scalar::text_of(&mut fields, "name", cx);
        let written = integrations(&mut fields, cx);
        others(&mut fields, cx);
        fields.finish(&mut cx.report);
        let Some((name_at, name)) = name else {
            cx.report.error(&at, "the receiver has no `name`");
            continue;
        };
        let receiver = ReceiverName::from(name.as_str());
        if seen.receivers.contains_key(&receiver) {
            cx.report.error(&name_at, format!("two receivers are called {name:?}"));
            continue;
        }
        seen.receivers.insert(receiver.clone(), (&name_at).into());
        let entries = at.node.object().map_or(&[][..], |object| &object.entries);
        let has_integrations = entries.iter().any(|entry| entry.key.ends_with("_configs"));
        let mut channels = Vec::new();
        for (n, (kind, at)) in written.iter().enumerate() {
            let nth = written.iter().take(n).filter(|(before, _)| before.key == kind.key).count();
            let channel = name_of(&name, written.len(), kind.word, nth);
            if let Some(channel) = integration(&channel, *kind, at, global, cx) {
                note(&channel, kind.word, seen);
                channels.push(channel.name.clone());
                found.channels.push(channel);
            }
        }
        if channels.is_empty() && has_integrations {
            seen.told_empty.insert(receiver.clone());
        }
        found.beside.receivers.push(Receiver { name: receiver, channels });
    }
}

/// The integrations of a receiver, in the order of the kinds.
fn integrations<'a>(fields: &mut Fields<'a>, cx: &mut Context<'_>) -> Vec<(Kind, At<'a>)> {
    let mut found = Vec::new();
    for kind in KINDS {
        let Some(at) = fields.take(kind.key) else { continue };
        found.extend(scalar::items(&at, cx).into_iter().map(|at| (kind, at)));
    }
    found
}

/// What a channel is called: as its receiver where it is the only one, otherwise with its kind.
fn name_of(receiver: &str, n_integrations: usize, kind: &str, nth: usize) -> ChannelName {
    match (n_integrations, nth) {
        (1, _) => ChannelName::from(receiver),
        (_, 0) => ChannelName::from(format!("{receiver}/{kind}")),
        (_, nth) => ChannelName::from(format!("{receiver}/{kind}-{}", nth + 1)),
    }
}

fn integration(
    name: &ChannelName,
    kind: Kind,
    at: &At<'_>,
    global: &Global,
    cx: &mut Context<'_>,
) -> Option<Channel> {
    let mut fields = Fields::open(at, "an object", &mut cx.report)?;
    let send_resolved = scalar::boolean(&mut fields, "send_resolved", cx);
    let found = (kind.read)(&mut fields, global, cx);
    fields.finish_with(&mut cx.report, |_| Severity::Warning);
    let found = found?;
    Some(Channel {
        name: name.clone(),
        rate: default_rate(&found),
        kind: found,
        notify: Vec::new(),
        send_resolved: send_resolved.unwrap_or(kind.send_resolved),
        fallback: None,
    })
}

fn note(channel: &Channel, kind: &str, seen: &mut Seen) {
    let kind = kind.to_owned();
    let written = SeenChannel { kind, notify: None, rate: None, fallback: None };
    seen.channels.insert(channel.name.clone(), written);
}

/// Lists the integrations of other kinds; the receiver exists without them.
fn others(fields: &mut Fields<'_>, cx: &mut Context<'_>) {
    for (key, instead) in OTHERS {
        if let Some(at) = fields.take_unlisted(key) {
            other(&at, key, instead, cx);
        }
    }
    let receiver = fields.at().clone();
    let entries: &[Entry] = receiver.node.object().map_or(&[], |object| &object.entries);
    let is_known = |key: &str| {
        KINDS.iter().any(|kind| kind.key == key) || OTHERS.iter().any(|(other, _)| *other == key)
    };
    for entry in entries.iter().filter(|entry| entry.key.ends_with("_configs")) {
        // What looks like a slip of a known kind is told as an unknown key.
        let slip = nearest(&entry.key, KINDS.iter().map(|kind| kind.key));
        if !is_known(&entry.key) && slip.is_none() {
            let at = receiver.entry(entry);
            other(&at, &entry.key, "a channel of the type webhook", cx);
            fields.take(&entry.key);
        }
    }
}

fn other(at: &At<'_>, key: &str, instead: &str, cx: &mut Context<'_>) {
    let kind = key.strip_suffix("_configs").unwrap_or(key);
    cannot(
        at,
        format!("Nightcrew has no channel for {kind}; the receiver exists without it"),
        &format!("declare {instead} in nightcrew.json5, and add it to the receiver in `receivers`"),
        cx,
    );
}
