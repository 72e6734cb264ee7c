//! Escalation as the second source document writes it:
//! `levels: { L1: { description, handler, mention, timeout_minutes }, … }`.
//!
//! A first level whose handler is our own healing is the time in which the crew may try by
//! itself.  Every other handler is a channel: by its name, or by its kind (`discord_mention` is
//! the channel of Discord).  A `mention` becomes a person with that one way to be told.

use nightcrew_model::escalation::{Contact, Level, Person, Policy, Told};
use nightcrew_model::id::{ChannelName, PersonName, PolicyName};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::escalation::LEVEL_TIMES;
use crate::decode::people::People;
use crate::decode::seen::{Seen, SeenLevel, SeenPolicy};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::At;

/// The name of the policy that is made of `levels`.
const POLICY: &str = "levels";

/// Handlers that are our own healing, beside the agents that the configuration names.
const AUTOMATIC: [&str; 5] = ["automatic", "auto", "autoheal", "jira-resolver", "nightcrew"];

/// Reads `levels` in the order of their names.
pub(crate) fn levels(
    at: &At<'_>,
    agents: &[String],
    people: &mut People,
    seen: &mut Seen,
    cx: &mut Context<'_>,
) -> Option<Policy> {
    let mut named = fields::named(at, "an object of levels", &mut cx.report);
    named.sort_by_key(|(name, _)| *name);
    let mut automatic = None;
    let (mut levels, mut places) = (Vec::new(), Vec::new());
    for (n, (name, at)) in named.iter().enumerate() {
        let Some(mut fields) = Fields::open(at, "an object with `handler`", &mut cx.report) else {
            continue;
        };
        let description = fields.text("description", &mut cx.report);
        let handler_at = fields.take("handler");
        let handler = fields.text("handler", &mut cx.report);
        let mention_at = fields.take("mention");
        let mention = fields.text("mention", &mut cx.report);
        let timeout = fields.duration("timeout", LEVEL_TIMES, &mut cx.report);
        let timeout_place = fields.place_of_duration("timeout");
        fields.finish(&mut cx.report);
        let Some((handler_at, handler)) = handler_at.zip(handler) else {
            if at.get("handler").is_none() {
                cx.report
                    .error(at, format!("{name} has no `handler`, so nobody is told"))
                    .hint("such as \"discord_mention\", or the name of a channel");
            }
            continue;
        };
        let place = Place::from(at);
        let heals = AUTOMATIC.contains(&handler) || agents.iter().any(|agent| agent == handler);
        if heals {
            automatic = self::automatic(n, name, &handler_at, timeout, automatic, cx);
            continue;
        }
        let Some(channel) = channel(handler, &handler_at, seen, cx) else { continue };
        let told = match mention.zip(mention_at) {
            Some((mention, at)) => Told::Person(mentioned(mention, &at, channel, people, seen, cx)),
            None => Told::Channel(channel),
        };
        let name = description.map_or_else(|| (*name).to_owned(), |said| format!("{name} {said}"));
        let timeout = timeout.unwrap_or(Millis::NEVER);
        levels.push(Level { name, notify: vec![told], timeout, hours: Vec::new() });
        places.push(SeenLevel { place, timeout: timeout_place });
    }
    if levels.is_empty() {
        return None;
    }
    seen.policies.push(SeenPolicy { place: at.into(), repeat: None, levels: places });
    Some(Policy {
        name: PolicyName::from(POLICY),
        matchers: Matchers::default(),
        severity_min: Severity::Info,
        automatic,
        levels,
        repeat: 0,
        acknowledge_timeout: None,
    })
}

/// The time of healing, which only the first level can be.
fn automatic(
    n: usize,
    name: &str,
    handler: &At<'_>,
    timeout: Option<Millis>,
    before: Option<Millis>,
    cx: &mut Context<'_>,
) -> Option<Millis> {
    if n > 0 {
        cx.report
            .error(handler, format!("{name} can never be reached: healing comes before people"))
            .hint("make it the first level, or name a channel");
        return before;
    }
    if timeout == Some(Millis(0)) {
        cx.report
            .error(handler, format!("{name} is over before it begins: its timeout is 0"))
            .hint("give it more than 0 minutes");
    }
    timeout
}

/// The channel of a handler.
fn channel(handler: &str, at: &At<'_>, seen: &Seen, cx: &mut Context<'_>) -> Option<ChannelName> {
    let name = ChannelName::from(handler);
    if seen.channels.contains_key(&name) {
        return Some(name);
    }
    let kind = handler.split('_').next().unwrap_or(handler);
    let of_kind = seen.channels.iter().find(|(_, channel)| channel.kind == kind);
    if let Some((name, _)) = of_kind {
        return Some(name.clone());
    }
    let names = seen.channels.keys().map(|name| name.as_str());
    let kinds = seen.channels.values().map(|channel| channel.kind.as_str());
    let hint = suggestion(handler, names.chain(kinds));
    cx.report
        .error(at, format!("the handler is no channel, and no channel is of the type {kind:?}"))
        .hint(hint);
    None
}

/// The person behind a mention: one of `people`, or one that is only known by the mention.
fn mentioned(
    mention: &str,
    at: &At<'_>,
    channel: ChannelName,
    people: &mut People,
    seen: &Seen,
    cx: &mut Context<'_>,
) -> PersonName {
    let bare = mention.strip_prefix('@').unwrap_or(mention);
    let name = PersonName::from(bare);
    if people.contains_key(&name) {
        return name;
    }
    let is_discord = seen.channels.get(&channel).is_some_and(|seen| seen.kind == "discord");
    if is_discord && !mention.starts_with("<@") {
        cx.report
            .warning(at, "at Discord this is only text: it calls nobody")
            .hint("write \"<@USER_ID>\" or \"<@&ROLE_ID>\", or add the person to `people`");
    }
    let contact = Contact { channel, mention: Some(mention.to_owned()) };
    people.insert(name.clone(), Person { name: name.clone(), channels: vec![contact] });
    name
}
