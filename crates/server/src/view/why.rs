//! Why people were told of an alert, or were not, in sentences.

use jiff::Timestamp;
use nightcrew_engine::escalation::Escalation;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_engine::why::{Why, WhyRoute};
use nightcrew_journal::row::{OutboxRow, OutboxState};
use nightcrew_model::id::{ChannelName, IncidentId};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::mute::MutedBy;
use serde::Serialize;

/// How things stand with an alert, and what that means in words.
#[derive(Debug, Serialize)]
pub(crate) struct WhyView {
    /// In the order in which one would ask.
    pub(crate) sentences: Vec<String>,
    #[serde(flatten)]
    pub(crate) why: Option<Why>,
}

/// What the engine knows of a firing alert.
#[derive(Debug)]
pub(crate) struct Known {
    why: Why,
    has_routing: bool,
    /// The silences that hold, in words.
    silences: Vec<String>,
    /// The channels of each route's receiver.
    channels: Vec<Vec<ChannelName>>,
    incident: Option<(IncidentId, IncidentState, Option<Escalation>)>,
    root: Option<IncidentId>,
    /// How often it changed inside the window, if that is too often.
    flapping: Option<u32>,
}

impl Known {
    /// Looks; none where the alert does not fire.
    pub(crate) fn of(
        state: &State,
        settings: &Settings,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Option<Self> {
        let why = state.why(settings, fingerprint, now)?;
        let alert = state.alert(fingerprint)?;
        let silences = why.muted_by.iter().filter_map(|by| match by {
            MutedBy::Silence { silence } => {
                let windows = settings.mute_windows.iter().find(|known| known.id == *silence);
                let silence = state.silence(silence).or(windows)?;
                Some(format!(
                    "silence {} of {} holds until {:.0}: {}",
                    silence.id, silence.created_by, silence.ends_at, silence.comment
                ))
            }
            _ => None,
        });
        let receiver = |route: &WhyRoute| {
            let receiver = settings.routing.as_ref()?.receiver(&route.receiver)?;
            Some(receiver.channels.clone())
        };
        let incident = why.incident.and_then(|id| {
            let incident = state.incident(id)?;
            Some((id, incident.state, state.escalation(id).cloned()))
        });
        let key = nightcrew_model::incident::IncidentKey {
            target: alert.target.clone(),
            symptom: alert.symptom.clone(),
        };
        Some(Self {
            has_routing: settings.routing.is_some(),
            silences: silences.collect(),
            channels: why.routes.iter().map(|route| receiver(route).unwrap_or_default()).collect(),
            root: why.incident.and_then(|id| state.root_of(id)),
            flapping: state.flapping(&key),
            incident,
            why,
        })
    }

    fn sentences(&self) -> Vec<String> {
        let mut said = self.silences.clone();
        let others = self.why.muted_by.iter().filter(|by| !matches!(by, MutedBy::Silence { .. }));
        said.extend(others.map(|by| format!("nobody hears of it now: {by}")));
        if let Some(changes) = self.flapping {
            said.push(format!("it is flapping, {changes} changes in the window: told of once"));
        }
        if let Some(root) = self.root {
            said.push(format!("{root} is the cause: people hear of that one"));
        }
        if !self.has_routing {
            said.push("there is no routing tree: people hear of its incident only".to_owned());
        }
        for (route, channels) in self.why.routes.iter().zip(&self.channels) {
            said.extend(route_sentences(route, channels, self.why.muted_by.is_empty()));
        }
        if let Some((id, state, escalation)) = &self.incident {
            said.push(incident_sentence(*id, *state, escalation.as_ref()));
        }
        said
    }
}

fn route_sentences(route: &WhyRoute, channels: &[ChannelName], heard: bool) -> Vec<String> {
    let to = format!("receiver {} by route {}", route.receiver, route.route);
    if channels.is_empty() {
        return vec![format!("{to}: it has no channel, so nobody is told on purpose")];
    }
    if let Some(by) = &route.muted_by {
        return vec![format!("{to}: {by}")];
    }
    let next = match route.next_flush {
        Some(at) if heard => format!("; its group is looked at next at {at:.0}"),
        _ => String::new(),
    };
    let of = |channel: &ChannelName| match route.told.iter().find(|told| told.channel == *channel) {
        Some(told) if told.names_it && told.waits => {
            format!("{to}: {} waits in the outbox for {channel}", told.notification)
        }
        Some(told) if told.names_it => {
            format!("{to}: {channel} was told at {:.0} ({})", told.at, told.notification)
        }
        _ => format!("{to}: {channel} was not told of it{next}"),
    };
    channels.iter().map(of).collect()
}

fn incident_sentence(
    id: IncidentId,
    state: IncidentState,
    escalation: Option<&Escalation>,
) -> String {
    let state = state.as_str();
    let Some(escalation) = escalation else {
        return format!("{id} is {state}: it was not handed over to people");
    };
    if let Some(taken) = &escalation.acknowledged {
        return format!("{id} is {state}: {} takes care of it since {:.0}", taken.by, taken.at);
    }
    if let Some(by) = &escalation.held {
        return format!("{id} is {state}: people are not told, {by}");
    }
    let Some(stage) = &escalation.stage else {
        let channels: Vec<&str> = escalation.channels.iter().map(|name| name.as_str()).collect();
        return match (channels.as_slice(), escalation.in_digest) {
            ([], false) => format!("{id} is {state}: nobody was told, nothing listens to it"),
            ([], true) => format!("{id} is {state}: it is counted in the digest of a storm"),
            (channels, _) => format!("{id} is {state}: told to {}", channels.join(", ")),
        };
    };
    let told: Vec<String> = stage.told.iter().map(ToString::to_string).collect();
    let told = if told.is_empty() { "nobody was there".to_owned() } else { told.join(", ") };
    let next = match stage.next_at {
        Some(at) => format!("the next level is told at {at:.0} unless somebody acknowledges"),
        None => "there is no further level".to_owned(),
    };
    format!(
        "{id} is {state}: {} of {} at {:.0}: {told}; {next}",
        stage.level, stage.policy, stage.at
    )
}

/// A message whose way is not over, or ended badly.
fn message_sentence(row: &OutboxRow) -> Option<String> {
    let OutboxRow { notification, subject, channel, attempts, .. } = row;
    let error = row.last_error.as_deref().unwrap_or("no reason was given");
    match row.state {
        OutboxState::Pending if row.attempts > 0 => Some(format!(
            "{notification} about {subject} could not be delivered to {channel} yet (tries: \
             {attempts}): {error}"
        )),
        OutboxState::Pending => Some(format!("{notification} about {subject} waits for {channel}")),
        OutboxState::Failed => {
            Some(format!("{notification} about {subject} never reached {channel}: {error}"))
        }
        OutboxState::Delivered | OutboxState::Superseded => None,
    }
}

impl WhyView {
    /// The answer to "why was nobody told?"; `known` is none where the alert does not fire.
    pub(crate) fn of(known: Option<Known>, messages: &[OutboxRow]) -> Self {
        let mut sentences = match &known {
            Some(known) => known.sentences(),
            None => vec!["it does not fire, so nobody is told of it".to_owned()],
        };
        sentences.extend(messages.iter().filter_map(message_sentence));
        Self { sentences, why: known.map(|known| known.why) }
    }
}
