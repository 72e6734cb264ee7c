//! Tickets: what the trackers were told of incidents, so that nobody tells them twice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{IncidentId, TicketKey, TrackerName};
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::ticket::{Stage, TicketNews};
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::incident::Incident;
use crate::pairs;
use crate::state::State;

/// The largest number of tickets that are known; a further one is not noted.
pub const TICKETS_MAX: usize = 10_000;

/// What a tracker was told of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// What the incident is about.
    pub about: IncidentKey,
    /// When it was decided to make it; none: people made it, or it was found.
    pub intended_at: Option<Timestamp>,
    /// When the last try to make it began.
    #[serde(default)]
    pub tried_at: Option<Timestamp>,
    /// What the tracker calls it; none: it is not known whether it was made.
    pub key: Option<TicketKey>,
    /// Where people see it.
    pub url: Option<String>,
    /// Where it stands, as far as the tracker was told.
    pub stage: Option<Stage>,
    /// Since when the tracker shows that.
    #[serde(default)]
    pub stage_since: Option<Timestamp>,
    /// Why the tracker will never take it.
    pub refused: Option<String>,
    /// When its incident closed; none: it is not closed.
    pub closed_at: Option<Timestamp>,
}

/// The tickets of the incidents that are not closed, and of those that closed lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tickets(#[serde(with = "pairs")] BTreeMap<(IncidentId, TrackerName), Ticket>);

impl Tickets {
    /// Folds a fact; `key` is that of the incident it is about.
    pub(crate) fn apply(&mut self, at: Timestamp, fact: &Fact, key: Option<&IncidentKey>) {
        if let Fact::TicketTold { incident, tracker, news } = fact {
            let known = (*incident, tracker.clone());
            if !self.0.contains_key(&known) {
                let Some(about) = key.cloned() else { return };
                self.0.insert(known.clone(), Ticket::about(about));
            }
            if let Some(ticket) = self.0.get_mut(&known) {
                ticket.note(at, news);
            }
        } else if let Fact::IncidentClosed { incident } = fact {
            let range = self.0.iter_mut().filter(|((id, _), _)| id == incident);
            range.for_each(|(_, ticket)| ticket.closed_at = Some(at));
        }
    }
}

impl Ticket {
    fn about(about: IncidentKey) -> Self {
        Self {
            about,
            intended_at: None,
            tried_at: None,
            key: None,
            url: None,
            stage: None,
            stage_since: None,
            refused: None,
            closed_at: None,
        }
    }

    fn note(&mut self, at: Timestamp, news: &TicketNews) {
        match news {
            TicketNews::Intended => {
                self.intended_at.get_or_insert(at);
                self.tried_at = Some(at);
            }
            TicketNews::Opened { key, url } => {
                self.key = Some(key.clone());
                self.url.clone_from(url);
                self.refused = None;
            }
            TicketNews::Moved { stage } => {
                self.stage = Some(*stage);
                self.stage_since = Some(at);
            }
            TicketNews::Refused { error } => self.refused = Some(error.clone()),
        }
    }

    fn knows(&self, news: &TicketNews) -> bool {
        match news {
            // A further try to make it is news: the tracker may show the one before only later.
            TicketNews::Intended => self.key.is_some(),
            TicketNews::Opened { key, .. } => self.key.as_ref() == Some(key),
            TicketNews::Moved { stage } => self.stage == Some(*stage),
            TicketNews::Refused { error } => self.refused.as_ref() == Some(error),
        }
    }
}

impl State {
    /// The tickets of the incidents that are not closed, and of those that closed lately.
    pub fn tickets(&self) -> impl Iterator<Item = (IncidentId, &TrackerName, &Ticket)> {
        self.tickets.0.iter().map(|((incident, tracker), ticket)| (*incident, tracker, ticket))
    }

    /// What a tracker was told of an incident.
    #[must_use]
    pub fn ticket(&self, incident: IncidentId, tracker: &TrackerName) -> Option<&Ticket> {
        self.tickets.0.get(&(incident, tracker.clone()))
    }
}

/// Where the ticket of an incident should stand.
#[must_use]
pub fn stage_of(incident: &Incident) -> Stage {
    let state = incident.attempt.as_ref().map(|attempt| attempt.state);
    match (incident.state, state) {
        (IncidentState::Resolved | IncidentState::Closed, _) => Stage::Done,
        (IncidentState::Escalated, _) => Stage::Escalated,
        (IncidentState::Open, _) => Stage::ToDo,
        (IncidentState::Verifying, Some(AttemptState::Verifying)) => Stage::InReview,
        (IncidentState::Resolving | IncidentState::Verifying, _) => Stage::InProgress,
    }
}

impl Step<'_> {
    /// A tracker was told, or told us.  What is known already costs no fact.
    pub(crate) fn ticket_told(
        &mut self,
        incident: IncidentId,
        tracker: TrackerName,
        news: TicketNews,
    ) {
        let known = self.state.ticket(incident, &tracker);
        let room = self.state.tickets.0.len() < TICKETS_MAX;
        let can_be_noted = match known {
            Some(ticket) => !ticket.knows(&news),
            None => room && self.state.incident(incident).is_some(),
        };
        if can_be_noted {
            let detail = match &news {
                TicketNews::Intended => "it is to have a ticket".to_owned(),
                TicketNews::Opened { .. } => "the tracker has it".to_owned(),
                TicketNews::Moved { .. } => "the tracker shows it".to_owned(),
                TicketNews::Refused { error } => error.clone(),
            };
            self.decide(Fact::TicketTold { incident, tracker, news }, Reason::Tracker { detail });
        }
    }

    /// Forgets the tickets of incidents that closed so long ago that none is opened again.
    pub(crate) fn forget_tickets(&mut self) {
        let (kept, now) = (self.settings.tickets_kept, self.now);
        let recent = |ticket: &Ticket| ticket.closed_at.is_none_or(|at| kept.after(at) > now);
        self.state.tickets.0.retain(|_, ticket| recent(ticket));
    }
}
