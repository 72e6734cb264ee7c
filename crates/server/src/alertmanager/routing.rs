//! The routing tree as Alertmanager's clients see it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nightcrew_engine::settings::Settings;
use nightcrew_model::id::ReceiverName;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::route::{Branch, GroupBy, Receiver, RouteRule, Routing};
use nightcrew_model::unit::Millis;

/// The tree of the settings.  Where there is none, every channel is a receiver that hears of
/// everything, which is what people would draw.
pub(crate) fn routing(settings: &Settings) -> Cow<'_, Routing> {
    match &settings.routing {
        Some(routing) => Cow::Borrowed(routing),
        None => Cow::Owned(of_channels(settings)),
    }
}

fn of_channels(settings: &Settings) -> Routing {
    let names = settings.channels.iter().map(|listener| listener.channel.clone());
    let receivers: Vec<Receiver> = names
        .map(|channel| Receiver {
            name: ReceiverName::from(channel.as_str()),
            channels: vec![channel],
        })
        .collect();
    let rule = |receiver: ReceiverName, continues| RouteRule {
        matchers: Matchers::default(),
        receiver,
        group_by: GroupBy::Labels(["alertname".to_owned(), "service".to_owned()].into()),
        group_wait: Millis(0),
        group_interval: settings.dedup_window,
        repeat_interval: settings.dedup_window,
        mute: Vec::new(),
        active: Vec::new(),
        continues,
    };
    let nobody = || ReceiverName::from("nobody");
    let first = receivers.first().map_or_else(nobody, |receiver| receiver.name.clone());
    let leaf = |receiver: &Receiver| Branch {
        rule: rule(receiver.name.clone(), true),
        routes: Vec::new(),
    };
    let routes =
        if receivers.len() > 1 { receivers.iter().map(leaf).collect() } else { Vec::new() };
    let root = Branch { rule: rule(first.clone(), false), routes };
    let receivers = if receivers.is_empty() {
        vec![Receiver { name: first, channels: Vec::new() }]
    } else {
        receivers
    };
    Routing::new(root, receivers, Vec::new(), BTreeMap::new())
}
