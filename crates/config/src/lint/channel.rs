//! Channels: where a message goes when one cannot be reached, and who is told of what.

use std::collections::BTreeSet;

use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::ChannelName;

use crate::decode::Context;
use crate::decode::routing::unknown_channel;
use crate::decode::seen::Seen;
use crate::problem::Place;
use crate::settings::Settings;
use crate::tree::At;

/// Judges the channels.
pub(crate) fn check(root: &At<'_>, settings: &Settings, seen: &Seen, cx: &mut Context<'_>) {
    fallbacks(settings, seen, cx);
    told_twice(settings, seen, cx);
    for (name, place) in &seen.all_clear {
        if !seen.channels.contains_key(name) {
            unknown_channel(name, place.clone(), seen, cx);
        }
    }
    let triage = &settings.triage;
    let listens = |kind| settings.channels.iter().any(|channel| channel.notify.contains(&kind));
    if let Some(at) = root.get("channels")
        && !settings.channels.is_empty()
        && triage.routing.is_none()
        && triage.policies.is_empty()
        && !listens(NotificationKind::Escalated)
    {
        cx.report
            .warning(&at, "no channel is told of escalations, so nobody is woken")
            .hint("add \"escalated\" to `notify` of one channel");
    }
}

/// Each fallback is another channel, and following them ends.
fn fallbacks(settings: &Settings, seen: &Seen, cx: &mut Context<'_>) {
    let next = |name: &ChannelName| {
        let channel = settings.channels.iter().find(|channel| channel.name == *name)?;
        Some(&channel.fallback.as_ref()?.channel)
    };
    let mut told: BTreeSet<&ChannelName> = BTreeSet::new();
    for channel in &settings.channels {
        let Some(fallback) = &channel.fallback else { continue };
        let written = seen.channels.get(&channel.name);
        let Some(place) = written.and_then(|written| written.fallback.clone()) else { continue };
        if !seen.channels.contains_key(&fallback.channel) {
            unknown_channel(&fallback.channel, place, seen, cx);
            continue;
        }
        if fallback.channel == channel.name {
            cx.report
                .error(place, "the channel falls back to itself, so nobody is told when it fails")
                .hint("name another channel");
            continue;
        }
        let mut way = vec![&channel.name];
        let mut at = next(&channel.name);
        while let Some(name) = at {
            if way.contains(&name) {
                break;
            }
            way.push(name);
            at = next(name);
        }
        // Told once for each circle, at the first of its channels.
        if at == Some(&channel.name) && !told.contains(&channel.name) {
            let names: Vec<&str> = way.iter().map(|name| name.as_str()).collect();
            cx.report
                .error(
                    place,
                    format!(
                        "the fallbacks go in a circle: {} → {}",
                        names.join(" → "),
                        channel.name
                    ),
                )
                .hint("the last one needs no fallback");
            told.extend(way);
        }
    }
}

/// A channel that hears of alerts by the routing and listens to incidents besides.
fn told_twice(settings: &Settings, seen: &Seen, cx: &mut Context<'_>) {
    let Some(routing) = &settings.triage.routing else {
        return;
    };
    for channel in settings.channels.iter().filter(|channel| !channel.notify.is_empty()) {
        let receiver =
            routing.receivers.iter().find(|receiver| receiver.channels.contains(&channel.name));
        let written = seen.channels.get(&channel.name);
        let place: Option<Place> = written.and_then(|written| written.notify.clone());
        if let (Some(receiver), Some(place)) = (receiver, place) {
            cx.report
                .warning(
                    place,
                    format!(
                        "the channel is told twice: of alerts by the receiver {}, and of their \
                         incidents by `notify`",
                        receiver.name
                    ),
                )
                .hint("leave `notify` out, or write `notify: []`");
        }
    }
}
