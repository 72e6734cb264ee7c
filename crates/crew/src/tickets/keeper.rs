//! `ticket-keeper`: makes, moves and reopens the tickets of one tracker.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use nightcrew_channels::message::Sending;
use nightcrew_channels::ticket::compose::{Progress, comment, draft};
use nightcrew_channels::ticket::keeper::{Look, Next, Told, not_before, plan};
use nightcrew_channels::ticket::{Client, Opened, Undone};
use nightcrew_config::settings::Tracker;
use nightcrew_engine::incident::Incident;
use nightcrew_engine::state::State;
use nightcrew_engine::ticket::{Ticket, stage_of};
use nightcrew_model::event::Event;
use nightcrew_model::id::{IncidentId, TicketKey};
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::ticket::{Stage, TicketNews};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::time::sleep;

use crate::handle::Handle;
use crate::tickets::view;

/// How often the keeper looks where incidents stand.
const ROUND: Millis = Millis(1_000);

/// How many incidents are served in one round.
const PER_ROUND_MAX: usize = 20;

/// The tries at one incident that failed in a row.
struct Pause {
    tries: u32,
    until: Timestamp,
}

pub(crate) struct Keeper {
    handle: Handle,
    tracker: Tracker,
    pauses: HashMap<IncidentId, Pause>,
    /// The incidents of whose tickets this keeper knows what was said last: at the others a comment
    /// may be there already.
    followed: HashSet<IncidentId>,
    /// The tickets of earlier incidents that are not there any more, so that none is opened again.
    gone: HashSet<TicketKey>,
    /// Whether the incident is further on than the stage that its ticket comes to now: what was
    /// done and seen is said at the stage where it stands.
    catches_up: bool,
    first: bool,
}

/// What the core knows that tickets are about.
struct Known {
    looks: Vec<Look>,
    /// When tickets were intended lately.
    made: Vec<Timestamp>,
    /// The tickets of people that incidents came of, which are theirs.
    own: Vec<(IncidentId, TicketKey)>,
    /// The tickets of incidents that closed.
    ended: HashSet<TicketKey>,
}

impl Keeper {
    pub(crate) fn new(handle: Handle, tracker: Tracker) -> Self {
        Self {
            handle,
            tracker,
            pauses: HashMap::new(),
            followed: HashSet::new(),
            gone: HashSet::new(),
            catches_up: false,
            first: true,
        }
    }

    async fn keep(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.first) {
            // The first round is at once.
            return Ok(());
        }
        sleep(ROUND.duration()).await;
        let known = self.known().await?;
        for (incident, key) in known.own {
            self.tell(incident, TicketNews::Opened { key, url: None }).await?;
        }
        let mut looks = known.looks;
        for look in &mut looks {
            look.not_before = self.pauses.get(&look.incident).map(|pause| pause.until);
            look.earlier.take_if(|(key, _)| self.gone.contains(key));
        }
        let now = self.handle.clock().now();
        let steps = plan(&looks, &known.made, &self.tracker, now);
        // What waits for its turn takes the place of nothing that can be done.
        let steps = steps.into_iter().filter(|(_, next)| !matches!(next, Next::Wait { .. }));
        let stands: HashMap<_, _> = looks.iter().map(|look| (look.incident, look.stage)).collect();
        for (incident, next) in steps.take(PER_ROUND_MAX) {
            self.catches_up = match &next {
                Next::Move { stage, .. } => stands.get(&incident) != Some(stage),
                Next::Open | Next::LookAgain { .. } | Next::Reopen { .. } | Next::Wait { .. } => {
                    false
                }
            };
            let done = self.take(incident, next).await?;
            self.settle(incident, done).await?;
        }
        let is_known = |id: &IncidentId| looks.iter().any(|look| look.incident == *id);
        self.pauses.retain(|incident, _| is_known(incident));
        self.followed.retain(is_known);
        self.gone.retain(|key| known.ended.contains(key));
        Ok(())
    }

    async fn known(&self) -> Result<Known, String> {
        let tracker = self.tracker.clone();
        let look = self.handle.view(move |state, _, _| known(state, &tracker));
        look.await.map_err(|refusal| refusal.to_string())
    }

    /// Does what is next; what the tracker could not do is the inner error.
    async fn take(&mut self, id: IncidentId, next: Next) -> Result<Result<(), Undone>, String> {
        let client = Client::new(&self.tracker, self.handle.http());
        match next {
            Next::Wait { .. } => Ok(Ok(())),
            Next::Open => self.open(&client, id).await,
            Next::LookAgain { since_try } => {
                let label = view::label(&self.handle, id).await?;
                match client.look_again(&label, since_try).await {
                    Ok(Some(opened)) => self.opened(&client, id, opened).await.map(Ok),
                    Ok(None) => self.open(&client, id).await,
                    Err(undone) => Ok(Err(undone)),
                }
            }
            Next::Reopen { key } => {
                match client.reopen(&key).await {
                    Ok(_) => {}
                    Err(Undone::Gone { error }) => {
                        // It was that of an earlier incident; this one still gets its own.
                        tracing::warn!("ticket {key} cannot be opened again: {error}");
                        self.gone.insert(key);
                        return Ok(Ok(()));
                    }
                    Err(undone) => return Ok(Err(undone)),
                }
                if let Err(undone) = self.say(&client, id, &key, None, Vec::new()).await? {
                    return Ok(Err(undone));
                }
                self.tell(id, TicketNews::Opened { key, url: None }).await.map(Ok)
            }
            Next::Move { key, stage } => {
                let moved = match client.move_to(&key, stage).await {
                    Ok(moved) => moved,
                    Err(undone) => return Ok(Err(undone)),
                };
                let left_out = moved.shortfall().into_iter().collect();
                if let Err(undone) = self.say(&client, id, &key, Some(stage), left_out).await? {
                    return Ok(Err(undone));
                }
                self.tell(id, TicketNews::Moved { stage }).await.map(Ok)
            }
        }
    }

    /// Notes the intent, and makes the ticket.
    async fn open(
        &self,
        client: &Client<'_>,
        id: IncidentId,
    ) -> Result<Result<(), Undone>, String> {
        self.tell(id, TicketNews::Intended).await?;
        let tracker = self.tracker.name.clone();
        let noted = self.handle.view(move |state, _, _| {
            state.ticket(id, &tracker).is_some_and(|ticket| ticket.tried_at.is_some())
        });
        if !noted.await.map_err(|refusal| refusal.to_string())? {
            // What cannot be noted would be made again in every round.
            let error = "no more tickets can be noted than there are".to_owned();
            return Ok(Err(Undone::Retry { after: None, error }));
        }
        let draft = draft(&view::ticket(&self.handle, id).await?, &self.tracker);
        match client.open(&draft).await {
            Ok(opened) => self.opened(client, id, opened).await.map(Ok),
            Err(undone) => Ok(Err(undone)),
        }
    }

    async fn opened(
        &self,
        client: &Client<'_>,
        id: IncidentId,
        opened: Opened,
    ) -> Result<(), String> {
        let Opened { key, url, left_out, .. } = opened;
        self.tell(id, TicketNews::Opened { key: key.clone(), url }).await?;
        if !left_out.is_empty() {
            // It is there; what it lacks can be read in the log, too.
            let said = self.say(client, id, &key, None, left_out.clone()).await?;
            if said.is_err() {
                tracing::warn!("ticket {key} of {id} lacks: {}", left_out.join("; "));
            }
        }
        Ok(())
    }

    /// Says in the ticket what happened.
    async fn say(
        &self,
        client: &Client<'_>,
        id: IncidentId,
        key: &TicketKey,
        stage: Option<Stage>,
        left_out: Vec<String>,
    ) -> Result<Result<(), Undone>, String> {
        let mut told = view::story(&self.handle, id).await?;
        if self.catches_up {
            (told.done, told.evidence) = (Vec::new(), Vec::new());
        }
        let progress = Progress {
            incident: id,
            at: told.at,
            stage,
            what: told.what,
            done: told.done,
            evidence: told.evidence,
            left_out,
        };
        let is_first = self.followed.contains(&id) && !self.pauses.contains_key(&id);
        let sending = if is_first { Sending::First } else { Sending::PossibleRepeat };
        Ok(client.comment(key, &comment(&progress), sending).await)
    }

    /// Notes when the next try is due, or that there is none.
    async fn settle(&mut self, id: IncidentId, done: Result<(), Undone>) -> Result<(), String> {
        let Err(undone) = done else {
            self.pauses.remove(&id);
            self.followed.insert(id);
            return Ok(());
        };
        let tries = self.pauses.get(&id).map_or(0, |pause| pause.tries) + 1;
        tracing::warn!("the ticket of {id} in {}: {undone}", self.tracker.name);
        match not_before(&undone, tries, id, self.handle.clock().now()) {
            Some(until) => {
                self.pauses.insert(id, Pause { tries, until });
                Ok(())
            }
            None => self.tell(id, TicketNews::Refused { error: undone.error().to_owned() }).await,
        }
    }

    async fn tell(&self, incident: IncidentId, news: TicketNews) -> Result<(), String> {
        let event = Event::TicketTold { incident, tracker: self.tracker.name.clone(), news };
        let told = self.handle.submit(vec![event]).await;
        told.map(drop).map_err(|refusal| refusal.to_string())
    }
}

impl Task for Keeper {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.keep())
    }
}

fn known(state: &State, tracker: &Tracker) -> Known {
    let of_this = || state.tickets().filter(|(_, name, _)| **name == tracker.name);
    let mut earlier: HashMap<&IncidentKey, (&TicketKey, Timestamp)> = HashMap::new();
    let ended = of_this().filter(|(_, _, ticket)| ticket.refused.is_none());
    for (_, _, ticket) in ended {
        let (Some(key), Some(at)) = (&ticket.key, ticket.closed_at) else { continue };
        let latest = earlier.entry(&ticket.about).or_insert((key, at));
        if latest.1 < at {
            *latest = (key, at);
        }
    }
    let mut looks = Vec::new();
    let mut own = Vec::new();
    for (id, incident) in state.incidents() {
        let ticket = state.ticket(id, &tracker.name);
        if let (None, Some(key)) = (ticket, of_people(state, incident, tracker)) {
            own.push((id, key));
            continue;
        }
        let stage = stage_of(incident);
        let has_key = ticket.is_some_and(|ticket| ticket.key.is_some());
        if has_key && stage != Stage::Escalated && state.flapping(&incident.key).is_some() {
            // What comes and goes is not walked up and down: the ticket waits until it stays.
            continue;
        }
        looks.push(Look {
            incident: id,
            severity: incident.severity,
            stage,
            stage_since: incident.changed_at,
            escalated: incident.state == IncidentState::Escalated,
            told: ticket.map_or(Told::Nothing, |ticket| told(ticket, incident)),
            earlier: earlier.get(&incident.key).map(|(key, ended)| ((*key).clone(), *ended)),
            not_before: None,
        });
    }
    let made = of_this().filter_map(|(_, _, ticket)| ticket.intended_at).collect();
    let ended = earlier.into_values().map(|(key, _)| key.clone()).collect();
    Known { looks, made, own, ended }
}

/// The ticket of people that an incident came of.
fn of_people(state: &State, incident: &Incident, tracker: &Tracker) -> Option<TicketKey> {
    incident.alerts.iter().find_map(|fingerprint| {
        let labels = &state.alert(*fingerprint)?.labels;
        let of_this = labels.get("tracker") == Some(tracker.name.as_str());
        of_this.then(|| labels.get("ticket").map(TicketKey::from)).flatten()
    })
}

fn told(ticket: &Ticket, incident: &Incident) -> Told {
    // It came back and was healed before anybody looked: that is to be seen in its ticket, too.
    let healed_again = ticket.stage == Some(Stage::Done)
        && incident.state == IncidentState::Resolved
        && ticket.stage_since.is_some_and(|since| since < incident.changed_at);
    let stage = ticket.stage.filter(|_| !healed_again).unwrap_or(Stage::ToDo);
    match (&ticket.refused, &ticket.key, ticket.tried_at) {
        (Some(_), _, _) => Told::Refused,
        (None, Some(key), _) => Told::Open { key: key.clone(), stage },
        (None, None, Some(at)) => Told::Intended { at },
        (None, None, None) => Told::Nothing,
    }
}
